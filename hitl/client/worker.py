"""External workers: the steps of a run done by a program elsewhere, which only speaks HTTP."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Unpack

from hitl.client.calls import Calls, action_body, plain, question_body
from hitl.client.errors import ClientError, Expired, Invalid, LeaseLost, Throttled, Unavailable
from hitl.client.transport import Wire, encode
from hitl.client.values import Outcome, Terms

log = logging.getLogger("hitl.client.worker")
# A worker that is told to stop ends the poll it is in first, so that no step is handed to somebody who left.
POLL = 20
_TEXT = 2000
_AFTER_TROUBLE = 2.0
_TIMEOUTS = ("signal_timeout", "answer_timeout")


@dataclass(frozen=True, slots=True)
class Continue:
    """Returned by a handler: this turn is done, call me again with `state` as `task.checkpoint`."""

    state: Any = None


class Fail(Exception):
    """Returned or raised by a handler: the step failed. `retry=False` ends it; `after` is in how many seconds to try
    again."""

    def __init__(self, why: str, *, code: str = "failed", retry: bool = True, after: float | None = None) -> None:
        super().__init__(why)
        self.why, self.code, self.retry, self.after = why, code, retry, after


class _Left(BaseException):
    """The handler is left: it waits for something, or its step belongs to somebody else."""


class Task:
    """One step in the hands of a handler.

    Waits (`approve`, `ask`, `wait_signal`, `sleep`) leave the handler and the worker goes on with other steps; once the
    answer is there the handler is entered again from its top, and the same call with the same name returns it. So what
    must not happen twice stands in `once`. What leaves is a BaseException: catch `Exception`, never everything. A wait
    that nobody ended in time raises Expired.
    """

    def __init__(self, wire: Wire, calls: Calls[Any, Any], told: dict[str, Any], lease: int) -> None:
        self.data = told
        self.id, self.run_id = str(told["step"]), str(told["run"])
        self.workflow, self.name = str(told.get("workflow", "")), str(told["name"])
        self.attempt, self.iteration = int(told.get("attempt") or 1), int(told.get("iteration") or 0)
        self.input, self.previous, self.args = told.get("input"), told.get("previous"), told.get("args")
        self.instructions, self.action = told.get("instructions") or "", told.get("action")
        self.idempotency_key = str(told.get("idempotency_key", ""))
        self.checkpoint = told.get("checkpoint")
        self.lost = self.parked = False
        self._results = dict(told.get("results") or {})
        self._turns: dict[str, int] = {}
        self._wire, self._calls, self._token, self._lease = wire, calls, told["token"], lease

    def __repr__(self) -> str:
        return f"<Task {self.workflow}.{self.name} {self.id}>"

    def once(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the function, remember what it returned, and return that ever after, in later entries too."""
        if name not in self._results:
            value = function(*args, **kwargs)
            self._results[name] = self.post("results", {"name": name, "value": value})["value"]
        return self._results[name]

    def save(self, data: Any) -> None:
        """Keep the handler's own data; the next entry finds it as `task.checkpoint`."""
        self.post("checkpoint", {"data": data})
        self.checkpoint = data

    def heartbeat(self) -> None:
        """Prolong the lease now; a thread does so anyway while the handler runs."""
        self.post("heartbeat", {"lease": self._lease})

    def stream(self, chunk: Any, *, name: str = "") -> None:
        """Append to the run's output; with a name once."""
        self.post("stream", {"chunk": chunk, **plain({"name": name})})

    def approve(
        self,
        name: str,
        type: str,
        args: dict[str, Any],
        *,
        title: str,
        impact: str,
        description: str = "",
        target: str = "",
        reversible: bool = False,
        **terms: Unpack[Terms],
    ) -> Outcome:
        """Ask people whether this may be done. Returns what came of it, also when it is a no: look at `approved`. After
        `revision_requested` the same name asks again."""
        said = {"title": title, "impact": impact, "target": target, "reversible": reversible, **terms}
        body = action_body(type, args, dict(said))
        del body["kind"]
        body["action"] |= plain({"description": description})
        turn = self._turns[name] = self._turns.get(name, 0) + 1
        told = self._wait("approve", {"name": name, **body, **({"turn": turn} if turn > 1 else {})})
        return Outcome.read(
            str(told.get("status", "")), {"action_type": told.get("type"), "by": told["decided_by"], **told}
        )

    def ask(
        self,
        name: str,
        question: str,
        *,
        schema: dict[str, Any] | None = None,
        options: Sequence[Any] | None = None,
        **terms: Unpack[Terms],
    ) -> Any:
        """Ask people a question and return the answer."""
        body = question_body(question, schema, options, dict(terms))
        del body["kind"]
        return self._wait("ask", {"name": name, **body})

    def wait_signal(self, name: str, *, timeout: float | timedelta | None = None) -> Any:
        """The payload of the next signal of this name, also of one that came before; `timeout` in seconds."""
        return self._wait("wait", {"kind": "signal", "name": name, **plain({"timeout": timeout})})

    def sleep(self, name: str, seconds: float) -> None:
        """Let time pass, without holding a worker."""
        self._wait("wait", {"kind": "sleep", "name": name, "seconds": seconds})

    def _wait(self, verb: str, body: dict[str, Any]) -> Any:
        """What the product says each time: it knows whether the answer is there, and whether the lease holds."""
        try:
            told = self.post(verb, body)
        except ClientError as error:
            if error.code in _TIMEOUTS:
                raise Expired(error.message) from error
            raise
        if told.get("parked"):
            self.parked = True
            raise _Left(f"waits for {body['name']}")
        return told.get("value")

    def post(self, verb: str, body: dict[str, Any]) -> Any:
        """Act on the step with its token; a lost lease leaves the handler, because the step has another worker now."""
        if self.lost or self.parked:
            raise _Left("the step is no longer here")
        try:
            return self._wire.run(self._calls.post(f"steps/{self.id}/{verb}/", {"token": self._token, **body}))
        except LeaseLost:
            self.lost = True
            raise _Left("the lease is lost") from None


