"""The audit pages: looking for records, whether they are whole, and evidence to take away."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import pytest

from hitl import decisions
from hitl.audit.evidence import inert
from hitl.models import triggers
from hitl.models.audit import AuditRecord
from tests.admin.conftest import browse
from tests.plans import statements

PAGE = "/review/audit/"


@pytest.fixture
def decided(make: Any, bob: Any) -> Any:
    """A request that bob approved."""
    approval = make()
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    return approval


def shown(who: Any, **query: str) -> str:
    answer = browse(who).get(PAGE, query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_operators_read_what_happened_newest_first(decided: Any, root: Any) -> None:
    text = shown(root)
    assert text.index("bob approved Do it") < text.index("alice started")
    assert f'href="/review/runs/{decided.run_id}/"' in text


@pytest.mark.parametrize("path", ["", "verify/"])
def test_nobody_else_reads_all_of_it(path: str, bob: Any) -> None:
    assert browse(bob).get(PAGE + path).status_code == 404


def test_a_runs_id_finds_its_records_and_no_other(decided: Any, make: Any, root: Any) -> None:
    other = make()
    text = shown(root, q=str(decided.run_id))
    assert "bob approved" in text
    assert str(other.run_id) not in text
    assert "among the newest" not in text


def test_an_action_is_looked_for_among_the_newest_and_says_so(decided: Any, root: Any) -> None:
    text = shown(root, action="hitl.approval.approved")
    assert "bob approved" in text
    assert "alice started" not in text
    assert "among the newest" in text


def test_what_nothing_fits_says_how_to_go_on(decided: Any, root: Any) -> None:
    assert "Nothing fits" in shown(root, q="nobody")
    assert "Nothing fits" in shown(root, since="2999-01-01T00:00")


@pytest.mark.parametrize("query", [{"action": "x"}, {"since": "soon"}, {"before": "x"}, {"q": "\0"}])
def test_a_filter_that_cannot_be_is_refused_and_kept(query: dict[str, str], root: Any) -> None:
    assert browse(root).get(PAGE, query).status_code == 422


def test_pages_follow_one_another_without_a_gap(decided: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl.admin.records import pages

    monkeypatch.setattr(pages, "_PAGE", 2)
    client, query, seen = browse(root), "", []
    for _ in range(20):
        answer = client.get(f"{PAGE}?{query}")
        seen += [one["row"].pk for one in answer.context["rows"]]
        query = answer.context["beyond"]
        if not query:
            break
    assert seen == list(AuditRecord.objects.order_by("-id").values_list("pk", flat=True))


def test_the_number_of_queries_does_not_grow(decided: Any, make: Any, root: Any) -> None:
    client = browse(root)
    few = len(statements(lambda: client.get(PAGE)))
    for _ in range(3):
        make()
    assert len(statements(lambda: client.get(PAGE))) == few <= 12


def test_verification_says_yes_and_what_it_looked_at(decided: Any, root: Any) -> None:
    text = browse(root).get(f"{PAGE}verify/").content.decode()
    assert "✓ Yes" in text
    one = browse(root).get(f"{PAGE}verify/", {"stream": f"run:{decided.run_id}"}).content.decode()
    assert "in 1 streams" in one


def test_verification_names_the_record_that_was_changed(transactional_db: None, decided: Any, root: Any) -> None:
    triggers.remove()
    try:
        AuditRecord.objects.filter(action="hitl.approval.approved").update(actor="user:0")
    finally:
        triggers.install()
    text = browse(root).get(f"{PAGE}verify/").content.decode()
    assert "somebody changed the record" in text
    assert f"run:{decided.run_id} record" in text


def test_a_stream_there_is_not_is_said(root: Any) -> None:
    answer = browse(root).get(f"{PAGE}verify/", {"stream": "run:nothing"})
    assert answer.status_code == 404
    assert "There is no such stream" in answer.content.decode()


def test_too_many_records_are_left_to_the_command(decided: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl.admin.records import pages

    monkeypatch.setattr(pages, "_MOST", 2)
    assert "manage.py hitl audit verify" in browse(root).get(f"{PAGE}verify/").content.decode()


def test_evidence_holds_the_bytes_that_were_hashed(decided: Any, bob: Any) -> None:
    answer = browse(bob).get(f"{PAGE}runs/{decided.run_id}/evidence.json")
    assert "attachment" in answer["Content-Disposition"]
    found = json.loads(answer.content)
    assert found["verified"]["intact"]
    assert found["verified"]["records"] == len(found["records"])
    for before, record in zip([None, *found["records"]], found["records"], strict=False):
        body = bytes.fromhex(record["body"])
        assert hashlib.sha256(b"\x00hitl.audit.v1\n" + body).hexdigest() == record["hash"]
        assert before is None or record["prev_hash"] == before["hash"]


def test_evidence_as_a_table_is_in_english_for_everybody(decided: Any, bob: Any) -> None:
    answer = browse(bob).get(f"{PAGE}runs/{decided.run_id}/evidence.csv", headers={"accept-language": "de"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["seq"] for row in rows] == [str(n + 1) for n in range(len(rows))]
    assert "bob approved Do it" in [row["sentence"] for row in rows]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_evidence_is_for_those_who_may_see_the_run(kind: str, decided: Any, mallory: Any) -> None:
    assert browse(mallory).get(f"{PAGE}runs/{decided.run_id}/evidence.{kind}").status_code == 404


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "＝1", "\r\n=1"])
def test_a_cell_that_looks_like_a_formula_is_made_inert(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", " ", "a=1", "2026-01-01", "{}", "bob"])
def test_any_other_cell_is_left_alone(cell: str) -> None:
    assert inert(cell) == cell
