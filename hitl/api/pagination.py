"""Pages that stay right while rows are added: a cursor, never a number."""

from __future__ import annotations

import uuid

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class Newest(CursorPagination):
    """Newest first; ids are UUIDv7, so they sort by time."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where to go on; a cursor that never was one of ours is not found."""
        cursor: Cursor | None = super().decode_cursor(request)
        try:
            if cursor is not None and cursor.position is not None:
                uuid.UUID(cursor.position)
        except ValueError:
            raise NotFound(self.invalid_cursor_message) from None
        return cursor
