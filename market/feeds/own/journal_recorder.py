"""The journal read as a market's records: from any place in it, to its end and on from there.

The journal's commands are executed again, as in a recovery, and what comes out is compared with
what the journal says came out; so the records are those of the book that the venue had. The first
difference stops the recording.
"""

from collections.abc import Callable, Iterator

import numpy as np

from market.feeds.dbn.records import MBO_DTYPE, Records
from market.feeds.own.market_recorder import MarketRecorder
from orderbook.core.engine import Engine
from orderbook.core.events import Event
from orderbook.explanation.replay import engine_at
from orderbook.journal import (
    JournalDamaged,
    Row,
    checksum_at,
    decode_row,
    encode_entries,
    executed_commands,
    verified_rows,
)
from orderbook.models import JournalBatch

Progress = Callable[[int], None]
"""Told how many commands were read since the last call."""
_NOTHING = np.empty(0, MBO_DTYPE)


def no_progress(commands: int) -> None:
    """For callers who show none."""


def sequence_before(time_ns: int) -> int:
    """The last sequence that was executed before a time; 0 where the journal begins later."""
    rows = JournalBatch.objects.filter(time_ns__lt=time_ns).order_by("-first_sequence")
    return rows.values_list("last_sequence", flat=True).first() or 0


class JournalRecorder:
    """Follows the journal from after ``sequence``, the last one of a row (or 0).

    Where the instrument exists there, the first records are an R and a snapshot of its book; else
    recording begins with its definition. Raises JournalDamaged and NotExpressible.
    """

    def __init__(self, symbol: str, sequence: int, progress: Progress = no_progress) -> None:
        self.symbol = symbol
        self.sequence = sequence
        self._progress = progress
        self.engine: Engine = engine_at(sequence, progress)
        checksum = checksum_at(sequence)
        if checksum is None:
            raise JournalDamaged(sequence, "no row ends here")
        self._checksum = checksum
        self._market: MarketRecorder | None = None

    @property
    def has_begun(self) -> bool:
        return self._market is not None

    def begin(self) -> Records:
        """The book as it is at the start; nothing where there is no such instrument yet."""
        return self._begin(self.sequence) if self.symbol in self.engine.books else _NOTHING

    def snapshot(self) -> Records:
        """The book as it is now, once recording has begun; what follows goes on from there."""
        assert self._market is not None
        return self._market.snapshot(self.sequence)

    def _begin(self, sequence: int) -> Records:
        self._market = MarketRecorder(self.engine, self.symbol)
        return self._market.snapshot(sequence)

    def follow(self, until_ns: int | None = None) -> Iterator[Records]:
        """Records of the rows that have been added since, those of each row together."""
        for row in verified_rows(self.sequence, self._checksum):
            if until_ns is not None and row.time_ns >= until_ns:
                return
            records = self._take(row)
            self.sequence, self._checksum = row.last_sequence, row.checksum
            self._progress(row.last_sequence - row.first_sequence + 1)
            if len(records):
                yield records

    def _take(self, row: Row) -> Records:
        executed = executed_commands(row)
        given = []
        parts = []
        for sequence, entry in enumerate(executed, row.first_sequence):
            events = self.engine.apply(entry.command, row.time_ns)
            given.append((entry.command_id, entry.command, events))
            if self._market is not None:
                self._market.take(sequence, row.time_ns, events)
            elif self.symbol in self.engine.books:
                parts.append(self._begin(sequence))
        if encode_entries(given) != row.payload:
            self._compare(row, [events for _, _, events in given])
        for book in self.engine.books.values():
            book.drain_changes()
        if self._market is not None:
            parts.append(self._market.packed())
        return np.concatenate(parts) if parts else _NOTHING

    def _compare(self, row: Row, given: list[list[Event]]) -> None:
        """Rows of an earlier version may have other bytes for the same events."""
        for sequence, (entry, events) in enumerate(
            zip(decode_row(row).entries, given, strict=True), row.first_sequence
        ):
            if entry.events != events:
                raise JournalDamaged(sequence, "executed again, the command gives other events")
