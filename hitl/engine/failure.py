"""What is kept of an error: its code and message; never locals, inputs or a traceback, which may hold secrets."""

from __future__ import annotations

from hitl.definition.text import clean
from hitl.exceptions import HitlError


def told(error: BaseException) -> tuple[str, str]:
    """The stable code and the text of an error, fit for both databases and the audit."""
    if isinstance(error, HitlError):
        return error.code, clean(error.message)
    return "handler_error", clean(f"{type(error).__name__}: {error}")
