"""The same POST twice, on every route there is: one effect, one answer, and nothing kept of what failed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from hitl.api import urls
from hitl.engine.start import forget_rows
from hitl.engine.sweeps import forget
from hitl.models import IdempotencyRecord, Run
from hitl.models import Workflow as WorkflowRow
from hitl.transitions import definition_of
from tests.api.conftest import Api, problem
from tests.outside import conftest as outside
from tests.outside.calls import CALLS, KEPT, World, told
from tests.rows import nothing_written, snapshot

ROUTES = {pattern.name: pattern for pattern in urls.urlpatterns if hasattr(pattern.callback.cls, "post")}
agents, operator, policies, say, world = (
    outside.agents, outside.operator, outside.policies, outside.say, outside.world,
)  # fmt: skip


def test_every_post_there_is_is_called_here() -> None:
    assert {name for name in ROUTES if name not in CALLS} == set()
    assert set(CALLS) <= set(ROUTES)


@pytest.mark.django_db
@pytest.mark.usefixtures("whole_house")
@pytest.mark.parametrize("name", KEPT)
def test_once_more_after_success(name: str, world: World) -> None:
    """The same answer and no second effect; another body is another call, and another's key is theirs."""
    api, path, body = CALLS[name](world)
    first = api.post(path, body, key="one")
    assert first.status_code in range(200, 300), first.content
    assert "Idempotent-Replayed" not in first
    with nothing_written():
        again = api.post(path, body, key="one")
        assert (told(again), again["Idempotent-Replayed"]) == (told(first), "true")
        # What waits for work reads its body before anything else.
        other = {"queues": ["cpu"]} if name == "api-claim-step" else {**body, "another": 1}
        problem(api.post(path, other, key="one"), 422, "idempotency_conflict")
    if body:
        reordered = dict(reversed(body.items()))
        assert api.post(path, reordered, key="one")["Idempotent-Replayed"] == "true"
    stranger = world.make("stranger").api
    assert "Idempotent-Replayed" not in stranger.post(path, body, key="one")


@pytest.mark.django_db
@pytest.mark.usefixtures("whole_house")
@pytest.mark.parametrize("name", CALLS)
def test_a_fault_leaves_nothing_and_the_key_may_be_used_again(
    name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is done and the answer cannot be kept: then neither is."""
    api, path, body = CALLS[name](world)
    api.get("approvals/")  # sessions and keys note their last use
    before = snapshot()
    with monkeypatch.context() as broken:
        broken.setattr("hitl.api.idempotency._keep", _breaks)
        assert api.post(path, body, key="one").status_code == 500
    after = snapshot()
    for table in after:
        assert table == "sessions.session" or after[table] == before[table], table
    assert not IdempotencyRecord.objects.exists()
    answer = api.post(path, body, key="one")
    assert (answer.status_code in range(200, 300), "Idempotent-Replayed" in answer) == (True, False), answer.content


def _breaks(*args: Any) -> None:
    raise RuntimeError("the disk is full")


@pytest.mark.django_db
@pytest.mark.parametrize("name", CALLS)
def test_a_refusal_is_not_kept(name: str, world: World) -> None:
    """A body that is wrong, and then a right one, with the same key."""
    api, path, body = CALLS[name](world)
    wrong = api.post(path, {**body, "no_such_field": 1}, key="one")
    assert 400 <= wrong.status_code < 500, wrong.content
    assert not IdempotencyRecord.objects.exists()
    answer = api.post(path, body, key="one")
    assert (answer.status_code in range(200, 300), "Idempotent-Replayed" in answer) == (True, False), answer.content


@pytest.mark.django_db
def test_what_answers_with_nothing_is_done_again(world: World) -> None:
    """A password is looked at each time, and an empty queue too: there may be work a moment later."""
    for _ in range(2):
        answer = world.bob.post("step-up/", {"password": "a-long-word"}, key="one")
        assert (answer.status_code, "Idempotent-Replayed" in answer) == (204, False)
    claim = partial(world.agent.api.post, "steps/claim/", {"queues": ["gpu"]}, key="one")
    assert claim().status_code == 204
    world.film()
    task = claim().json()
    assert (claim().json(), claim()["Idempotent-Replayed"]) == (task, "true")


@pytest.mark.django_db
def test_what_a_refusal_put_on_record_stays(world: World) -> None:
    seen = world.agent.ask()
    with nothing_written("hitl.act.refused"):
        answer = world.agent.act(seen, "claim", key="one")
    problem(answer, 403, "not_allowed")
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "a\x7fb"])
def test_what_is_no_key_is_refused(key: str, world: World) -> None:
    with nothing_written():
        problem(world.agent.api.post("approvals/", world.agent.body(), key=key), 400, "bad_input")


@pytest.mark.django_db
def test_an_answer_is_kept_for_its_time(world: World, pass_time: Any) -> None:
    """Then the key is as good as new, whether the sweep was there or not; but people are never asked twice with one."""
    call = partial(world.agent.api.post, f"runs/{world.run().pk}/feedback/", {"key": "good", "score": 1}, key="one")
    first = call().json()
    asked = world.agent.api.post("approvals/", world.agent.body(), key="two").json()
    pass_time(timedelta(hours=23, minutes=59))
    assert (forget.run(), call().json()) == (0, first)
    pass_time(timedelta(minutes=2))
    assert call().json()["id"] != first["id"]
    again = world.agent.api.post("approvals/", world.agent.body(), key="two")
    assert (again.status_code, again.json()["id"]) == (201, asked["id"])
    other = world.agent.body(action={"args": {"amount": 1}})
    pass_time(timedelta(hours=25))
    problem(world.agent.api.post("approvals/", other, key="two"), 422, "idempotency_conflict")
    assert (forget.run(), forget.run()) == (1, 0)
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db
def test_a_password_cannot_be_guessed_from_what_is_kept(world: World, settings: Any) -> None:
    """Not even with the table in hand: the mark of a body is made with a secret of ours."""
    marks = []
    for secret in ("one secret", "another secret"):
        settings.SECRET_KEY = secret
        seen, api = world.agent.ask(), Api(user=world.users["bob"])
        body = {"verdict": "approve", "digest": seen["digest"], "password": "a-long-word"}
        assert api.post(f"approvals/{seen['id']}/decisions/", body, key=secret).status_code == 200
        marks.append(IdempotencyRecord.objects.get(key=secret).fingerprint)
    assert marks[0] != marks[1]
    assert "a-long-word" not in str(list(IdempotencyRecord.objects.values()))


@pytest.mark.django_db
def test_a_workflow_that_was_rolled_back_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row is gone, and its number is given to another one: nothing remembers the first."""
    forget_rows()
    WorkflowRow.objects.filter(name__in=["hitl.request", "hitl.question"]).delete()
    with monkeypatch.context() as broken:
        broken.setattr("hitl.api.idempotency._keep", _breaks)
        assert world.agent.api.post("approvals/", world.agent.body(), key="one").status_code == 500
    assert not WorkflowRow.objects.filter(name="hitl.request").exists()
    question = world.agent.question()
    seen = world.agent.ask()
    for request, name in ((question, "hitl.question"), (seen, "hitl.request")):
        run = Run.objects.select_related("workflow").get(pk=request["run"])
        assert (run.workflow.name, definition_of(run.workflow_id).name) == (name, name)
    world.say(seen)
    assert world.agent.take(seen)["token"]
