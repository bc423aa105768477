"""Finding an order's commands and events in the journal, in bounded memory.

Rows are read in order, some at a time. A row is decoded only if its bytes may hold what is looked
for, so that most of a long journal costs one search for bytes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from orderbook.core.commands import Command
from orderbook.core.events import Event, OrderAccepted
from orderbook.journal import PAGE_ROWS, Batch, JournalDamaged, decode_row
from orderbook.models import JournalBatch

Progress = Callable[[int], None]
"""Told how many commands were read since the last call."""


class Executed(NamedTuple):
    """One command as the journal has it."""

    sequence: int
    time_ns: int
    command: Command
    events: list[Event]


def no_progress(commands: int) -> None:
    """For callers who show none."""


def rows_after(sequence: int, progress: Progress = no_progress) -> Iterator[JournalBatch]:
    """Every row after the one that ends at ``sequence``. Raises JournalDamaged at a gap."""
    while True:
        page = list(
            JournalBatch.objects.filter(first_sequence__gt=sequence).order_by("first_sequence")[
                :PAGE_ROWS
            ]
        )
        for row in page:
            if row.first_sequence != sequence + 1:
                raise JournalDamaged(sequence + 1, f"the next row begins at {row.first_sequence}")
            yield row
            progress(row.last_sequence - sequence)
            sequence = row.last_sequence
        if len(page) < PAGE_ROWS:
            return


def row_of(sequence: int) -> JournalBatch | None:
    """The row that holds a sequence."""
    rows = JournalBatch.objects.filter(first_sequence__lte=sequence).order_by("-first_sequence")
    row = rows.first()
    return row if row is not None and row.last_sequence >= sequence else None


def executed_at(sequence: int) -> Executed | None:
    row = row_of(sequence)
    if row is None:
        return None
    return executed_in(decode_row(row), sequence)


def executed_in(batch: Batch, sequence: int) -> Executed:
    entry = batch.entries[sequence - batch.first_sequence]
    return Executed(sequence, batch.time_ns, entry.command, entry.events)


def commands_of(batch: Batch) -> Iterator[Executed]:
    for sequence in range(batch.first_sequence, batch.last_sequence + 1):
        yield executed_in(batch, sequence)


def sequence_of_order(order_id: int) -> int | None:
    """Where the order was accepted: ids grow along the journal, so that halving finds it."""
    newest = JournalBatch.objects.order_by("-first_sequence").first()
    low, high = 0, newest.last_sequence if newest is not None else 0
    while low < high:
        middle = row_of(low + (high - low + 1) // 2)
        assert middle is not None
        batch, ids = _next_accepted(middle.first_sequence, high)
        if not ids or order_id < min(ids):
            high = middle.first_sequence - 1
        elif order_id > max(ids):
            assert batch is not None
            low = batch.last_sequence
        else:
            return ids.get(order_id)
    return None


def _next_accepted(first_sequence: int, high: int) -> tuple[Batch | None, dict[int, int]]:
    """The first row from ``first_sequence`` to ``high`` in which orders were accepted, and the
    sequence of each of them."""
    for row in rows_after(first_sequence - 1):
        if row.first_sequence > high:
            break
        batch = decode_row(row)
        ids = {
            event.order_id: executed.sequence
            for executed in commands_of(batch)
            for event in executed.events
            if isinstance(event, OrderAccepted)
        }
        if ids:
            return batch, ids
    return None, {}


def sequence_of_client(
    account_id: int, client_order_id: str, progress: Progress = no_progress
) -> int | None:
    """The newest command in which the account's order with this id was accepted or refused."""
    needle = client_order_id.encode()
    before = None
    while True:
        rows = JournalBatch.objects.order_by("-first_sequence")
        if before is not None:
            rows = rows.filter(first_sequence__lt=before)
        page = list(rows[:PAGE_ROWS])
        for row in page:
            found = _last_named(row, account_id, client_order_id, needle)
            if found is not None:
                return found
            progress(row.last_sequence - row.first_sequence + 1)
            before = row.first_sequence
        if len(page) < PAGE_ROWS:
            return None


def _last_named(
    row: JournalBatch, account_id: int, client_order_id: str, needle: bytes
) -> int | None:
    if needle not in bytes(row.payload):
        return None
    for executed in reversed(list(commands_of(decode_row(row)))):
        for event in executed.events:
            named = type(event).__name__ in ("OrderAccepted", "OrderRejected")
            if named and (event.account_id, event.client_order_id) == (  # type: ignore[union-attr]
                account_id,
                client_order_id,
            ):
                return executed.sequence
    return None
