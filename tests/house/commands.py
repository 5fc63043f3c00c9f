"""The management commands there are, read from their parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import lru_cache

from django.core.management import BaseCommand, get_commands, load_command_class


@lru_cache
def hitl_commands() -> dict[str, set[str]]:
    """Each `hitl …` command by its words, and `demo`, with their own options."""
    django = _options(BaseCommand().create_parser("manage.py", "any"))
    found = {" ".join(words): _options(parser) for words, parser in _leaves(("hitl",), _parser("hitl"))}
    found["demo"] = _options(_parser("demo"))
    return {name: options - django for name, options in found.items()}


def exists(words: list[str]) -> bool:
    """Whether `manage.py` takes these words: a command of Django's or an app's, all the way down in `hitl`."""
    if not words or words[0] not in get_commands():
        return False
    names = [word for word in words if not word.startswith("-")]
    if words[0] == "hitl":
        return any(name.split() == names[: len(name.split())] for name in hitl_commands())
    return True


def options_of(words: list[str]) -> set[str]:
    """The options the command of these words takes."""
    if words[0] == "hitl":
        parsers = dict(_leaves(("hitl",), _parser("hitl")))
        return next(_options(p) for name, p in parsers.items() if words[: len(name)] == list(name))
    return _options(_parser(words[0]))


def _parser(name: str) -> argparse.ArgumentParser:
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    return command.create_parser("manage.py", name)


def _leaves(
    words: tuple[str, ...], parser: argparse.ArgumentParser
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield words, parser
    for group in groups:
        for name, inner in group.choices.items():
            yield from _leaves((*words, name), inner)


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
