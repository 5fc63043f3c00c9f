"""What in a text cannot be seen: control, bidi, zero-width, tag and filler characters, and marks in heaps.

The same character may be ordinary in one place and hide something in another: a joiner belongs between the parts of an
emoji and into Persian, an ideographic space into Japanese, a narrow space before a unit. It is shown where it does not
belong.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby

_CATEGORIES = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
# Fillers and selectors that print nothing, though Unicode counts them as letters, marks or symbols.
_BLANK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x2D7F, 0x3164, 0xFFA0, 0xFFFC, 0x16FE4, 0x1D159}
_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_BREAKS = {ord("\n"): None, ord("\t"): None}
_MARKS = 4  # on one letter; no living script needs more
_UNJOINED = frozenset("اأإآٱدذرزژڑڈوؤء")  # Arabic letters that join to no next one: a joiner after them hides


def reveal(text: str) -> str:
    """The text with a sign like ⟦U+202E⟧ in place of every character that cannot be seen; it stays text."""
    runs = ("".join(f"⟦U+{ord(char):04X}⟧" for char in run) if hidden else run for run, hidden in pieces(text))
    return "".join(runs)


def hidden_count(text: str) -> int:
    """How many characters cannot be seen."""
    return sum(len(run) for run, hidden in pieces(text) if hidden)


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text in runs, each with whether it is of characters that cannot be seen."""
    if text.isascii() and text.translate(_BREAKS).isprintable():
        yield text, False
        return
    for hidden, run in groupby(zip(text, _flags(text), strict=True), key=lambda pair: pair[1]):
        yield "".join(char for char, _ in run), hidden


def _flags(text: str) -> Iterator[bool]:
    marks = 0
    for at, char in enumerate(text):
        kind = _kind(char)
        if kind == "mark":
            marks += 1
            yield marks > _MARKS
        elif kind == "seen":
            marks = 0
            yield False
        else:  # does not set the count back: a heap of marks may be strewn with hidden characters
            belongs = _BELONGS.get(kind)
            yield belongs is None or not belongs(text, at)


@lru_cache(4096)
def _kind(char: str) -> str:
    code, category = ord(char), unicodedata.category(char)
    if char in "\n\t ":
        return "seen"
    if code in _BLANK or any(code in some for some in _SELECTORS):
        return "emoji" if code in (0xFE0E, 0xFE0F) else "hidden"
    if code in (0x200C, 0x200D):
        return "joiner"
    if category == "Zs":
        return "wide" if code == 0x3000 else "narrow" if code in (0xA0, 0x202F) else "hidden"
    return "hidden" if category in _CATEGORIES else "mark" if category in ("Mn", "Me") else "seen"


def _at(text: str, at: int) -> str:
    return text[at] if 0 <= at < len(text) else ""


def _pictured(char: str) -> bool:
    """Whether it may be part of an emoji."""
    return char >= "\u2190" and unicodedata.category(char) in ("So", "Sk", "Sm")


def _selects(text: str, at: int) -> bool:
    before = _at(text, at - 1) or "-"
    return _pictured(before) or before in "©®‼⁉" or (before in "0123456789#*" and _at(text, at + 1) == "\u20e3")


def _joins(text: str, at: int) -> bool:
    before, after = _at(text, at - 1), _at(text, at + 1)
    if text[at] == "\u200d" and _pictured(after):
        return _pictured(_at(text, at - 2) if before == "\ufe0f" else before)
    if not before or not after:
        return False
    arabic = all("ARABIC LETTER" in unicodedata.name(char, "") for char in (before, after))
    return unicodedata.combining(before) == 9 or (arabic and before not in _UNJOINED)  # 9: a virama


def _between_wide(text: str, at: int) -> bool:
    around = _at(text, at - 1) + _at(text, at + 1)
    return any(unicodedata.east_asian_width(char) in "WF" and char != "\u3000" for char in around)


def _beside_number(text: str, at: int) -> bool:
    around = (_at(text, at - 1), _at(text, at + 1))
    return all(around) and any(unicodedata.category(char)[0] in "NP" or char in "€$£%" for char in around)


_BELONGS: dict[str, Callable[[str, int], bool]] = {
    "emoji": _selects,
    "joiner": _joins,
    "wide": _between_wide,
    "narrow": _beside_number,
}
