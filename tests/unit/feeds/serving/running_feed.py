"""A feed's process without a source: records that a test gives, plain books, a real publication."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from market.feeds.books.contract import BookKey
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import (
    FLAG_LAST,
    MBO_DTYPE,
    MBO_RTYPE,
    PRICE_UNITS,
    RECORD_SIZE,
    Records,
)
from market.feeds.serving.guarded import GuardedBooks
from market.feeds.serving.publication import Publication
from market.feeds.serving.reader import FeedReader
from market.feeds.session import Batch
from market.feeds.states import BookStatus, StateTracker

FEED_ID = "cme-es"
KEY = BookKey(1, 17)
SYMBOL = "ESH4"
T0 = 1_700_000_000 * 10**9


def record(
    action: str,
    side: str = "N",
    price: float = 0,
    size: int = 1,
    order_id: int = 0,
    *,
    key: BookKey = KEY,
    flags: int = FLAG_LAST,
) -> Any:
    row = np.zeros(1, MBO_DTYPE)
    row["length"], row["rtype"] = RECORD_SIZE // 4, MBO_RTYPE
    row["publisher_id"], row["instrument_id"] = key
    row["order_id"], row["price"], row["size"] = order_id, round(price * PRICE_UNITS), size
    row["flags"], row["action"], row["side"] = flags, ord(action), ord(side)
    row["ts_event"] = row["ts_recv"] = T0 + order_id
    row["sequence"] = order_id
    return row


def records(*rows: Any) -> Records:
    return np.concatenate(rows)


class RunningFeed:
    def __init__(self, feed_id: str = FEED_ID, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.books = GuardedBooks(PlainBooks())
        self.reader = FeedReader(feed_id, self.books, clock_ns=clock_ns)
        self.reader.session = self
        self.gap_count = self.restart_count = 0
        self.outage = ""
        self._states = StateTracker()
        self.publication = Publication(self.reader)
        self.address = ""
        self._next_record = 0

    def start(self) -> "RunningFeed":
        self.address = self.publication.start()
        return self

    def status(self, key: BookKey) -> BookStatus:
        return self._states.status(key)

    def symbol(self, key: BookKey) -> str | None:
        return SYMBOL if key == KEY else None

    def stop(self) -> None:
        self.publication.stop()

    def restart(self) -> None:
        """The source begins again, and nothing follows yet."""
        self.books.clear()
        self._states.restart()
        self.restart_count += 1

    def lose_records(self) -> None:
        self._states.gap()
        self.gap_count += 1

    def send(self, *rows: Any, send_ns: int = 0, restarted: bool = False) -> None:
        if restarted:
            self.restart()
        batch = records(*rows)
        self.books.apply(batch)
        self._states.take(batch)
        self.reader.on_batch(Batch(batch, self._next_record, send_ns, 0, restarted, False))
        self._next_record += len(batch)
