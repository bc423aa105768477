"""From the journal to the engine's memory: newest snapshot, then every row after it.

Replays commands and compares what comes out with what the journal says came out; the first
difference stops the start with its sequence number. A snapshot only saves time: one that cannot be
read is passed over for an older one, or for the journal's first row.
"""

import logging
from collections.abc import Iterator

from django.db.models import Q

from orderbook.core.engine import Engine
from orderbook.core.errors import SnapshotCorrupt
from orderbook.core.snapshot import restore, state_hash
from orderbook.gateway.protocol import Answer, encode
from orderbook.journal import (
    GENESIS_CHECKSUM,
    Batch,
    JournalDamaged,
    read_batches,
    verified_batches,
)
from orderbook.models import JournalBatch, ProjectionCursor, Snapshot
from orderbook.worker.repeats import MAX_REMEMBERED, REMEMBERED_NS, RecentAnswers

logger = logging.getLogger(__name__)


class Replica:
    """An engine that follows the journal: a leader's before it leads, a standby's all the time."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.checksum = GENESIS_CHECKSUM
        self.answers = RecentAnswers()

    def recover(self) -> None:
        """Loads the newest snapshot that can be read, and follows the journal to its end."""
        sequences = Snapshot.objects.order_by("-sequence").values_list("sequence", flat=True)
        for sequence in list(sequences):
            try:
                self._load(Snapshot.objects.get(sequence=sequence))
                break
            except Snapshot.DoesNotExist:
                continue
            except SnapshotCorrupt as error:
                logger.error("the snapshot at %d cannot be used: %s", sequence, error)
        self._remember_before(self.sequence)
        count = self.follow()
        logger.info("recovered: snapshot at %d, %d commands replayed", self.sequence - count, count)

    def follow(self) -> int:
        """Applies every row that has been added since; returns the number of commands."""
        before = self.sequence
        for batch in verified_batches(self.sequence, self.checksum):
            self.apply(batch)
        return self.sequence - before

    def apply(self, batch: Batch) -> None:
        for sequence, entry in enumerate(batch.entries, batch.first_sequence):
            events = self.engine.apply(entry.command, batch.time_ns)
            if events != entry.events:
                raise JournalDamaged(
                    sequence, f"replay gives {events!r}, the journal has {entry.events!r}"
                )
        for book in self.engine.books.values():
            book.drain_changes()
        self.sequence = batch.last_sequence
        self.checksum = batch.checksum
        self._remember(batch)

    def _load(self, snapshot: Snapshot) -> None:
        """Raises SnapshotCorrupt; and JournalDamaged where the journal has lost what the snapshot
        has, which is no matter of time but of acknowledged commands."""
        row = JournalBatch.objects.filter(last_sequence=snapshot.sequence).first()
        if row is None or bytes(row.checksum) != bytes(snapshot.journal_checksum):
            raise JournalDamaged(snapshot.sequence, "the snapshot belongs to another journal")
        engine = restore(bytes(snapshot.state))
        if state_hash(engine) != bytes(snapshot.state_hash).hex():
            raise SnapshotCorrupt("the state has another hash")
        self.engine = engine
        self.sequence = snapshot.sequence
        self.checksum = bytes(snapshot.journal_checksum)

    def _remember(self, batch: Batch) -> None:
        for sequence, entry in enumerate(batch.entries, batch.first_sequence):
            answer = Answer(entry.command_id, sequence, batch.time_ns, entry.events)
            self.answers.remember(entry.command_id, batch.time_ns, encode(answer))
        self.answers.forget_before(batch.time_ns)

    def _remember_before(self, sequence: int) -> None:
        """Answers that rows covered by the snapshot gave, as far back as repeats may ask."""
        newest = JournalBatch.objects.order_by("-first_sequence").first()
        if newest is None or sequence == 0:
            return
        for batch in _batches_between(newest.time_ns - REMEMBERED_NS, sequence):
            self._remember(batch)


def _batches_between(since_ns: int, last_sequence: int) -> Iterator[Batch]:
    """Rows from a time on, or the newest MAX_REMEMBERED commands where those are fewer."""
    before = JournalBatch.objects.filter(
        Q(time_ns__lt=since_ns) | Q(last_sequence__lte=last_sequence - MAX_REMEMBERED),
        last_sequence__lte=last_sequence,
    )
    newest = before.order_by("-first_sequence").values_list("last_sequence", flat=True)[:1]
    after = newest[0] if newest else 0
    while after < last_sequence:
        for batch in read_batches(after):
            if batch.first_sequence > last_sequence:
                return
            yield batch
            after = batch.last_sequence


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
