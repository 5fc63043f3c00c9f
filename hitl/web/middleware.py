"""What every answer carries: headers that allow nothing inline, remote or framed, and pages in the reader's own words
and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from hitl.models import Profile

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class SecurityHeaders:
    """Adds a strict Content-Security-Policy and its companions; an answer that has set its own keeps it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response


class Preferences:
    """Pages for people come in their language and time zone: as their profile says, else as the browser asks and the
    project is set. What programs read stays as the project is set. One query a page of somebody who is signed in, which
    templates that ask for `user.profile` need no more."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(None), translation.override(settings.LANGUAGE_CODE):
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Only now it is known what is asked for, whatever addresses the project gave to the sites."""
        match = request.resolver_match
        if match is None or not ("admin" in match.app_names or match.url_name in ("hitl-link", "hitl-unsubscribe")):
            return
        language = translation.get_language_from_request(request)
        if request.user.is_authenticated:
            try:
                profile: Profile = request.user.profile
            except Profile.DoesNotExist:
                pass
            else:
                language = profile.language or language
                if profile.time_zone:
                    timezone.activate(profile.time_zone)
        translation.activate(language)
