"""Small things: files, functions and rooms stay inside their budgets."""

from __future__ import annotations

import ast

import pytest

from tests.house.source import HITL, functions, modules, rooms

FILE_LINES = 300
FUNCTION_LINES = 40
ROOM_FILES = 12


def long_files(sources: dict[str, str]) -> list[str]:
    """Files with more lines than the budget."""
    counts = {path: len(source.splitlines()) for path, source in sources.items()}
    return [f"{path} has {count} lines" for path, count in counts.items() if count > FILE_LINES]


def long_functions(sources: dict[str, str]) -> list[str]:
    """Functions whose body, without signature and docstring, has more lines than the budget."""
    found = []
    for path, source in sources.items():
        for name, function in functions(source):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
            if lines > FUNCTION_LINES:
                found.append(f"{path}: {name} has {lines} lines")
    return found


def test_every_file_is_short() -> None:
    assert long_files(modules()) == []


def test_every_function_is_short() -> None:
    assert long_functions(modules()) == []


def test_every_room_has_few_files() -> None:
    folders = {path for room in rooms() for path in [room, *room.rglob("*/")] if path.name != "__pycache__"}
    counts = {
        folder.relative_to(HITL).as_posix(): len([file for file in folder.glob("*.py") if file.stem != "__init__"])
        for folder in sorted(folders)
    }
    assert {room: count for room, count in counts.items() if count > ROOM_FILES} == {}


@pytest.mark.parametrize(("lines", "wrong"), [(FILE_LINES, 0), (FILE_LINES + 1, 1)])
def test_a_long_file_is_found(lines: int, wrong: int) -> None:
    assert len(long_files({"x.py": "x = 1\n" * lines})) == wrong


@pytest.mark.parametrize(("lines", "wrong"), [(FUNCTION_LINES, 0), (FUNCTION_LINES + 1, 1)])
def test_a_long_function_is_found_without_its_docstring(lines: int, wrong: int) -> None:
    docstring = '    """One line.\n\n    More.\n    """\n'
    source = "class A:\n  def f(\n    self,\n  ):\n" + docstring + "    x = 1\n" * lines
    found = long_functions({"x.py": source})
    assert len(found) == wrong
    assert all(told.startswith("x.py: A.f has 41 lines") for told in found)
