"""What a view says of itself, beside its scopes and docstrings: `says = {"POST": Says(…)}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: `next`, `previous`, `results`."""

    of: Any


@dataclass(frozen=True, slots=True)
class More:
    """What goes on where the last answer ended: `after`, `results`."""

    of: Any


@dataclass(frozen=True, slots=True)
class Says:
    """One method of a view.

    `answer` is the shape of its good answer (a serializer class, a Page, More or Listed, a dict that is a JSON Schema;
    None: no body) and `http` its HTTP status; `others` are further good answers by status. `errors` and `query` are
    words: error codes beyond those that every such call may get, and names of query parameters of `parameters.py`.
    `body` may be left out where the view has a class attribute of that name, `summary` where the view has one method.
    """

    answer: Any = None
    http: int = 200
    body: Any = None
    errors: str = ""
    query: str = ""
    summary: str = ""
    others: Mapping[int, Any] = field(default_factory=dict)
    streams: bool = False
