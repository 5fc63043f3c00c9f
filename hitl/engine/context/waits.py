"""The context's waits: each looks for its answer among what is stored, and leaves the handler when there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from asgiref.sync import sync_to_async
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.exceptions import ValidationError as PayloadError
from pydantic import BaseModel
from pydantic import ValidationError as ModelError

from hitl.conf import conf
from hitl.definition import Action, Approve, GateSpec, Signal, Timer
from hitl.definition.action import model_schema
from hitl.definition.gates import gate_spec
from hitl.definition.kinds import MISSING
from hitl.engine.context import ladder
from hitl.engine.context.pauses import (
    ApprovalResult,
    Guidance,
    Park,
    WaitForAny,
    WaitForApproval,
    WaitForRun,
    WaitForSignal,
    WaitForTime,
    Won,
    read_result,
    votes_on,
)
from hitl.exceptions import AnswerTimeout, BadInput, DuplicateName, RunFailed, SignalTimeout, TooManyRevisions
from hitl.models import Approval, Run, Step
from hitl.states import ApprovalStatus


class Waits:
    """The verbs of a Context that may take weeks."""

    if TYPE_CHECKING:
        _run: Run
        _step: Step
        _asked: dict[str, int]
        iteration: int
        step_name: str
        paused: Park | None

        @property
        def _remembered(self) -> dict[str, Any]: ...

        def _take(self, kind: str, name: str) -> str: ...

        def _go_on(self) -> None: ...

        def _plain(self, value: Any, what: str) -> Any: ...

    def wait_for_signal(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        default: Any = MISSING,
        from_: Literal["any", "people", "agents"] = "any",
        schema: type[BaseModel] | dict[str, Any] | None = None,
    ) -> Any:
        """The payload of the next signal of this name, waiting for it without holding anything.

        A signal that was sent before counts. When `timeout` (default `HITL_SIGNAL_TIMEOUT`) has passed, returns
        `default` or raises SignalTimeout. `from_="people"` takes no agent's signal for a review. A payload that does
        not fit `schema` raises BadInput; with a pydantic model the payload comes as one.
        """
        found = self._remembered.get(self._take("signal", name))
        if found is None:
            raise self._leave(WaitForSignal(name, timeout or conf.SIGNAL_TIMEOUT, from_))
        if not found.get("timeout"):
            return fitting(name, found["payload"], schema)
        if default is MISSING:
            raise SignalTimeout(f"no signal {name!r} came in time")
        return default

    def sleep(self, name: str, delta: timedelta) -> None:
        """Let time pass, durably."""
        if self._take("sleep", name) not in self._remembered:
            raise self._leave(WaitForTime(name, delta))

    def run_workflow(self, name: str, workflow: Any, input: Any = None) -> Any:
        """Start a run of another workflow, wait for its end, and return its output; raises RunFailed for a bad end."""
        target = workflow if isinstance(workflow, str) else workflow.name
        found = self._remembered.get(self._take("run", name))
        if found is None:
            raise self._leave(WaitForRun(name, target, input))
        if found["status"] != "succeeded":
            raise RunFailed(f"the run of {target!r} {found['status']}: {found['why'] or found['code']}", **found)
        return found["output"]

    def approve(self, name: str, action: Action, **options: Any) -> ApprovalResult:
        """Ask people about an action and wait for their answer; the options are those of a gate.

        Never raises for a no: look at `approved`, or at `status` (approved, rejected, revision_requested, expired,
        revoked, …). What was approved is in the result; a decided request keeps its bytes whatever `action` says when
        entered again. After `revision_requested` the same name asks again, as the next revision.
        """
        return self._approve(name, action, options)

    def _approve(self, name: str, action: Action, gate: dict[str, Any] | GateSpec) -> ApprovalResult:
        row = self._answered("approve", name)
        if row is not None:
            return read_result(row)
        if isinstance(gate, dict):
            gate = gate_spec(f"ctx.approve({name!r})", **gate)
        if self._asked[self._at(name)] > gate.max_revisions + 1:
            raise TooManyRevisions(f"approve({name!r}) was revised {gate.max_revisions} times without a yes")
        raise self._leave(WaitForApproval(self._at(name), action, gate))

    def ask(
        self,
        name: str,
        question: str,
        *,
        schema: type[BaseModel] | dict[str, Any] | None = None,
        options: list[Any] | None = None,
        default: Any = MISSING,
        **gate: Any,
    ) -> Any:
        """Ask people something and wait for their answer, checked against `schema` (a pydantic model or a JSON
        Schema) or being one of `options`; the other options are those of a gate.

        When nobody answers in time, returns `default` or raises AnswerTimeout.
        """
        return self._ask(name, question, schema, options, default, gate)

    def _ask(self, name: str, question: str, schema: Any, options: Any, default: Any, gate: Any) -> Any:
        row = self._answered("ask", name)
        if row is None:
            raise self._leave(question_wait(self._at(f"ask:{name}"), question, schema, options, gate))
        if row.status == ApprovalStatus.ANSWERED:
            return votes_on(row)[-1].response
        if default is MISSING:
            raise AnswerTimeout(f"nobody answered {name!r}: the request {row.status}")
        return default

    def wait_any(self, name: str, *waits: Signal | Timer | Approve) -> Won:
        """Wait for whatever comes first; what lost is closed, and signals that were not taken stay."""
        key = self._take("any", name)
        found = self._remembered.get(key)
        if found is not None and found["kind"] != "approval":
            return Won(**found)
        if found is not None:
            return Won("approval", found["name"], read_result(Approval.objects.get(pk=found["value"])))
        asks = tuple(
            WaitForApproval(self._at(f"{name}.{number}"), wait.action, gate_spec(f"wait_any({name!r})", **wait.options))
            for number, wait in enumerate(waits)
            if isinstance(wait, Approve)
        )
        signals = tuple(wait.name for wait in waits if isinstance(wait, Signal))
        delta = min((wait.delta for wait in waits if isinstance(wait, Timer)), default=conf.GATE_TIMEOUT)
        raise self._leave(WaitForAny(name, signals, asks, delta))

    def escalate(
        self, reason: str, context: Any = None, suggested_action: str = "", *, name: str = "escalate"
    ) -> Guidance:
        """Climb this step's ladder until a rung helps; raises AnswerTimeout when none does."""
        return ladder.climb(self, name, reason, context, suggested_action)

    def notify(self, name: str, action: Action, **options: Any) -> None:
        """Tell people about an action without waiting: they see it in their inbox as passed."""
        key = self._take("notify", name)
        if key not in self._remembered:
            ladder.notify(self, key, name, action, gate_spec(f"ctx.notify({name!r})", **options))

    def send_signal(self, run_id: Any, name: str, payload: Any = None, *, idempotency_key: str = "") -> None:
        """Send a signal to another run, once for this name however often the handler is entered."""
        ladder.send(self, run_id, name, payload, idempotency_key)

    async def await_any(self, name: str, *waits: Signal | Timer | Approve) -> Won:
        """`wait_any` for async handlers."""
        return await sync_to_async(self.wait_any)(name, *waits)

    async def arun_workflow(self, name: str, workflow: Any, input: Any = None) -> Any:
        """`run_workflow` for async handlers."""
        return await sync_to_async(self.run_workflow)(name, workflow, input)

    async def anotify(self, name: str, action: Action, **options: Any) -> None:
        """`notify` for async handlers."""
        await sync_to_async(self.notify)(name, action, **options)

    async def asend_signal(self, run_id: Any, name: str, payload: Any = None, **options: Any) -> None:
        """`send_signal` for async handlers."""
        await sync_to_async(self.send_signal)(run_id, name, payload, **options)

    async def await_for_signal(self, name: str, **options: Any) -> Any:
        """`wait_for_signal` for async handlers."""
        return await sync_to_async(self.wait_for_signal)(name, **options)

    async def aapprove(self, name: str, action: Action, **options: Any) -> ApprovalResult:
        """`approve` for async handlers."""
        return await sync_to_async(self.approve)(name, action, **options)

    async def aask(self, name: str, question: str, **options: Any) -> Any:
        """`ask` for async handlers."""
        return await sync_to_async(self.ask)(name, question, **options)

    async def asleep(self, name: str, delta: timedelta) -> None:
        """`sleep` for async handlers."""
        await sync_to_async(self.sleep)(name, delta)

    async def aescalate(self, reason: str, context: Any = None, suggested_action: str = "", **options: Any) -> Guidance:
        """`escalate` for async handlers."""
        return await sync_to_async(self.escalate)(reason, context, suggested_action, **options)

    # -- inside -------------------------------------------------------------------------------

    def _answered(self, kind: str, name: str) -> Approval | None:
        """The request this call is about, if it is decided. The second call of a name is about what was asked after
        a revision was requested; without one the name is used twice."""
        key = self._at(name if kind == "approve" else f"ask:{name}")
        turn = self._asked.get(key, 0)
        if turn == 0:
            self._take(kind, name)
        self._go_on()
        rows = Approval.objects.filter(run=self._run, step=self._step, key=key).exclude(
            status=ApprovalStatus.SUPERSEDED
        )
        asked = list(rows.order_by("revision"))
        if turn > 0 and asked[turn - 1].status != ApprovalStatus.REVISION_REQUESTED:
            raise DuplicateName(f"{kind}({name!r}) was used twice in step {self.step_name!r}; write f'{name}:{{id}}'")
        self._asked[key] = turn + 1
        row = asked[turn] if turn < len(asked) else None
        return None if row is None or row.status == ApprovalStatus.PENDING else row

    def _at(self, key: str) -> str:
        return f"{key}#{self.iteration}" if self.iteration else key

    def _leave(self, pause: Park) -> Park:
        self.paused = pause
        return pause


