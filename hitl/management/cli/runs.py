"""`hitl run …`, `hitl signal send` and `hitl feedback`."""

from __future__ import annotations

import argparse
from typing import Any

from hitl import audit, decisions, engine
from hitl.audit import SYSTEM
from hitl.exceptions import UnknownRun
from hitl.management.cli import control
from hitl.management.cli.base import Out, command, group, json_argument, positive, user_named
from hitl.models import Run
from hitl.transitions import as_uuid


def add(parent: Any) -> None:
    """Add the commands."""
    runs = group(parent, "run", "start, list, show, watch and control runs")
    start = command(runs, "start", _start, "start a run of a workflow")
    start.add_argument("workflow")
    start.add_argument("input", nargs="?", default="null", help="the input as JSON")
    start.add_argument("--as", dest="user", help="login name of the requester (default: the system)")
    start.add_argument("--key", help="idempotency key")
    listing = command(runs, "list", _list, "list the newest runs")
    listing.add_argument("--status")
    listing.add_argument("--workflow")
    listing.add_argument("--limit", type=positive, default=20)
    show = command(runs, "show", _show, "show one run with its timeline")
    show.add_argument("run")
    cancel = command(runs, "cancel", _cancel, "cancel a run: open requests and waits close with it")
    cancel.add_argument("run")
    cancel.add_argument("--reason", default="")
    cancel.add_argument("--as", dest="user", help="login name of who cancels (default: the system)")
    control.add_to(runs)
    send = command(group(parent, "signal", "send signals"), "send", _send, "send a signal to a run")
    send.add_argument("run")
    send.add_argument("name")
    send.add_argument("payload", nargs="?", default="null", help="the payload as JSON")
    send.add_argument("--as", dest="user", help="login name of the sender (default: the system)")
    send.add_argument("--key", help="idempotency key")
    feedback = command(parent, "feedback", _feedback, "keep an opinion on a run, also after its end")
    feedback.add_argument("run")
    feedback.add_argument("key", help="what it is about, such as helpfulness")
    feedback.add_argument("--score", type=float, help="from 0 to 1")
    feedback.add_argument("--comment", default="")
    feedback.add_argument("--step", default="", help="the step it is about")
    feedback.add_argument("--as", dest="user", required=True, help="login name of the person whose opinion it is")


def _start(options: argparse.Namespace, out: Out) -> int:
    run = engine.start(
        options.workflow,
        json_argument(options.input),
        requester=_who(options.user),
        idempotency_key=options.key,
    )
    out.give({"id": str(run.pk), "status": run.status}, f"started {run.pk}")
    return 0


def _list(options: argparse.Namespace, out: Out) -> int:
    rows = Run.objects.select_related("workflow").order_by("-id")
    rows = rows.filter(status=options.status) if options.status else rows
    rows = rows.filter(workflow__name=options.workflow) if options.workflow else rows
    found = [
        {"id": str(run.pk), "workflow": run.workflow.name, "status": run.status, "created_at": run.created_at}
        for run in rows[: options.limit]
    ]
    lines = [
        f"{row['id']}  {row['status']:<10} {row['workflow']:<24} {row['created_at']:%Y-%m-%d %H:%M}" for row in found
    ]
    out.give(found, "\n".join(lines) or "no runs")
    return 0


def _show(options: argparse.Namespace, out: Out) -> int:
    run = Run.objects.select_related("workflow").filter(pk=as_uuid(options.run)).first()
    if run is None:
        raise UnknownRun(f"there is no run {options.run}")
    order = {spec.name: n for n, spec in enumerate(run.workflow.definition.steps)}
    rows = sorted(run.steps.order_by("id"), key=lambda step: order.get(step.name, len(order)))
    steps = [{"name": s.name, "status": s.status, "waiting_for": s.waiting_for} for s in rows]
    lines = audit.timeline(run.stream)
    told = [f"{run.workflow}  {run.status}  {run.pk}"]
    told += [f"  {step['name']:<24} {step['status']:<10} {step['waiting_for']}".rstrip() for step in steps]
    told += [f"{line.at:%Y-%m-%d %H:%M:%S}  {line.text}" for line in lines]
    value = {
        "id": str(run.pk),
        "workflow": run.workflow.name,
        "status": run.status,
        "output": run.output,
        "failure": run.failure_code,
        "steps": steps,
        "timeline": [{"seq": line.seq, "at": line.at, "text": line.text} for line in lines],
    }
    out.give(value, "\n".join(told))
    return 0


def _cancel(options: argparse.Namespace, out: Out) -> int:
    run = engine.cancel(options.run, actor=_who(options.user), reason=options.reason)
    out.give({"id": str(run.pk), "status": run.status}, f"cancelled {run.pk}")
    return 0


def _send(options: argparse.Namespace, out: Out) -> int:
    row = engine.signal(
        options.run,
        options.name,
        json_argument(options.payload),
        sender=_who(options.user),
        idempotency_key=options.key,
    )
    out.give({"run": str(row.run_id), "name": row.name, "late": row.late}, f"sent {row.name}")
    return 0


def _feedback(options: argparse.Namespace, out: Out) -> int:
    row = decisions.give_feedback(
        options.run,
        options.key,
        actor=user_named(options.user),
        score=options.score,
        comment=options.comment,
        step=options.step,
    )
    value = {"run": str(row.run_id), "key": row.key, "score": row.score, "comment": row.comment}
    out.give(value, f"kept {row.key}")
    return 0


def _who(name: str | None) -> Any:
    return SYSTEM if name is None else user_named(name)
