"""The books in plain Python, by which the fast ones are measured: the rules are in ``plain_book``.

numpy decodes the records and packs images; it takes no part in what the books do.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import ANOMALIES, Anomaly, BookHead, BookImage, BookKey, Level
from market.feeds.books.plain_book import ROW_FIELDS, PlainBook, Row
from market.feeds.dbn.records import FLAG_LAST, NO_PRICE, NO_SIZE, Records

Top = tuple[list[Level], list[Level]]

CHUNK_RECORDS = 65_536
"""Records that are sorted by their book at a time: many, so that each book takes many in a row."""
TOPS_CHUNK_RECORDS = 16_384
"""The same with tops, which are kept until all books of the chunk are done: fewer."""
PIECE_RECORDS = 2_048
"""Records of a book that are Python numbers at the same time: few, so that the processor's cache
still has them when their turn comes."""


class _Change(NamedTuple):
    record: int
    """Index in its chunk."""
    top: Top


class PlainBooks:
    """Every book of a feed; satisfies ``contract.Books``. About 2 M records a second."""

    def __init__(self) -> None:
        self._books: dict[BookKey, PlainBook] = {}
        self._changed: set[BookKey] = set()
        self._counts = dict.fromkeys(ANOMALIES, 0)
        self._record_count = 0
        self._tops: dict[tuple[BookKey, int], Top] = {}
        """By book and depth: what the last row of ``apply_with_top`` said."""

    def apply(self, records: Records) -> None:
        for _ in self._take(records, None):
            pass

    def apply_with_top(self, records: Records, depth: int, out: NDArray[np.void]) -> int:
        """Reads the book after every event: about ten times as slow as ``apply``."""
        if depth < 1 or len(out) < len(records):
            raise ValueError("a depth of at least 1, and a row for each record, are needed")
        count = 0
        for chunk, changes in self._take(records, depth):
            if changes:
                rows = out[count : count + len(changes)]
                _fill_rows(rows, chunk, records, sorted(changes, key=lambda change: change.record))
                count += len(changes)
        return count

    def _take(self, records: Records, depth: int | None) -> Iterator[tuple[int, list[_Change]]]:
        """Books do not touch each other: each takes its own records of a chunk in one go.

        With a depth, gives what changed in each chunk, by its first record's index.
        """
        size = CHUNK_RECORDS if depth is None else TOPS_CHUNK_RECORDS
        for start in range(0, len(records), size):
            chunk = records[start : start + size]
            changes: list[_Change] = []
            for key, chosen in by_book(chunk):
                book, numbers = self._book(key), np.arange(len(chunk))[chosen]
                if depth is None:
                    for rows in _pieces(chunk, numbers):
                        book.apply(rows)
                else:
                    changes += self._apply_events(key, chunk, numbers, depth)
                book.head = head_of(chunk[numbers[-1]])
                self._changed.add(key)
            self._record_count += len(chunk)
            yield start, changes

    def _apply_events(
        self, key: BookKey, chunk: Records, numbers: NDArray[np.intp], depth: int
    ) -> Iterator[_Change]:
        book, rows = self._books[key], chain.from_iterable(_pieces(chunk, numbers))
        before = self._tops.get((key, depth), ([], []))
        lasts = np.flatnonzero(chunk["flags"][numbers] & FLAG_LAST)
        lengths = np.diff(lasts, prepend=-1)
        for length, number in zip(lengths.tolist(), numbers[lasts].tolist(), strict=True):
            book.apply(islice(rows, length))
            top = book.bids.top(depth), book.asks.top(depth)
            if top != before:
                before = self._tops[key, depth] = top
                yield _Change(number, top)
        book.apply(rows)

    def clear(self) -> None:
        for key, book in self._books.items():
            book.clear()
            self._changed.add(key)

    def keys(self) -> list[BookKey]:
        return sorted(self._books)

    def changed(self) -> list[BookKey]:
        changed = sorted(self._changed)
        self._changed.clear()
        return changed

    def head(self, key: BookKey) -> BookHead:
        return self._books[key].head

    def levels(self, key: BookKey, depth: int) -> tuple[list[Level], list[Level]]:
        book = self._books[key]
        return book.bids.top(depth), book.asks.top(depth)

    def is_crossed(self, key: BookKey) -> bool:
        return self._books[key].is_crossed()

    def image(self, key: BookKey) -> BookImage:
        book = self._books[key]
        return BookImage(key, book.head, book.in_snapshot, book.bids.packed(), book.asks.packed())

    def load(self, image: BookImage) -> None:
        check_image(image)
        self._book(image.key).load(image)
        self._changed.add(image.key)

    def counters(self) -> dict[Anomaly, int]:
        return dict(self._counts)

    @property
    def record_count(self) -> int:
        return self._record_count

    def book(self, key: BookKey) -> PlainBook:
        """One book by itself: for those who look at every record. New where it was never seen."""
        return self._book(key)

    def _book(self, key: BookKey) -> PlainBook:
        book = self._books.get(key)
        if book is None:
            book = self._books[key] = PlainBook(self._counts)
        return book


def _pieces(records: Records, numbers: NDArray[np.intp]) -> Iterator[Iterable[Row]]:
    """What books look at of the records of these numbers, in order."""
    for start in range(0, len(numbers), PIECE_RECORDS):
        piece = numbers[start : start + PIECE_RECORDS]
        yield zip(*(records[name][piece].tolist() for name in ROW_FIELDS), strict=True)


def head_of(record: Any) -> BookHead:
    return BookHead(
        int(record["ts_recv"]),
        int(record["ts_event"]),
        int(record["sequence"]),
        int(record["flags"]),
    )


def by_book(records: Records) -> Iterator[tuple[BookKey, slice | NDArray[np.intp]]]:
    """Which of the records, at least one, are each book's, in order."""
    publishers, instruments = records["publisher_id"], records["instrument_id"]
    first = BookKey(int(publishers[0]), int(instruments[0]))
    if (instruments == first.instrument_id).all() and (publishers == first.publisher_id).all():
        yield first, slice(None)
        return
    combined = publishers.astype(np.uint64) << np.uint64(32) | instruments
    order = np.argsort(combined, kind="stable")
    edges = np.flatnonzero(np.diff(combined[order])) + 1
    for chosen in np.split(order, edges):
        yield BookKey(int(publishers[chosen[0]]), int(instruments[chosen[0]])), chosen


