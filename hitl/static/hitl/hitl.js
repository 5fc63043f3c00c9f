// Everything works without this file. It adds keys, live counts and previews; it never decides and never submits.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  // What changed is said once, politely, to those who listen to the page.
  const say = (words) => { const said = one("#said"); if (said) said.textContent = words; };

  // -- menus: one open at a time, closed by Escape and by a click elsewhere --------------------------
  const menus = () => all("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) { menu.open = false; one("summary", menu).focus(); }
  });

  // -- keys: one letter each, never while somebody types, never with a modifier, never a submit ------
  // A page lists its keys in data-keys="j:next k:previous"; `act` maps the words to what they do.
  const acts = {};
  const typing = (element) => element.matches("input:not([type=radio]):not([type=checkbox]),textarea,select,[contenteditable]");
  const keys = Object.fromEntries((document.body.dataset.keys || "").split(" ").filter(Boolean).map((pair) => pair.split(":")));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) || one("dialog[open]")) return;
    const act = acts[keys[event.key]];
    if (act) { event.preventDefault(); act(); }
  });
})();
