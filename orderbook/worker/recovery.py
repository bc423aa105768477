"""From the journal to the engine's memory: newest snapshot, then every row after it.

Replays commands and compares what comes out with what the journal says came out; the first
difference stops the start with its sequence number. A snapshot only saves time: one that cannot be
read is passed over for an older one, or for the journal's first row.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from django.db.models import Q

from orderbook import garbage
from orderbook.core.engine import Engine
from orderbook.core.errors import SnapshotCorrupt
from orderbook.core.events import Event
from orderbook.core.snapshot import restore, stored_hash
from orderbook.gateway.protocol import encode
from orderbook.journal import (
    GENESIS_CHECKSUM,
    Executed,
    JournalDamaged,
    Row,
    answered_commands,
    checksum_at,
    decode_row,
    encode_entries,
    executed_commands,
    verified_rows,
)
from orderbook.models import JournalBatch, ProjectionCursor, Snapshot
from orderbook.worker.repeats import MAX_REMEMBERED, REMEMBERED_NS, RecentAnswers

logger = logging.getLogger(__name__)


class _Memory(NamedTuple):
    """Which of the journal's commands a repeat may still ask for."""

    since_ns: int
    after_sequence: int

    def reaches(self, row: Row) -> bool:
        return row.time_ns >= self.since_ns and row.last_sequence > self.after_sequence


class Replica:
    """An engine that follows the journal: a leader's before it leads, a standby's all the time."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.checksum = GENESIS_CHECKSUM
        self.answers = RecentAnswers()

    def recover(self) -> None:
        """Loads the newest snapshot that can be read, and follows the journal to its end."""
        with garbage.paused():
            self._load_newest()
            self._remember_before(self.sequence)
            count = self.follow()
        logger.info("recovered: snapshot at %d, %d commands replayed", self.sequence - count, count)

    def follow(self) -> int:
        """Applies every row that has been added since; returns the number of commands."""
        before = self.sequence
        memory = _memory()
        for row in verified_rows(self.sequence, self.checksum):
            self.apply(row)
            if memory.reaches(row):
                self._remember(row)
        return self.sequence - before

    def apply(self, row: Row) -> list[list[Event]]:
        """The events of each of the row's commands, which are those that the journal has."""
        executed = executed_commands(row)
        apply, time_ns = self.engine.apply, row.time_ns
        events = [apply(entry.command, time_ns) for entry in executed]
        _compare(row, executed, events)
        for book in self.engine.books.values():
            book.drain_changes()
        self.sequence = row.last_sequence
        self.checksum = row.checksum
        return events

    def _load_newest(self) -> None:
        sequences = Snapshot.objects.order_by("-sequence").values_list("sequence", flat=True)
        for sequence in list(sequences):
            try:
                self._load(Snapshot.objects.get(sequence=sequence))
                return
            except Snapshot.DoesNotExist:
                continue
            except SnapshotCorrupt as error:
                logger.error("the snapshot at %d cannot be used: %s", sequence, error)

    def _load(self, snapshot: Snapshot) -> None:
        """Raises SnapshotCorrupt; and JournalDamaged where the journal has lost what the snapshot
        has, which is no matter of time but of acknowledged commands."""
        if checksum_at(snapshot.sequence) != bytes(snapshot.journal_checksum):
            raise JournalDamaged(snapshot.sequence, "the snapshot belongs to another journal")
        state = bytes(snapshot.state)
        engine = restore(state)
        if stored_hash(state) != bytes(snapshot.state_hash).hex():
            raise SnapshotCorrupt("the state has another hash")
        self.engine = engine
        self.sequence = snapshot.sequence
        self.checksum = bytes(snapshot.journal_checksum)

    def _remember_before(self, sequence: int) -> None:
        """Answers that rows covered by the snapshot gave, as far back as repeats may ask."""
        if sequence:
            for row in _rows_until(sequence, _memory()):
                self._remember(row)

    def _remember(self, row: Row) -> None:
        entries = answered_commands(row)
        answers = [
            (entry.command_id, sequence, row.time_ns, entry.events)
            for sequence, entry in enumerate(entries, row.first_sequence)
        ]
        self.answers.remember(row.time_ns, [one.command_id for one in entries], encode(answers))
        self.answers.forget_before(row.time_ns)


def _compare(row: Row, executed: list[Executed], events: list[list[Event]]) -> None:
    """Raises JournalDamaged for the first command that gave other events than the journal has.

    Bytes first: reading the journal's events takes as long as applying the commands. Rows of an
    earlier version may have other bytes for the same events.
    """
    again = [
        (one.command_id, one.command, given) for one, given in zip(executed, events, strict=True)
    ]
    if encode_entries(again) == row.payload:
        return
    entries = decode_row(row).entries
    for sequence, (entry, given) in enumerate(
        zip(entries, events, strict=True), row.first_sequence
    ):
        if entry.events != given:
            raise JournalDamaged(
                sequence, f"replay gives {given!r}, the journal has {entry.events!r}"
            )


def _memory() -> _Memory:
    newest = JournalBatch.objects.order_by("-first_sequence")
    last_sequence, time_ns = newest.values_list("last_sequence", "time_ns").first() or (0, 0)
    # One more than can be remembered, so that ``RecentAnswers`` learns that it forgets some.
    return _Memory(time_ns - REMEMBERED_NS, last_sequence - MAX_REMEMBERED - 1)


def _rows_until(last_sequence: int, memory: _Memory) -> Iterator[Row]:
    """Rows that the memory reaches, up to the one that ends at ``last_sequence``."""
    before = JournalBatch.objects.filter(
        Q(time_ns__lt=memory.since_ns) | Q(last_sequence__lte=memory.after_sequence),
        last_sequence__lte=last_sequence,
    ).order_by("-first_sequence")
    after = before.values_list("last_sequence", flat=True).first() or 0
    checksum = checksum_at(after)
    assert checksum is not None
    for row in verified_rows(after, checksum):
        if row.first_sequence > last_sequence:
            return
        yield row


def table_ends() -> dict[str, int]:
    """Where each projection stands."""
    return dict(ProjectionCursor.objects.values_list("name", "sequence"))


def check_tables(last_sequence: int, ends: dict[str, int]) -> None:
    """Raises JournalDamaged where a table was made from commands that the journal does not have.

    So it is after an older journal was restored beside newer tables. The projector would wait for
    the journal to come up to the tables, and pass over what is different in between.
    """
    for name, end in ends.items():
        if end > last_sequence:
            raise JournalDamaged(
                last_sequence + 1,
                f"the journal ends at {last_sequence}, the tables of {name} at {end}. Restore the "
                "journal that belongs to them, or accept the loss of what came after it and run "
                "rebuild_projections",
            )
