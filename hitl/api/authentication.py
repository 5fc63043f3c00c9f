"""Agents come in with a key: `Authorization: Bearer hitl_<prefix>_<secret>`. People come with their session."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from hitl.api.throttles import wrong_key
from hitl.models import ApiKey
from hitl.policies import authenticate


class ApiKeyAuthentication(BaseAuthentication):
    """The principal is the key itself, so that every record names it."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        """The key, twice as DRF wants it; None when there is no bearer token at all."""
        kind, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer":
            return None
        key = authenticate(token.strip())
        if key is None:
            wrong_key(request)
            raise AuthenticationFailed("This key is unknown, revoked or expired.")
        return key, key

    def authenticate_header(self, request: Request) -> str:
        """What a client is told to come with."""
        return 'Bearer realm="hitl"'
