"""The reviewers' admin site: active people, no `is_staff` needed."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import path, reverse


class ReviewSite(AdminSite):
    """What a person may see and do there is asked of `decisions`, not of model permissions."""

    site_header = site_title = "hitl"
    index_title = "Inbox"
    enable_nav_sidebar = False
    login_form = AuthenticationForm
    login_template = "hitl/review/login.html"
    logout_template = "hitl/review/logged_out.html"

    def get_urls(self) -> list[Any]:
        """Pages of people beside those of requests."""
        from hitl.admin import delegations  # which needs the site
        from hitl.admin.keys import owners

        return [
            path("delegations/", self.admin_view(delegations.delegations_view), name="delegations"),
            path("delegations/<int:pk>/revoke/", self.admin_view(delegations.revoke_view), name="delegation_revoke"),
            path("keys/", self.admin_view(owners.keys_view), name="keys"),
            path("keys/<uuid:pk>/revoke/", self.admin_view(owners.revoke_view), name="key_revoke"),
            *super().get_urls(),
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        """Everybody who is signed in and active."""
        return request.user.is_active and request.user.is_authenticated

    def index(self, request: HttpRequest, extra_context: object = None) -> HttpResponseRedirect:  # type: ignore[override]
        """The inbox is the start."""
        return HttpResponseRedirect(reverse("review:hitl_approval_changelist"))


review_site = ReviewSite(name="review")
