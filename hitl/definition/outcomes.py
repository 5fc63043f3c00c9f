"""What a handler may say besides returning a plain value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Complete:
    """The step is done and this is its output; the same as returning the value itself."""

    value: Any = None
