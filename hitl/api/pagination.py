"""Pages that stay right while rows are added: a cursor, never a number."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import decisions
from hitl.decisions.inbox import Cursor as After
from hitl.decisions.inbox import cursor_of
from hitl.models import Approval

_LARGEST_ID = 2**63 - 1


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
        except (ValueError, OverflowError):
            raise NotFound(self.invalid_cursor_message) from None
        return cursor

    def check_position(self, position: str) -> None:
        """Raise ValueError or OverflowError for what the first column cannot be."""
        raise ValueError(position)


class Newest(Pages):
    """Newest first; ids are UUIDv7, so they sort by time."""

    ordering = "-id"

    def check_position(self, position: str) -> None:
        """An id."""
        uuid.UUID(position)


class Oldest(Newest):
    """Oldest first."""

    ordering = "id"


class Numbered(Pages):
    """Oldest first, of rows that are numbered."""

    ordering = "id"

    def check_position(self, position: str) -> None:
        """A number."""
        if not (position.isascii() and position.isdigit() and len(position) < 20 and int(position) <= _LARGEST_ID):
            raise ValueError(position)


class DueSoonest(Pages):
    """By their deadlines."""

    ordering = ("expires_at", "id")

    def check_position(self, position: str) -> None:
        """A time with its zone."""
        _moment(position)


class Inbox(Pages):
    """What waits for a person, due soonest first: each page goes on behind the last request of the one before, and its
    cost does not depend on how many wait. There is no way back, so `previous` is always null."""

    # Where few fit the filter: then a page is shorter, and the next one goes on where the search ended.
    most_pages = 10

    def check_position(self, position: str) -> None:
        """A deadline and an id."""
        self._after(position)

    def answer(self, request: Request, user: Any, shape: type[Any], fits: Callable[[Approval], bool]) -> Response:
        """A page of the requests that wait for this user and fit."""
        self.request, self.base_url = request, request.build_absolute_uri()
        cursor = self.decode_cursor(request)
        position = cursor.position if cursor is not None else None
        rows, after = self._rows(user, self._after(str(position)) if position else None, fits)
        following = None
        if after is not None:
            told: Any = f"{after[0].isoformat()}|{after[1]}"
            following = self.encode_cursor(Cursor(offset=0, reverse=False, position=told))
        return Response({"next": following, "previous": None, "results": shape(rows, many=True).data})

    def _rows(
        self, user: Any, after: After | None, fits: Callable[[Approval], bool]
    ) -> tuple[list[Approval], After | None]:
        """The rows of one page, and where the next one begins, or None."""
        size = self.get_page_size(self.request) or self.page_size
        found: list[Approval] = []
        for _ in range(self.most_pages):
            rows = decisions.inbox(user, limit=size + 1, after=after)
            for row in rows:
                if fits(row) and len(found) == size:
                    return found, cursor_of(found[-1])
                found += [row] if fits(row) else []
            if len(rows) <= size:
                return found, None
            after = cursor_of(rows[-1])
        return found, after

    def _after(self, position: str) -> After:
        due, _, pk = position.partition("|")
        return _moment(due), uuid.UUID(pk)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at.astimezone(UTC)
