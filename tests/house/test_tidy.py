"""What does not belong into the project: addresses of one machine or one registry, and notes to oneself."""

from __future__ import annotations

import re

import pytest

from tests.house.source import texts

# Put together here, so that this file does not hold what it looks for.
_HOSTS = ("pypi", "org"), ("pythonhosted", "org"), ("deb.debian", "org"), ("registry", "npmjs"), ("crates", "io")
_PLACES = ("home", "Users", "root", "work", "tmp")
_WORDS = ("TO" "DO", "FIX" "ME", "X" "XX")  # fmt: skip
HOSTS = re.compile("|".join(re.escape(".".join(host)) for host in _HOSTS), re.IGNORECASE)
PATHS = re.compile(rf"(?<![\w.~}}{{*:/-])/(?:{'|'.join(_PLACES)})/[\w.]")
NOTES = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b")


def untidy(text: str) -> list[str]:
    """Every line that names a registry, a place on somebody's machine, or something left to do."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        kinds = (("a registry", HOSTS), ("a machine's path", PATHS), ("a note to oneself", NOTES))
        found += [f"line {number} holds {kind}" for kind, pattern in kinds if pattern.search(line)]
    return found


def test_no_file_names_a_registry_a_machine_or_a_note() -> None:
    assert len(texts()) > 100
    assert [f"{path}: {wrong}" for path, text in texts().items() for wrong in untidy(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "index-url = https://" + "pypi" + ".org/simple",
        "RUN echo " + "deb.debian" + ".org",
        "open('" + "/home" + "/me/x')",
        "cd " + "/work" + "/main",
        "# " + "TO" + "DO: later",
        "x = 1  # " + "FIX" + "ME",
    ],
)
def test_what_is_untidy_is_found(text: str) -> None:
    assert len(untidy(f"fine\n{text}\n")) == 1
    assert untidy(f"fine\n{text}\n")[0].startswith("line 2 holds")


@pytest.mark.parametrize("text", ["tmpfs: [/tmp]", "/var/lib/hitl", "docs/home/x", "todo list", "~/root/x", "/healthz"])
def test_what_is_tidy_is_left_alone(text: str) -> None:
    assert untidy(text) == []