def fitting(name: str, payload: Any, schema: type[BaseModel] | dict[str, Any] | None) -> Any:
    """A signal's payload, checked; raises BadInput for one that does not fit."""
    try:
        if isinstance(schema, type):
            return schema.model_validate(payload)
        if schema is not None:
            Draft202012Validator(schema).validate(payload)
    except (ModelError, SchemaError, PayloadError) as error:
        raise BadInput(f"the signal {name!r} does not fit its schema: {error}") from error
    return payload


def question_wait(
    key: str,
    question: str,
    schema: type[BaseModel] | dict[str, Any] | None,
    options: list[Any] | None,
    gate: dict[str, Any] | GateSpec,
) -> WaitForApproval:
    """A question as a request: its words and the schema of its answer are what people see and what is bound."""
    if isinstance(schema, type):
        schema = model_schema(schema)
    text = {"type": "string", "minLength": 1}
    shape: dict[str, Any] = {"enum": options} if options is not None else text if schema is None else schema
    try:
        Draft202012Validator.check_schema(shape)
    except SchemaError as error:
        raise BadInput(f"question {key!r}: its schema is wrong: {error.message}") from error
    if isinstance(gate, dict):
        told = {"comment": "never", **gate} if "policy" not in gate else gate
        gate = gate_spec(f"question {key!r}", **told)
    spec = gate.model_copy(update={"question": question, "response_schema": shape})
    action = Action(
        {"question": question, "answer": shape},
        type="question",
        title=question[:500],
        impact="The answer goes to the agent",
        reversible=True,
    )
    return WaitForApproval(key, action, spec)
