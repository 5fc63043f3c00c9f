"""Addresses of links and health."""

from django.urls import path
from django.views.generic import RedirectView

from hitl.web import health, links
from hitl.web.unsubscribe import unsubscribe

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="review:index")),
    path("r/", links.opened, name="hitl-link"),
    path("r/<str:token>/", links.arrive, name="hitl-link-token"),
    path("u/<str:token>/", unsubscribe, name="hitl-unsubscribe"),
    path("healthz", health.alive, name="hitl-alive"),
    path("readyz", health.ready, name="hitl-ready"),
    path("metrics", health.metrics, name="hitl-metrics"),
]
