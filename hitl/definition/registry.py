"""The workflows this process knows, by name, and how a Workflow reaches the engine without importing it.

Filled when `workflows.py` modules are imported; the app binds the verbs when Django is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hitl.exceptions import HitlError, InvalidWorkflow, UnknownWorkflow

if TYPE_CHECKING:
    from hitl.definition.builder import Workflow

_workflows: dict[str, Workflow] = {}
_verbs: dict[str, Callable[..., Any]] = {}


def register(workflow: Workflow) -> None:
    """Make a workflow known; raises InvalidWorkflow when another one has its name."""
    if _workflows.setdefault(workflow.name, workflow) is not workflow:
        raise InvalidWorkflow(f"two workflows are named {workflow.name!r}; names are how runs find their code")


def get(name: str) -> Workflow:
    """The workflow of this name; raises UnknownWorkflow."""
    try:
        return _workflows[name]
    except KeyError:
        near = get_close_matches(str(name), _workflows, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownWorkflow(f"no workflow is named {name!r}{hint}") from None


def find(name: str) -> Workflow | None:
    """The workflow of this name, or None when the code that runs now has it no longer."""
    return _workflows.get(name)


def registered() -> list[Workflow]:
    """All workflows, by name."""
    return [_workflows[name] for name in sorted(_workflows)]


@contextmanager
def isolated() -> Iterator[None]:
    """For tests: what is registered inside is forgotten afterwards, and names may be taken again."""
    kept = dict(_workflows)
    try:
        yield
    finally:
        _workflows.clear()
        _workflows.update(kept)


def bind(**verbs: Callable[..., Any]) -> None:
    """Name the functions behind `Workflow.start` and the like."""
    _verbs.update(verbs)


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a bound verb; without Django there is nothing to start runs with."""
    if name not in _verbs:
        raise HitlError(f"{name}() needs Django: add 'hitl' to INSTALLED_APPS and call django.setup() first")
    return _verbs[name](*args, **kwargs)
