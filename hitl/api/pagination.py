"""Pages that stay right while rows are added: a cursor, never a number."""

from __future__ import annotations

import uuid
from datetime import datetime

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class Pages(CursorPagination):
    """What all lists share."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where to go on; a cursor that never was one of ours is not found."""
        cursor: Cursor | None = super().decode_cursor(request)
        try:
            if cursor is not None and cursor.position is not None:
                self.check_position(str(cursor.position))
        except ValueError:
            raise NotFound(self.invalid_cursor_message) from None
        return cursor

    def check_position(self, position: str) -> None:
        """Raise ValueError for what the first column cannot be."""
        raise ValueError(position)


class Newest(Pages):
    """Newest first; ids are UUIDv7, so they sort by time."""

    ordering = "-id"

    def check_position(self, position: str) -> None:
        """An id."""
        uuid.UUID(position)


class DueSoonest(Pages):
    """The inbox's order."""

    ordering = ("expires_at", "id")

    def check_position(self, position: str) -> None:
        """A time with its zone."""
        if datetime.fromisoformat(position).tzinfo is None:
            raise ValueError(position)
