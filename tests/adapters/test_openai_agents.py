"""OpenAI Agents: a run pauses in one process, people decide in the product, and another process goes on, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents import UserError

from hitl.client import Client
from tests.adapters.conftest import Programs
from tests.adapters.programs import openai_agent
from tests.serving import Product

# Whichever test is first starts the product and plays the scenes in processes of their own.
pytestmark = pytest.mark.timeout(600)

AGENT = "openai_agent.py"
EDITED = {"args": {"order": "edit", "amount": 90}, "comment": "90 is enough"}
# scene: (verdict, what is said with it) for each call of the turn
SCENES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "one-approve": [("approve", {})],
    "one-comment": [("approve", {"comment": "tell them it takes a week"})],
    "one-edit": [("edit", EDITED)],
    "one-reject": [("reject", {"comment": "not this month"})],
    "one-revision": [("request_revision", {"comment": "half of it"})],
    "one-broken": [("approve", {})],
    "ask-answer": [("respond", {"response": "eu"})],
    "two-mixed": [("approve", {}), ("reject", {"comment": "only once"})],
    "twice-next": [("approve", {})],
    "native-close": [("approve", {})],
    "hasty/one-expire": [],
    "hasty/ask-silence": [],
}
# Paused in the same process; the tests that are about them go on with them.
LATER = [
    "two-race",
    "two-half",
    "trio/one-both",
    "one-mine",
    "one-renamed",
    "small-change",
    "open/one-policy",
    "large-state",
]
TRIO = """\
name: trio
default:
  stages: [{reviewers: ["group:finance", "group:directors"], approvals: 2}]
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scenes leave their effects."""
    return tmp_path_factory.mktemp("openai")


@pytest.fixture(scope="session")
def paused(programs: Programs, served: Product, folder: Path) -> dict[str, dict[str, Any]]:
    """Every scene as the process that began it left it."""
    (folder / "trio.yaml").write_text(TRIO)
    served.manage("hitl", "policy", "apply", str(folder / "trio.yaml"))
    found = programs.run(AGENT, "run", *SCENES, *LATER, EFFECTS=str(folder / "paused"))
    return dict(zip([*SCENES, *LATER], found, strict=True))


@pytest.fixture(scope="session")
def played(
    programs: Programs, served: Product, api_key: str, paused: dict[str, dict[str, Any]], folder: Path
) -> dict[str, dict[str, Any]]:
    """The scenes decided and resumed in another process: what became of each, by what it is about."""
    for scene, decisions in SCENES.items():
        for id, (verdict, said) in zip(paused[scene]["pending"], decisions, strict=bool(decisions)):
            served.decide(id, "bob", verdict, **said)
    with Client(served.url, api_key) as client:
        for scene in SCENES:
            client.wait(paused[scene]["id"], timeout=60)
        ids = [paused[scene]["pending"][0] for scene in SCENES]
        resumed = programs.run(AGENT, "resume", *ids, EFFECTS=str(folder / "resumed"))
        runs = [client.run(client.get(id).data["run"]) for id in ids]
    lines = (folder / "resumed").read_text().splitlines()
    return {
        name: {**after, "effects": [line for line in lines if line.split()[1].startswith(name)], "run": run}
        for name, after, run in zip([scene.rpartition("-")[2] for scene in SCENES], resumed, runs, strict=True)
    }


def test_a_paused_run_tells_where_people_decide(paused: dict[str, Any], served: Product) -> None:
    one = paused["one-approve"]
    assert not one["done"]
    assert [url.split("/review/")[0] for url in one["urls"]] == [served.url]
    row = served.call("GET", f"approvals/{one['id']}/", who="bob")[1]
    assert (row["title"], row["impact"]) == ("Refund 900 on approve", "Money leaves")
    assert row["action"]["args"] == {"order": "approve", "amount": 900}


def test_an_approved_call_runs_once_with_what_was_asked_and_is_reported(played: dict[str, Any]) -> None:
    found = played["approve"]
    assert found["effects"] == ["refund approve 900"]
    assert found["outputs"] == ["refunded 900 on approve for acme"]
    assert found["run"].status == "succeeded"
    assert found["run"].output == "refunded 900 on approve for acme"


def test_a_comment_on_a_yes_reaches_the_model(played: dict[str, Any]) -> None:
    [output] = played["comment"]["outputs"]
    assert "tell them it takes a week" in output
    assert output.endswith("refunded 900 on comment for acme")


def test_an_edit_runs_as_it_was_approved_and_the_model_is_told(played: dict[str, Any]) -> None:
    found = played["edit"]
    assert found["effects"] == ["refund edit 90"]
    [output] = found["outputs"]
    assert "do not call it again with the original" in output
    assert "90 is enough" in output
    assert output.endswith("refunded 90 on edit for acme")


def test_a_refusal_runs_nothing_and_says_not_to_try_again(played: dict[str, Any]) -> None:
    found = played["reject"]
    assert found["effects"] == []
    assert "not this month" in found["outputs"][0]
    assert "Do not try this again" in found["outputs"][0]


def test_who_wants_it_differently_is_heard(played: dict[str, Any]) -> None:
    found = played["revision"]
    assert found["effects"] == []
    assert "half of it" in found["outputs"][0]


def test_silence_is_no_refusal_and_no_approval(played: dict[str, Any]) -> None:
    for found in (played["expire"], played["silence"]):
        assert found["effects"] == []
        assert "not a person's no" in found["outputs"][0]


def test_an_answer_becomes_the_tools_output(played: dict[str, Any]) -> None:
    assert played["answer"]["outputs"] == ["eu"]


def test_a_turn_goes_on_as_a_whole_and_a_no_takes_no_yes_with_it(played: dict[str, Any]) -> None:
    found = played["mixed"]
    assert found["effects"] == ["refund mixed 900"]
    assert found["outputs"][0] == "refunded 900 on mixed for acme"
    assert "only once" in found["outputs"][1]


def test_a_tool_that_fails_is_reported_as_failed(played: dict[str, Any]) -> None:
    found = played["broken"]
    assert found["effects"] == ["refund broken 900"]
    assert found["run"].status == "failed"
    assert "the bank is closed" in json.dumps(found["run"].data)


def test_a_tool_that_only_the_sdk_gates_runs_as_the_model_called_it(played: dict[str, Any]) -> None:
    found = played["close"]
    assert found["effects"] == ["close close"]
    assert found["run"].output == "closed close"


def test_the_next_turn_asks_again(
    played: dict[str, Any], served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    one = played["next"]
    assert one["effects"] == ["refund next 900"]
    served.decide(one["pending"][0])
    [ended] = programs.run(AGENT, "resume", one["id"], EFFECTS=str(tmp_path / "effects"))
    assert ended["outputs"] == ["refunded 900 on next for acme", "refunded 500 on next-2 for acme"]
    assert effects() == ["refund next-2 500"]


@pytest.mark.usefixtures("played")
def test_a_resume_that_is_replayed_does_nothing(
    paused: dict[str, Any], programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    ids = [paused[scene]["id"] for scene in ("one-approve", "one-reject", "hasty/one-expire", "two-mixed")]
    again = programs.run(AGENT, "resume", *ids, EFFECTS=str(tmp_path / "effects"))
    assert [(one["already"], one["done"]) for one in again] == [(True, False)] * 4
    assert again[0]["note"] == "This turn was resumed already. Nothing was done here."
    assert effects() == []


def test_of_two_resumes_at_once_one_runs_the_tools(
    paused: dict[str, Any], served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    ids = paused["two-race"]["pending"]
    for id in ids:
        served.decide(id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(programs.env, "EFFECTS", str(tmp_path / "effects"))
        both = programs.at_once(AGENT, *[("resume", id) for id in ids])
    assert sorted((one["already"], one["done"]) for [one] in both) == [(False, True), (True, False)]
    assert sorted(effects()) == ["refund race 900", "refund race-2 500"]


def test_a_half_decided_turn_stays_open(
    paused: dict[str, Any], served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    first, second = paused["two-half"]["pending"]
    served.decide(first)
    [open_] = programs.run(AGENT, "resume", first, EFFECTS=str(tmp_path / "effects"))
    assert (open_["pending"], open_["already"], effects()) == ([second], False, [])


def test_what_others_agreed_on_after_an_edit_is_what_runs(
    paused: dict[str, Any], served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    asked = paused["trio/one-both"]["id"]
    served.decide(asked, "bob", "edit", args={"order": "both", "amount": 300})
    [revision] = [row["id"] for row in served.waiting("dana") if row["title"] == "Refund 900 on both"]
    assert revision != asked
    for person in ("carol", "dana"):
        served.decide(revision, person)
    [ended] = programs.run(AGENT, "resume", asked, EFFECTS=str(tmp_path / "effects"))
    assert "do not call it again with the original" in ended["outputs"][0]
    assert effects() == ["refund both 300"]


def test_what_needs_no_person_runs_at_once(paused: dict[str, Any], folder: Path) -> None:
    assert paused["small-change"]["done"]
    assert paused["open/one-policy"]["done"]
    assert (folder / "paused").read_text().splitlines() == ["refund change 90", "refund policy 900"]


def test_a_state_that_is_too_large_asks_nobody(paused: dict[str, Any], served: Product) -> None:
    assert paused["large-state"]["code"] == "too_large"
    assert "keep less in its history" in paused["large-state"]["error"]
    assert served.sql("SELECT count(*) FROM hitl_approval WHERE length(action_bytes) > 100000") == [(0,)]


def test_a_key_of_somebody_else_reads_no_state(
    paused: dict[str, Any], served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    id = paused["one-mine"]["id"]
    served.decide(id)
    stranger = served.key(agent="stranger")
    [refused] = programs.run(AGENT, "resume", id, EFFECTS=str(tmp_path / "effects"), HITL_API_KEY=stranger)
    assert refused["code"] in ("not_found", "unknown_approval")
    assert effects() == []


def test_an_agent_that_cannot_go_on_takes_nothing(paused: dict[str, Any], served: Product, client: Client) -> None:
    id = paused["one-renamed"]["id"]
    served.decide(id)
    approvals, agent = openai_agent.desk(client)
    agent.name = "somebody else"
    with pytest.raises(UserError, match="agent not found"):
        asyncio.run(approvals.resume(agent, id))
    assert client.get(id).data["taken_at"] is None


def test_the_pages_example_runs(served: Product, programs: Programs) -> None:
    id = programs.run("page.py", "openai-agents.md", "begin", "A1 wants its money back")
    assert programs.run("page.py", "openai-agents.md", "go_on", id) == "somebody has still to decide"
    served.decide(id)
    assert programs.run("page.py", "openai-agents.md", "go_on", id) == "refunded 900 on A1"
