"""The last trades of each book and their sums, from the records as they come."""

from collections import deque
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from market.feeds.books.contract import BookKey
from market.feeds.dbn.records import MBO_DTYPE, NO_PRICE, NO_SIZE, RECORD_SIZE, TRADE, Records
from market.feeds.serving.messages import PUBLISHED_TRADES, TradeMessage, TradeSums

_Row = tuple[int, int, int, int, int, int]
"""(number, price, size, side, ts_recv, sequence)"""


FEW = 64
"""Up to so many trades are taken one by one; more, book by book in arrays."""
MANY = 2_048
"""More trades than these do not wait."""
_WHOLE = np.dtype((np.void, RECORD_SIZE))
"""A record without its fields, which numpy would copy one by one."""
_trade_of = itemgetter(
    *(
        MBO_DTYPE.names.index(name)  # type: ignore[union-attr]
        for name in (
            *("publisher_id", "instrument_id"),
            *("price", "size", "side", "ts_recv", "sequence"),
        )
    )
)


class BookTape:
    """Trades of one book."""

    def __init__(self) -> None:
        self.rows: deque[_Row] = deque(maxlen=PUBLISHED_TRADES)
        self.count = 0
        self.start_again()

    def start_again(self) -> None:
        """Forgets the trades; the next one's number still follows the last one's."""
        self.rows.clear()
        self._first_number = self.count + 1
        self._open: int | None = None
        self._high: int | None = None
        self._low: int | None = None
        self._last: int | None = None
        self._volume = 0

    def add(self, price: int, size: int, side: int, ts_recv: int, sequence: int) -> None:
        self.count += 1
        self.rows.append((self.count, price, size, side, ts_recv, sequence))
        self._open = price if self._open is None else self._open
        self._high = price if self._high is None else max(price, self._high)
        self._low = price if self._low is None else min(price, self._low)
        self._last = price
        self._volume += size

    def take(self, trades: Records) -> None:
        """As ``add`` for many at a time. Trades of this book, in order, at least one."""
        prices, sizes = trades["price"], trades["size"]
        newest = trades[-PUBLISHED_TRADES:]
        numbers = range(self.count + len(trades) - len(newest) + 1, self.count + len(trades) + 1)
        columns = (newest[name].tolist() for name in ("price", "size", "side"))
        times = (newest[name].tolist() for name in ("ts_recv", "sequence"))
        self.rows.extend(zip(numbers, *columns, *times, strict=True))
        self.count += len(trades)
        high, low = int(prices.max()), int(prices.min())
        self._open = int(prices[0]) if self._open is None else self._open
        self._high = high if self._high is None else max(high, self._high)
        self._low = low if self._low is None else min(low, self._low)
        self._last = int(prices[-1])
        self._volume += int(sizes.sum(dtype=np.uint64))

    def messages(self) -> list[TradeMessage]:
        """Oldest first."""
        return [
            TradeMessage(number, price, size, chr(side), ts_recv, sequence)
            for number, price, size, side, ts_recv, sequence in self.rows
        ]

    def sums(self) -> TradeSums:
        count = self.count - self._first_number + 1
        return TradeSums(self._open, self._high, self._low, self._last, self._volume, count)


class Tape:
    """All books' trades. Trades without a price or a size are left out."""

    def __init__(self) -> None:
        self._books: dict[BookKey, BookTape] = {}
        self._waiting: list[Records] = []
        self._waiting_count = 0

    def take(self, records: Records) -> None:
        """Copies the trades; they are looked at when somebody asks, or when they are many: the
        cost is nearly all per call."""
        places = np.flatnonzero(records["action"] == TRADE)
        if len(places):
            self._waiting.append(records.view(_WHOLE).take(places))
            self._waiting_count += len(places)
            if self._waiting_count > MANY:
                self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        trades: Records = np.concatenate(self._waiting).view(MBO_DTYPE)
        self._waiting, self._waiting_count = [], 0
        usable = (trades["price"] != NO_PRICE) & (trades["size"] != NO_SIZE)
        trades = trades if usable.all() else trades[usable]
        if len(trades) > FEW:
            for key, own in _by_book(trades):
                self._book(key).take(own)
            return
        for row in trades.tolist():
            publisher_id, instrument_id, price, size, side, ts_recv, sequence = _trade_of(row)
            self._book(BookKey(publisher_id, instrument_id)).add(
                price, size, side, ts_recv, sequence
            )

    def start_again(self) -> None:
        self._settle()
        for tape in self._books.values():
            tape.start_again()

    def book(self, key: BookKey) -> BookTape:
        self._settle()
        return self._book(key)

    def _book(self, key: BookKey) -> BookTape:
        tape = self._books.get(key)
        if tape is None:
            tape = self._books[key] = BookTape()
        return tape


def _by_book(trades: Records) -> list[tuple[BookKey, Any]]:
    if not len(trades):
        return []
    keys = trades["publisher_id"].astype(np.uint64) << np.uint64(32) | trades["instrument_id"]
    if (keys == keys[0]).all():
        return [(_key(int(keys[0])), trades)]
    order = np.argsort(keys, kind="stable")
    keys, trades = keys[order], trades.view(_WHOLE).take(order).view(MBO_DTYPE)
    starts = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)])).tolist()
    return [(_key(int(keys[start])), trades[start:end]) for start, end in pairwise(starts)]


def _key(packed: int) -> BookKey:
    return BookKey(packed >> 32, packed & 0xFFFF_FFFF)
