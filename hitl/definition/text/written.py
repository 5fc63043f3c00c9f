"""Text in one line, text for the record, and what is told of an error."""

from __future__ import annotations

from hitl.definition.text.hidden import reveal
from hitl.exceptions import HitlError


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
