"""Every text of the screens, found as gettext's own tools would find it, and the catalogue of its translations.

`python -m tests.house.messages` brings the catalogue up to date without those tools: what is new stands in it without a
translation, what is gone is taken out, and the `.mo` file is made of it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from tests.house.source import HITL, ROOT

PO = HITL / "locale" / "de" / "LC_MESSAGES" / "django.po"
_ONE, _TWO = (1,), (1, 2)
KEYWORDS: Any = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), _ONE),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), _TWO),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
}
Text = str | tuple[str, ...]


def of_python(source: str) -> set[Text]:
    """The texts a module marks as translatable."""
    lines = extract("python", BytesIO(source.encode()), keywords=KEYWORDS)
    return {message for _, message, _, _ in lines}


def of_template(source: str) -> set[Text]:
    """The texts a template marks as translatable. In one line, since its indentation would be no Python's."""
    code = templatize(re.sub(r"{#.*?#}", "", source), "template")
    return of_python(" ".join(code.split("\n")))


def found() -> set[Text]:
    """The texts of all modules and templates; a pair is a singular with its plural."""
    modules = [path for path in HITL.rglob("*.py") if not {"migrations", "client"} & set(path.parts)]
    pages = [path for path in (ROOT / "templates").rglob("*.*") if path.suffix in (".html", ".txt")]
    texts = [of_python(path.read_text()) for path in modules] + [of_template(path.read_text()) for path in pages]
    return set().union(*texts)


def catalogue(path: Path = PO) -> Catalog:
    """What is translated, as the `.po` file has it."""
    with path.open("rb") as file:
        return read_po(file, locale="de")


def compiled(path: Path = PO) -> Catalog:
    """What is translated, as Django will read it."""
    with path.with_suffix(".mo").open("rb") as file:
        return read_mo(file)


def translated(messages: Catalog) -> dict[Text, Text]:
    """Each text with its translation, where it has one that counts."""
    counted = (one for one in messages if one.id and not one.fuzzy and one.string and all(one.string))
    return {_text(one.id): _text(one.string) for one in counted}


def _text(value: Any) -> Text:
    return value if isinstance(value, str) else tuple(value)


def places(text: str) -> list[str]:
    """Where a text is filled in."""
    return sorted(re.findall(r"%\(\w+\)[sd]|%[sd]|{\w*}", text))


def differing(messages: dict[Text, Text]) -> Iterator[Text]:
    """Those whose translation is filled in otherwise than the text."""
    for told, said in messages.items():
        pairs = zip(told, said, strict=True) if isinstance(told, tuple) else [(told, said)]
        if any(places(ours) != places(str(theirs)) for ours, theirs in pairs):
            yield told


def update() -> int:
    """Write both files anew, the head of the `.po` as it was; how many texts have no translation yet."""
    old, new, body = catalogue(), Catalog(locale="de", fuzzy=False), BytesIO()
    for text in found():
        before = old.get(text[0] if isinstance(text, tuple) else text)
        new.add(text, before.string if before is not None and before.id == text else None)
    write_po(body, new, width=120, sort_output=True, omit_header=True)
    head, _, _ = PO.read_text().partition("\n\n")
    PO.write_text(f"{head}\n\n{body.getvalue().decode().strip()}\n")
    with PO.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue())
    return len(found() - translated(new).keys())


if __name__ == "__main__":
    print(f"{update()} texts have no translation yet")
