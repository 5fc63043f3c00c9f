"""A form as a browser would submit it: parsed from the page, cleaned as inputs clean their values."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

_DAY = r"\d{4}-\d\d-\d\d"
_CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?"
_FORMS = {"date": _DAY, "time": _CLOCK, "datetime-local": f"{_DAY}T{_CLOCK}"}


class Page(HTMLParser):
    """Collects what a click on a nameless button would send, in the order of the page; `buttons` are the others."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.sent: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str]] = []
        self._text: list[str] | None = None
        self._name = self._select = ""
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
        self.close()

    @property
    def data(self) -> dict[str, str]:
        """What is sent, by name."""
        return dict(self.sent)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """An input, a choice, the start of a text area."""
        found = {name: value or "" for name, value in attrs}
        if tag == "button" and "name" in found:
            self.buttons.append((found["name"], found.get("value", "")))
        if "disabled" in found:
            return
        if tag == "input":
            self._input(found)
        elif tag == "textarea":
            self._name, self._text = found["name"], []
        elif tag == "select":
            self._select = found["name"]
        elif tag == "option" and self._select and "selected" in found:
            self.sent.append((self._select, found["value"]))

    def handle_data(self, data: str) -> None:
        """The text of a text area."""
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        """The end of a text area: its first line end belongs to the tag, the others are sent as CRLF."""
        if tag == "textarea" and self._text is not None:
            self.sent.append((self._name, "".join(self._text).removeprefix("\n").replace("\n", "\r\n")))
            self._text = None

    def _input(self, found: dict[str, str]) -> None:
        kind, value = found.get("type", "text"), found.get("value", "")
        if kind in ("radio", "checkbox"):
            if "checked" in found:
                self.sent.append((found["name"], found.get("value", "on")))
            return
        if kind in _FORMS:
            value = value if re.fullmatch(_FORMS[kind], value) else ""
            if kind != "date" and re.search(r"T?\d\d:\d\d:00$", value):
                value = value.removesuffix(":00")
        elif kind != "hidden":
            value = re.sub(r"[\r\n]", "", value)
        self.sent.append((found["name"], value))
