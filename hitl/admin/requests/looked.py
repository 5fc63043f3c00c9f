"""Since when a person has had a request before them: signed, so that a form cannot say otherwise, and kept with the
decision for oversight."""

from __future__ import annotations

from datetime import datetime

from django.core import signing

from hitl import clock
from hitl.models import Approval

_SALT = "hitl.shown"


def stamp(approval: Approval) -> str:
    """That this request is shown now."""
    return signing.dumps([str(approval.pk), clock.now().isoformat()], salt=_SALT)


def shown_at(approval: Approval, text: str) -> datetime | None:
    """When the form that says this was first shown; None for what is not ours, or of another request."""
    try:
        pk, at = signing.loads(text, salt=_SALT)
    except (signing.BadSignature, TypeError, ValueError):
        return None
    return datetime.fromisoformat(at) if pk == str(approval.pk) else None
