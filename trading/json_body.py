"""Strict JSON for order entry: what two readers could understand differently is refused."""

import json
from typing import Any

import msgspec

from trading.errors import MalformedJson

MAX_BODY_BYTES = 64 * 1024

_decode_strictly = msgspec.json.Decoder().decode


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is repeated")
    return content


_decode_pairs = json.JSONDecoder(object_pairs_hook=_refuse_repeated_keys).decode


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises MalformedJson.

    The strict decoder refuses NaN, infinities, lone surrogates, bad UTF-8 and anything after the
    value, but keeps the last of repeated keys in silence; hence the second one.
    """
    try:
        content = _decode_strictly(body)
        _decode_pairs(body.decode())
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise MalformedJson from None
    if not isinstance(content, dict):
        raise MalformedJson
    return content
