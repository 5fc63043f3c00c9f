// Everything works without this file. It adds keys, live counts and previews; it never decides and never submits.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  // What changed is said once, politely, to those who listen to the page.
  const say = (words) => { const spoken = one("#spoken"); if (spoken) spoken.textContent = words; };

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
  const keys = Object.fromEntries((document.documentElement.dataset.singleKeys ? "" : document.body.dataset.keys || "").split(" ").filter(Boolean).map((pair) => pair.split(":")));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) || one("dialog[open]")) return;
    const act = acts[keys[event.key]];
    if (act) { event.preventDefault(); act(); }
  });

  // -- policies: the link of a mistake puts the cursor on its line -----------------------------------
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]"), box = link && one("#id_text");
    if (!box) return;
    event.preventDefault();
    const lines = box.value.split("\n"), line = Math.min(link.dataset.line, lines.length) - 1;
    const from = lines.slice(0, line).join("\n").length + (line > 0);
    box.focus();
    box.setSelectionRange(from, from + lines[line].length);
    box.scrollTop = box.scrollHeight * line / lines.length - box.clientHeight / 2;
  });

  // -- inbox: move along the rows, select, go to Claim, search; counts stay true -----------------------
  {
  const rows = () => all(".inbox tbody tr");
  const here = () => document.activeElement.closest(".inbox tbody tr");
  const move = (step) => {
    const list = rows(), at = list.indexOf(here()) + step;
    const row = list[Math.min(Math.max(at, 0), list.length - 1)];
    if (row) one(".go", row).focus();
  };
  const press = (selector, what) => { const found = here() && one(selector, here()); if (found) what(found); };
  acts.down = () => move(1);
  acts.up = () => move(-1);
  acts.open = () => press(".go", (link) => link.click());
  acts.pick = () => press("input[name=id]", (box) => box.click());
  acts.claim = () => press("button[form=claim]", (button) => button.focus());
  acts.search = () => { const field = one("input[type=search]"); if (field) { field.focus(); field.select(); } };
  acts.help = () => { const dialog = one("#keys"); if (dialog) dialog.showModal(); };
  for (const button of all("[data-act]")) button.addEventListener("click", () => acts[button.dataset.act]());
  for (const hint of all(".hint")) hint.hidden = !Object.keys(keys).length;
  const picked = one("#picked");
  if (picked) document.addEventListener("change", (event) => {
    if (!event.target.matches("[form=together]")) return;
    const count = all("[form=together]:checked").length;
    picked.textContent = count ? picked.dataset.some.replace("0", count) : picked.dataset.none;
    if (count) say(picked.textContent);
  });

  // Every 30 seconds while somebody looks. Rows stay where they are: what is new is a link.
  const tabs = one("[data-counts]"), fresh = one("#fresh");
  const count = async () => {
    if (document.hidden) return;
    const answer = await fetch(tabs.dataset.counts, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const told = await answer.json();
    for (const span of all("[data-view]", tabs)) span.textContent = told.counts[span.dataset.view];
    const title = document.title.replace(/^\(.*?\) /, "");
    document.title = !told.counts.me ? title : `(${told.counts.me}) ${title}`;
    if (told.new && told.new !== fresh.textContent) say(told.new);
    fresh.textContent = told.new;
    fresh.hidden = !told.new;
  };
  if (tabs) {
    setInterval(count, 30000);
    document.addEventListener("visibilitychange", count);
  }
  }

  // -- streams of runs: new pieces every two seconds while the run goes on and the page is looked at ----
  const live = one("[data-live]");
  const piece = (chunk) => {
    const item = document.createElement("li"), head = document.createElement("small"), text = document.createElement("pre");
    head.textContent = `${chunk.step} · ${chunk.at}`;
    text.textContent = chunk.text;
    item.append(head, text);
    return item;
  };
  const listen = async () => {
    if (document.hidden) return true;
    const answer = await fetch(`${live.dataset.live}?after=${live.dataset.after}`, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return false;
    const told = await answer.json();
    const atEnd = live.scrollTop + live.clientHeight >= live.scrollHeight - 8;
    live.append(...told.chunks.map(piece));
    while (live.children.length > 500) live.firstChild.remove();
    if (atEnd) live.scrollTop = live.scrollHeight;
    live.dataset.after = told.after;
    if (`${told.seq}` !== live.dataset.seq) { live.dataset.seq = told.seq; say(live.dataset.moved); }
    return !told.ended || told.chunks.length > 0;
  };
  if (live) {
    const words = one("#live-words"), still = words.textContent;
    live.scrollTop = live.scrollHeight;
    const again = () => listen().catch(() => true).then((on) => {
      words.textContent = on ? `· ${live.dataset.words}` : still;
      if (on) setTimeout(again, 2000);
    });
    again();
  }

  // -- one request: keys that choose a verdict and go to its first field, the countdown in the bar --------
  const choose = (verdict) => () => {
    const radio = one(`#decide [name=verdict][value=${verdict}]:not(:disabled)`);
    if (!radio) return;
    radio.click();
    const fields = { approve: "#id_phrase", edit: "#decide .edit :is(input:not([type=hidden]),textarea,select):enabled" };
    (one(fields[verdict] || "#id_comment") || radio).focus();
  };
  Object.assign(acts, { approve: choose("approve"), edit: choose("edit"), revision: choose("request_revision"), reject: choose("reject") });
  acts.remark = () => { const box = one("#discussion textarea"); if (box) box.focus(); };
  const follow = (rel) => () => { const link = one(`.bar a[rel=${rel}]`); if (link) link.click(); };
  Object.assign(acts, { next: follow("next"), previous: follow("prev") });
  const spell = (seconds, [d, h, min, s]) => {
    const days = Math.floor(seconds / 86400), hours = Math.floor(seconds % 86400 / 3600), minutes = Math.floor(seconds % 3600 / 60);
    const parts = days ? [[days, d], [hours, h]] : hours ? [[hours, h], [minutes, min]] : [[minutes, min]];
    return parts.filter(([number]) => number).map((part) => part.join(" ")).join(" ") || `${Math.floor(seconds)} ${s}`;
  };
  const due = one("[data-due]");
  if (due) setInterval(() => {
    const left = (new Date(due.dateTime) - Date.now()) / 1000, data = due.dataset;
    due.textContent = (left > 0 ? data.due : data.over).replace("{}", spell(Math.abs(left), data.units.split(" ")));
    due.parentNode.classList.toggle("bad", left <= 0);
  }, 30000);

  // -- deciding: what an edit changes is shown while one types; Escape closes the sheet on phones ---------
  const decision = one("#deciding-form");
  if (decision) document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && one("#decide:is(:target,:has(:target))")) location.hash = "main";
  });
  const visible = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => "\n\t".includes(char) ? char : `⟦U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`);
  // Each input as what it was and is: of a choice the words, of a text the text.
  const before = (field) => {
    if (field.type === "checkbox") return (field.dataset.was || `${field.defaultChecked}`).toLowerCase();
    if (!field.options) return field.dataset.was ?? field.defaultValue;
    const own = [...field.options].find((one) => field.dataset.was === undefined ? one.defaultSelected : one.value === field.dataset.was);
    return own && own.value ? own.text : "";
  };
  const after = (field) => field.type === "checkbox" ? `${field.checked}` : field.options ? (field.value && field.selectedOptions[0].text) : field.value;
  const words = (radio) => radio && radio.value ? radio.closest("label").textContent.trim() : "";
  const difference = (field) => {
    const name = (label) => field.dataset.trail || label.textContent;
    if (field.type !== "radio") return [name(field.labels[0]), before(field), after(field)];
    const group = all(`[name="${CSS.escape(field.name)}"]`, decision), was = field.dataset.was;
    if (group[0] !== field) return null;
    return [name(one("legend", field.closest("fieldset"))), words(group.find((one) => was === undefined ? one.defaultChecked : one.value === was)), words(group.find((one) => one.checked))];
  };
  const line = (sign, name, text) => {
    const item = document.createElement("li"), head = document.createElement("b");
    const change = document.createElement(sign === "+" ? "ins" : "del"), code = document.createElement("code");
    head.textContent = sign;
    code.textContent = `${name}:`;
    change.append(code, ` ${visible(text)}`);
    item.append(head, change);
    return item;
  };
  const edit = decision && one(".edit", decision);
  if (edit) edit.addEventListener("input", () => {
    const found = all("[name^=arg-]:is(input:not([type=hidden]),textarea,select)", edit).map(difference).filter((one) => one && one[1] !== one[2]);
    const list = document.createElement("ul");
    list.className = "lines";
    for (const [name, was, is] of found) list.append(...(was ? [line("−", name, was)] : []), ...(is ? [line("+", name, is)] : []));
    one("#changed").replaceChildren(list);
    one("#changes").hidden = !found.length;
  });
})();
