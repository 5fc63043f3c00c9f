"""What the house tests read: the files of the project, and their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HITL = ROOT / "hitl"
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SKIPPED = {"__pycache__", "node_modules", "results", "uv.lock"}


@lru_cache
def modules() -> dict[str, str]:
    """The source of every module of hitl but its migrations, by its path inside `hitl/`."""
    found = {path.relative_to(HITL).as_posix(): path.read_text() for path in sorted(HITL.rglob("*.py"))}
    return {path: text for path, text in found.items() if not path.startswith("migrations/")}


def rooms() -> list[Path]:
    """The folders of hitl that are packages; migrations are written by a tool."""
    return [path.parent for path in sorted(HITL.glob("*/__init__.py")) if path.parent.name != "migrations"]


def functions(source: str) -> Iterator[tuple[str, Function]]:
    """Every function and method of a module with its dotted name."""
    yield from _functions(ast.parse(source), "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{getattr(child, 'name', '')}"
        if isinstance(child, Function):
            yield name, child
        inner = f"{name}." if isinstance(child, Function | ast.ClassDef) else prefix
        yield from _functions(child, inner)


@lru_cache
def texts() -> dict[str, str]:
    """Every text file of the project by its path: what is generated, ignored or binary is left out."""
    found = {}
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if not path.is_file() or _SKIPPED & set(parts) or _generated(parts):
            continue
        try:
            found["/".join(parts)] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


def _generated(parts: tuple[str, ...]) -> bool:
    """Caches and private folders; of the hidden ones only those that belong to the project are read."""
    hidden = parts[0].startswith(".") and len(parts) > 1 and parts[0] not in (".ci", ".github")
    made = parts[0] in ("dist", "build", "var", ".venv") or parts[:2] == ("docs", "_build")
    return hidden or made or parts[0].startswith("celerybeat-schedule")
