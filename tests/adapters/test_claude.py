"""Claude Agent SDK: what Claude wants to do is decided in the product and happens once. Its command line: scripted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny, ToolPermissionContext

from hitl.client import AsyncClient, Client
from hitl.client.adapters.claude import Approvals, _answered
from tests.adapters.conftest import Programs
from tests.adapters.programs.claude_agent import QUESTIONS
from tests.serving import Product

# Whichever test is first starts the product and plays the scenes in processes of their own.
pytestmark = pytest.mark.timeout(600)

AGENT = "claude_agent.py"
ANSWERS = {"answer_1": "eu", "answer_2": ["Mon", "Tue"]}
# scene: (verdict, what is said with it)
SCENES: dict[str, tuple[str, dict[str, Any]] | None] = {
    "one-approve": ("approve", {}),
    "one-edit": ("edit", {"args": {"command": "rm -i edit"}, "comment": "look first"}),
    "one-reject": ("reject", {"comment": "keep it"}),
    "one-revision": ("request_revision", {"comment": "only the old ones"}),
    "one-broken": ("approve", {}),
    "ask-answer": ("respond", {"response": ANSWERS}),
    "hasty/one-expire": None,
}
MODES = {"waiting": {"DEFER": ""}, "deferred": {"DEFER": "1"}}


class Played:
    """Sessions left by one process and resumed by another, when people had decided."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}

    def call(self, name: str) -> dict[str, Any]:
        """The one call of a session, as Claude saw it end."""
        [call] = self.after[name]["saw"]
        return dict(call)

    def effects(self, name: str) -> list[str]:
        """What ran in a session, from the file that all of them write."""
        file = Path(self.env["EFFECTS"])
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if name in line]


