"""The pages about the adapters: their examples, run in order with a scripted model and the real product."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.models.function import FunctionModel

from hitl.client import Client
from tests.adapters.programs import langgraph_agent, pydantic_agent
from tests.serving import ROOT, Product


def blocks(page: str) -> list[str]:
    """The Python of a page, from top to bottom."""
    found = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "howto" / page).read_text(), re.M | re.S)
    assert found
    return found


@pytest.fixture
def names(served: Product, api_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A reader's own file, in an empty folder, with address and key where `Client()` finds them."""
    monkeypatch.setenv("HITL_URL", served.url)
    monkeypatch.setenv("HITL_API_KEY", api_key)
    monkeypatch.chdir(tmp_path)
    made: list[Client] = []

    def make() -> Client:
        made.append(Client())
        return made[-1]

    monkeypatch.setattr("hitl.client.Client", make)
    yield {"__name__": "example"}
    for client in made:
        client.close()


def test_the_langgraph_page_pays_what_a_person_changed(
    names: dict[str, Any], served: Product, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [langgraph_agent.call("c1", "refund", order="A-17", amount=250)]
    monkeypatch.setitem(langgraph_agent.SCENES, "Refund order A-17", asked)
    build, start, later, freed = blocks("langgraph.md")
    names["model"] = langgraph_agent.Scripted()

    exec(build, names)
    exec(start, names)
    served.decide(names["paused"].pending[0].id, "bob", "edit", args={"order": "A-17", "amount": 25})
    exec(later, names)

    assert "give_up" in freed
    out = capsys.readouterr().out
    assert "/review/" in out
    assert "paid 25 for A-17" in out


def test_the_pydantic_ai_page_pays_what_a_person_changed(
    names: dict[str, Any], served: Product, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [pydantic_agent.call("c1", "refund", order="A-17", amount=250)]
    monkeypatch.setitem(pydantic_agent.SCENES, "Refund order A-17", asked)
    build, start, later, inline = blocks("pydantic-ai.md")
    names["model"] = FunctionModel(pydantic_agent.script)

    exec(build, names)
    exec(start, names)
    served.decide(names["paused"].pending[0].id, "bob", "edit", args={"order": "A-17", "amount": 25})
    exec(later, names)
    exec(inline, names)

    out = capsys.readouterr().out
    assert "/review/" in out
    assert "paid 25 for A-17" in out
