"""JSON as strictly as the rest of hitl reads it: duplicate keys, NaN and deep nesting are refused at the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from hitl.conf import conf
from hitl.definition import parse
from hitl.exceptions import TooLarge


class StrictJSONParser(BaseParser):
    """Reads at most the largest payload and a little around it."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The body as a value; raises NotCanonical or TooLarge."""
        limit = conf.MAX_PAYLOAD + 64 * 1024
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(f"the body has more than {limit} bytes", limit=limit)
        return parse(data, what="body") if data else {}
