"""`hitl audit …` and `hitl sweep`."""

from __future__ import annotations

import argparse
from typing import Any

from hitl import engine
from hitl.audit.reading import verify_live
from hitl.management.cli.base import Out, command, group
from hitl.transitions import as_uuid


def add(parent: Any) -> None:
    """Add the commands."""
    verify = command(
        group(parent, "audit", "check the audit records"),
        "verify",
        _verify,
        "check hash chains; exit 0 intact, 1 tampered, 2 incomplete",
    )
    which = verify.add_mutually_exclusive_group()
    which.add_argument("--run", help="one run (default: everything)")
    which.add_argument("--all", action="store_true", help="everything")
    command(parent, "sweep", _sweep, "do the periodic duties once, as Beat does")


def _verify(options: argparse.Namespace, out: Out) -> int:
    report = verify_live(f"run:{as_uuid(options.run)}" if options.run else None)
    lines = [f"tampered: {problem}" for problem in report.problems]
    lines += [f"incomplete: {table} has no append-only triggers; run manage.py migrate" for table in report.unprotected]
    if not report.records:
        lines.append("incomplete: there are no records")
    count = f"{report.records} records in {report.streams} streams"
    lines.append(f"audit: {'verified' if report.code == 0 else 'NOT verified'} ({count})")
    value = {
        "code": report.code,
        "records": report.records,
        "streams": report.streams,
        "problems": [{"stream": p.stream, "seq": p.seq, "what": p.what} for p in report.problems],
        "unprotected": report.unprotected,
    }
    out.give(value, "\n".join(lines))
    return report.code


def _sweep(options: argparse.Namespace, out: Out) -> int:
    moved = engine.sweep()
    out.give(moved, "  ".join(f"{name}: {count}" for name, count in moved.items()))
    return 1 if -1 in moved.values() else 0
