"""What is stored besides the records: trades, and bars of one second."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.feeds.dbn.records import NO_PRICE, TRADE, Records
from market.feeds.models import POSITION_BITS
from market.feeds.storage.codec import Clock, Rows
from market.feeds.storage.exactness import packed_keys

SECOND_NS: Final = 10**9
TRADE_DTYPE: Final = np.dtype(
    [
        ("id", "<i8"),
        ("instrument_id", "<i8"),
        ("run", "<i4"),
        ("ts_recv", "<i8"),
        ("ts_event", "<i8"),
        ("price", "<i8"),
        ("size", "<i8"),
        ("side", "S1"),
        ("sequence", "<i8"),
        ("flags", "<i2"),
    ]
)
"""Columns of ``FeedTrade``, in this order."""
_MIN: Final = -(2**63)
_MAX_SIZE: Final = np.uint64(2**63 - 1)
_SPREAD_LIMIT: Final = 2**62
"""Prices beyond it have no spread that fits."""
SECOND_BITS: Final = 32


class BookRows:
    """The rows that the tables have for books: ``packed`` key -> id of ``FeedInstrument``."""

    def __init__(self) -> None:
        self._books = np.empty(0, np.uint64)
        self._ids = np.empty(0, np.int64)
        self.known: dict[int, int] = {}

    def learn(self, ids: dict[int, int]) -> None:
        self.known.update(ids)
        self._books = np.array(sorted(self.known), np.uint64)
        self._ids = np.array([self.known[int(book)] for book in self._books], np.int64)

    def of(self, books: NDArray[np.uint64]) -> NDArray[np.int64]:
        """All of them must be known."""
        ids: NDArray[np.int64] = self._ids[np.searchsorted(self._books, books)]
        return ids


def row_id(feed_number: int, position: int) -> int:
    return feed_number << POSITION_BITS | position


def trades_of(records: Records, clock: Clock, first_id: int, run: int, books: BookRows) -> Rows:
    """Of ``TRADE_DTYPE``, one for each record with action T."""
    places = np.flatnonzero(records["action"] == TRADE)
    found = records[places]
    trades = np.empty(len(found), TRADE_DTYPE)
    trades["id"] = places + first_id
    trades["instrument_id"] = books.of(packed_keys(found))
    trades["run"] = run
    trades["ts_recv"] = clock[places]
    trades["ts_event"] = found["ts_event"].astype(np.int64)
    trades["side"] = found["side"].view(np.uint8).astype(np.uint8).view("S1")
    for name in ("price", "size", "sequence", "flags"):
        trades[name] = found[name]
    return trades


class Bar(msgspec.Struct):
    """As ``BboBar``, in its order; ``NO_PRICE`` stands for no price."""

    bid_open: int
    bid_high: int
    bid_low: int
    bid_close: int
    bid_size: int
    ask_open: int
    ask_high: int
    ask_low: int
    ask_close: int
    ask_size: int
    spread_min: int
    spread_max: int
    quote_count: int = 0
    trade_count: int = 0
    buy_volume: int = 0
    sell_volume: int = 0
    volume: int = 0

    def follow(self, later: "Bar") -> None:
        """Takes quotes that came later in the same second."""
        for side in ("bid", "ask"):
            high, low = f"{side}_high", f"{side}_low"
            setattr(self, high, _highest(getattr(self, high), getattr(later, high)))
            setattr(self, low, min(getattr(self, low), getattr(later, low)))
        self.bid_close, self.bid_size = later.bid_close, later.bid_size
        self.ask_close, self.ask_size = later.ask_close, later.ask_size
        self.spread_min = min(self.spread_min, later.spread_min)
        self.spread_max = _highest(self.spread_max, later.spread_max)
        self.quote_count += later.quote_count

    def start_with(self, first: "Bar") -> None:
        """Takes the first quotes of a second that had only trades so far."""
        for name in first.__struct_fields__[:13]:
            setattr(self, name, getattr(first, name))

    def add_trades(self, count: int, buys: int, sells: int, volume: int) -> None:
        self.trade_count += count
        self.buy_volume += buys
        self.sell_volume += sells
        self.volume += volume

    def column_values(self) -> list[int | None]:
        prices = {*range(4), *range(5, 9), 10, 11}
        values: tuple[int, ...] = msgspec.structs.astuple(self)
        return [
            None if place in prices and value in (NO_PRICE, _MIN) else value
            for place, value in enumerate(values)
        ]


def _highest(one: int, other: int) -> int:
    if NO_PRICE in (one, other):
        return min(one, other)
    return max(one, other)


BAR_FIELDS: Final = ("id", "instrument_id", "run", "start_ns", *Bar.__struct_fields__)


class Bars:
    """Of all books; those of seconds that may go on are kept until a later one begins."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, Bar]] = {}
        """Row of the book -> the second that goes on, and its bar."""
        self._touched: dict[tuple[int, int], Bar] = {}

    def put(self, instrument: int, second: int, bar: Bar) -> None:
        """A bar that was stored and may go on."""
        self._open[instrument] = second, bar

    def add(self, instruments: NDArray[np.int64], rows: Rows, trades: Rows) -> None:
        """``rows`` of ``BBO_DTYPE``, in order, of these rows of the table of books; and trades of
        the same records."""
        quotes = dict(_quote_bars(instruments, rows)) if len(rows) else {}
        sums = dict(_trade_sums(trades)) if len(trades) else {}
        for instrument, second in sorted(quotes.keys() | sums.keys()):
            bar = self._bar(instrument, second)
            if quoted := quotes.get((instrument, second)):
                if bar.quote_count:
                    bar.follow(quoted)
                else:
                    bar.start_with(quoted)
            if traded := sums.get((instrument, second)):
                bar.add_trades(*traded)

    def drain(self, run: int) -> list[list[Any]]:
        """Rows of ``BAR_FIELDS`` for every bar that changed since the last call."""
        rows = [
            [
                instrument << SECOND_BITS | second,
                instrument,
                run,
                second * SECOND_NS,
                *bar.column_values(),
            ]
            for (instrument, second), bar in self._touched.items()
        ]
        self._touched = {}
        return rows

    def forget(self) -> None:
        """A run ended. Nothing of it goes on."""
        self._open = {}

    def _bar(self, instrument: int, second: int) -> Bar:
        known = self._touched.get((instrument, second))
        if known is not None:
            return known
        open_second, bar = self._open.get(instrument, (-1, _NOTHING))
        if open_second != second:
            bar = _carried(bar)
            self._open[instrument] = second, bar
        self._touched[instrument, second] = bar
        return bar


