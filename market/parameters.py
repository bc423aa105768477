"""Query parameters of the public API: how they are documented, and how they are read."""

import re
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from market.values import NS_PER_SECOND
from orderbook.errors import InvalidInput

LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Nanoseconds of later moments do not fit the tables."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
MAX_NS = 2**63 - 1
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)


def whole(name: str, low: int, high: int, default: int | None, text: str) -> OpenApiParameter:
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    if default is not None:
        schema["default"] = default
    return OpenApiParameter(name, schema, description=text)


def moment(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string", "format": "date-time"}, description=text)


def read_whole(request: Request, name: str, low: int, high: int, default: int | None) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise InvalidInput(f"{name} must be a whole number from {low} to {high}.", field=name)
    return int(text)


def read_moment(request: Request, name: str) -> int | None:
    """Nanoseconds since the epoch; a moment without an offset is UTC.

    Moments before 1970 and after 2200 are as good as those: nothing is stored beyond.
    """
    return _read_moment(request, name, "a moment in ISO 8601 such as 2026-01-31T12:00:00Z")


def _read_moment(request: Request, name: str, wanted: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidInput(f"{name} must be {wanted}.", field=name)
    found = found.replace(tzinfo=found.tzinfo or UTC)
    since = min(max(found, EARLIEST), LATEST) - EARLIEST
    return (since.days * 86_400 + since.seconds) * NS_PER_SECOND + since.microseconds * 1_000


def exact_moment(name: str, text: str, *, required: bool = False) -> OpenApiParameter:
    schema = {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}
    return OpenApiParameter(name, schema, description=text, required=required)


def read_exact_moment(request: Request, name: str) -> int | None:
    """As ``read_moment``; whole nanoseconds since the epoch are taken, too."""
    text = request.query_params.get(name, "")
    if not _NUMBER.fullmatch(text):
        wanted = (
            "a moment in ISO 8601 such as 2026-01-31T12:00:00Z, "
            "or whole nanoseconds since 1970-01-01 UTC"
        )
        return _read_moment(request, name, wanted)
    if int(text) > MAX_NS:
        raise InvalidInput(f"{name} is beyond what 64 bits hold of nanoseconds.", field=name)
    return int(text)
