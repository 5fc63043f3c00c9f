"""Alive, ready, and figures for operators."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app

from hitl import engine
from hitl.models import SweepMark
from tests.rows import nothing_written
from tests.servers import free_port

pytestmark = pytest.mark.django_db


def test_a_process_that_answers_is_alive(client: Any) -> None:
    with nothing_written():
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_being_alive_needs_no_database(client: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").status_code == 200


def test_without_a_sweep_it_is_not_ready(client: Any) -> None:
    SweepMark.objects.all().delete()
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"database": "ok", "broker": "ok", "sweep": "never"})


def test_after_a_sweep_it_is_ready_until_the_next_is_late(client: Any, pass_time: Any) -> None:
    engine.sweep()
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"database": "ok", "broker": "ok", "sweep": "ok"})
    assert "no-store" in response["Cache-Control"]
    pass_time(timedelta(seconds=31))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["sweep"].startswith("late: 3")
    engine.sweep()
    assert client.get("/readyz").status_code == 200


def test_a_broker_that_is_down_is_named(client: Any, settings: Any, monkeypatch: Any) -> None:
    engine.sweep()
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    settings.CELERY_BROKER_URL = nowhere
    app: Any = current_app._get_current_object()
    connect = app.connection_for_write
    monkeypatch.setattr(app, "connection_for_write", lambda: connect(nowhere))
    response = client.get("/readyz")
    assert response.status_code == 503
    parts = response.json()
    assert (parts["database"], parts["sweep"]) == ("ok", "ok")
    assert parts["broker"] == "down: OperationalError"


def test_a_database_that_is_down_is_named_without_details(client: Any, monkeypatch: Any) -> None:
    from django.db import OperationalError, connection

    def fail() -> None:
        raise OperationalError("password authentication failed for user hitl")

    monkeypatch.setattr(connection, "ensure_connection", fail)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["database"]) == (503, "down: OperationalError")
    assert (response.json()["sweep"], b"password" in response.content) == ("unknown", False)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_a_post_is_refused(path: str, client: Any, settings: Any) -> None:
    settings.HITL_METRICS_TOKEN = "t"
    with nothing_written():
        assert client.post(path, headers={"Authorization": "Bearer t"}).status_code == 405


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}, {"Authorization": ""}]
)
def test_without_a_configured_token_there_are_no_metrics(token: Any, given: Any, client: Any, settings: Any) -> None:
    settings.HITL_METRICS_TOKEN = token
    assert client.get("/metrics", headers=given).status_code == 404


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic right", "Bearer right ", "Bearer \xe9", "bearer"])
def test_a_wrong_token_finds_nothing(given: str, client: Any, settings: Any) -> None:
    settings.HITL_METRICS_TOKEN = "right"
    assert client.get("/metrics", headers={"Authorization": given} if given else {}).status_code == 404


def test_the_figures_are_the_databases(
    client: Any, settings: Any, waiting: Any, refund: Any, alice: Any, pass_time: Any
) -> None:
    settings.HITL_METRICS_TOKEN = "right"
    refund.start(requester=alice)

    def figures() -> dict[str, str]:
        response = client.get("/metrics", headers={"Authorization": "Bearer right"})
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain")
        lines = [line for line in response.content.decode().splitlines() if not line.startswith("#")]
        return dict(line.rsplit(" ", 1) for line in lines)

    now = figures()
    assert now['hitl_runs_live{status="waiting"}'] == "1.0"
    assert now['hitl_runs_live{status="running"}'] == "1.0"
    assert now['hitl_steps_live{status="ready"}'] == "1.0"
    assert now['hitl_steps_live{status="waiting"}'] == "1.0"
    assert (now["hitl_approvals_pending"], now["hitl_approvals_overdue"]) == ("1.0", "0.0")
    assert now['hitl_notifications{status="pending"}'] == "1.0"
    pass_time(timedelta(hours=5))
    assert figures()["hitl_approvals_overdue"] == "1.0"
    engine.sweep()
    after = figures()
    assert after["hitl_approvals_pending"] == "0.0"
    assert float(after["hitl_sweep_age_seconds"]) < 30


def test_the_folder_for_static_files_is_there() -> None:
    assert os.path.isdir(os.environ["HITL_DATA_DIR"])
