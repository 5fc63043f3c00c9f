"""Docstrings are promises: every room says what it is for, every public thing what it guarantees."""

from __future__ import annotations

import ast

import pytest

from tests.house.source import modules, rooms

ROOM_LINES = ("Question it answers: ", "May call: ", "Never: ")


def missing_lines(source: str) -> list[str]:
    """The lines a room's docstring lacks."""
    lines = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    return [wanted for wanted in ROOM_LINES if not any(line.startswith(wanted) and line != wanted for line in lines)]


def undocumented(source: str) -> list[str]:
    """Public classes, functions and methods without a docstring; Django's Meta needs none."""
    return _undocumented(ast.parse(source), "")


def _undocumented(node: ast.AST, prefix: str) -> list[str]:
    found = []
    for child in ast.iter_child_nodes(node):
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if not isinstance(child, kinds) or child.name.startswith("_") or child.name == "Meta":
            continue
        if not ast.get_docstring(child):
            found.append(f"{prefix}{child.name}")
        if isinstance(child, ast.ClassDef):
            found += _undocumented(child, f"{prefix}{child.name}.")
    return found


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_every_room_says_what_it_answers_calls_and_never_does(room: object) -> None:
    assert missing_lines((room / "__init__.py").read_text()) == []  # type: ignore[operator]


def test_every_public_name_has_a_docstring() -> None:
    assert [f"{path}: {name}" for path, source in modules().items() for name in undocumented(source)] == []


def test_every_module_has_a_docstring() -> None:
    parsed = {path: ast.parse(source) for path, source in modules().items()}
    assert [path for path, tree in parsed.items() if tree.body and not ast.get_docstring(tree)] == []


def test_a_room_that_does_not_say_is_found() -> None:
    assert missing_lines("") == list(ROOM_LINES)
    told = '"""A room.\n\nQuestion it answers: why?\nMay call: `models`.\nNever: \n"""'
    assert missing_lines(told) == ["Never: "]


def test_what_has_no_docstring_is_found() -> None:
    source = (
        "class A:\n  def b(self): ...\n  def _c(self): ...\n  class Meta: ...\nasync def d(): ...\ndef e():\n  'It.'"
    )
    assert undocumented(source) == ["A", "A.b", "d"]
