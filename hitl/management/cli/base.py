"""What the subcommands of `manage.py hitl` share."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from django.contrib.auth import authenticate, get_user_model
from django.core.management.base import CommandError
from pydantic import TypeAdapter, ValidationError

from hitl.definition import parse
from hitl.definition.values import Duration
from hitl.exceptions import HitlError

_DURATION: TypeAdapter[float] = TypeAdapter(Duration)


@dataclass(frozen=True)
class Out:
    """Where a command prints: words for people, or with --json one document for programs."""

    stream: Any
    as_json: bool

    def say(self, text: str) -> None:
        """A line for people; nothing with --json."""
        if not self.as_json:
            self.stream.write(safe(text) + "\n")

    def flush(self) -> None:
        """Let what was printed so far be seen."""
        if hasattr(self.stream, "flush"):
            self.stream.flush()

    def give(self, value: Any, text: str | None = None) -> None:
        """The result: `value` with --json, else `text` (or the value's JSON)."""
        if self.as_json:
            self.stream.write(safe(json.dumps(value, ensure_ascii=False, indent=2, default=str)) + "\n")
        elif text is not None:
            self.stream.write(safe(text) + "\n")


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


def safe(text: str) -> str:
    """For a terminal: whatever would move its cursor or turn its letters round is shown as JSON escapes it, and so is
    still JSON where it was; lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def plain(item: Any) -> str:
    """What somebody wrote, in one line: text stays text, the rest is JSON."""
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str)
    return safe(text).replace("\n", "\\n")


# -- who ----------------------------------------------------------------------------------------------


def user_named(name: str) -> Any:
    """The user with this login name."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"there is no user {name!r}") from None


def sign_in(parser: argparse.ArgumentParser, words: str) -> None:
    """Add the options of a command that is done by a person: `signed_in` asks for their password."""
    parser.add_argument("--as", dest="user", required=True, help=words)
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def signed_in(options: argparse.Namespace) -> Any:
    """The person, after their password was right. Nothing tells a wrong name from a wrong password."""
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            password = getpass.getpass(f"Password of {options.user}: ")
        except EOFError:
            raise CommandError("there is nobody to ask for a password; --password-stdin reads it") from None
    user = authenticate(None, username=options.user, password=password)
    if user is None:
        raise CommandError("the name or the password is wrong")
    return user


# -- values of the command line -----------------------------------------------------------------------


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


def duration(text: str) -> timedelta:
    """A length of time as policies write it from the command line."""
    try:
        return timedelta(seconds=_DURATION.validate_python(text))
    except (ValidationError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 45m, 4h, 1h30m or 2d") from None


def moment(text: str) -> datetime:
    """A point in time with its zone from the command line."""
    try:
        at = datetime.fromisoformat(text)
        zoned = at.tzinfo is not None
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 2027-01-31T18:00Z") from None
    if not zoned:
        raise argparse.ArgumentTypeError(f"{text!r} does not say its zone: write 2027-01-31T18:00Z")
    return at


def json_argument(text: str) -> Any:
    """A JSON value from the command line."""
    try:
        return parse(text, what="this argument")
    except HitlError as error:
        raise CommandError(f"{text[:40]!r} cannot be taken: {error.message}") from error


def documents(path: Path) -> list[Any]:
    """The documents of a YAML or JSON file."""
    try:
        return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise CommandError(f"{path}: {error}") from error
