"""Cursor pages over lists that are ordered by integers, newest first.

A cursor is the key of the last row that was given, so that a page never repeats or skips a row
when new ones arrive, and costs the same however deep it lies. Its text is opaque to callers.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from orderbook.errors import InvalidInput

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_CURSOR_LENGTH = 120
_MAX_KEY = 2**63 - 1
_LIMIT = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_KEY = re.compile(r"-?[0-9]{1,19}(?:\.-?[0-9]{1,19})*", re.ASCII)

Key = tuple[int, ...]

PAGE_PARAMETERS = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="Most results in one page.",
    ),
    OpenApiParameter(
        "cursor", OpenApiTypes.STR, description="`next` of the page before; none: the first page."
    ),
]
"""For ``@extend_schema(parameters=[*PAGE_PARAMETERS, ...])``."""


class PageRequest(NamedTuple):
    limit: int = DEFAULT_LIMIT
    after: Key | None = None
    """Key of the last row of the page before."""


class Page(NamedTuple):
    results: list[Any]
    next: str | None

    def body(self, results: Sequence[Any] | None = None) -> dict[str, Any]:
        """The response; ``results`` are the rendered rows where they differ from the page's."""
        return {"results": self.results if results is None else results, "next": self.next}


def page_request(params: Mapping[str, Any], *, width: int = 1) -> PageRequest:
    """Reads ``limit`` and ``cursor``; a key has ``width`` integers.

    Raises InvalidInput with the code ``invalid`` (limit) or ``invalid_cursor``.
    """
    limit = DEFAULT_LIMIT
    if (text := params.get("limit")) is not None:
        if not _LIMIT.fullmatch(text) or int(text) > MAX_LIMIT:
            raise InvalidInput(f"limit must be a number from 1 to {MAX_LIMIT}.", field="limit")
        limit = int(text)
    cursor = params.get("cursor")
    return PageRequest(limit, None if cursor is None else decode_cursor(cursor, width=width))


def page_of(rows: Sequence[Any], limit: int, key: Callable[[Any], Key]) -> Page:
    """A page from up to ``limit + 1`` rows: the one too many tells that there are more."""
    results = list(rows[:limit])
    more = len(rows) > limit
    return Page(results, encode_cursor(key(results[-1])) if more else None)


def encode_cursor(key: Key) -> str:
    text = ".".join(map(str, key))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *, width: int = 1) -> Key:
    error = InvalidInput(
        "cursor must be the `next` of an earlier page of this list.",
        field="cursor",
        code="invalid_cursor",
    )
    if not cursor or len(cursor) > MAX_CURSOR_LENGTH or not cursor.isascii():
        raise error
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (Base64Error, UnicodeDecodeError, ValueError):
        raise error from None
    if not _KEY.fullmatch(text):
        raise error
    key = tuple(int(part) for part in text.split("."))
    if len(key) != width or any(abs(part) > _MAX_KEY for part in key):
        raise error
    return key


def page_schema(name: str, row: type[serializers.BaseSerializer[Any]]) -> Any:
    """The response of a paged list for ``@extend_schema``; ``name`` is its component's name."""
    return inline_serializer(
        name,
        {
            "results": row(many=True),
            "next": serializers.CharField(allow_null=True, help_text="Cursor of the next page."),
        },
    )
