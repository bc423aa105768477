"""Books that are watched while they are built: for what is to be written on the way and checked.

``BookBuilder`` is itself ``Books``, so whoever feeds books feeds it. It passes over what is not
wanted, cuts batches where a snapshot is due, and gives every batch to the checker after the books.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import Anomaly, BookHead, BookImage, BookKey, Books, Level
from market.feeds.checking.checker import Checker
from market.feeds.dbn.records import Records
from market.feeds.output.documents import Describer, Trading, encode
from market.feeds.output.files import WholeFile
from market.feeds.output.mbp10 import Mbp10Writer
from market.feeds.output.snapshots import Cutter
from market.feeds.states import StateTracker


class Wanted(NamedTuple):
    """Which records count."""

    instrument_ids: Collection[int] | None = None
    """None: all."""
    until_ns: int | None = None
    """Records from the first on whose ``ts_recv`` is not below this are left out."""


class SnapshotOutput(NamedTuple):
    cutter: Cutter
    describer: Describer
    target: WholeFile


class BookBuilder:
    """Applies to ``books`` what is wanted, and tells the others."""

    def __init__(
        self,
        books: Books,
        trading: Trading,
        *,
        wanted: Wanted | None = None,
        snapshots: SnapshotOutput | None = None,
        mbp10: Mbp10Writer | None = None,
        checker: Checker | None = None,
        gap_count: Callable[[], int] = lambda: 0,
    ) -> None:
        """``gap_count`` says how often records were lost so far."""
        self._books = books
        self._trading = trading
        self._wanted = wanted or Wanted()
        ids = self._wanted.instrument_ids
        self._ids = None if ids is None else np.array([*ids])
        self._snapshots = snapshots
        self._mbp10 = mbp10
        self._checker = checker
        self._states = StateTracker()
        self._gap_count = gap_count
        self._gaps = 0
        self.is_ended = False
        """The first record at or after the wanted time came: the rest is passed over."""
        self.seen_count = 0
        """Records that came, wanted or not, up to the end."""
        self.snapshot_count = 0

    def apply(self, records: Records) -> None:
        records = self._before_end(records)
        numbers = np.arange(self.seen_count, self.seen_count + len(records))
        self.seen_count += len(records)
        if self._ids is not None:
            chosen = np.isin(records["instrument_id"], self._ids)
            records, numbers = records[chosen], numbers[chosen]
        self._note_gaps()
        start = 0
        while start < len(records):
            end = len(records)
            if self._checker is not None:
                end = min(end, start + self._checker.records_to_comparison)
            self._take(records[start:end])
            if self._checker is not None:
                self._checker.take(records[start:end], numbers[start:end])
            start = end

    def status(self, key: BookKey) -> dict[str, Any]:
        """The session's fields of a book: its state, and whether its start is missing."""
        state, cold_start = self._states.status(key)
        return {"state": state.name, "cold_start": cold_start}

    def clear(self) -> None:
        self._books.clear()
        self._trading.clear()
        self._states.restart()
        if self._checker is not None:
            self._checker.clear()

    def apply_with_top(self, records: Records, depth: int, out: NDArray[np.void]) -> int:
        """Not for a builder: nobody would be told of the records."""
        raise TypeError("a builder takes records by apply only")

    def keys(self) -> list[BookKey]:
        return self._books.keys()

    def changed(self) -> list[BookKey]:
        return self._books.changed()

    def head(self, key: BookKey) -> BookHead:
        return self._books.head(key)

    def levels(self, key: BookKey, depth: int) -> tuple[list[Level], list[Level]]:
        return self._books.levels(key, depth)

    def is_crossed(self, key: BookKey) -> bool:
        return self._books.is_crossed(key)

    def image(self, key: BookKey) -> BookImage:
        return self._books.image(key)

    def load(self, image: BookImage) -> None:
        self._books.load(image)

    def counters(self) -> dict[Anomaly, int]:
        return self._books.counters()

    @property
    def record_count(self) -> int:
        return self._books.record_count

    def _before_end(self, records: Records) -> Records:
        if self.is_ended:
            return records[:0]
        if self._wanted.until_ns is None:
            return records
        after = np.flatnonzero(records["ts_recv"] >= np.uint64(self._wanted.until_ns))
        if not len(after):
            return records
        self.is_ended = True
        return records[: after[0]]

    def _note_gaps(self) -> None:
        if self._gap_count() != self._gaps:
            self._gaps = self._gap_count()
            self._states.gap()

    def _take(self, records: Records) -> None:
        start = 0
        for cut in [] if self._snapshots is None else self._snapshots.cutter.cuts(records):
            self._apply(records[start : cut.end])
            start = cut.end
            self._write_snapshot(cut.at)
        self._apply(records[start:])

    def _apply(self, records: Records) -> None:
        if self._mbp10 is not None:
            self._mbp10.apply(records)
        else:
            self._books.apply(records)
        self._states.take(records)
        self._trading.take(records)

    def _write_snapshot(self, at: int) -> None:
        assert self._snapshots is not None
        self.snapshot_count += 1
        document = {
            "at": at,
            "record_count": self._books.record_count,
            "books": self._snapshots.describer.books(),
        }
        self._snapshots.target.write(encode(document) + b"\n")
