"""Is this process alive, and can work get done?

Ready means: the database answers, the broker takes messages, and a sweep came to its end lately, which proves beat,
broker, worker and database together.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from celery import current_app
from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hitl.conf import conf
from hitl.engine import last_sweep_age
from hitl.web.metrics import render


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when work gets done, else 503; the body says which part is missing."""
    parts = {"database": _database(), "broker": _broker(), "sweep": "unknown"}
    if parts["database"] == "ok":
        parts["sweep"] = _sweep()
    ok = all(state == "ok" for state in parts.values())
    return JsonResponse(parts, status=200 if ok else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus, to the bearer of `HITL_METRICS_TOKEN`; without one this page does not exist."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not conf.METRICS_TOKEN or not hmac.compare_digest(given.encode(), str(conf.METRICS_TOKEN).encode()):
        raise Http404
    return HttpResponse(render(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _database() -> str:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        return f"down: {error.__class__.__name__}"
    return "ok"


def _broker() -> str:
    if str(settings.CELERY_BROKER_URL).startswith("memory:"):
        return "ok"
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    except Exception as error:
        return f"down: {error.__class__.__name__}"
    return "ok"


def _sweep() -> str:
    age = last_sweep_age()
    limit: timedelta = conf.SWEEP_OVERDUE
    if age is None:
        return "never"
    return "ok" if age <= limit else f"late: {age.total_seconds():.0f} s ago"
