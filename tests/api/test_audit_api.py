"""The proof over the API: a run's chain, everything for operators, and whether it is whole."""

from __future__ import annotations

import hashlib
import sys
import uuid
from datetime import timedelta
from typing import Any

import pytest

from hitl import audit, clock, decisions, engine
from hitl.api.runs import audit as views
from hitl.definition import canonical
from hitl.models import Approval, Run, triggers
from hitl.models.audit import AuditRecord, AuditStream
from tests.api.conftest import Api, problem, untouched

_OF_THE_BODY = ("stream", "seq", "at", "action", "actor", "subject", "data", "correlation")


@pytest.fixture
def decided(waiting: Approval, bob: Any, work: Any) -> Run:
    """A run that bob said yes to."""
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest, comment="fine, „ja“ ☑")
    work()
    return Run.objects.get(pk=waiting.run_id)


def tamper(row: AuditRecord, **columns: Any) -> None:
    """Change a record as somebody with the database's password would."""
    triggers.remove()
    AuditRecord.objects.filter(pk=row.pk).update(**columns)
    triggers.install()


# -- a run's chain ------------------------------------------------------------------------------------


def test_whoever_reads_the_chain_can_check_it(decided: Run, as_alice: Api) -> None:
    records = as_alice.get(f"runs/{decided.pk}/audit/").json()["results"]
    prev = ""
    for number, record in enumerate(records, 1):
        body = canonical({**{name: record[name] for name in _OF_THE_BODY}, "prev": record["prev_hash"]})
        assert hashlib.sha256(b"\x00hitl.audit.v1\n" + body).hexdigest() == record["hash"]
        assert (record["seq"], record["prev_hash"], record["stream"]) == (number, prev, f"run:{decided.pk}")
        prev = record["hash"]
    assert prev == bytes(Run.objects.get(pk=decided.pk).audit_hash).hex()
    assert records[0]["action"] == "hitl.run.started"
    approved = next(record for record in records if record["action"] == "hitl.approval.approved")
    assert approved["actor"]["name"] == "bob"
    assert approved["data"]["title"] == "Refund 250 to order A-17"


def test_the_chain_goes_on_where_it_was_left(decided: Run, as_alice: Api) -> None:
    whole = as_alice.get(f"runs/{decided.pk}/audit/").json()
    rest = as_alice.get(f"runs/{decided.pk}/audit/", after=2).json()
    assert rest["results"] == whole["results"][2:]
    assert rest["after"] == whole["after"] == len(whole["results"])
    assert as_alice.get(f"runs/{decided.pk}/audit/", after=whole["after"]).json() == {**whole, "results": []}


def test_a_long_chain_comes_in_pieces(decided: Run, as_alice: Api, monkeypatch: Any) -> None:
    whole = as_alice.get(f"runs/{decided.pk}/audit/").json()["results"]
    monkeypatch.setattr(views, "_PAGE", 2)
    found: list[Any] = []
    page: dict[str, Any] = {"after": 0, "results": [None]}
    while page["results"]:
        page = as_alice.get(f"runs/{decided.pk}/audit/", after=page["after"]).json()
        found += page["results"]
    assert found == whole


@pytest.mark.parametrize("after", ["-1", "x", "9" * 25, "1.5"])
def test_what_is_no_place_in_the_chain_is_refused(after: str, decided: Run, as_alice: Api) -> None:
    problem(as_alice.get(f"runs/{decided.pk}/audit/", after=after), 400, "bad_input")


def test_who_may_not_see_the_run_sees_no_chain(decided: Run, as_mallory: Api, bot: Api, nobody: Api) -> None:
    path = f"runs/{decided.pk}/audit/"
    for stranger in (as_mallory, bot):
        problem(stranger.get(path), 404, "unknown_run")
    problem(nobody.get(path), 401, "not_authenticated")


def test_a_program_reads_the_chain_of_its_own_run(asked_by_bot: Approval, bot: Api) -> None:
    records = bot.get(f"runs/{asked_by_bot.run_id}/audit/").json()["results"]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))


# -- everything ---------------------------------------------------------------------------------------


def actions(api: Api, **query: Any) -> list[str]:
    return [record["action"] for record in api.get("audit/", **query).json()["results"]]


def test_an_operator_reads_every_stream_the_newest_first(decided: Run, agent_key: Any, as_olga: Api) -> None:
    found = as_olga.get("audit/").json()["results"]
    assert {record["stream"] for record in found} == {f"run:{decided.pk}", f"key:{agent_key[0].pk}"}
    assert (found[0]["action"], found[-1]["action"]) == ("hitl.key.created", "hitl.run.started")


def test_the_record_is_narrowed(decided: Run, agent_key: Any, bob: Any, as_olga: Api) -> None:
    assert actions(as_olga, stream=f"key:{agent_key[0].pk}") == ["hitl.key.created"]
    assert actions(as_olga, action="hitl.run.started") == ["hitl.run.started"]
    assert set(actions(as_olga, actor=f"user:{bob.pk}")) == {"hitl.approval.approved"}
    assert actions(as_olga, stream=f"run:{decided.pk}", action="hitl.key.created") == []
    assert actions(as_olga, stream="nonsense") == []
    at = AuditRecord.objects.get(action="hitl.key.created").at
    assert actions(as_olga, since=at.isoformat()) == ["hitl.key.created"]
    assert actions(as_olga, since=(clock.now() + timedelta(hours=1)).isoformat()) == []


def test_the_record_comes_in_pages(decided: Run, as_olga: Api) -> None:
    count = AuditRecord.objects.count()
    page = as_olga.get("audit/", page_size=3).json()
    found = page["results"]
    while page["next"]:
        page = as_olga.client.get(page["next"]).json()
        found += page["results"]
    assert [record["seq"] for record in found] == list(range(count, 0, -1))


