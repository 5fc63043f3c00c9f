"""What a key's scopes let it do. People are let through here; what they may is asked of the verbs."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from hitl.models import ApiKey


class HasScope(BasePermission):
    """A view names its scope by method in `scopes`; a method without one is not for keys."""

    message = "This key lacks the scope for that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether this principal may call this method of this view."""
        who: Any = request.user
        if who is None or not who.is_authenticated:
            return False
        if not isinstance(who, ApiKey):
            return True
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not hasattr(view, method.lower()):
            return True  # nobody can: the view answers that this method is not allowed
        return getattr(view, "scopes", {}).get(method) in who.scopes
