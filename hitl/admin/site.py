"""The reviewers' admin site: active people, no `is_staff` needed."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hitl.exceptions import HitlError
from hitl.policies.acts import is_operator


class ReviewSite(AdminSite):
    """What a person may see and do there is asked of `decisions`, not of model permissions."""

    site_header = site_title = "hitl"
    index_title = _("Inbox")
    enable_nav_sidebar = False
    login_form = AuthenticationForm
    login_template = "hitl/review/login.html"
    logout_template = "hitl/review/logged_out.html"

    def get_urls(self) -> list[Any]:
        """The pages of every room beside those of requests."""
        from hitl.admin import rooms  # which need the site

        return [*(one for room in rooms() for one in room.urls(self.admin_view)), *super().get_urls()]

    def has_permission(self, request: HttpRequest) -> bool:
        """Everybody who is signed in and active."""
        return request.user.is_active and request.user.is_authenticated

    def index(self, request: HttpRequest, extra_context: object = None) -> HttpResponseRedirect:  # type: ignore[override]
        """The inbox is the start."""
        return HttpResponseRedirect(reverse("review:hitl_approval_changelist"))


review_site = ReviewSite(name="review")


def refusal(error: HitlError) -> str:
    """What a verb refused with, as a sentence in the reader's language where there is one."""
    words = gettext(error.message)
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def render(
    request: HttpRequest, template: str, context: dict[str, Any], *, section: str = "", status: int = 200
) -> HttpResponse:
    """A page of the site; `section` is the part of the navigation it belongs to."""
    common = {
        **review_site.each_context(request),
        "section": section,
        "operates": is_operator(request.user),
    }
    return TemplateResponse(request, template, {**common, **context}, status=status)
