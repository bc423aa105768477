"""The end of the journal that a projection has not read yet, for reads that must not lag.

A selector reads its projection's cursor first, then its rows, then lays ``records_after(cursor)``
over them. So an acknowledged command is visible in the next read whether the projector is a
millisecond or an hour behind. Decoded rows are kept while a cursor still needs them.
"""

import threading
from collections import deque

from orderbook import journal
from orderbook.core.events import TradeBusted
from orderbook.errors import VenueError
from orderbook.models import ProjectionCursor
from orderbook.projections import Recorded

MAX_COMMANDS = 500_000
"""Longest tail that is laid over a read; beyond it reads answer ``projection_lagging``."""
KEPT_COMMANDS = 5_000
"""Kept although this reader's cursor is past them: projections' cursors differ a little."""


class ProjectionLagging(VenueError):
    code = "projection_lagging"
    status = 503  # type: ignore[assignment]
    message = "The tables are too far behind the journal to be read exactly. Try again shortly."
    retry_after_s = 5


class _Row:
    __slots__ = ("by_account", "first_sequence", "last_sequence", "records")

    def __init__(self, batch: journal.Batch) -> None:
        self.first_sequence = batch.first_sequence
        self.last_sequence = batch.last_sequence
        self.records = list(journal.records(batch))
        self.by_account: dict[int, list[Recorded]] = {}
        for record in self.records:
            for account_id in accounts_of(record):
                self.by_account.setdefault(account_id, []).append(record)


def accounts_of(record: Recorded) -> set[int]:
    """Every account that the event is about: both sides of a trade, else its own, if any."""
    event = record.event
    if isinstance(event, TradeBusted):
        event = event.trade
    maker = getattr(event, "maker_account_id", None)
    if maker is not None:
        return {maker, event.taker_account_id}  # type: ignore[union-attr]
    account_id = getattr(event, "account_id", None)
    return set() if account_id is None else {account_id}


class Tail:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: deque[_Row] = deque()

    def records_after(self, sequence: int, account_id: int | None = None) -> list[Recorded]:
        """Events after ``sequence`` in order; with an account only those that are about it."""
        with self._lock:
            self._load(sequence)
            found: list[Recorded] = []
            for row in self._rows:
                if row.last_sequence <= sequence:
                    continue
                records = row.records if account_id is None else row.by_account.get(account_id, ())
                found.extend(record for record in records if record.sequence > sequence)
            return found

    def forget(self) -> None:
        with self._lock:
            self._rows.clear()

    def _load(self, sequence: int) -> None:
        if self._rows and self._rows[0].first_sequence > sequence + 1:
            self._rows.clear()
        while self._rows and self._rows[0].last_sequence <= sequence - KEPT_COMMANDS:
            self._rows.popleft()
        newest = self._rows[-1].last_sequence if self._rows else sequence
        while batches := journal.read_batches(newest):
            newest = batches[-1].last_sequence
            if newest - sequence > MAX_COMMANDS:
                self._rows.clear()
                raise ProjectionLagging
            self._rows.extend(map(_Row, batches))


_tail = Tail()


def cursor_of(projection: str) -> int:
    """The last sequence that the projection's rows certainly contain."""
    row = ProjectionCursor.objects.filter(name=projection).values_list("sequence").first()
    return row[0] if row else 0


def records_after(sequence: int, account_id: int | None = None) -> list[Recorded]:
    """The process's shared tail; see ``Tail.records_after``."""
    return _tail.records_after(sequence, account_id)


def forget() -> None:
    """Drops what is kept, for tests that empty the database."""
    _tail.forget()
