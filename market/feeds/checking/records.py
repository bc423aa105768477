"""Checks that look at every record: a plain book of its own for each book, one record at a time."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import ANOMALIES, Anomaly, BookKey
from market.feeds.books.plain import by_book
from market.feeds.books.plain_book import ROW_FIELDS, PlainBook
from market.feeds.checking.crossing import CrossedTimes
from market.feeds.checking.reference import Reference, Top
from market.feeds.checking.report import Kind, Place, Report, key_fields, record_fields
from market.feeds.checking.trades import TradeCheck, TradeCounts
from market.feeds.dbn.records import FILL, FLAG_LAST, NONE, TRADE, Records

REFERENCE_DEPTH: Final = 10


class Part(NamedTuple):
    """The records of one book in a batch, and their numbers in the feed."""

    records: Records
    numbers: NDArray[np.int64]

    def place(self, position: int) -> Place:
        """A copy: it outlives the batch."""
        return Place(int(self.numbers[position]), self.records[position].copy())


class BookChecks:
    """Anomalies, trades and crossed times of one book; its reference, if there is one."""

    def __init__(
        self, key: BookKey, report: Report, trades: TradeCounts, reference: Reference | None
    ) -> None:
        self._key = key
        self._report = report
        self._reference = reference
        self._counts = dict.fromkeys(ANOMALIES, 0)
        self._seen = dict(self._counts)
        self._part = Part(np.empty(0, np.void), np.empty(0, np.int64))
        self._before: Top | None = None
        self.book = PlainBook(self._counts)
        self.trades = TradeCheck(self.book, trades, self._found)
        self.crossing = CrossedTimes(
            key, lambda place: self._found(Kind.CROSSED_WHILE_TRADING, place)
        )
        self.event_count = 0

    def take(self, part: Part) -> None:
        self._part = part
        book, trades = self.book, self.trades
        columns = (part.records[name].tolist() for name in ROW_FIELDS)
        for position, row in enumerate(zip(*columns, strict=True)):
            action, side, flags, order_id, _price, size = row
            if action == TRADE:
                place = part.place(position)
                trades.trade(place, side)
                self.crossing.trade(place, side != NONE)
            elif action == FILL:
                trades.fill(part.place(position), side, order_id, size)
            else:
                trades.change(row)
                book.apply((row,))
                if self._counts != self._seen:
                    self._note_anomalies(position)
            if flags & FLAG_LAST:
                self._end_event(position)

    def clear(self) -> None:
        self.trades.restart()
        self.book.clear()
        self._before = None

    def _end_event(self, position: int) -> None:
        self.event_count += 1
        self.trades.end_event()
        self.crossing.end_event(self.book.is_crossed(), lambda: self._part.place(position))
        if self._reference is not None:
            self._compare(position, self._reference)

    def _compare(self, position: int, reference: Reference) -> None:
        record = self._part.records[position]
        moment = int(record["ts_recv"]), int(record["sequence"])
        for row, ours in reference.compare(self._key, moment, self._before, self.book):
            self._found(
                Kind.REFERENCE_DIFFERS,
                self._part.place(position),
                reference_ts_recv=row.moment[0],
                reference=_sides(row.top),
                ours=_sides(ours),
            )
        self._before = self.book.bids.top(REFERENCE_DEPTH), self.book.asks.top(REFERENCE_DEPTH)

    def _note_anomalies(self, position: int) -> None:
        for anomaly, count in self._counts.items():
            if count != self._seen[anomaly]:
                self._found(anomaly, self._part.place(position))
        self._seen = dict(self._counts)

    def _found(self, kind: Kind | Anomaly, place: Place, **details: Any) -> None:
        fields = record_fields(place.record)
        self._report.add(kind, place.number, fields, book=key_fields(self._key), **details)


class RecordChecks:
    """Every book's checks."""

    def __init__(self, report: Report, reference: Reference | None = None) -> None:
        self._report = report
        self._reference = reference
        self._books: dict[BookKey, BookChecks] = {}
        self.trades = TradeCounts()

    def take(self, records: Records, numbers: NDArray[np.int64]) -> None:
        if not len(records):
            return
        if self._reference is not None:
            self._reference.read_until(int(records["ts_recv"].max()))
        for key, chosen in by_book(records):
            checks = self._books.get(key)
            if checks is None:
                checks = BookChecks(key, self._report, self.trades, self._reference)
                self._books[key] = checks
            checks.take(Part(records[chosen], numbers[chosen]))

    def clear(self) -> None:
        for checks in self._books.values():
            checks.clear()

    def finish(self) -> None:
        for checks in self._books.values():
            checks.crossing.finish()
        if self._reference is not None:
            self._reference.finish()

    @property
    def event_count(self) -> int:
        return sum(checks.event_count for checks in self._books.values())

    def crossed(self) -> tuple[int, list[dict[str, Any]]]:
        """How many intervals there were, and those that are listed."""
        books = [self._books[key].crossing for key in sorted(self._books)]
        listed = [interval for book in books for interval in book.intervals]
        return sum(book.interval_count for book in books), listed


def _sides(top: Top) -> dict[str, list[dict[str, int]]]:
    return {
        side: [level._asdict() for level in levels]
        for side, levels in zip(("bids", "asks"), top, strict=True)
    }
