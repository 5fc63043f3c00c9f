"""The workflows this process knows, by name. Filled when `workflows.py` modules are imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hitl.exceptions import InvalidWorkflow, UnknownWorkflow

if TYPE_CHECKING:
    from hitl.definition.builder import Workflow

_workflows: dict[str, Workflow] = {}


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
