"""Pages that stay right while rows are added: a cursor, never a number."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class Newest(CursorPagination):
    """Newest first; ids are UUIDv7, so they sort by time."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
