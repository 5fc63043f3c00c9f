"""hitl: AI agents ask a person first, and the asking is durable.

`Workflow` and `Action` say what should happen and what people are asked; `start`, `signal` and the other verbs act on
runs. Everything that needs Django is bound when it is first used, so that importing hitl needs no settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hitl.definition import (
    Action,
    Approve,
    Complete,
    Continue,
    Escalate,
    Gate,
    Human,
    Pause,
    Plan,
    Restart,
    Signal,
    Timer,
    Workflow,
    workflow,
)
from hitl.exceptions import AnswerTimeout, HitlError, RunFailed, SignalTimeout, StepFailed

if TYPE_CHECKING:
    from hitl.audit import SYSTEM as SYSTEM
    from hitl.decisions.acts import revoke as revoke
    from hitl.decisions.decide import decide as decide
    from hitl.engine.control import cancel as cancel
    from hitl.engine.control import fork as fork
    from hitl.engine.control import freeze as freeze
    from hitl.engine.control import resolve as resolve
    from hitl.engine.control import retry as retry
    from hitl.engine.control import unfreeze as unfreeze
    from hitl.engine.reads import get_event as get_event
    from hitl.engine.reads import waiting as waiting
    from hitl.engine.signals import signal as signal
    from hitl.engine.start import start as start
    from hitl.gated import gate as gate

__version__ = "0.1.0"

_ENGINE = ("cancel", "fork", "freeze", "get_event", "resolve", "retry", "signal", "start", "unfreeze")
_LAZY = {name: "hitl.engine" for name in (*_ENGINE, "waiting")} | {
    "SYSTEM": "hitl.audit",
    "decide": "hitl.decisions",
    "gate": "hitl.gated",
    "revoke": "hitl.decisions",
}

__all__ = [
    "SYSTEM",
    "Action",
    "AnswerTimeout",
    "Approve",
    "Complete",
    "Continue",
    "Escalate",
    "Gate",
    "HitlError",
    "Human",
    "Pause",
    "Plan",
    "Restart",
    "RunFailed",
    "Signal",
    "SignalTimeout",
    "StepFailed",
    "Timer",
    "Workflow",
    "cancel",
    "decide",
    "fork",
    "freeze",
    "gate",
    "get_event",
    "resolve",
    "retry",
    "revoke",
    "signal",
    "start",
    "unfreeze",
    "waiting",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'hitl' has no attribute {name!r}")
