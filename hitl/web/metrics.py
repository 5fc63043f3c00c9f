"""Figures for operators: facts of the database, so they are right in every process model."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hitl import clock
from hitl.engine import last_sweep_age
from hitl.models import Approval, Notification, Run, Step


class Facts(Collector):
    """Counts of what is alive, waiting and late."""

    def collect(self) -> Iterator[Metric]:
        """One query a figure."""
        now = clock.now()
        yield _by_status("hitl_runs_live", "runs that have not ended", Run.objects.live().values_list("status"))
        live = Step.objects.filter(status__in=["ready", "running", "waiting", "uncertain"])
        yield _by_status("hitl_steps_live", "steps that have not ended", live.values_list("status"))
        yield _one("hitl_approvals_pending", "requests that wait for people", Approval.objects.pending().count())
        yield _one("hitl_approvals_overdue", "requests past their deadline", Approval.objects.overdue(now).count())
        notices = Notification.objects.filter(status__in=["pending", "dead"])
        yield _by_status("hitl_notifications", "messages not delivered", notices.values_list("status"))
        age = last_sweep_age()
        yield _one(
            "hitl_sweep_age_seconds", "since the last sweep", float("inf") if age is None else age.total_seconds()
        )


def render() -> bytes:
    """All figures in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Facts())
    return generate_latest(registry)


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _by_status(name: str, words: str, rows: object) -> Metric:
    family = GaugeMetricFamily(name, words, labels=["status"])
    for status, count in rows.annotate(n=Count("pk")).order_by("status"):  # type: ignore[attr-defined]
        family.add_metric([status], count)
    return family
