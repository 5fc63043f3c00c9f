"""Hostile words in files: a cell is never a formula, and a browser that opens a file shows no page."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.hostile.conftest import Walked

pytestmark = pytest.mark.django_db
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def files(walked: Walked) -> dict[str, Any]:
    """The answers that are files, by their address."""
    return {
        route: response
        for route, response in walked.others.items()
        if response.status_code == 200 and response["Content-Type"].startswith(("text/csv", "application/json"))
    }


def test_no_cell_is_a_formula(walked: Walked) -> None:
    tables = {route: r.body.decode() for route, r in files(walked).items() if r["Content-Type"].startswith("text/csv")}
    assert tables
    for text in tables.values():
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
        assert len(rows) > 5
        assert len({len(row) for row in rows}) == 1
        assert [cell for row in rows for cell in row if cell.startswith(FORMULAS)] == []


def test_files_are_downloads_that_no_browser_reads_as_pages(walked: Walked) -> None:
    evidence = walked.others["review/audit/runs/<uuid:pk>/evidence.json"]
    assert json.loads(evidence.body)
    for response in files(walked).values():
        assert response["X-Content-Type-Options"] == "nosniff"
    for route in files(walked):
        if "evidence" in route or "export" in route:
            assert walked.others[route]["Content-Disposition"].startswith("attachment")
