"""The journal as everyone reads it: rows of commands and events, chained by checksums.

Only the engine's leader appends (``orderbook.worker.journal_writer``). A row is one batch; its
checksum covers its own content and the checksum of the row before it, so that a changed, missing or
swapped row shows wherever the chain is followed.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct

from orderbook.core.commands import Command
from orderbook.core.events import Event
from orderbook.models import JournalBatch
from orderbook.projections import Recorded

CHECKSUM_BYTES = 16
GENESIS_CHECKSUM = bytes(CHECKSUM_BYTES)
"""What the first row is chained to."""
READ_ROWS = 200
"""Rows that one read of the journal fetches."""
READ_COMMANDS = 10_000
"""Commands after which one read decodes no further row; under load a row has hundreds."""


class JournalDamaged(Exception):
    """A row that cannot be right; ``sequence`` is the first one that it should have held."""

    def __init__(self, sequence: int, detail: str) -> None:
        self.sequence = sequence
        self.detail = detail
        super().__init__(f"journal damaged at sequence {sequence}: {detail}")


class Entry(Struct, frozen=True, array_like=True):
    """One command as it was executed, with what came of it."""

    command_id: bytes
    command: Command
    events: list[Event]


class Batch(NamedTuple):
    first_sequence: int
    last_sequence: int
    epoch: int
    time_ns: int
    entries: list[Entry]
    checksum: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode


def encode_entries(entries: list[Entry]) -> bytes:
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


def decode_row(row: JournalBatch) -> Batch:
    """Raises JournalDamaged where the row does not hold the commands that it names."""
    try:
        entries = _decode_entries(row.payload)
    except msgspec.MsgspecError as error:
        raise JournalDamaged(row.first_sequence, f"the payload cannot be read: {error}") from error
    if len(entries) != row.last_sequence - row.first_sequence + 1:
        raise JournalDamaged(
            row.first_sequence,
            f"the row names {row.first_sequence} to {row.last_sequence} "
            f"and holds {len(entries)} commands",
        )
    return Batch(
        row.first_sequence,
        row.last_sequence,
        row.epoch,
        row.time_ns,
        entries,
        bytes(row.checksum),
    )


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


def _check_next(row: JournalBatch, after_sequence: int) -> None:
    if row.first_sequence != after_sequence + 1:
        raise JournalDamaged(after_sequence + 1, f"the next row begins at {row.first_sequence}")


def verified_batches(after_sequence: int, checksum: bytes) -> Iterator[Batch]:
    """Every row after a sequence whose row had ``checksum``, each checked for gaps and damage."""
    while True:
        rows = list(
            JournalBatch.objects.filter(first_sequence__gt=after_sequence).order_by(
                "first_sequence"
            )[:READ_ROWS]
        )
        if not rows:
            return
        for row in rows:
            _check_next(row, after_sequence)
            checksum = chained_checksum(
                checksum,
                row.first_sequence,
                row.last_sequence,
                row.epoch,
                row.time_ns,
                bytes(row.payload),
            )
            if checksum != bytes(row.checksum):
                raise JournalDamaged(row.first_sequence, "the checksum does not match")
            yield decode_row(row)
            after_sequence = row.last_sequence


def last_sequence() -> int:
    """The last journaled sequence; 0 for an empty journal."""
    newest = JournalBatch.objects.order_by("-first_sequence").values_list("last_sequence")[:1]
    return newest[0][0] if newest else 0


def records(batch: Batch) -> Iterator[Recorded]:
    """The batch's events, each with its place in the journal."""
    for sequence, entry in enumerate(batch.entries, batch.first_sequence):
        for index, event in enumerate(entry.events):
            yield Recorded(sequence, index, batch.time_ns, event)
