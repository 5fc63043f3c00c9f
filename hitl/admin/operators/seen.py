"""Rows under `/admin/` whose texts show what cannot be seen: Django would give them out as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Model
from django.http import HttpRequest

from hitl.definition.text import reveal

if TYPE_CHECKING:
    from django.contrib.admin.options import BaseModelAdmin

    _Base = BaseModelAdmin[Any]
else:
    _Base = object
_TEXTS = (models.CharField, models.TextField, models.JSONField, models.ForeignKey)
Column = str | Callable[[Any], Any]


class Seen(_Base):
    """Texts, JSON and names of other rows, in lists and on pages of rows that nobody changes there."""

    def get_list_display(self, request: HttpRequest) -> list[Column]:
        """The columns of the list."""
        return [self._seen(name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Those of the fields below that are so by name: Django holds the two together."""
        found = super().get_readonly_fields(request, obj)
        return found if obj is None else [self._seen(name) for name in found]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The fields of the page of a row; a form that makes one has its own."""
        found = super().get_fieldsets(request, obj)
        if obj is None:
            return found
        return [(name, {**part, "fields": [self._seen(one) for one in part["fields"]]}) for name, part in found]

    def _seen(self, name: Any) -> Column:
        try:
            field = self.model._meta.get_field(name) if isinstance(name, str) else None
        except FieldDoesNotExist:
            return str(name)
        ours = isinstance(field, models.ForeignKey) and field.related_model._meta.app_label == "hitl"
        if not isinstance(field, _TEXTS) or field.choices or ours:  # ours say their names so, and are linked
            return name  # type: ignore[no-any-return]
        return _column(field)


@cache
def _column(field: Any) -> Column:
    """One for a field, since Django compares them."""

    @admin.display(description=field.verbose_name, ordering=field.name, empty_value="-")
    def shown(row: Any) -> str | None:
        value = getattr(row, field.name)
        text = json.dumps(value, ensure_ascii=False) if isinstance(field, models.JSONField) else value
        return None if value is None else reveal(str(text)) or None

    return shown
