"""The document is whole, true and for everybody; and GETs tell who has their answer already."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from drf_spectacular.validation import validate_schema

from hitl.api import urls
from hitl.api.openapi.document import Generator, document
from hitl.policies import SCOPES
from tests.api.conftest import Api
from tests.house.test_documented import page, section


def calls() -> dict[str, Any]:
    """Every call of the document by method and address."""
    return {
        f"{method.upper()} {path}": call for path, item in document()["paths"].items() for method, call in item.items()
    }


def resolved(node: Any) -> Any:
    """What a reference stands for."""
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].split("/")[1:]:
            found = found[part]
        node = found
    return node


def codes_of(call: dict[str, Any]) -> set[str]:
    """The error codes a call says it may answer with."""
    found: set[str] = set()
    for answer in map(resolved, call["responses"].values()):
        shape = answer.get("content", {}).get("application/problem+json", {}).get("schema")
        found |= set(shape["allOf"][1]["properties"]["code"]["enum"]) if shape else set()
    return found


def parameters(call: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a call by name."""
    return {one["name"]: one for one in map(resolved, call["parameters"])}


def test_the_document_is_made_without_a_warning() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--api-version", "v1", stdout=out)
    assert yaml.safe_load(out.getvalue()) == json.loads(json.dumps(document()))


def test_every_endpoint_is_in_the_document() -> None:
    expected = set()
    for pattern in urls.urlpatterns:
        address = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)).replace("{pk}", "{id}")
        view = pattern.callback.view_class
        methods = [m for m in ("get", "post", "put", "patch", "delete") if hasattr(view, m)]
        expected |= {f"{method.upper()} /api/v1/{address}" for method in methods}
    assert calls().keys() == expected - {"GET /api/v1/schema/"}


def test_every_call_is_described() -> None:
    for name, call in calls().items():
        assert call["summary"], name
        assert len(call["description"]) > 20, name
    ids = [call["operationId"] for call in calls().values()]
    assert len(ids) == len(set(ids))


def test_every_good_answer_has_a_shape() -> None:
    for name, call in calls().items():
        good = {status: resolved(answer) for status, answer in call["responses"].items() if status < "300"}
        assert good, name
        for status, answer in good.items():
            assert (status == "204") is ("content" not in answer), (name, status)
            for content in answer.get("content", {}).values():
                assert content["schema"], (name, status)


def test_answers_name_all_their_members_as_required() -> None:
    for name, shape in document()["components"]["schemas"].items():
        if not name.endswith("Request") and name != "Problem":
            assert set(shape["required"]) == set(shape["properties"]), name


def test_bodies_refuse_what_they_do_not_name() -> None:
    bodies = {n: s for n, s in document()["components"]["schemas"].items() if n.endswith("Request")}
    assert len(bodies) > 20
    assert {name for name, shape in bodies.items() if shape.get("additionalProperties") is not False} == set()


def test_every_call_names_the_problems_that_the_reference_names() -> None:
    reasons = re.compile(r"reasons? `\w+`(?:(?:,| and| or) `\w+`)*")
    documented = {name: call for name, call in calls().items() if f"### `{name}`\n" in page("api")}
    assert len(documented) > 30
    for name, call in documented.items():
        _, _, told = section(page("api"), f"`{name}`").partition("Problems:")
        words = set(re.findall(r"`(\w+)`", reasons.sub("", told.split("\n\n")[0])))
        known = words & {code for other in calls().values() for code in codes_of(other)}
        assert known <= codes_of(call), name


def test_every_call_may_be_throttled_and_refused() -> None:
    for name, call in calls().items():
        assert {"not_authenticated", "authentication_failed", "permission_denied", "throttled"} <= codes_of(call), name
        assert "Retry-After" in resolved(call["responses"]["429"])["headers"], name


def test_every_post_takes_an_idempotency_key_and_every_get_an_etag() -> None:
    for name, call in calls().items():
        assert ("Idempotency-Key" in parameters(call)) is name.startswith("POST "), name
        assert ("If-None-Match" in parameters(call)) is name.startswith("GET "), name
        assert ("304" in call["responses"]) is name.startswith("GET "), name
        if name.startswith("POST "):
            assert {"in_flight", "idempotency_conflict"} <= codes_of(call), name


def test_every_call_names_a_scope_that_there_is() -> None:
    for name, call in calls().items():
        (key, person) = call["security"]
        assert set(key["key"]) <= set(SCOPES), name
        assert ("csrf" in person) is not name.startswith("GET "), name


def test_lists_name_their_filters() -> None:
    runs = parameters(calls()["GET /api/v1/runs/"])
    assert {"status", "workflow", "cursor", "page_size"} <= runs.keys()
    assert "waiting" in runs["status"]["schema"]["enum"]
    asked = parameters(calls()["GET /api/v1/approvals/"])
    assert {"view", "status", "risk", "cursor", "page_size"} <= asked.keys()


def test_each_call_knows_what_may_be_null() -> None:
    shapes = document()["components"]["schemas"]
    assert shapes["ApprovalDetail"]["properties"]["outcome"] == {
        "oneOf": [{"$ref": "#/components/schemas/Outcome"}, {"type": "null"}],
        "description": "Null while it is pending, or its batch is not released.",
    }
    assert shapes["Approval"]["properties"]["expires_at"]["type"] == "string"
    assert shapes["Approval"]["properties"]["decided_at"]["type"] == ["string", "null"]


@pytest.mark.parametrize("query", ["", "?format=json"])
def test_the_document_is_served_to_everybody_as_json(nobody: Api, query: str) -> None:
    answer = nobody.get(f"schema/{query}")
    assert answer.status_code == 200
    assert "json" in answer["Content-Type"]
    found = json.loads(answer.content)
    assert found["openapi"] == "3.1.0"
    validate_schema(found)


def test_the_document_is_served_as_yaml(nobody: Api) -> None:
    answer = nobody.get("schema/", format="yaml")
    assert answer.status_code == 200
    assert yaml.safe_load(answer.content)["info"]["title"] == "hitl"


def test_another_projects_settings_do_not_show(settings: Any) -> None:
    settings.SPECTACULAR_SETTINGS = {"TITLE": "Other", "COMPONENT_SPLIT_REQUEST": False}
    assert Generator().get_schema()["info"]["title"] == "hitl"


def test_an_answer_one_has_is_not_sent_again(as_bob: Api, waiting: Any) -> None:
    path = f"approvals/{waiting.pk}/"
    first = as_bob.get(path)
    again = as_bob.client.get(f"/api/v1/{path}", headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again["ETag"] == first["ETag"]


def test_an_answer_that_is_different_is_sent(as_bob: Api, waiting: Any) -> None:
    path = f"approvals/{waiting.pk}/"
    tag = as_bob.get(path)["ETag"]
    assert as_bob.post(f"{path}claim/", {}).status_code == 200
    again = as_bob.client.get(f"/api/v1/{path}", headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert again["ETag"] != tag


def test_who_may_not_read_learns_nothing_by_an_etag(as_bob: Api, as_mallory: Api, waiting: Any) -> None:
    path = f"approvals/{waiting.pk}/"
    tag = as_bob.get(path)["ETag"]
    assert as_mallory.client.get(f"/api/v1/{path}", headers={"If-None-Match": tag}).status_code == 404


def test_the_docs_page_has_nothing_inline(client: Any) -> None:
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", text) == []
    assert "'unsafe" not in answer["Content-Security-Policy"]
