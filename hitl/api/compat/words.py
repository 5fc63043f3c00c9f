"""What HumanLayer's SDK is told, and what people are shown of its calls. Pure: values in, values out.

The SDK runs the function with its original arguments when it hears `approved: true`, waits for ever while it hears
nothing, and breaks on a rejection without a comment.
"""

from __future__ import annotations

import json
from typing import Any

from hitl.definition import canonical
from hitl.engine.outside import Told

Spec = dict[str, Any]
Status = dict[str, Any]

IMPACT = "The agent runs this function with exactly these arguments."
_LONGEST_TITLE = 160


def title_of(fn: str, kwargs: dict[str, Any]) -> str:
    """The call on one line, cut where it is long: the arguments stand below it in full."""
    call = f"{fn}({', '.join(f'{name}={_json(value)}' for name, value in kwargs.items())})"
    return call if len(call) <= _LONGEST_TITLE else f"{call[: _LONGEST_TITLE - 1]}…"


def shown(run_id: str, options: Any) -> dict[str, Any]:
    """What reviewers see beside the call: the agent's run, and the reasons it would understand."""
    listed = [{key: one[key] for key in ("name", "title", "description") if one.get(key)} for one in options or []]
    return {"run_id": run_id} | ({"options": listed} if listed else {})


def answers_of(options: Any) -> list[str] | None:
    """What a contact may be answered: the titles of its options; None for any text."""
    if not options or any(one.get("interactive") for one in options):
        return None
    names = [_label(one) for one in options]
    return names if len(set(names)) == len(names) else [str(one["name"]) for one in options]


def call_status(spec: Spec, status: str, outcome: Told | None) -> Status:
    """`approved`, `comment` and `reject_option_name` of a function call; nothing while it is open.

    A yes is only a yes to the very function and arguments that the SDK would run.
    """
    if outcome is None:
        return {}
    if outcome.approved:
        if same_call(spec, outcome):
            return {"approved": True, "comment": outcome.comment or None}
        return {"approved": False, "comment": _proposal(outcome)}
    comment = outcome.comment
    picked = _picked(spec.get("reject_options"), comment)
    if picked is not None:
        comment = picked.get("prompt_fill") or comment
    told: Status = {"approved": False, "comment": _reason(comment, outcome.notice)}
    return told | ({"reject_option_name": picked["name"]} if picked is not None and status == "rejected" else {})


def same_call(spec: Spec, outcome: Told) -> bool:
    """Whether what was approved is what the SDK would run."""
    return outcome.action_type == spec["fn"] and canonical(outcome.args) == canonical(spec["kwargs"])


def contact_status(spec: Spec, status: str, outcome: Told | None) -> Status:
    """`response` and `response_option_name` of a contact; nothing while it is open."""
    if outcome is None:
        return {}
    if status != "answered":
        return {"response": _reason(outcome.comment, outcome.notice)}
    answer = outcome.response if isinstance(outcome.response, str) else _json(outcome.response)
    picked = _picked(spec.get("response_options"), answer)
    if picked is None:
        return {"response": answer}
    return {"response": picked.get("prompt_fill") or answer, "response_option_name": picked["name"]}


def without_secrets(spec: Spec) -> Spec:
    """The spec as it is kept and given back: a Slack token in it is nothing to keep."""
    channel = spec.get("channel")
    if not isinstance(channel, dict) or not isinstance(channel.get("slack"), dict):
        return spec
    slack = {name: value for name, value in channel["slack"].items() if name != "bot_token"}
    return {**spec, "channel": {**channel, "slack": slack}}


def _proposal(outcome: Told) -> str:
    call = f"{outcome.action_type} with exactly these arguments: {_json(outcome.args)}"
    comment = f" The reviewer says: {outcome.comment}" if outcome.comment else ""
    return (
        f"Not approved as asked: a reviewer changed it and agreed only to {call}.{comment} Do not call it again with "
        "the original arguments. If you want the changed call, make it: a person is asked once more."
    )


def _reason(comment: str, notice: str) -> str:
    """Never empty. Where nobody decided the notice says that this was no person's no."""
    parts = [notice] if comment in notice else [comment, notice]
    return " ".join(part for part in parts if part) or "Not approved. Do not try it again."


def _picked(options: Any, text: str) -> dict[str, Any] | None:
    """The option a reviewer named, by its name or title."""
    said = text.strip().casefold()
    found = (one for one in options or [] if said in (str(one["name"]).casefold(), _label(one).casefold()))
    return next(found, None) if said else None


def _label(option: dict[str, Any]) -> str:
    return str(option.get("title") or option["name"])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
