"""What happens next.

Question it answers: which step runs now, what came of it, and what follows?
May call: `decisions` (to ask people), `progress` and `transitions`, authors' handlers in `execute`.
Never: author code under a lock; a status without `transitions`.
"""

from hitl.engine.control import cancel, fork, freeze, resolve, retry, unfreeze
from hitl.engine.reads import get_event, waiting
from hitl.engine.signals import signal
from hitl.engine.start import start
from hitl.engine.sweeps import last_sweep_age, sweep
from hitl.engine.work import drain

__all__ = [
    "cancel",
    "drain",
    "fork",
    "freeze",
    "get_event",
    "last_sweep_age",
    "resolve",
    "retry",
    "signal",
    "start",
    "sweep",
    "unfreeze",
    "waiting",
]
