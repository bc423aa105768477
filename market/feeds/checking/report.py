"""What was found: how often, and the first time in full."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from market.feeds.books.contract import Anomaly, BookKey
from market.feeds.dbn.records import price_text

FieldValues = dict[str, int | str]


class Place(NamedTuple):
    """A record, and its number in the feed."""

    number: int
    record: np.void


class Kind(StrEnum):
    """What is looked for besides the anomalies, which are kinds of their own."""

    LEVEL_SIZE = "level_size"
    """A level's size is not the sum of its orders."""
    LEVEL_COUNT = "level_count"
    """A level's count is not the number of its orders."""
    EMPTY_LEVEL = "empty_level"
    ORDER_SIZE = "order_size"
    """A resting order of size 0."""
    LEVEL_ORDER = "level_order"
    """Levels that are not sorted from best to worst."""
    LEVEL_SET = "level_set"
    """The levels are not those of the orders."""
    CROSSED_WHILE_TRADING = "crossed_while_trading"
    """An aggressor's trade in an event before and after which the book was crossed: the market
    matched continuously, so the book cannot have been so."""
    FILL_OF_UNKNOWN_ORDER = "fill_of_unknown_order"
    TRADE_NOT_PREFIX = "trade_not_prefix"
    """The makers of a trade are not the first orders of their level."""
    FILLS_OUT_OF_ORDER = "fills_out_of_order"
    """The makers are the first orders, but were not filled one after the other."""
    FILL_ABOVE_SIZE = "fill_above_size"
    """A fill greater than what its order showed: an iceberg."""
    PREFIX_SHARE = "prefix_share"
    """Fewer trades than were asked for consumed the front of their queue."""
    BATCH_SIZES_DIFFER = "batch_sizes_differ"
    """Another cut into batches gave another book."""
    SNAPSHOT_AND_REST_DIFFER = "snapshot_and_rest_differ"
    """A book loaded from its image on the way became another than the whole."""
    ENGINES_DIFFER = "engines_differ"
    """The book is not that of the plain engine."""
    EVENT_TOPS_DIFFER = "event_tops_differ"
    """After an event the ten best levels are not those of the plain engine."""
    REFERENCE_DIFFERS = "reference_differs"
    """The venue's own levels are others."""


COUNTED_ONLY = frozenset(
    (
        Anomaly.UNKNOWN_CANCEL,
        Anomaly.UNKNOWN_MODIFY,
        Kind.FILL_OF_UNKNOWN_ORDER,
        Kind.TRADE_NOT_PREFIX,
        Kind.FILLS_OUT_OF_ORDER,
        Kind.FILL_ABOVE_SIZE,
    )
)
"""What a sound feed may show: a cold start, icebergs. Everything else is a violation."""


class Report:
    """Counts by kind, with the first record of each."""

    def __init__(self, offset_of: Callable[[int], int | None] = lambda number: None) -> None:
        """``offset_of`` gives a record's byte offset in its file, where it is known."""
        self._offset_of = offset_of
        self._counts: dict[str, int] = dict.fromkeys((*Anomaly, *Kind), 0)
        self._first: dict[str, dict[str, Any]] = {}

    def add(
        self,
        kind: Kind | Anomaly,
        number: int,
        fields: FieldValues | None = None,
        *,
        count: int = 1,
        **details: Any,
    ) -> None:
        """``number`` is the record's number in the feed, ``fields`` are its own."""
        self._counts[kind] += count
        known = self._first.get(kind)
        if known is None or number < known["record"]:
            self._first[kind] = {
                "record": number,
                "offset": self._offset_of(number),
                "fields": fields,
                **details,
            }

    def count(self, kind: Kind | Anomaly) -> int:
        return self._counts[kind]

    @property
    def violation_count(self) -> int:
        return sum(n for kind, n in self._counts.items() if kind not in COUNTED_ONLY)

    def checks(self) -> dict[str, dict[str, Any]]:
        return {
            str(kind): {
                "severity": "counted" if kind in COUNTED_ONLY else "violation",
                "count": count,
                "first": self._first.get(kind),
            }
            for kind, count in self._counts.items()
        }


def record_fields(record: np.void) -> FieldValues:
    """A record's fields by name, its action and side as letters."""
    assert record.dtype.names is not None
    fields: FieldValues = {name: int(record[name]) for name in record.dtype.names}
    for name in ("action", "side"):
        fields[name] = chr(int(record[name]))
    fields["price_decimal"] = price_text(int(record["price"]))
    return fields


def key_fields(key: BookKey) -> dict[str, int]:
    return {"publisher_id": key.publisher_id, "instrument_id": key.instrument_id}
