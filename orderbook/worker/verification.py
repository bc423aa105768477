"""A full replay of the journal that trusts nothing: no snapshot, no checksum, no event."""

from collections.abc import Iterator
from typing import Any

from orderbook.core.events import EpochOpened, Event
from orderbook.core.invariants import InvariantBroken, check
from orderbook.core.snapshot import snapshot, state_hash
from orderbook.journal import JournalDamaged, Row, verified_rows
from orderbook.models import Epoch, Snapshot
from orderbook.worker.recovery import Replica, check_tables, table_ends


class JournalVerifier:
    """``run`` yields the sequence it has reached; afterwards ``fault`` says what was found."""

    def __init__(self, *, check_every: int) -> None:
        self._check_every = check_every
        self._replica = Replica()
        self._rows = 0
        self._epoch = 0
        self._snapshots = 0
        self._checked_at = 0
        self._time_ns = 0
        self._unseen: set[int] = set()
        """Snapshots of places that the replay has not reached."""
        self._epochs: set[int] = set()
        self.fault: JournalDamaged | None = None

    def run(self) -> Iterator[int]:
        replica = self._replica
        self._unseen = set(Snapshot.objects.values_list("sequence", flat=True))
        self._epochs = set(Epoch.objects.values_list("number", flat=True))
        tables = table_ends()
        try:
            for row in verified_rows(replica.sequence, replica.checksum):
                self._verify(row)
                yield replica.sequence
            self._check_invariants()
            if beyond := min(self._unseen, default=0):
                raise JournalDamaged(
                    replica.sequence + 1, f"a snapshot at {beyond} is ahead of the journal"
                )
            check_tables(replica.sequence, tables)
        except JournalDamaged as fault:
            self.fault = fault

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = {
            "intact": self.fault is None,
            "commands": self._replica.sequence,
            "rows": self._rows,
            "snapshots": self._snapshots,
            "state_hash": state_hash(self._replica.engine),
        }
        if self.fault is not None:
            report |= {"bad_sequence": self.fault.sequence, "detail": self.fault.detail}
        return report

    def _verify(self, row: Row) -> None:
        if row.epoch < self._epoch:
            raise JournalDamaged(row.first_sequence, f"epoch {row.epoch} after {self._epoch}")
        if row.time_ns < self._time_ns:
            raise JournalDamaged(row.first_sequence, "time runs backwards")
        self._epoch, self._time_ns = row.epoch, row.time_ns
        try:
            events = self._replica.apply(row)
        except InvariantBroken as broken:
            raise JournalDamaged(row.first_sequence, str(broken)) from broken
        self._check_epochs(row.first_sequence, events)
        self._rows += 1
        if row.last_sequence - self._checked_at >= self._check_every:
            self._check_invariants()
        for sequence in sorted(self._unseen):
            if sequence > row.last_sequence:
                break
            self._unseen.remove(sequence)
            self._check_snapshot(sequence, row)

    def _check_epochs(self, first_sequence: int, events: list[list[Event]]) -> None:
        for sequence, given in enumerate(events, first_sequence):
            for event in given:
                if isinstance(event, EpochOpened) and not self._is_registered(event.epoch):
                    raise JournalDamaged(sequence, f"epoch {event.epoch} is not registered")

    def _is_registered(self, epoch: int) -> bool:
        """Asks again, because a venue that runs may have a new leader meanwhile."""
        return epoch in self._epochs or Epoch.objects.filter(number=epoch).exists()

    def _check_snapshot(self, sequence: int, row: Row) -> None:
        """The row is the one that holds ``sequence``; a running venue may have dropped the
        snapshot meanwhile."""
        stored = Snapshot.objects.filter(sequence=sequence).first()
        if stored is None:
            return
        self._snapshots += 1
        if sequence != row.last_sequence:
            raise JournalDamaged(sequence, "a snapshot is of a state between two commits")
        engine = self._replica.engine
        if bytes(stored.journal_checksum) != row.checksum:
            raise JournalDamaged(sequence, "the snapshot belongs to another journal")
        if (bytes(stored.state), bytes(stored.state_hash).hex()) != (
            snapshot(engine),
            state_hash(engine),
        ):
            raise JournalDamaged(sequence, "the snapshot is not the state that the journal gives")

    def _check_invariants(self) -> None:
        self._checked_at = self._replica.sequence
        try:
            check(self._replica.engine)
        except InvariantBroken as broken:
            raise JournalDamaged(self._replica.sequence, str(broken)) from broken
