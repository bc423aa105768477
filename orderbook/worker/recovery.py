"""From the journal to the engine's memory: newest snapshot, then every row after it.

Replays commands and compares what comes out with what the journal says came out; the first
difference stops the start with its sequence number. A snapshot only saves time: one that cannot be
read is passed over for an older one, or for the journal's first row.
"""

import logging
from collections.abc import Iterator

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


MAX_GAP_NS = 10**9
"""Most that the time between two rows counts for when answers are forgotten. Journal time leaps
with a wall clock that is wrong for a moment, and no leap may make the answers before it look old.
"""


class Replica:
    """An engine that follows the journal: a leader's before it leads, a standby's all the time."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.checksum = GENESIS_CHECKSUM
        self.answers = RecentAnswers()
        self.elapsed_ns = 0
        """Time that passed over the remembered rows: what ``answers`` are kept by."""
        self._remembered_ns = 0
        """Journal time of the last one."""
        self._forgotten = 0
        """Up to this sequence no answer is remembered."""

    def recover(self) -> None:
        """Loads the newest snapshot that can be read, and follows the journal to its end."""
        with garbage.paused():
            self._load_newest()
            self._forgotten = _forgotten_until()
            self._remember_before(self.sequence)
            count = self.follow()
        logger.info("recovered: snapshot at %d, %d commands replayed", self.sequence - count, count)

    def follow(self) -> int:
        """Applies every row that has been added since; returns the number of commands."""
        before = self.sequence
        for row in verified_rows(self.sequence, self.checksum):
            self.apply(row)
            if row.last_sequence > self._forgotten:
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
        for row in _rows_between(self._forgotten, sequence):
            self._remember(row)

    def _remember(self, row: Row) -> None:
        if self._remembered_ns:
            self.elapsed_ns += min(row.time_ns - self._remembered_ns, MAX_GAP_NS)
        self._remembered_ns = row.time_ns
        entries = answered_commands(row)
        answers = [
            (entry.command_id, sequence, row.time_ns, entry.events)
            for sequence, entry in enumerate(entries, row.first_sequence)
        ]
        self.answers.remember(self.elapsed_ns, [one.command_id for one in entries], encode(answers))
        self.answers.forget_before(self.elapsed_ns)


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


def _forgotten_until() -> int:
    """The last sequence whose answer no copy that is still valid can ask for."""
    rows = JournalBatch.objects.order_by("-first_sequence").values_list("last_sequence", "time_ns")
    passed_ns = newest = following_ns = 0
    for last_sequence, time_ns in rows.iterator():
        newest = newest or last_sequence
        # One more than can be remembered, so that ``RecentAnswers`` learns that it forgets some.
        if newest - last_sequence > MAX_REMEMBERED:
            return int(last_sequence)
        if following_ns:
            passed_ns += min(following_ns - time_ns, MAX_GAP_NS)
        if passed_ns > REMEMBERED_NS:
            return int(last_sequence)
        following_ns = time_ns
    return 0


def _rows_between(after_sequence: int, last_sequence: int) -> Iterator[Row]:
    """Rows after one that ends at a sequence, up to the one that ends at ``last_sequence``."""
    if after_sequence >= last_sequence:
        return
    checksum = checksum_at(after_sequence)
    assert checksum is not None
    for row in verified_rows(after_sequence, checksum):
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