@pytest.mark.parametrize("path", ["audit/", "audit/verify/"])
def test_nobody_but_operators_reads_everything(path: str, decided: Run, bot: Api, as_bob: Api, nobody: Api) -> None:
    for other in (bot, as_bob):
        assert problem(untouched(lambda other=other: other.get(path)), 403, "not_allowed")["reason"] == "not_operator"
    problem(nobody.get(path), 401, "not_authenticated")


def test_a_record_that_cannot_be_read_is_told_by_its_columns(decided: Run, as_olga: Api) -> None:
    row = AuditRecord.objects.order_by("id")[0]
    tamper(row, body=b"\xff not json")
    found = as_olga.get("audit/", action=row.action).json()["results"][0]
    assert (found["seq"], found["data"], found["actor"]["kind"]) == (row.seq, None, row.actor.partition(":")[0])


# -- is it whole --------------------------------------------------------------------------------------


def test_what_is_whole_is_told_so(decided: Run, agent_key: Any, as_olga: Api) -> None:
    report = as_olga.get("audit/verify/").json()
    assert report == {
        "result": "intact",
        "streams": 2,
        "records": AuditRecord.objects.count(),
        "problem_count": 0,
        "problems": [],
        "unprotected": [],
    }
    for stream in (f"run:{decided.pk}", f"key:{agent_key[0].pk}"):
        report = as_olga.get("audit/verify/", stream=stream).json()
        assert (report["result"], report["streams"]) == ("intact", 1)
        assert report["records"] == AuditRecord.objects.filter(stream=stream).count()


def test_what_was_changed_is_found_in_its_stream_and_in_all(decided: Run, agent_key: Any, as_olga: Api) -> None:
    run, key = f"run:{decided.pk}", f"key:{agent_key[0].pk}"
    tamper(AuditRecord.objects.get(stream=run, seq=2), subject="approval:other")
    tamper(AuditRecord.objects.get(stream=key), actor="user:0")
    for query, streams in (({}, {run, key}), ({"stream": run}, {run}), ({"stream": key}, {key})):
        report = as_olga.get("audit/verify/", **query).json()
        assert report["result"] == "tampered"
        assert {found["stream"] for found in report["problems"]} == streams
        assert report["problem_count"] == len(report["problems"]) == len(streams)
    said = [found["what"] for found in as_olga.get("audit/verify/", stream=run).json()["problems"]]
    assert said == ["its column subject differs from its body"]


def test_records_that_are_gone_are_missed(agent_key: Any, decided: Run, as_olga: Api) -> None:
    key = f"key:{agent_key[0].pk}"
    triggers.remove()
    AuditRecord.objects.filter(stream=key).delete()
    triggers.install()
    for query in ({}, {"stream": key}):
        report = as_olga.get("audit/verify/", **query).json()
        assert (report["result"], [p["stream"] for p in report["problems"]]) == ("tampered", [key])


def test_a_chain_that_grows_while_it_is_checked_is_whole(
    decided: Run, as_olga: Api, alice: Any, refund: Any, monkeypatch: Any
) -> None:
    """The heads are read before the records: what comes in between must not look like a forgery."""
    verifying = sys.modules["hitl.audit.verify"]
    heads, other = verifying._heads, refund.start(requester=alice)

    def slow(run: Any) -> Any:
        found = list(heads(run))
        if not grown:
            grown.append(engine.cancel(other, actor=alice))
        return iter(found)

    grown: list[Any] = []
    monkeypatch.setattr(verifying, "_heads", slow)
    report = as_olga.get("audit/verify/").json()
    assert grown
    assert (report["result"], report["problems"]) == ("intact", [])


def test_missing_triggers_are_told(decided: Run, as_olga: Api) -> None:
    triggers.remove()
    report = as_olga.get("audit/verify/").json()
    triggers.install()
    assert report["result"] == "incomplete"
    assert "hitl_auditrecord" in report["unprotected"]


def test_too_much_to_check_in_one_call_is_refused(decided: Run, agent_key: Any, as_olga: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(views, "MOST_RECORDS", 3)
    told = problem(as_olga.get("audit/verify/"), 413, "too_large")
    assert "hitl audit verify" in told["detail"]
    assert as_olga.get("audit/verify/", stream=f"key:{agent_key[0].pk}").json()["result"] == "intact"


@pytest.mark.parametrize("stream", ["nonsense", "run:x", f"run:{uuid.UUID(int=1)}", "policy:none"])
def test_a_stream_that_is_not_there_is_not_found(stream: str, decided: Run, as_olga: Api) -> None:
    problem(as_olga.get("audit/verify/", stream=stream), 404, "not_found")


def test_a_stream_that_only_looks_like_a_runs_is_checked_as_what_it_is(decided: Run, as_olga: Api) -> None:
    stream = f"run:{str(decided.pk).upper()}"
    AuditStream.objects.create(stream=stream, seq=1, hash=b"x")
    report = as_olga.get("audit/verify/", stream=stream).json()
    assert (report["result"], report["records"]) == ("tampered", 0)


def test_many_problems_are_counted_and_a_hundred_told(decided: Run, as_olga: Api) -> None:
    for number in range(120):
        AuditStream.objects.create(stream=f"key:{number}", seq=1, hash=b"x")
    report = as_olga.get("audit/verify/").json()
    assert (report["problem_count"], len(report["problems"])) == (120, 100)


def test_the_list_of_audit_and_the_chain_tell_the_same(decided: Run, as_olga: Api) -> None:
    chain = as_olga.get(f"runs/{decided.pk}/audit/").json()["results"]
    assert as_olga.get("audit/", stream=decided.stream).json()["results"] == chain[::-1]
    assert audit.verify().code == 0
