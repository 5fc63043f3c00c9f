"""Imports go down only: import-linter holds the contracts of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

_LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
_CONTRACT = """
[tool.importlinter]
root_packages = ["house"]

[[tool.importlinter.contracts]]
name = "down only"
type = "layers"
layers = ["house.upper", "house.lower"]
"""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter in a folder that holds a pyproject.toml and the packages it is about."""
    command = [sys.executable, "-c", _LINT, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of two rooms."""
    (tmp_path / "pyproject.toml").write_text(_CONTRACT)
    (tmp_path / "house").mkdir()
    for name in ("__init__", "upper", "lower"):
        (tmp_path / "house" / f"{name}.py").touch()
    return tmp_path


def test_imports_go_down_only() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "0 broken" in found.stdout


def test_an_import_that_goes_down_is_fine(house: Path) -> None:
    (house / "house" / "upper.py").write_text("import house.lower\n")
    assert lint(house).returncode == 0


def test_an_import_that_goes_up_is_found(house: Path) -> None:
    (house / "house" / "lower.py").write_text("import house.upper\n")
    found = lint(house)
    assert found.returncode == 1
    assert "house.lower is not allowed to import house.upper" in found.stdout
