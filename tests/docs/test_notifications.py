"""The page about messages names every kind, and says of each whether it can be turned off."""

from __future__ import annotations

import re

from hitl.notifications.kinds import KINDS
from tests.house.source import ROOT


def test_every_kind_is_documented_with_whether_it_can_be_turned_off() -> None:
    text = (ROOT / "docs" / "howto" / "notifications.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", text, re.M)
    assert dict(rows) == {name: "no" if kind.needed else "yes" for name, kind in KINDS.items()}
