"""Addresses of the API."""

from django.urls import path

from hitl.api import control, views

urlpatterns = [
    path("runs/", views.Runs.as_view(), name="api-runs"),
    path("runs/<uuid:pk>/", views.OneRun.as_view(), name="api-run"),
    path("runs/<uuid:pk>/cancel/", control.Cancel.as_view(), name="api-cancel"),
    path("runs/<uuid:pk>/retry/", control.Retry.as_view(), name="api-retry"),
    path("runs/<uuid:pk>/fork/", control.Fork.as_view(), name="api-fork"),
    path("runs/<uuid:pk>/signals/<str:name>/", views.Signals.as_view(), name="api-signals"),
    path("runs/<uuid:pk>/events/<path:key>/", control.OneEvent.as_view(), name="api-event"),
    path("runs/<uuid:pk>/stream/", control.Stream.as_view(), name="api-stream"),
    path("runs/<uuid:pk>/timeline/", control.Timeline.as_view(), name="api-timeline"),
    path("steps/<uuid:pk>/resolve/", control.Resolve.as_view(), name="api-resolve"),
    path("approvals/", views.Approvals.as_view(), name="api-approvals"),
    path("approvals/<uuid:pk>/", views.OneApproval.as_view(), name="api-approval"),
    path("approvals/<uuid:pk>/decisions/", views.Decisions.as_view(), name="api-decisions"),
]