@dataclass(slots=True)
class Worker:
    """Does the steps of some queues, one at a time; run as many workers as should work at once.

    `handlers` are found by `workflow.step` or by the step's name alone, and called with a Task. What they return is the
    step's output; they may return Continue or Fail, and raise. A step whose worker dies is handed to another one when
    its lease ends.
    """

    wire: Wire
    calls: Calls[Any, Any]
    queues: Sequence[str]
    handlers: dict[str, Callable[[Task], Any]]
    lease: int = 60
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: threading.Event | None = None) -> None:
        """Work until `stop` is set or SIGTERM comes; the step in hand is done first. Raises what is no passing trouble,
        such as a key that may not work."""
        self.stop = stop or self.stop
        with _stopping_on_sigterm(self.stop):
            while not self.stop.is_set():
                try:
                    self.run_once()
                except (Unavailable, Throttled) as error:
                    log.warning("no step could be claimed: %s", error)
                    self.stop.wait(_AFTER_TROUBLE)

    def run_once(self, *, wait: float = POLL) -> bool:
        """Claim one step and do it; False when there was none."""
        told = self.wire.run(
            self.calls.post("steps/claim/", {"queues": list(self.queues), "lease": self.lease}, wait=wait)
        )
        if told is None:
            return False
        self._do(Task(self.wire, self.calls, told, self.lease))
        return True

    def _do(self, task: Task) -> None:
        try:
            with _heartbeats(task, self.lease / 3):
                verb, body = self._handled(task)
                self._finish(task, verb, body)
        except _Left as left:
            log.info("%r: left, %s", task, left)
        except (Unavailable, Throttled) as error:
            log.error("%r: how it ended could not be told, so it will be done again: %s", task, error)

    def _handled(self, task: Task) -> tuple[str, dict[str, Any]]:
        handler = self.handlers.get(f"{task.workflow}.{task.name}") or self.handlers.get(task.name)
        if handler is None:
            return _failed(Fail(f"this worker has no handler for {task.workflow}.{task.name}", code="no_handler"))
        try:
            returned = handler(task)
        except Fail as fail:
            return _failed(fail)
        except Exception as error:
            log.exception("%r: the handler failed", task)
            return _failed(Fail(f"{type(error).__name__}: {error}", code="error"))
        if isinstance(returned, Fail):
            return _failed(returned)
        if isinstance(returned, Continue):
            return "continue", {"state": returned.state}
        return "complete", {"output": returned}

    def _finish(self, task: Task, verb: str, body: dict[str, Any]) -> None:
        if task.parked:
            log.error("%r: the handler caught the pause and went on; catch Exception instead", task)
        try:
            encode(body)
            task.post(verb, body)
        except Invalid as error:
            task.post(*_failed(Fail(error.message, code="invalid_output", retry=False)))
        except ClientError as error:
            if isinstance(error, Unavailable | Throttled):
                raise
            log.error("%r: %s was refused: %s", task, verb, error)


def _failed(fail: Fail) -> tuple[str, dict[str, Any]]:
    body = {"code": fail.code, "why": fail.why[:_TEXT], "retry": fail.retry}
    return "fail", body | ({} if fail.after is None else {"after": fail.after})


@contextmanager
def _heartbeats(task: Task, every: float) -> Iterator[None]:
    """Prolong the lease from a thread while the handler runs."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(every):
            try:
                task.heartbeat()
            except _Left:
                return
            except ClientError as error:
                log.warning("%r: no heartbeat: %s", task, error)

    thread = threading.Thread(target=beat, name=f"hitl-heartbeat-{task.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _stopping_on_sigterm(stop: threading.Event) -> Iterator[None]:
    """Set the event on SIGTERM; only the main thread may listen, elsewhere the program does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
