"""Books as JSON documents: levels from best to worst, prices as integers of 1e-9 and as text.

``session`` is inferred, since records do not say it:

- ``pre_open_or_closed``: the book is crossed. Only a venue that does not match at the moment
  (before an opening, in a halt, after a close) leaves its book so.
- ``continuous``: it is not crossed, has both sides, and a trade with an aggressor was printed
  since its last clear. A market that closed with an uncrossed book looks the same.
- ``unknown``: neither can be said.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookImage, BookKey, Books, state_hash
from market.feeds.dbn.records import ASK, BID, CLEAR, FLAG_LAST, TRADE, Records, price_text

PRE_OPEN_OR_CLOSED = "pre_open_or_closed"
CONTINUOUS = "continuous"
UNKNOWN = "unknown"

encode = msgspec.json.Encoder().encode


class Trading:
    """Which books have had a trade with an aggressor since they were last cleared."""

    def __init__(self) -> None:
        self._keys: set[BookKey] = set()

    def take(self, records: Records) -> None:
        actions, sides = records["action"], records["side"]
        with_aggressor = (actions == TRADE) & ((sides == BID) | (sides == ASK))
        for record in records[with_aggressor | (actions == CLEAR)]:
            key = BookKey(int(record["publisher_id"]), int(record["instrument_id"]))
            if record["action"] == TRADE:
                self._keys.add(key)
            else:
                self._keys.discard(key)

    def clear(self) -> None:
        self._keys.clear()

    def session(self, books: Books, key: BookKey) -> str:
        if books.is_crossed(key):
            return PRE_OPEN_OR_CLOSED
        bids, asks = books.levels(key, 1)
        return CONTINUOUS if bids and asks and key in self._keys else UNKNOWN


class Describer:
    """Makes the documents of one feed's books."""

    def __init__(
        self,
        books: Books,
        trading: Trading,
        symbol_of: Callable[[BookKey], str | None],
        state: Callable[[BookKey], Mapping[str, Any]],
        *,
        depth: int | None = None,
        with_queues: bool = False,
    ) -> None:
        """``state`` gives the session's fields of a book, ``depth`` the levels shown of a side
        (None: all)."""
        self._books = books
        self._trading = trading
        self._symbol_of = symbol_of
        self._state = state
        self._depth = depth
        self._with_queues = with_queues

    def books(self, keys: list[BookKey] | None = None) -> list[dict[str, Any]]:
        return [self.book(self._books.image(key)) for key in keys or self._books.keys()]

    def book(self, image: BookImage) -> dict[str, Any]:
        key, head = image.key, image.head
        return {
            "symbol": self._symbol_of(key),
            "instrument_id": key.instrument_id,
            "publisher_id": key.publisher_id,
            "ts_recv": head.ts_recv,
            "ts_event": head.ts_event,
            "sequence": head.sequence,
            "flags": head.flags,
            "event_complete": bool(head.flags & FLAG_LAST),
            **self._state(key),
            "session": self._trading.session(self._books, key),
            "crossed": self._books.is_crossed(key),
            "order_count": len(image.bids) + len(image.asks),
            "state_hash": state_hash([image]),
            "bids": self._side(image.bids),
            "asks": self._side(image.asks),
        }

    def _side(self, orders: NDArray[np.void]) -> list[dict[str, Any]]:
        return list(_levels(orders, self._depth, self._with_queues))


def _levels(
    orders: NDArray[np.void], depth: int | None, with_queues: bool
) -> Iterator[dict[str, Any]]:
    prices = orders["price"]
    if not len(prices):
        return
    starts = np.flatnonzero(np.concatenate(([True], prices[1:] != prices[:-1])))
    ends = [*starts[1:].tolist(), len(orders)]
    for start, end in list(zip(starts.tolist(), ends, strict=True))[:depth]:
        queue = orders[start:end]
        price = int(prices[start])
        level: dict[str, Any] = {
            "price": price,
            "price_decimal": price_text(price),
            "size": int(queue["size"].sum(dtype=np.uint64)),
            "count": end - start,
        }
        if with_queues:
            level["queue"] = [
                {"order_id": order_id, "size": size}
                for order_id, size in zip(
                    queue["order_id"].tolist(), queue["size"].tolist(), strict=True
                )
            ]
        yield level
