"""Other books that take the same records and have to become the same.

- ``plain``: the plain engine, where another is being checked. After every event their ten best
  levels are compared, too.
- ``pieces``: the same engine, the records cut into batches of other sizes.
- ``resumed``: the same engine, begun again on the way from images of the books.
"""

from collections.abc import Callable
from itertools import cycle
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookHead, BookImage, BookKey, Books, state_hash, top_dtype
from market.feeds.books.plain import PlainBooks
from market.feeds.checking.report import Kind, Report, record_fields
from market.feeds.dbn.records import Records

PIECES: Final = (1, 2, 3, 5, 8, 13, 64, 377, 1_024, 4_181)
TOP_DEPTH: Final = 10
FIRST_RESUME: Final = 1_024
"""Records before ``resumed`` begins; it begins again each time that there are twice as many."""


class Twins:
    """Follows ``main``, which has taken a batch before ``take`` is called with it."""

    def __init__(self, main: Books, make_books: Callable[[], Books], report: Report) -> None:
        self._main = main
        self._make_books = make_books
        self._report = report
        self._plain = None if isinstance(main, PlainBooks) else PlainBooks()
        self._pieces = make_books()
        self._sizes = cycle(PIECES)
        self._resumed: Books | None = None
        self._resume_at = FIRST_RESUME
        self._rows = np.empty((2, 0), top_dtype(TOP_DEPTH))
        self.comparison_count = 0
        self.resume_count = 0

    def take(self, records: Records, numbers: NDArray[np.int64]) -> None:
        if self._resumed is not None:
            self._resumed.apply(records)
        if self._plain is None:
            self._take_pieces(records)
        else:
            self._take_with_tops(self._plain, records, numbers)

    def clear(self) -> None:
        for books in (self._plain, self._pieces, self._resumed):
            if books is not None:
                books.clear()

    def compare(self, number: int) -> None:
        """All books, order by order. ``number`` is that of the last record."""
        self.comparison_count += 1
        main = _state(self._main)
        if _state(self._pieces) != main or self._pieces.counters() != self._main.counters():
            self._report.add(Kind.BATCH_SIZES_DIFFER, number)
        if self._plain is not None and (
            _state(self._plain) != main or self._plain.counters() != self._main.counters()
        ):
            self._report.add(Kind.ENGINES_DIFFER, number)
        if self._resumed is not None and _state(self._resumed) != main:
            self._report.add(Kind.SNAPSHOT_AND_REST_DIFFER, number)
        if self._main.record_count >= self._resume_at:
            self._resume()

    def _resume(self) -> None:
        self._resumed = self._make_books()
        keys = self._main.keys()
        for key in keys:
            self._resumed.load(_through_bytes(self._main.image(key)))
        while self._resume_at <= self._main.record_count:
            self._resume_at *= 2
        self.resume_count += 1

    def _take_pieces(self, records: Records) -> None:
        start = 0
        while start < len(records):
            size = next(self._sizes)
            self._pieces.apply(records[start : start + size])
            start += size

    def _take_with_tops(
        self, plain: PlainBooks, records: Records, numbers: NDArray[np.int64]
    ) -> None:
        start = 0
        while start < len(records):
            piece = records[start : start + next(self._sizes)]
            if self._rows.shape[1] < len(piece):
                self._rows = np.empty((2, max(PIECES)), top_dtype(TOP_DEPTH))
            theirs, ours = self._rows
            count = self._pieces.apply_with_top(piece, TOP_DEPTH, theirs)
            plain_count = plain.apply_with_top(piece, TOP_DEPTH, ours)
            both = min(count, plain_count)
            unequal = np.flatnonzero(theirs[:both] != ours[:both])
            if len(unequal) or count != plain_count:
                first = int(unequal[0]) if len(unequal) else both
                longer = ours if first < plain_count else theirs
                at = start + int(longer[first]["record"])
                self._report.add(
                    Kind.EVENT_TOPS_DIFFER, int(numbers[at]), record_fields(records[at])
                )
            start += len(piece)


def _state(books: Books) -> tuple[str, list[tuple[BookKey, BookHead, bool]]]:
    keys = books.keys()
    images = [books.image(key) for key in keys]
    rest = [(image.key, image.head, image.in_snapshot) for image in images]
    return state_hash(images), rest


def _through_bytes(image: BookImage) -> BookImage:
    """A copy that shares nothing with the books, as one that was stored would be."""
    bids, asks = (np.frombuffer(side.tobytes(), side.dtype) for side in (image.bids, image.asks))
    return image._replace(bids=bids, asks=asks)
