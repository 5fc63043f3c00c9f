"""What the subcommands of `manage.py hitl` share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from hitl.definition import parse
from hitl.exceptions import HitlError


@dataclass(frozen=True)
class Out:
    """Where a command prints: words for people, or with --json one document for programs."""

    stream: Any
    as_json: bool

    def say(self, text: str) -> None:
        """A line for people; nothing with --json."""
        if not self.as_json:
            self.stream.write(text + "\n")

    def flush(self) -> None:
        """Let what was printed so far be seen."""
        if hasattr(self.stream, "flush"):
            self.stream.flush()

    def give(self, value: Any, text: str | None = None) -> None:
        """The result: `value` with --json, else `text` (or the value's JSON)."""
        if self.as_json:
            self.stream.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
        elif text is not None:
            self.stream.write(text + "\n")


Act = Callable[[argparse.Namespace, Out], int]


def command(group: Any, name: str, act: Act, words: str) -> argparse.ArgumentParser:
    """Add one subcommand."""
    parser: argparse.ArgumentParser = group.add_parser(name, help=words, description=words)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of words")
    parser.set_defaults(act=act)
    return parser


def group(parent: Any, name: str, words: str) -> Any:
    """Add a group of subcommands."""
    parser = parent.add_parser(name, help=words, description=words)
    return parser.add_subparsers(required=True, metavar="COMMAND")


def user_named(name: str) -> Any:
    """The user with this login name."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"there is no user {name!r}") from None


def positive(text: str) -> int:
    """A number of at least 1 from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def seconds(text: str) -> float:
    """A length of time of more than nothing from the command line."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return number


def json_argument(text: str) -> Any:
    """A JSON value from the command line."""
    try:
        return parse(text, what="this argument")
    except HitlError as error:
        raise CommandError(f"{text[:40]!r} cannot be taken: {error.message}") from error