@pytest.fixture(scope="session", params=list(MODES))
def played(
    request: pytest.FixtureRequest,
    programs: Programs,
    served: Product,
    api_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Played:
    """Every scene, once with calls that wait and once with calls that are deferred."""
    folder = str(tmp_path_factory.mktemp("claude"))
    made = Played({"FOLDER": folder, "EFFECTS": f"{folder}/effects", "SESSION": request.param, **MODES[request.param]})
    names = [scene.rpartition("-")[2] for scene in SCENES]
    before = programs.run(AGENT, *SCENES, **made.env)
    made.before = dict(zip(names, before, strict=True))
    with Client(served.url, api_key) as client:
        for found, decision in zip(before, SCENES.values(), strict=True):
            [id] = found["pending"]
            served.decide(id, "bob", decision[0], **decision[1]) if decision else client.wait(id, timeout=60)
        made.after = dict(zip(names, programs.run(AGENT, *SCENES, **made.env), strict=True))
        for name in names:
            id = made.before[name]["pending"][0]
            made.runs[name] = client.run(client.get(id).data["run"])
    return made


def test_what_nobody_decided_is_not_run_and_stays_open(played: Played) -> None:
    for found in played.before.values():
        assert len(found["pending"]) == 1
        if played.env["DEFER"]:
            assert (found["deferred"], found["saw"]) == (True, [])
            continue
        [call] = found["saw"]
        assert "it was not refused: the request is still open at http://" in call["denied"]
        assert call["interrupt"] is True


def test_an_approved_call_runs_once_and_is_reported(played: Played) -> None:
    assert played.call("approve")["ran"] == {"command": "rm approve"}
    assert played.effects("approve") == ['Bash {"command": "rm approve"}']
    assert played.after["approve"]["pending"] == []
    assert (played.runs["approve"].status, played.runs["approve"].output) == ("succeeded", {"stdout": "ok"})


def test_an_edit_runs_as_it_was_approved_and_claude_is_told(played: Played) -> None:
    call = played.call("edit")
    assert call["ran"] == {"command": "rm -i edit"}
    assert played.effects("edit") == ['Bash {"command": "rm -i edit"}']
    assert "do not call it again with the original" in call["told"]
    assert "look first" in call["told"]


def test_a_refusal_says_why_and_not_to_try_again(played: Played) -> None:
    call = played.call("reject")
    assert "keep it" in call["denied"]
    assert "Do not try this again" in call["denied"]
    assert not call.get("interrupt")
    assert played.effects("reject") == []


def test_who_wants_it_differently_is_heard(played: Played) -> None:
    assert "only the old ones" in played.call("revision")["denied"]
    assert played.effects("revision") == []


def test_silence_is_no_refusal_and_no_approval(played: Played) -> None:
    assert "not a person's no" in played.call("expire")["denied"]
    assert played.effects("expire") == []


def test_a_tool_that_fails_is_reported_as_failed(played: Played) -> None:
    assert played.effects("broken") == ['Bash {"command": "rm broken"}']
    assert played.runs["broken"].status == "failed"


def test_claudes_questions_are_answered_by_people(played: Played) -> None:
    ran = played.call("answer")["ran"]
    assert ran["answers"] == {"Which region?": "eu", "Which days?": "Mon, Tue"}
    assert [one["question"] for one in ran["questions"]] == ["Which region?", "Which days?"]


def test_a_used_decision_lets_nothing_through_again(played: Played, programs: Programs) -> None:
    approve, reject = programs.run(AGENT, "one-approve", "one-reject", **played.env)
    assert "that approval is used up" in approve["saw"][0]["denied"]
    assert "keep it" in reject["saw"][0]["denied"]
    assert (approve["pending"], reject["pending"]) == ([], [])
    assert played.effects("approve") == ['Bash {"command": "rm approve"}']


def test_of_two_resumes_at_once_one_runs_the_tool(played: Played, programs: Programs, served: Product) -> None:
    [found] = programs.run(AGENT, "one-race", **played.env)
    served.decide(found["pending"][0])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in played.env.items():
            patch.setitem(programs.env, name, value)
        both = programs.at_once(AGENT, ("one-race",), ("one-race",))
    calls = [one["saw"][0] for [one] in both]
    assert sorted("ran" in call for call in calls) == [False, True]
    [denied] = [call["denied"] for call in calls if "denied" in call]
    assert denied.startswith("This exact call was approved before")
    assert played.effects("race") == ['Bash {"command": "rm race"}']


def test_the_same_call_once_more_is_asked_once_more(
    served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    env = {"FOLDER": str(tmp_path), "EFFECTS": str(tmp_path / "effects"), "SESSION": "once-more"}
    [found] = programs.run(AGENT, "again-more", **env)
    served.decide(found["pending"][0])
    [found] = programs.run(AGENT, "again-more", **env)
    first, second = found["saw"]
    assert first["ran"] == {"command": "rm more"}
    assert "still open" in second["denied"]
    assert len(found["pending"]) == len(effects()) == 1


def test_several_calls_in_one_turn_are_told_to_come_alone(
    served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    env = {"FOLDER": str(tmp_path), "EFFECTS": str(tmp_path / "effects"), "SESSION": "crowd", "DEFER": "1"}
    [found] = programs.run(AGENT, "two-crowd", **env)
    [call] = found["saw"]
    assert call["interrupt"]
    assert "alone in its turn" in call["denied"]
    assert (found["deferred"], found["pending"], effects()) == (False, [], [])
    assert served.sql("SELECT status FROM hitl_approval WHERE title LIKE '%rm crowd%'") == [("cancelled",)]


def test_the_pages_example_runs(
    served: Product, programs: Programs, effects: Callable[[], list[str]], tmp_path: Path
) -> None:
    env = {"FOLDER": str(tmp_path), "EFFECTS": str(tmp_path / "effects")}
    words = ("page.py", "claude-agent-sdk.md", "work", "tidy up", "ticket=T-1")
    session = programs.run(*words, **env)
    assert (session, effects()) == ("s", [])
    _decide_titled(served, 'Bash(command="ls page")')
    assert programs.run(*words, f"resume={session}", **env) is None
    assert effects() == ['Bash {"command": "ls page"}']


# -- without a process of its own ---------------------------------------------------------------------


def bash(command: str) -> tuple[str, dict[str, Any], ToolPermissionContext]:
    """A call as the SDK asks about it."""
    return "Bash", {"command": command}, ToolPermissionContext(tool_use_id="toolu_1")


def test_a_decision_in_time_lets_the_call_go_on(served: Product, api_key: str) -> None:
    async def ask_while_bob_decides() -> Any:
        async with AsyncClient(served.url, api_key) as client:
            approvals = Approvals(client, session="in-time", policy="refunds", wait=60)
            asked = asyncio.create_task(approvals.can_use_tool(*bash("ls now")))
            await asyncio.to_thread(_decide_titled, served, 'Bash(command="ls now")')
            return await asked

    allowed = asyncio.run(ask_while_bob_decides())
    assert isinstance(allowed, PermissionResultAllow)
    assert allowed.updated_input == {"command": "ls now"}
    assert allowed.updated_permissions is None


def test_what_is_known_is_looked_up_and_not_asked_anew(client: Client) -> None:
    # Asked anew in other words, the same call would be refused by its idempotency key, and denied.
    known: dict[str, str] = {}
    first = Approvals(client, session="old", policy="refunds", wait=0, known=known)
    second = Approvals(client, session="old", policy="open", wait=0, known=known)
    for approvals in (first, second):
        asyncio.run(approvals.can_use_tool(*bash("ls old")))
    assert [request.id for request in second.pending] == [request.id for request in first.pending] != []


def test_a_blocking_client_serves_as_well(served: Product, client: Client) -> None:
    approvals = Approvals(client, session="blocking", policy="open", wait=60)
    assert asyncio.run(approvals.can_use_tool(*bash("ls"))) == PermissionResultAllow(updated_input={"command": "ls"})


def test_who_cannot_be_asked_permits_nothing(api_key: str) -> None:
    async def ask_nobody() -> Any:
        async with AsyncClient("http://127.0.0.1:9", api_key, retries=0) as client:
            approvals = Approvals(client, session="nobody", policy="refunds")
            hook = approvals.hooks(defer=True)["PreToolUse"][0]
            told = {"tool_name": "Bash", "tool_input": {"command": "ls"}}
            before = await hook.hooks[0](told, "toolu_1", {"signal": None})  # type: ignore[arg-type]
            return await approvals.can_use_tool(*bash("ls")), before

    denied, before = asyncio.run(ask_nobody())
    assert isinstance(denied, PermissionResultDeny)
    assert "could not be put to a person" in denied.message
    assert before["hookSpecificOutput"]["permissionDecision"] == "deny"


@pytest.mark.parametrize("response", [None, "", "eu", {}, {"answer_1": "eu"}, {"answer_1": "eu", "answer_2": []}])
def test_an_answer_that_is_missing_or_incomplete_is_none(response: Any) -> None:
    verdict = _answered({"questions": QUESTIONS}, response)
    assert verdict.input is None
    assert "not answered" in verdict.message


def test_a_question_that_is_none_is_denied(client: Client) -> None:
    approvals = Approvals(client, session="odd", policy="refunds")
    denied = asyncio.run(approvals.can_use_tool("AskUserQuestion", {"words": 1}, ToolPermissionContext()))
    assert isinstance(denied, PermissionResultDeny)


def test_a_hook_that_fails_blocks(client: Client) -> None:
    hooks = Approvals(client, session="x").hooks(matcher="Bash", defer=True)
    [before] = hooks["PreToolUse"]
    assert (before.matcher, before.on_failure) == ("Bash", "block")
    assert "PreToolUse" not in Approvals(client, session="x").hooks()


def test_a_session_has_a_name(client: Client) -> None:
    with pytest.raises(ValueError, match="name the conversation"):
        Approvals(client, session="")


def _decide_titled(served: Product, title: str) -> None:
    for _ in range(300):
        for row in served.waiting():
            if row["title"] == title:
                served.decide(row["id"])
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody asked for {title}")
