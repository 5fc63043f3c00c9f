"""Errors as problem details (RFC 9457): `code` is stable, `detail` is for people, the rest is what helps to go on."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

from hitl import exceptions as ours

_STATUS: list[tuple[type[ours.HitlError], int]] = [
    (ours.TooLarge, 413),
    (ours.InvalidAction, 422),
    (ours.BadInput, 400),
    (ours.NotFound, 404),
    (ours.NotAllowed, 403),
    (ours.AlreadyDecided, 409),
    (ours.AlreadyConsumed, 409),
    (ours.NotDecided, 409),
    (ours.BatchOpen, 409),
    (ours.TooEarly, 409),
    (ours.Frozen, 409),
    (ours.InFlight, 409),
    (ours.LeaseLost, 409),
    (ours.OverLimit, 429),
    (ours.RunEnded, 409),
    (ours.IdempotencyConflict, 422),
    (ours.ApprovalClosed, 410),
    (ours.StaleApproval, 412),
    (ours.StalePolicy, 409),
    (ours.VerdictNotOffered, 400),
    (ours.InvalidDecision, 422),
    (ours.InvalidPolicy, 422),
    (ours.ConditionFailed, 422),
]


_AGAIN: list[tuple[type[ours.HitlError], int]] = [(ours.InFlight, 1), (ours.OverLimit, 60), (ours.Frozen, 30)]


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an error into an answer; None for what is a defect of ours, which becomes a 500 and a log line."""
    if isinstance(error, ours.HitlError):
        again = next((seconds for kind, seconds in _AGAIN if isinstance(error, kind)), None)
        headers = {} if again is None else {"Retry-After": str(again)}
        return problem(_status(error), error.code, error.message, error.details, headers=headers)
    if isinstance(error, Http404):
        error = drf.NotFound()
    elif isinstance(error, PermissionDenied):
        error = drf.PermissionDenied()
    if not isinstance(error, drf.APIException):
        return None
    set_rollback()
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait) + 1)  # type: ignore[attr-defined]
    code, detail, extra = _told(error)
    return problem(error.status_code, code, detail, extra, headers=headers)


def problem(
    status: int, code: str, detail: str, extra: dict[str, Any], *, headers: dict[str, str] | None = None
) -> Response:
    """One problem document; a status among the extras, which is a row's, is told as `current_status`."""
    body = {**extra, "type": f"urn:hitl:problem:{code}", "title": code.replace("_", " "), "status": status}
    body |= {"code": code, "detail": detail}
    if "status" in extra:
        body["current_status"] = extra["status"]
    return Response(body, status=status, headers=headers, content_type="application/problem+json")


def _status(error: ours.HitlError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


def _told(error: drf.APIException) -> tuple[str, str, dict[str, Any]]:
    if isinstance(error, drf.ValidationError):
        return "invalid", "Some fields are wrong.", {"fields": error.get_full_details()}
    codes = error.get_codes()
    return (codes if isinstance(codes, str) else "error"), str(error.detail), {}


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For `handler404` of a project: below the API's address a problem document, on the reviewers' site a page of it,
    elsewhere Django's page."""
    if request.resolver_match is not None and "review" in request.resolver_match.namespaces:
        return render(request, "hitl/review/not_found.html", status=404)
    if not request.path.startswith(reverse("api-runs").removesuffix("runs/")):
        return defaults.page_not_found(request, exception)
    body = {"type": "urn:hitl:problem:not_found", "title": "not found", "status": 404, "code": "not_found"}
    detail = "There is no such address; GET schema/ names all of them."
    return JsonResponse({**body, "detail": detail}, status=404, content_type="application/problem+json")
