"""hitl: AI agents ask a person first, and the asking is durable.

`Workflow` and `Action` say what should happen and what people are asked; `start`, `signal` and `cancel` act on runs.
Everything that needs Django is bound when it is first used, so that importing hitl needs no settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hitl.definition import Action, Complete, Workflow
from hitl.exceptions import HitlError, SignalTimeout, StepFailed

if TYPE_CHECKING:
    from hitl.audit import SYSTEM as SYSTEM
    from hitl.decisions.decide import decide as decide
    from hitl.decisions.revoke import revoke as revoke
    from hitl.engine import cancel as cancel
    from hitl.engine import signal as signal
    from hitl.engine.start import start as start

__version__ = "0.1.0"

_LAZY = {
    "SYSTEM": "hitl.audit",
    "cancel": "hitl.engine",
    "decide": "hitl.decisions",
    "revoke": "hitl.decisions",
    "signal": "hitl.engine",
    "start": "hitl.engine",
}

__all__ = [
    "SYSTEM",
    "Action",
    "Complete",
    "HitlError",
    "SignalTimeout",
    "StepFailed",
    "Workflow",
    "cancel",
    "decide",
    "revoke",
    "signal",
    "start",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'hitl' has no attribute {name!r}")
