"""The engine as it was at a place in the journal: the nearest snapshot, and the commands after it.

Unlike a recovery it does not compare what comes out with what the journal has, and remembers no
answers: it only looks.
"""

from django.db.models import QuerySet

from orderbook import garbage
from orderbook.core.engine import Engine
from orderbook.core.errors import SnapshotCorrupt
from orderbook.core.snapshot import restore
from orderbook.explanation.reading import Progress, no_progress, rows_after
from orderbook.journal import executed_commands
from orderbook.models import Snapshot


def replay_length(sequence: int) -> int:
    """How many commands ``engine_at`` would execute."""
    nearest = _snapshots(sequence).values_list("sequence", flat=True).first()
    return sequence - (nearest or 0)


def engine_at(sequence: int, progress: Progress = no_progress) -> Engine:
    """The state after the command at ``sequence``."""
    with garbage.paused():
        engine, reached = _nearest(sequence)
        for row in rows_after(reached, progress):
            if row.first_sequence > sequence:
                break
            for entry in executed_commands(row)[: sequence - row.first_sequence + 1]:
                engine.apply(entry.command, row.time_ns)
        for book in engine.books.values():
            book.drain_changes()
    return engine


def _nearest(sequence: int) -> tuple[Engine, int]:
    """From the newest snapshot that is not newer and can be read; else from the beginning."""
    for snapshot in _snapshots(sequence):
        try:
            return restore(bytes(snapshot.state)), snapshot.sequence
        except SnapshotCorrupt:
            continue
    return Engine(), 0


def _snapshots(sequence: int) -> QuerySet[Snapshot]:
    return Snapshot.objects.filter(sequence__lte=sequence).order_by("-sequence")
