"""How the documented views read a body: strictly, within the same limit as the fast path."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from trading.errors import BodyTooLarge
from trading.json_body import MAX_BODY_BYTES, decode_object


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        return decode_object(body)
