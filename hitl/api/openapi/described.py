"""One call of the API as OpenAPI says it, read from the view: scopes, docstrings, bodies, and `says`."""

from __future__ import annotations

import re
from inspect import cleandoc, getdoc
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, force_instance
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from hitl.api.openapi import errors, fields, parameters
from hitl.api.openapi.says import More, Page, Says
from hitl.api.shapes.bodies import Closed, Nothing

KEY, SESSION, CSRF = "key", "session", "csrf"
_EMPTY = {"type": "object", "additionalProperties": False, "maxProperties": 0}
_LINK = {"type": ["string", "null"], "format": "uri"}
_NAMES = {"ProblemShape": "AuditProblem", "Item": "BulkItem"}
_DISTURBING = ("readOnly", "default", "title", "minLength", "maxLength", "minimum", "maximum")


class Described(AutoSchema):
    """Reads a view. A method without `says` answers 200 with whatever its class is known for, which is nothing."""

    @property
    def says(self) -> Says:
        """What the view says of this method."""
        told: Says = getattr(self.view, "says", {}).get(self.method) or Says()
        return told

    @property
    def scope(self) -> str:
        """What a key needs; empty where no key may."""
        return str(getattr(self.view, "scopes", {}).get(self.method) or "")

    def get_operation_id(self) -> str:
        """The fixed words of the address, and what is done where they do not say it."""
        words = "_".join(word.replace("-", "_") for word in self._tokenize_path())
        if isinstance(self.says.answer, Page):
            return f"{words}_list"
        if self.method != "POST":
            return f"{words}_{self.method.lower()}"
        return words if "_" in words.replace("step_up", "step") else f"{words}_create"

    def get_summary(self) -> str:
        """The first words of the view's docstring, where it does not say it itself."""
        doc = cleandoc(type(self.view).__doc__ or "").split("\n\n")[0].replace("\n", " ")
        return self.says.summary or re.split(r"[.:;] |\.$", doc)[0]

    def get_description(self) -> str:  # type: ignore[override]
        """The docstrings of the class and the method, and who may."""
        own = getdoc(type(self.view)) or ""
        words = [" ".join(own.split()), " ".join(self._doc().split())]
        if self.scope:
            words.append(f"A key needs the scope `{self.scope}`.")
        return "\n\n".join(dict.fromkeys(word for word in words if word))

    def _doc(self) -> str:
        names = {"GET": ("list", "get_queryset", "get"), "POST": ("work", "post")}.get(self.method, ())
        for name in (*names, self.method.lower()):
            function = getattr(type(self.view), name, None)
            if function is not None and function.__module__.startswith("hitl.") and function.__doc__:
                return cleandoc(function.__doc__)
        return ""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """A key with its scope, or a person's session, with the CSRF token where something is done."""
        person: dict[str, list[str]] = {SESSION: []} if self.method == "GET" else {SESSION: [], CSRF: []}
        return [{KEY: [self.scope]}, person] if self.scope else [person]

    def get_tags(self) -> list[str]:
        """The first word of the address."""
        return self._tokenize_path()[:1]

    def get_override_parameters(self) -> list[Any]:
        """All of them; nothing is guessed."""
        good = [self.says.http, *self.says.others]
        query = self.says.query + (" page_size cursor" if isinstance(self.says.answer, Page) else "")
        filters = getattr(self.view, "filters", {}) if self.method == "GET" else {}
        found = [*parameters.of_path(self.path_regex), *parameters.of_filters(filters), *parameters.of_query(query)]
        return [*found, *parameters.headers(self.method, good)]

    def _get_filter_parameters(self) -> list[Any]:
        return []

    def _get_pagination_parameters(self) -> list[Any]:
        return []

    def _get_format_parameters(self) -> list[Any]:
        return []

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def get_request_serializer(self) -> Any:
        """The body; an empty object where it has no fields."""
        body = self.says.body or getattr(self.view, "body", None)
        return {"application/json": _EMPTY} if body in (None, Nothing) else body

    def get_response_serializers(self) -> Any:
        """Good answers, and problems by status."""
        said = self.says
        found: dict[Any, Any] = {}
        for status, answer in {said.http: said.answer, **said.others}.items():
            found[status] = OpenApiResponse(self._answer(answer), description=self._words(status))
        if said.streams:
            events = OpenApiResponse({"type": "string"}, description=self._words(said.http))
            found[said.http, "application/json"] = found.pop(said.http)
            found[said.http, "text/event-stream"] = events
        if self.method == "GET":
            found[304] = OpenApiResponse(None, description="Nothing is different: `If-None-Match` names this answer.")
        for status, codes in errors.codes(self.method, f"{said.errors} {self._more()}").items():
            schema = errors.told(self._problem(), status, codes)
            found[status, errors.MEDIA] = OpenApiResponse(schema, description=errors.phrase(status, codes))
        return found

    def _more(self) -> str:
        """Codes that follow from parameters."""
        pages = "not_found" if isinstance(self.says.answer, Page) else ""
        busy = "unavailable" if "wait" in self.says.query.split() else ""
        return f"{pages} {busy} {'bad_input' if pages or self.says.query else ''}"

    def _words(self, status: int) -> str:
        """What the method's docstring says of this status, or its first sentence."""
        doc = " ".join(self._doc().split())
        found = re.search(rf"\b{status}:? (?:with )?([^;]+)", doc)
        words = (found[1] if found else re.split(r"(?<=\.) ", doc)[0]).strip().rstrip(".")
        return f"{words[:1].upper()}{words[1:]}." if words else "It is done."

    def _answer(self, answer: Any) -> Any:
        if isinstance(answer, Page):
            return _object(next=_LINK, previous=_LINK, results=self._array(answer.of))
        if isinstance(answer, More):
            return _object(after={"type": "integer", "minimum": 0}, results=self._array(answer.of))
        return answer

    def _array(self, shape: Any) -> dict[str, Any]:
        return {"type": "array", "items": self.resolve_serializer(shape, "response").ref}

    def _problem(self) -> dict[str, Any]:
        component = ResolvedComponent(
            name="Problem", type=ResolvedComponent.SCHEMA, schema=errors.PROBLEM, object="Problem"
        )
        self.registry.register_on_missing(component)
        reference: dict[str, Any] = component.ref
        return reference

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        """A body refuses what it does not know; an answer has all of its members."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        name = type(force_instance(serializer)).__name__
        properties = schema.get("properties", {})
        if direction == "response":
            for part in properties.values():
                for word in _DISTURBING:
                    part.pop(word, None)
            schema["required"] = sorted(properties)
            return schema
        for field, part in properties.items():
            if (name, field) in fields.WORDS:
                part["enum"] = fields.WORDS[name, field]
        if issubclass(type(force_instance(serializer)), Closed):
            schema["additionalProperties"] = False
        if name in fields.EXAMPLES:
            schema["examples"] = [fields.EXAMPLES[name]]
        return schema

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        """Without the endings that only we need."""
        name = type(serializer).__name__.lstrip("_")
        return _NAMES.get(name) or name.removesuffix("Shape").removesuffix("Body")

    def _get_serializer_field_meta(self, field: Any, direction: str) -> dict[str, Any]:
        meta: dict[str, Any] = super()._get_serializer_field_meta(field, direction)
        if isinstance(field, serializers.JSONField):
            meta.pop("nullable", None)  # any JSON is null too, and `oneOf` both would fit neither
        return meta

    def _map_serializer_field(self, field: Any, direction: str, bypass_extensions: bool = False) -> Any:
        """As the library does, with the bounds of lists."""
        schema: Any = super()._map_serializer_field(field, direction, bypass_extensions)
        if isinstance(field, serializers.ListField) and isinstance(schema, dict):
            bounds = {"minItems": field.min_length, "maxItems": field.max_length}
            schema.update({name: value for name, value in bounds.items() if value is not None})
        return schema


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


__all__ = ["CSRF", "KEY", "SESSION", "Described", "OpenApiParameter"]
