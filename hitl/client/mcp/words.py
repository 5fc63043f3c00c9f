"""What the model is told. Pure: a request, a grant or an error becomes a small answer with a `next`."""

from __future__ import annotations

from typing import Any

from hitl.client import Grant, Request, errors

INSTRUCTIONS = (
    "These tools put a person before what you do. Call request_approval before an action that needs a yes, or "
    "ask_human to ask a question. Both return at once with an id. While the status is pending, call await_approval "
    "with that id again and again; pending is not a yes. Then call take_answer once: only the arguments it returns may "
    "be run, once, and report_result tells what came of it. After a refusal do not try again, neither with other words "
    "nor in another way. When nobody decided in time, nothing was refused and nothing was allowed: do not act."
)
NO_KEY = "There is no key for hitl. Send one with `Authorization: Bearer hitl_…`. Nothing was asked; do not act."

_NEXT = {
    "pending": "Nobody has decided yet. Do not act. Call await_approval with this id again.",
    "approved": "Approved. Before you act call take_answer with this id: only the arguments it returns may be run.",
    "answered": "Answered. Call take_answer with this id to get the answer.",
    "rejected": "Refused. Do not act, and do not ask for it again, neither with other words nor in another way.",
    "revision_requested": "Not approved like this. Do not act. Change it as the comment says and call revise_request.",
    "expired": "Nobody decided in time; nobody said no either. Do not act. Say so to the user, and let them choose.",
    "cancelled": "It was taken back; nobody decided it. Do not act.",
    "superseded": "Another request took its place. Do not act on this one.",
    "revoked": "The approval was taken back. Do not act, and do not ask for it again.",
}
_UNKNOWN = "Do not act."


def told(request: Request) -> dict[str, Any]:
    """How a request stands. The approved arguments and the answer are left out: take_answer hands them out, once."""
    status = "pending" if request.pending else request.status
    answer: dict[str, Any] = {"id": request.id, "status": status, "title": request.title}
    answer["review_url"] = request.review_url
    if request.outcome is None:
        answer["expires_at"] = str(request.expires_at)
    else:
        answer |= _said(request.outcome)
    if status == "answered":
        answer.pop("notice", None)  # it quotes the answer
    return answer | {"next": _NEXT.get(status, _UNKNOWN)}


def taken(id: str, grant: Grant) -> dict[str, Any]:
    """What take_answer hands out: the arguments and the token, the answer, or why there is neither."""
    outcome = grant.outcome
    answer: dict[str, Any] = {"id": id, "status": outcome.status, **_said(outcome)}
    if grant.token is not None:
        answer |= {"action": grant.type, "args": grant.args, "edited": outcome.edited, "token": grant.token}
        answer["changes"] = list(outcome.changes)
        changed = " A person changed them: do not run what you had proposed." if outcome.edited else ""
        run = f"Run {grant.type} now, once, with exactly these args.{changed}"
        return answer | {"next": f"{run} Then call report_result with this id and the token."}
    if outcome.status == "answered":
        return answer | {"answer": outcome.response, "next": "This is the answer. Go on with it."}
    return answer | {"next": _NEXT.get(outcome.status, _UNKNOWN)}


def taken_already(id: str) -> dict[str, Any]:
    """The losing side of two takers, and a repeated call. No error: models try errors again."""
    why = "It was taken before, by you in an earlier call or by another process that acts on it. Do not act."
    return {"id": id, "status": "already_taken", "next": f"{why} If you lost the token, tell the user."}


def not_yet(id: str, error: errors.ClientError) -> dict[str, Any]:
    """Approved, and still not to be run: a cool-off, or operators who stopped everything."""
    when = error.details.get("not_before")
    wait = f"after {when}" if when else "later"
    return {"id": id, "status": error.code, "next": f"{error.message} Do not act. Call take_answer again {wait}."}


def recorded(id: str) -> dict[str, Any]:
    """The report arrived."""
    return {"id": id, "status": "recorded", "next": "Nothing more to do for this request."}


def not_recorded(id: str) -> dict[str, Any]:
    """The token is not the one, or came too late. No error: trying again does not help."""
    why = "This token is wrong, was used before, or came too late; nothing was recorded."
    return {"id": id, "status": "not_recorded", "next": f"{why} Do not run the action again. Tell the user."}


def trouble(error: errors.ClientError) -> str:
    """An error in words for the model, which must never read it as a yes."""
    if isinstance(error, errors.Unavailable):
        return "hitl cannot be reached. This is not a yes: do not act. Try again in a while, or tell the user."
    if error.status == 401:
        return "hitl does not know this key. Do not act; tell the user that HITL_API_KEY is wrong or was revoked."
    return f"{error.message} ({error.code}). This is not a yes: do not act."


def _said(outcome: Any) -> dict[str, Any]:
    """What was said, without what is empty."""
    said = {"comment": outcome.comment, "by": list(outcome.by), "via": outcome.via, "notice": outcome.notice}
    return {name: value for name, value in said.items() if value}
