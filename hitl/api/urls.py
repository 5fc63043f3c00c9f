"""Addresses of the API."""

from django.urls import path

from hitl.api import views

urlpatterns = [
    path("runs/", views.Runs.as_view(), name="api-runs"),
    path("runs/<uuid:pk>/", views.OneRun.as_view(), name="api-run"),
    path("runs/<uuid:pk>/signals/<str:name>/", views.Signals.as_view(), name="api-signals"),
    path("approvals/", views.Approvals.as_view(), name="api-approvals"),
    path("approvals/<uuid:pk>/", views.OneApproval.as_view(), name="api-approval"),
    path("approvals/<uuid:pk>/decisions/", views.Decisions.as_view(), name="api-decisions"),
]
