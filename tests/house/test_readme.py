"""The two commands of the README are there, and every command that a page names exists."""

from __future__ import annotations

import re

import pytest

from tests.house.commands import exists, options_of
from tests.house.source import ROOT

SET_UP = ["pip install uv && uv run manage.py demo", "uv run --group test pytest"]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "docs").rglob("*.md"))),
]


def shell_blocks(text: str) -> list[list[str]]:
    """The commands of each shell block: lines without comments, continued lines joined."""
    blocks = re.findall(r"^ *```(?:sh|bash|shell|console)\n(.*?)^ *```", text, re.M | re.S)
    joined = [block.replace("\\\n", " ") for block in blocks]
    return [[line.strip() for line in block.splitlines() if re.match(r"\s*[^\s#]", line)] for block in joined]


def management_commands(text: str) -> list[list[str]]:
    """The words behind each `manage.py` in shell blocks and in code between backticks."""
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    lines = [line for block in shell_blocks(text) for line in block]
    found = []
    for line in [*spans, *lines]:
        for rest in re.findall(r"manage\.py +([^&|;#>]+)", line):
            words = rest.split()
            if re.fullmatch(r"[a-z_]+", words[0]):  # not `manage.py …`
                found.append(words)
    return found


def unknown(text: str) -> list[str]:
    """Commands that do not exist, and options that a command does not take."""
    found = []
    for words in management_commands(text):
        whole = [word for word in words if re.fullmatch(r"[a-z_-]+", word)]
        if not exists(words):
            if not _group_only(whole):
                found.append("manage.py " + " ".join(words))
            continue
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        found += [f"manage.py {words[0]} … {option}" for option in sorted(options - options_of(whole))]
    return found


def _group_only(words: list[str]) -> bool:
    """`manage.py hitl` or `manage.py hitl run`: a group that is talked of as a whole."""
    from tests.house.commands import hitl_commands

    return words[0] == "hitl" and any(name.split()[: len(words)] == words for name in hitl_commands())


def test_the_two_commands_stand_in_a_block_of_their_own() -> None:
    assert SET_UP in shell_blocks((ROOT / "README.md").read_text())


def test_the_commands_of_the_block_exist() -> None:
    assert exists(["demo"])
    assert management_commands((ROOT / "README.md").read_text())
    groups = (ROOT / "pyproject.toml").read_text().partition("[dependency-groups]")[2]
    assert re.search(r"^test = \[", groups, re.M)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists(page: str) -> None:
    assert unknown((ROOT / page).read_text()) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`manage.py nonsense`", ["manage.py nonsense"]),
        ("`uv run manage.py hitl run destroy`", ["manage.py hitl run destroy"]),
        ("```sh\npython manage.py demo --twice\n```", ["manage.py demo … --twice"]),
        ("```sh\nuv run manage.py hitl run start refund \\\n  --sa me\n```", ["manage.py hitl … --sa"]),
        ("`manage.py migrate`, `manage.py hitl …`, `manage.py hitl run`, `manage.py demo --once`", []),
        ("```sh\nuv run manage.py hitl audit verify --run $RUN && echo fine\n```", []),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, wrong: list[str]) -> None:
    assert unknown(text) == wrong


def test_a_block_is_read_without_its_comments() -> None:
    text = "x\n```sh\n# first\npip install uv && uv run manage.py demo\n\nuv run --group test pytest\n```\n"
    assert shell_blocks(text) == [SET_UP]
