"""Where the doors are."""

from django.contrib import admin
from django.urls import include, path

from hitl.admin.site import review_site
from hitl.api.openapi.pages import docs

handler404 = "hitl.api.problems.page_not_found"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("review/", review_site.urls),
    path("api/v1/", include("hitl.api.urls")),
    path("api/docs/", docs, name="api-docs"),
    path("", include("hitl.api.compat.urls")),
    path("", include("hitl.web.urls")),
]
