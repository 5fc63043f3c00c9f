"""Text that agents wrote, made safe to look at: what cannot be seen is shown.

Control, bidi, zero-width, tag and unassigned characters become chips like ⟦U+202E⟧, so that nothing on a screen or in
a mail reads differently from what it is. The bytes a decision is bound to are never touched.
"""

from __future__ import annotations

import unicodedata

from hitl.exceptions import HitlError

_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
_KEEP = "\n\t"
_BLANK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0, 0x1D159}


def reveal(text: str) -> str:
    """The text with a chip in place of every character that cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_chip(char) if _hidden(char) else char for char in text)


def hidden_count(text: str) -> int:
    """How many characters `reveal` replaces."""
    return sum(_hidden(char) for char in text)


def one_line(text: str, limit: int = 200) -> str:
    """The text in one line for a subject, cut with an ellipsis where it is longer."""
    line = " ".join(reveal(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def clean(text: str, limit: int = 2000) -> str:
    """The text without what the databases and canonical JSON refuse (NUL, lone surrogates), cut to a length."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:limit]


def told(error: BaseException) -> tuple[str, str]:
    """The stable code and the text of an error, fit for both databases and the audit: never locals, inputs or a
    traceback, which may hold secrets."""
    if isinstance(error, HitlError):
        return error.code, clean(error.message)
    return "handler_error", clean(f"{type(error).__name__}: {error}")


def _hidden(char: str) -> bool:
    return char not in _KEEP and (unicodedata.category(char) in _HIDDEN or _variation(char))


def _variation(char: str) -> bool:
    # Selectors and fillers that print nothing, though Unicode counts them as marks or letters.
    code = ord(char)
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code in _BLANK


def _chip(char: str) -> str:
    return f"⟦U+{ord(char):04X}⟧"