def _fill_rows(out: NDArray[np.void], start: int, records: Records, changes: list[_Change]) -> None:
    numbers = np.array([start + change.record for change in changes])
    out["record"] = numbers
    for name in ("publisher_id", "instrument_id", "ts_recv", "ts_event", "sequence", "flags"):
        out[name] = records[name][numbers]
    depth = out["bid_px"].shape[1]
    nothing = [Level(NO_PRICE, 0, 0)] * depth
    for side, name in enumerate(("bid", "ask")):
        padded = [(change.top[side] + nothing)[:depth] for change in changes]
        for place, field in enumerate(("px", "sz", "ct")):
            out[f"{name}_{field}"] = [[level[place] for level in levels] for levels in padded]


def check_image(image: BookImage) -> None:
    """Raises ValueError for an image that no book can have."""
    for rows, descends in ((image.bids, True), (image.asks, False)):
        prices = rows["price"]
        if (prices == NO_PRICE).any() or np.isin(rows["size"], (0, NO_SIZE)).any():
            raise ValueError("an order without a price or a size")
        before, after = prices[:-1], prices[1:]
        if ((after > before) if descends else (after < before)).any():
            raise ValueError("levels out of order")
        anonymous = np.flatnonzero(rows["anonymous"])
        if len(anonymous) > 1 or any(at and before[at - 1] == prices[at] for at in anonymous):
            raise ValueError("an anonymous order that is not the first of its level, or a second")
    named = [rows["order_id"][rows["anonymous"] == 0] for rows in (image.bids, image.asks)]
    ids = np.concatenate(named)
    if len(np.unique(ids)) < len(ids):
        raise ValueError("an order id twice")
