"""Steps for programs outside: claim one, keep it, say what came of it. With an API key of scope `steps:work` only."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api.approvals.asking import gate_of, read_action
from hitl.api.door import Door, agents_only, read
from hitl.api.openapi.says import Says
from hitl.api.shapes import told_work as told
from hitl.api.shapes import work as bodies
from hitl.api.shapes.bodies import Closed
from hitl.api.waits import wait_until
from hitl.api.work.shown import shown_result, task
from hitl.definition import Continue
from hitl.engine import outcome
from hitl.engine.claim import Claimed
from hitl.engine.outside import workers
from hitl.exceptions import BadInput
from hitl.models import Step

_HELD = "not_allowed unknown_step lease_lost run_ended"
_GATE = "unknown_policy unknown_reviewer invalid_action invalid_policy over_limit"


class Work(Door):
    """What all of them share: a key that may work on steps, and a body with the token of the claim."""

    scopes = {"POST": "steps:work"}
    body: type[Closed]
    ends = False  # whether it brings the step's outcome, so that its refusal is put on record

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with what came of it."""
        key = agents_only(request)
        given = read(self.body, request)
        held = workers.hold(pk, given.pop("token"), actor=key, ends=self.ends)
        return Response(self.work(held, given, key))

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """What is done with the step, and the answer."""
        raise NotImplementedError


class Claim(Door):
    """Take a step of one of these queues."""

    scopes = {"POST": "steps:work"}
    says = {"POST": Says(told.Task, body=bodies.ClaimStep, errors="not_allowed", query="wait", others={204: None})}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """With `?wait=`, wait for something to do before anything is claimed."""
        super().initial(request, *args, **kwargs)
        queues = workers.queues_of(agents_only(request), read(bodies.ClaimStep, request)["queues"])
        wait_until(request, lambda: workers.has_work(queues, actor=request.user))

    def post(self, request: Request) -> Response:
        """200 with the step; 204 when there is nothing to do."""
        given = read(bodies.ClaimStep, request)
        claimed = workers.claim_external(given["queues"], actor=agents_only(request), lease=_span(given["lease"]))
        return Response(status=204) if claimed is None else Response(task(claimed))


class Heartbeat(Work):
    """Keep the step."""

    says = {"POST": Says(told.Kept, errors=_HELD)}
    body = bodies.Beat

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """Until when it is kept."""
        return {"lease_expires_at": workers.renew(held, _span(given["lease"]))}


class Checkpoint(Work):
    """Keep data for the next attempt."""

    says = {"POST": Says(told.Checkpoint, errors=_HELD)}
    body = bodies.Keep

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """What is kept."""
        workers.context_of(held).checkpoint(given["data"])
        return {"checkpoint": given["data"]}


class Put(Work):
    """Append a piece of output."""

    says = {"POST": Says(told.Stored, errors=_HELD)}
    body = bodies.Chunk

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """Nothing to tell."""
        workers.stream(held, given["chunk"], given["name"])
        return {"kept": True}


class Publish(Work):
    """Publish a value under a key."""

    says = {"POST": Says(told.Stored, errors=_HELD)}
    body = bodies.Publish

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """Nothing to tell."""
        workers.context_of(held).set_event(given["key"], given["value"])
        return {"kept": True}


class Results(Work):
    """Remember what an effect returned: the first one stored is what everybody gets."""

    says = {"POST": Says(told.Value, errors=_HELD)}
    body = bodies.Remember

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """The stored value."""
        return {"value": workers.remember(held, given["name"], given["value"])}


class Wait(Work):
    """Wait for a signal, or for a time."""

    says = {"POST": Says(told.Parked, errors=_HELD)}
    body = bodies.Wait

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """The signal's payload where it is there already, or that the step was parked."""
        name, timeout = given["name"], _span(given["timeout"])
        if given["kind"] == "sleep":
            pause = timedelta(seconds=given["seconds"])
            return _told(*workers.act(held, lambda ctx: ctx.sleep(name, pause)))
        return _told(*workers.act(held, lambda ctx: ctx.wait_for_signal(name, timeout=timeout, from_=given["senders"])))


class Ask(Work):
    """Ask people something."""

    says = {"POST": Says(told.Parked, errors=f"{_HELD} {_GATE}")}
    body = bodies.AskInside

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """The answer where it is there already, or that the step was parked."""
        kind = {"schema": given["schema"], "options": given["options"]}
        return _told(*workers.ask(held, given["name"], given["question"], gate_of(key, given), actor=key, **kind))


class Approve(Work):
    """Ask people for a yes."""

    says = {"POST": Says(told.Parked, errors=f"{_HELD} {_GATE}")}
    body = bodies.ApproveInside

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """What was decided where it is decided already, or that the step was parked."""
        body = given["action"]
        if body.pop("args_schema") is not None:
            raise BadInput("args_schema is for requests that come alone")
        action, gate = read_action(body, "", ""), gate_of(key, given)
        return _told(*workers.approve(held, given["name"], action, gate, actor=key, turn=given["turn"]))


class Complete(Work):
    """The step is done."""

    says = {"POST": Says(told.Stands, errors=f"{_HELD} invalid_action invalid_policy")}
    body = bodies.Complete
    ends = True

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """How step and run stand."""
        body = given["action"]
        if body is not None and body.pop("args_schema") is not None:
            raise BadInput("args_schema is for requests that come alone")
        outcome.write(held, given["output"] if body is None else read_action(body, "", ""))
        return _stands(held)


class GoOn(Work):
    """A turn of an agent loop is done."""

    says = {"POST": Says(told.Stands, errors=_HELD)}
    body = bodies.GoOn
    ends = True

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """How step and run stand."""
        outcome.write(held, Continue(given["state"]))
        return _stands(held)


class Fail(Work):
    """The step failed."""

    says = {"POST": Says(told.Stands, errors=_HELD)}
    body = bodies.Fail
    ends = True

    def work(self, held: Claimed, given: dict[str, Any], key: Any) -> dict[str, Any]:
        """How step and run stand."""
        after = _span(given["after"])
        outcome.failed(held, code=given["code"], why=given["why"], retry=given["retry"], after=after)
        return _stands(held)


def _told(parked: bool, value: Any) -> dict[str, Any]:
    return {"parked": parked, "value": shown_result(value)}


def _stands(held: Claimed) -> dict[str, Any]:
    step = Step.objects.select_related("run").get(pk=held.step.pk)
    return {"status": step.status, "run_status": step.run.status}


def _span(seconds: float | None) -> timedelta | None:
    try:
        return None if seconds is None else timedelta(seconds=seconds)
    except OverflowError as error:
        raise BadInput("that is longer than any time") from error
