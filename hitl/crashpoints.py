"""Named places where a test may kill the process.

`HITL_CRASHPOINT=name` (or `name:3` for the third time) makes the process die as by kill -9 when it gets
there; `HITL_CRASHPOINT_FILE` is created first, so that a test knows the point was reached and a restarted
process does not die again. Unset, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_name, _, _count = os.environ.get("HITL_CRASHPOINT", "").partition(":")
_left = int(_count or 1)


def crashpoint(name: str) -> None:
    """Die here if the environment says so."""
    if name == _name:
        _die()


def _die() -> None:
    global _left
    _left -= 1
    if _left > 0:
        return
    marker = os.environ.get("HITL_CRASHPOINT_FILE")
    if marker:
        try:
            Path(marker).open("x").close()
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