_NO_PRICES: Final = (NO_PRICE, NO_PRICE, NO_PRICE, NO_PRICE)
_NOTHING: Final = Bar(*_NO_PRICES, 0, *_NO_PRICES, 0, NO_PRICE, NO_PRICE)


def _carried(bar: Bar) -> Bar:
    """The bar of a second in which no quote was set, after this one."""
    bid, ask = bar.bid_close, bar.ask_close
    spread = ask - bid if NO_PRICE not in (bid, ask) else NO_PRICE
    if abs(spread) >= _SPREAD_LIMIT:
        spread = NO_PRICE
    bids, asks = (bid, bid, bid, bid), (ask, ask, ask, ask)
    return Bar(*bids, bar.bid_size, *asks, bar.ask_size, spread, spread)


def _grouped(
    instruments: NDArray[np.int64], times: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Iterable[tuple[int, int]]]:
    """Order by book and second; where each pair begins in it; the pairs."""
    seconds = (times // SECOND_NS).astype(np.int64)
    groups = (instruments << SECOND_BITS) | seconds
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    pairs = [
        (group >> SECOND_BITS, group & (2**SECOND_BITS - 1)) for group in ordered[starts].tolist()
    ]
    return order.astype(np.int64), starts.astype(np.int64), pairs


def _trade_sums(trades: Rows) -> Iterable[tuple[tuple[int, int], tuple[int, ...]]]:
    """For each book and second: count, bought, sold, and all."""
    order, starts, groups = _grouped(trades["instrument_id"], trades["ts_recv"])
    size, side = trades["size"][order], trades["side"][order]
    counts = np.diff(np.append(starts, len(order))).tolist()
    sums = [
        np.add.reduceat(np.where(wanted, size, 0), starts).tolist()
        for wanted in (side == b"B", side == b"A", True)
    ]
    return zip(groups, zip(counts, *sums, strict=True), strict=True)


def _quote_bars(
    instruments: NDArray[np.int64], rows: Rows
) -> Iterable[tuple[tuple[int, int], Bar]]:
    order, starts, groups = _grouped(instruments, rows["ts_recv"])
    ends = np.append(starts[1:], len(order)) - 1
    columns: list[list[int]] = []
    for side in ("bid", "ask"):
        price = rows[f"{side}_px"][order]
        size = np.minimum(rows[f"{side}_sz"], _MAX_SIZE).astype(np.int64)[order]
        highs = np.maximum.reduceat(np.where(price == NO_PRICE, _MIN, price), starts)
        columns += [
            price[starts].tolist(),
            np.where(highs == _MIN, NO_PRICE, highs).tolist(),
            np.minimum.reduceat(price, starts).tolist(),
            price[ends].tolist(),
            size[ends].tolist(),
        ]
    columns += _spreads(rows["bid_px"][order], rows["ask_px"][order], starts)
    columns.append((ends - starts + 1).tolist())
    for group, *values in zip(groups, *columns, strict=True):
        yield group, Bar(*values)


def _spreads(
    bid: NDArray[np.int64], ask: NDArray[np.int64], starts: NDArray[np.int64]
) -> list[list[int]]:
    half = _SPREAD_LIMIT // 2
    both = (np.abs(bid) < half) & (np.abs(ask) < half)
    spread = np.where(both, ask - bid, 0)
    least = np.minimum.reduceat(np.where(both, spread, NO_PRICE), starts)
    most = np.maximum.reduceat(np.where(both, spread, _MIN), starts)
    return [least.tolist(), np.where(most == _MIN, NO_PRICE, most).tolist()]
