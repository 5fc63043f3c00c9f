"""Where the document is served, and where people read it. Both are for everybody: they tell nothing of data."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page, require_safe
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hitl.api.openapi.document import document
from hitl.api.problems import handler


@method_decorator(conditional_page, "dispatch")
class Schema(APIView):
    """This document."""

    authentication_classes: Any = []
    permission_classes = [AllowAny]
    throttle_classes: Any = []  # it is the same for all, and made once
    renderer_classes = [OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer, OpenApiYamlRenderer2]
    scopes: dict[str, str] = {}

    def get(self, request: Request) -> Response:
        """200 with the document, as JSON or as YAML."""
        return Response(document())

    def get_exception_handler(self) -> Any:
        """Every error is a problem document."""
        return handler


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The document in Swagger UI, whose files come with us."""
    return render(request, "hitl/api/docs.html")
