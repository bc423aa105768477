"""Feeds the journal to every registered projection, each with a cursor of its own.

A projection's rows and its cursor change in one transaction, and the cursor's row is locked while
they do, so that any number of projectors may run and no event is applied twice.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection, transaction

from orderbook import journal, metrics
from orderbook.models import JournalBatch, ProjectionCursor
from orderbook.projections import Projection, Recorded, registered

logger = logging.getLogger(__name__)

STEP_EVERY_S = 0.05
"""How often a projector that is level looks for new rows. Under load a step then finds hundreds of
commands, and what its queries and transactions cost is shared by them."""
RETRY_S = 1.0
MAX_ROWS = 500
MAX_COMMANDS_A_STEP = 5_000
"""Commands after which a step takes no further row, so that a transaction stays short."""


class ProjectionFailed(Exception):
    """A projection could not take the events; its cursor stays before them."""


class _Chunk:
    """Decoded rows after a sequence; projections that stand at the same place share it."""

    def __init__(self, after_sequence: int) -> None:
        self.records: list[Recorded] = []
        self.last_sequence = after_sequence
        batches = journal.read_batches(after_sequence, MAX_ROWS)
        self.is_full = len(batches) == MAX_ROWS
        """Whether there may be more rows after it."""
        for batch in batches:
            self.records.extend(journal.records(batch))
            self.last_sequence = batch.last_sequence
            if self.last_sequence - after_sequence >= MAX_COMMANDS_A_STEP:
                self.is_full = True
                break


class Projector:
    def __init__(self, projections: tuple[Projection, ...] | None = None) -> None:
        self._projections = registered() if projections is None else projections
        self._chunks: dict[int, _Chunk] = {}

    def run(self, stopped: threading.Event) -> None:
        """Follows the journal until ``stopped``; a database that is away is waited for, and so is a
        projection that fails, without holding up the others."""
        self.prepare()
        while not stopped.is_set():
            try:
                self.step()
            except (OperationalError, InterfaceError) as error:
                logger.warning("the database cannot be reached: %s", error)
                connection.close()
                stopped.wait(RETRY_S)
                continue
            except ProjectionFailed:
                logger.exception("tried again in %.0f s", RETRY_S)
                stopped.wait(RETRY_S)
                continue
            if not any(chunk.is_full for chunk in self._chunks.values()):
                stopped.wait(STEP_EVERY_S)

    def prepare(self) -> None:
        for projection in self._projections:
            ProjectionCursor.objects.get_or_create(name=projection.name)

    def step(self) -> bool:
        """Moves every projection by one chunk; False when all were at the end.

        Raises ProjectionFailed after the others have moved.
        """
        self._chunks = {}
        points = self._points()
        failed: ProjectionFailed | None = None
        for projection in self._projections:
            try:
                points[projection.name] = self._advance(projection, points[projection.name])
            except (OperationalError, InterfaceError, journal.JournalDamaged):
                raise
            except Exception as error:
                failed = ProjectionFailed(f"projection {projection.name} failed: {error}")
                failed.__cause__ = error
        self._measure_lag(min(points.values(), default=0))
        if failed is not None:
            raise failed
        return any(chunk.records for chunk in self._chunks.values())

    def catch_up(self, progress: Callable[[int], None] | None = None) -> None:
        """Steps until every projection is at the journal's end."""
        self.prepare()
        while self.step():
            if progress:
                progress(min(self._points().values()))

    def _advance(self, projection: Projection, point: int) -> int:
        """One chunk for one projection, which seemed to stand at ``point``, in one transaction;
        returns its cursor afterwards."""
        if self._chunk(point).last_sequence == point:
            return point
        with transaction.atomic():
            _commit_without_waiting()
            cursor = ProjectionCursor.objects.select_for_update().get(name=projection.name)
            chunk = self._chunk(cursor.sequence)
            if chunk.records:
                projection.apply(chunk.records)
                cursor.sequence = chunk.last_sequence
                cursor.save(update_fields=["sequence"])
        return cursor.sequence

    def _points(self) -> dict[str, int]:
        """Where each projection stands; another projector may move it meanwhile."""
        names = [projection.name for projection in self._projections]
        cursors = ProjectionCursor.objects.filter(name__in=names)
        return dict(cursors.values_list("name", "sequence"))

    def _chunk(self, after_sequence: int) -> _Chunk:
        if after_sequence not in self._chunks:
            self._chunks[after_sequence] = _Chunk(after_sequence)
        return self._chunks[after_sequence]

    def _measure_lag(self, cursor: int) -> None:
        newest = journal.last_sequence()
        metrics.PROJECTOR_LAG_COMMANDS.set(newest - cursor)
        if newest == cursor:
            metrics.PROJECTOR_LAG_SECONDS.set(0)
            return
        waiting = JournalBatch.objects.filter(first_sequence__gt=cursor).order_by("first_sequence")
        oldest_ns = waiting.values_list("time_ns", flat=True).first()
        if oldest_ns is not None:
            metrics.PROJECTOR_LAG_SECONDS.set(max(0.0, (time.time_ns() - oldest_ns) / 1e9))


def _commit_without_waiting() -> None:
    """For this transaction on PostgreSQL: a crash of the server may lose it, rows and cursor
    together, and the journal gives both again. So the disk is left to the journal's commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")


def reset(projection: Projection) -> None:
    """Empties a projection's tables and sends its cursor back to the first event."""
    with transaction.atomic():
        cursor, _ = ProjectionCursor.objects.select_for_update().get_or_create(name=projection.name)
        projection.reset()
        cursor.sequence = 0
        cursor.save(update_fields=["sequence"])
