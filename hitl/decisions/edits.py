"""Changed arguments: what may be changed, and do they still make an action the agent's schema takes?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hitl.conf import conf
from hitl.decisions.fits import problems
from hitl.definition import canonical
from hitl.definition.binding import edited
from hitl.exceptions import BadInput, InvalidDecision
from hitl.models import Approval


def edited_bytes(approval: Approval, args: Any, action_type: str = "") -> bytes:
    """The binding with these arguments, and of another type where one is named; raises InvalidDecision saying by field
    what is wrong."""
    if not isinstance(args, dict):
        raise InvalidDecision(fields={"args": "the changed arguments are a JSON object"})
    try:
        canonical(args, what="args", limit=conf.MAX_ACTION)
    except BadInput as error:
        raise InvalidDecision(fields={"args": error.message}) from error
    types = approval.types or {}
    if action_type and action_type not in types:
        told = ", ".join(sorted(types)) or "no other"
        raise InvalidDecision(fields={"action_type": f"this may not be made {action_type[:80]!r}; there is {told}"})
    schema = types[action_type] if action_type else approval.args_schema
    wrong = dict(_schema_problems(schema, args))
    wrong |= {} if action_type else dict(_locked(approval, args))
    if wrong:
        raise InvalidDecision(fields=wrong)
    return edited(bytes(approval.action_bytes), args, action_type or approval.action_type)


def response_problems(approval: Approval, response: Any, *, answers: bool = True) -> dict[str, str]:
    """What is wrong with the answer to a question, by field; a vote that answers none carries no response."""
    if not answers:
        return {} if response is None else {"response": "only the answer to a question carries a response"}
    try:
        canonical(response, what="response", limit=conf.MAX_ACTION)
    except BadInput as error:
        return {"response": error.message}
    try:
        found = problems(approval.response_schema or {}, response)
    except Exception as error:  # a schema that is none, or refers to what is not there: nothing fits it
        return {"response": f"the schema of this question cannot be applied: {type(error).__name__}"}
    return {f"response.{path}" if path else "response": message for path, message in found}


def changed_paths(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Dotted paths at which two values differ; a list counts as one value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            part = key.replace(".", "\\.")  # a dot in a name is no way into another argument
            yield from changed_paths(before.get(key), after.get(key), f"{path}.{part}" if path else part)
    elif type(before) is not type(after) or canonical(before) != canonical(after):
        yield path


def misfits(schema: Any, args: dict[str, Any]) -> dict[str, str]:
    """What of these arguments does not fit a schema, by path."""
    return dict(_schema_problems(schema, args))


def _schema_problems(schema: Any, args: dict[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        found = problems(schema or {}, args)
    except Exception as error:  # a schema that is none, or refers to what is not there: nothing fits it
        yield "args", f"the schema of this action cannot be applied: {type(error).__name__}"
        return
    yield from ((f"args.{path}" if path else "args", message) for path, message in found)


def _locked(approval: Approval, args: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if approval.editable is None:
        return
    for path in changed_paths(approval.args, args):
        if not any(path == free or path.startswith(f"{free}.") for free in approval.editable):
            yield f"args.{path}", "this may not be changed"
