"""The addresses of the pages of runs."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from hitl.admin.runs.listing import runs_view
from hitl.admin.runs.page import act_view, live_view, run_view, value_view
from hitl.admin.runs.starting import start_list_view, start_view
from hitl.admin.runs.workflows import workflow_view


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [
        path("runs/", wrap(runs_view), name="runs"),
        path("runs/start/", wrap(start_list_view), name="start"),
        path("runs/start/<str:name>/", wrap(start_view), name="start_run"),
        path("runs/<uuid:pk>/", wrap(run_view), name="run"),
        path("runs/<uuid:pk>/act/<slug:name>/", wrap(act_view), name="run_act"),
        path("runs/<uuid:pk>/live/", wrap(live_view), name="run_live"),
        path("runs/<uuid:pk>/value/<slug:what>/", wrap(value_view), name="run_value"),
        path("workflows/<str:name>/", wrap(workflow_view), name="workflow"),
    ]
