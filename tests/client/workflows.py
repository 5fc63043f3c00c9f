"""The workflows of the pages, for the product under test: it is told to load them by `HITL_WORKFLOW_APPS`."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "external-workers.md"
[_BLOCK] = re.findall(r"^```python\n(from hitl import Workflow.*?)^```", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
exec(compile(_BLOCK, "external-workers.md", "exec"), {"__name__": __name__})
