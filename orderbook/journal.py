"""The journal as everyone reads it: rows of commands and events, chained by checksums.

Only the engine's leader appends (``orderbook.worker.journal_writer``). A row is one batch; its
checksum covers its own content and the checksum of the row before it, so that a changed, missing or
swapped row shows wherever the chain is followed.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import msgspec
from django.db import connections
from msgspec import Struct

from orderbook.core.commands import Command
from orderbook.core.events import Event
from orderbook.models import JournalBatch
from orderbook.projections import Recorded

T = TypeVar("T")

CHECKSUM_BYTES = 16
GENESIS_CHECKSUM = bytes(CHECKSUM_BYTES)
"""What the first row is chained to."""
READ_ROWS = 200
"""Rows that one read of the journal fetches."""
READ_COMMANDS = 10_000
"""Commands after which one read decodes no further row; under load a row has hundreds."""


PAGE_ROWS = 100
"""Rows that a replay reads at a time; under load some ten megabytes."""


class JournalDamaged(Exception):
    """A row that cannot be right; ``sequence`` is the first one that it should have held."""

    def __init__(self, sequence: int, detail: str) -> None:
        self.sequence = sequence
        self.detail = detail
        super().__init__(f"journal damaged at sequence {sequence}: {detail}")


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """One command as it was executed, with what came of it.

    Untracked by the garbage collector: what it holds cannot lead back to it.
    """

    command_id: bytes
    command: Command
    events: list[Event]


class Executed(Struct, frozen=True, array_like=True):
    """An ``Entry`` whose events are left unread: building them takes most of the decoding."""

    command_id: bytes
    command: Command


class Answered(Struct, frozen=True, array_like=True):
    """An ``Entry`` whose events stay encoded, for an answer that is only to be sent again."""

    command_id: bytes
    command: msgspec.Raw
    events: msgspec.Raw


class Batch(NamedTuple):
    first_sequence: int
    last_sequence: int
    epoch: int
    time_ns: int
    entries: list[Entry]
    checksum: bytes


class Row(NamedTuple):
    """A batch as it is stored: checked against the chain, not decoded."""

    first_sequence: int
    last_sequence: int
    epoch: int
    time_ns: int
    payload: bytes
    checksum: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode
_decode_executed = msgspec.msgpack.Decoder(list[Executed]).decode
_decode_answered = msgspec.msgpack.Decoder(list[Answered]).decode


def encode_entries(entries: Sequence[Entry | tuple[bytes, Command, list[Event]]]) -> bytes:
    return _encode(entries)


def chained_checksum(
    previous: bytes,
    first_sequence: int,
    last_sequence: int,
    epoch: int,
    time_ns: int,
    payload: bytes,
) -> bytes:
    digest = hashlib.blake2b(previous, digest_size=CHECKSUM_BYTES)
    for number in (first_sequence, last_sequence, epoch, time_ns):
        digest.update(number.to_bytes(8, "big", signed=True))
    digest.update(payload)
    return digest.digest()


def decode_row(row: JournalBatch | Row) -> Batch:
    """Raises JournalDamaged where the row does not hold the commands that it names."""
    return Batch(
        row.first_sequence,
        row.last_sequence,
        row.epoch,
        row.time_ns,
        _decoded(_decode_entries, row),
        bytes(row.checksum),
    )


def executed_commands(row: JournalBatch | Row) -> list[Executed]:
    """As ``decode_row``, for a ninth of its time."""
    return _decoded(_decode_executed, row)


def answered_commands(row: Row) -> list[Answered]:
    """As ``decode_row``, for a seventh of its time."""
    return _decoded(_decode_answered, row)


def _decoded(decode: Callable[[bytes], list[T]], row: JournalBatch | Row) -> list[T]:
    try:
        entries = decode(bytes(row.payload))
    except msgspec.MsgspecError as error:
        raise JournalDamaged(row.first_sequence, f"the payload cannot be read: {error}") from error
    if len(entries) != row.last_sequence - row.first_sequence + 1:
        raise JournalDamaged(
            row.first_sequence,
            f"the row names {row.first_sequence} to {row.last_sequence} "
            f"and holds {len(entries)} commands",
        )
    return entries


def read_batches(after_sequence: int, limit: int = READ_ROWS) -> list[Batch]:
    """The next rows after ``after_sequence``, which is 0 or the last sequence of a row: some,
    where there are any; all that there are only where nothing comes after them.

    Raises JournalDamaged at a gap: what follows one must not be taken for what comes next.
    """
    rows = JournalBatch.objects.filter(first_sequence__gt=after_sequence)
    batches = []
    enough = after_sequence + READ_COMMANDS
    for row in rows.order_by("first_sequence")[:limit]:
        _check_next(row, after_sequence)
        batches.append(decode_row(row))
        after_sequence = row.last_sequence
        if after_sequence >= enough:
            break
    return batches


def _check_next(row: JournalBatch | Row, after_sequence: int) -> None:
    if row.first_sequence != after_sequence + 1:
        raise JournalDamaged(after_sequence + 1, f"the next row begins at {row.first_sequence}")


def verified_rows(after_sequence: int, checksum: bytes) -> Iterator[Row]:
    """Every row after a sequence whose row had ``checksum``, each checked for gaps and damage.

    A thread reads the next rows and checks them while the caller has the ones before.
    """
    page = _read_page(after_sequence, checksum)
    if page.is_last:
        yield from page.sound_rows()
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        try:
            while not page.is_last:
                end = page.rows[-1]
                following = thread.submit(_read_page, end.last_sequence, end.checksum)
                yield from page.sound_rows()
                page = following.result()
            yield from page.sound_rows()
        finally:
            thread.submit(connections.close_all).result()


class _Page(NamedTuple):
    """Rows that follow each other, and what is wrong with the one after them."""

    rows: list[Row]
    fault: JournalDamaged | None
    is_last: bool

    def sound_rows(self) -> Iterator[Row]:
        yield from self.rows
        if self.fault is not None:
            raise self.fault


_ROW_FIELDS = ("first_sequence", "last_sequence", "epoch", "time_ns", "payload", "checksum")


def _read_page(after_sequence: int, checksum: bytes) -> _Page:
    stored = (
        JournalBatch.objects.filter(first_sequence__gt=after_sequence)
        .order_by("first_sequence")
        .values_list(*_ROW_FIELDS)[:PAGE_ROWS]
    )
    rows: list[Row] = []
    for first, last, epoch, time_ns, payload, stored_checksum in stored:
        row = Row(first, last, epoch, time_ns, bytes(payload), bytes(stored_checksum))
        try:
            _check_next(row, after_sequence)
            _check_chain(row, checksum)
        except JournalDamaged as fault:
            return _Page(rows, fault, is_last=True)
        rows.append(row)
        after_sequence, checksum = row.last_sequence, row.checksum
    return _Page(rows, None, is_last=len(rows) < PAGE_ROWS)


def _check_chain(row: Row, checksum: bytes) -> None:
    """``checksum``: of the row before it."""
    if row.checksum != chained_checksum(checksum, *row[:5]):
        raise JournalDamaged(row.first_sequence, "the checksum does not match")


def checksum_at(sequence: int) -> bytes | None:
    """Of the row that ends at a sequence; None where no row ends there."""
    if sequence == 0:
        return GENESIS_CHECKSUM
    ends = JournalBatch.objects.filter(last_sequence=sequence).values_list("checksum", flat=True)
    found = ends.first()
    return None if found is None else bytes(found)


def last_sequence() -> int:
    """The last journaled sequence; 0 for an empty journal."""
    newest = JournalBatch.objects.order_by("-first_sequence").values_list("last_sequence")[:1]
    return newest[0][0] if newest else 0


def records(batch: Batch) -> Iterator[Recorded]:
    """The batch's events, each with its place in the journal."""
    for sequence, entry in enumerate(batch.entries, batch.first_sequence):
        for index, event in enumerate(entry.events):
            yield Recorded(sequence, index, batch.time_ns, event)
