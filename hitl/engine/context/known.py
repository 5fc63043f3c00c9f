"""What a handler receives: what is known, and what it may remember. How it waits is in `waits`.

A wait leaves the handler by a BaseException and frees the worker; when the answer is there the handler is entered from
the top, and everything that was remembered under a name is returned at once. By name, never by position, so that code
may change under a waiting run.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async

from hitl.conf import conf
from hitl.crashpoints import crashpoint
from hitl.definition import canonical
from hitl.definition.action import from_json, to_json
from hitl.engine.context.pauses import ApprovalResult, Park, approved_action, read_result
from hitl.engine.context.waits import Waits
from hitl.exceptions import DuplicateName, HitlError, LeaseLost
from hitl.models import Approval, Event, Result, Run, Step, StreamChunk, sql
from hitl.transitions import definition_of


class Context(Waits):
    """The handler's view of its run."""

    def __init__(self, run: Run, step: Step, grants: tuple[Approval, ...] = ()) -> None:
        self._run = run
        self._step = step
        self._grants = grants
        self._known: dict[str, Any] = {}
        self._used: set[str] = set()
        self._asked: dict[str, int] = {}
        self.paused: Park | None = None
        self.escalation: dict[str, Any] | None = None  # on a rung: reason, context, suggested_action, history
        self.step_name = step.name
        self.attempt = step.attempt
        self.iteration = step.iteration
        self.instructions = step.instructions

    @classmethod
    def outside(cls, run: Run, name: str, outputs: dict[str, Any]) -> Context:
        """A context for `when`, `action=` and `risk=`, which only read."""
        ctx = cls(run, Step(run=run, name=name, kind="step"))
        ctx._known = {key: from_json(value) for key, value in outputs.items()}
        return ctx

    # -- what is known ------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._run.pk)

    @property
    def input(self) -> Any:
        """What the run was started with."""
        return self._run.input

    @cached_property
    def results(self) -> dict[str, Any]:
        """Outputs of the steps that have succeeded, by name; an Action where the step returned one."""
        rows = Step.objects.filter(run=self._run, status="succeeded").order_by("revision")
        stored = {name: from_json(value) for name, value in rows.values_list("name", "output")}
        return stored | self._known

    @property
    def previous(self) -> Any:
        """The output of the step before; after a gate, the approved arguments; of a planned step, its own."""
        if self._step.spec is not None:
            return self.args
        spec = definition_of(self._run.workflow_id).by_name[self.step_name]
        if not spec.after:
            return self.input
        before = spec.after[-1]
        if before not in self.results:
            raise HitlError(f"step {self.step_name!r} comes after {before!r}, which was skipped: it has no output")
        value = self.results[before]
        return value.args.get("value", value.args) if hasattr(value, "args") else value

    @property
    def args(self) -> Any:
        """What the plan gave this planned step."""
        return None if self._step.spec is None else self._step.spec.get("args")

    @property
    def action(self) -> Any:
        """The approved action this step was protected by: the author's model, exactly as approved, edits included."""
        return approved_action(self._grant()).typed()

    @property
    def action_type(self) -> str:
        """The type of that action; where the gate names other `types`, a reviewer may have made one of them of it."""
        return self._grant().action_type

    def _grant(self) -> Approval:
        grant = next((grant for grant in reversed(self._grants) if not grant.key), None)
        if grant is None:
            raise HitlError(f"step {self.step_name!r} is behind no gate, so there is no approved action")
        return grant

    @property
    def failure(self) -> dict[str, Any]:
        """In an `on_failure` handler: `status`, `code` and `why` of what happened."""
        return dict(self.load_checkpoint() or {})

    def approval(self, gate: str) -> ApprovalResult:
        """What was decided at the gate of this name, which protects this step."""
        for grant in self._grants:
            if not grant.key and grant.step.name == gate:
                return read_result(grant)
        raise HitlError(f"step {self.step_name!r} is not protected by a gate named {gate!r}")

    def idempotency_key(self, name: str = "") -> str:
        """A key for the outside world: the same over all attempts of this step, different for every name."""
        parts = [str(self._step.pk), str(self.iteration), *([name] if name else [])]
        return ":".join(parts)

    # -- remembering --------------------------------------------------------------------------

    def once(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn` and remember what it returned; entered again, return that. Costs one commit.

        The call itself may happen again if the worker dies right after it: pass `idempotency_key(name)` on.
        """
        key = self._take("once", name)
        if key in self._remembered:
            return self._remembered[key]
        return self._remember(key, fn(*args, **kwargs))

    async def aonce(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`once` for async handlers; `fn` may be async."""
        key = await sync_to_async(self._take)("once", name)
        remembered = await sync_to_async(lambda: self._remembered)()
        if key in remembered:
            return remembered[key]
        value = fn(*args, **kwargs)
        return await sync_to_async(self._remember)(key, await value if inspect.isawaitable(value) else value)

    def checkpoint(self, data: Any) -> None:
        """Keep the handler's own data, durable at once; the next entry finds it."""
        plain = self._plain(data, "checkpoint")
        self._hold(sql.save_checkpoint(self._step, plain))
        self._step.checkpoint = plain

    def load_checkpoint(self) -> Any:
        """What was kept last, or None."""
        self._go_on()
        return self._step.checkpoint

    def heartbeat(self, data: Any = None) -> None:
        """Prolong the lease now (workers do so by themselves), and keep `data` as the checkpoint if given."""
        self._go_on()
        self._hold(bool(sql.renew_leases([self._step.lease_token], conf.LEASE)))  # type: ignore[list-item]
        if data is not None:
            self.checkpoint(data)

    def put_stream(self, chunk: Any, *, name: str = "") -> None:
        """Append a piece of incremental output; with a name, once however often the handler is entered."""
        if name:
            key = self._take("stream", name)
            if key in self._remembered:
                return
        plain = self._plain(chunk, "stream")
        last = StreamChunk.objects.filter(step=self._step).order_by("-seq").values_list("seq", flat=True).first()
        self._hold(sql.save_chunk(self._step, (last or 0) + 1, plain))
        if name:
            self._remember(f"stream:{name}", None)

    def set_event(self, key: str, value: Any) -> None:
        """Publish a value under a key: readers see the latest."""
        canonical(key, what="key of set_event")
        self._go_on()
        self._hold(sql.save_event(self._step, key[:200], self._plain(value, f"event {key!r}")))

    def get_event(self, key: str) -> Any:
        """The latest value this run published under a key, or None."""
        self._go_on()
        return Event.objects.filter(run=self._run, key=key).values_list("value", flat=True).first()

    async def acheckpoint(self, data: Any) -> None:
        """`checkpoint` for async handlers."""
        await sync_to_async(self.checkpoint)(data)

    async def aheartbeat(self, data: Any = None) -> None:
        """`heartbeat` for async handlers."""
        await sync_to_async(self.heartbeat)(data)

    async def aput_stream(self, chunk: Any, *, name: str = "") -> None:
        """`put_stream` for async handlers."""
        await sync_to_async(self.put_stream)(chunk, name=name)

    async def aset_event(self, key: str, value: Any) -> None:
        """`set_event` for async handlers."""
        await sync_to_async(self.set_event)(key, value)

    async def aget_event(self, key: str) -> Any:
        """`get_event` for async handlers."""
        return await sync_to_async(self.get_event)(key)

    # -- inside -------------------------------------------------------------------------------

    @cached_property
    def _remembered(self) -> dict[str, Any]:
        rows = Result.objects.filter(step=self._step, iteration=self.iteration)
        return dict(rows.values_list("key", "value"))

    def _take(self, kind: str, name: str) -> str:
        """Reserve a name for this entry; a name used twice could not be told apart when entered again."""
        self._go_on()
        key = f"{kind}:{name}"
        if not name or len(name) > 180:
            raise HitlError(f"{kind}({name!r}): a name has 1 to 180 characters")
        if key in self._used:
            raise DuplicateName(f"{kind}({name!r}) was used twice in step {self.step_name!r}; write f'{name}:{{id}}'")
        self._used.add(key)
        return key

    def _go_on(self) -> None:
        """After a pause was swallowed nothing more may happen: raise it again."""
        if self.paused is not None:
            raise self.paused

    def _plain(self, value: Any, what: str) -> Any:
        """The value as it will be read again: plain JSON."""
        self._go_on()
        data = canonical(to_json(value), what=f"{what} of step {self.step_name!r}", limit=conf.MAX_PAYLOAD)
        return json.loads(data)

    def _hold(self, held: bool) -> None:
        if not held:
            raise LeaseLost(f"the lease of {self._step} is lost")

    def _remember(self, key: str, value: Any) -> Any:
        """Store a result durably and return what will be returned when entered again: plain JSON."""
        plain = self._plain(value, key)
        crashpoint("before_result")
        self._hold(sql.save_result(self._step, key, plain))
        crashpoint("after_result")
        self._remembered[key] = plain
        return plain
