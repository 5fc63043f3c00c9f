"""`hitl run watch|retry|fork|resolve`, `hitl freeze` and `hitl unfreeze`."""

from __future__ import annotations

import argparse
import time
from typing import Any

from django.core.management.base import CommandError

from hitl import audit, engine
from hitl.audit import SYSTEM
from hitl.engine.control import RESOLVE
from hitl.exceptions import UnknownRun
from hitl.management.cli.base import Out, command, json_argument, seconds, user_named
from hitl.models import Run
from hitl.states import RUN_ENDS, RunStatus
from hitl.transitions import as_uuid

_AS = "login name of who does it (default: the system)"


def add(parent: Any) -> None:
    """Add the commands that stand by themselves."""
    freeze = command(parent, "freeze", _freeze, "let no step start any more; what runs goes on")
    freeze.add_argument("target", nargs="?", default="all", help="all, workflow:NAME, run:ID, key:ID or user:ID")
    freeze.add_argument("--reason", default="")
    freeze.add_argument("--as", dest="user", help=_AS)
    unfreeze = command(parent, "unfreeze", _unfreeze, "lift a freeze")
    unfreeze.add_argument("target", nargs="?", default="all", help="what was frozen")
    unfreeze.add_argument("--as", dest="user", help=_AS)


def add_to(runs: Any) -> None:
    """Add those of the group `run`."""
    watch = command(runs, "watch", _watch, "print a run's timeline as it grows, until the run ends")
    watch.add_argument("run")
    watch.add_argument("--every", type=seconds, default=1.0, help="seconds between two looks (default 1)")
    watch.add_argument("--for", dest="most", type=seconds, help="give up after so many seconds")
    retry = command(runs, "retry", _retry, "a new run that begins where this one failed")
    retry.add_argument("run")
    retry.add_argument("--as", dest="user", help=_AS)
    fork = command(runs, "fork", _fork, "a new run that begins at a step of this one")
    fork.add_argument("run")
    fork.add_argument("step")
    fork.add_argument("--patch", default="{}", help="outputs of earlier steps to change, as a JSON object")
    fork.add_argument("--as", dest="user", help=_AS)
    resolve = command(runs, "resolve", _resolve, "say what became of an uncertain step")
    resolve.add_argument("run")
    resolve.add_argument("step")
    resolve.add_argument("outcome", choices=RESOLVE)
    resolve.add_argument("--output", default="null", help="the step's output as JSON, for succeeded")
    resolve.add_argument("--reason", default="")
    resolve.add_argument("--as", dest="user", required=True, help="login name of the person who knows")


def _watch(options: argparse.Namespace, out: Out) -> int:
    pk, shown, begun = as_uuid(options.run), 0, time.monotonic()
    while True:
        run = Run.objects.filter(pk=pk).first()
        if run is None:
            raise UnknownRun(f"there is no run {pk}")
        for line in audit.timeline(run.stream, after=shown):
            out.say(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.text}")
            shown = line.seq
        out.flush()
        late = options.most is not None and time.monotonic() - begun >= options.most
        if run.status in RUN_ENDS or late:
            break
        time.sleep(options.every)
    value = {"id": str(run.pk), "status": run.status, "output": run.output, "failure": run.failure_code}
    out.give(value, f"{run.status}  {run.pk}")
    return 0 if run.status == RunStatus.SUCCEEDED else 1


def _retry(options: argparse.Namespace, out: Out) -> int:
    return _told(engine.retry(options.run, actor=_who(options.user)), out)


def _fork(options: argparse.Namespace, out: Out) -> int:
    patch = json_argument(options.patch)
    if not isinstance(patch, dict):
        raise CommandError("--patch is a JSON object: names of steps and their outputs")
    return _told(engine.fork(options.run, options.step, actor=_who(options.user), patch=patch), out)


def _told(run: Run, out: Out) -> int:
    out.give({"id": str(run.pk), "status": run.status}, f"started {run.pk}")
    return 0


def _resolve(options: argparse.Namespace, out: Out) -> int:
    run = engine.resolve(
        options.run,
        options.step,
        options.outcome,
        actor=user_named(options.user),
        output=json_argument(options.output),
        reason=options.reason,
    )
    out.give({"id": str(run.pk), "status": run.status}, f"step {options.step}: {options.outcome}; run {run.status}")
    return 0


def _freeze(options: argparse.Namespace, out: Out) -> int:
    running = engine.freeze(options.target, actor=_who(options.user), reason=options.reason)
    flight = [{"run": str(step.run_id), "step": step.name} for step in running]
    lines = [f"frozen: {options.target}", *(f"still runs: {one['run']} {one['step']}" for one in flight)]
    out.give({"target": options.target, "in_flight": flight}, "\n".join(lines))
    return 0


def _unfreeze(options: argparse.Namespace, out: Out) -> int:
    lifted = engine.unfreeze(options.target, actor=_who(options.user))
    out.give(
        {"target": options.target, "lifted": lifted}, f"{'lifted' if lifted else 'was not frozen'}: {options.target}"
    )
    return 0


def _who(name: str | None) -> Any:
    return SYSTEM if name is None else user_named(name)
