"""A torn tail is cut by the database; any other damage to the journal stops the start.

The tail is torn where SQLite keeps what was committed last, in the log beside the file: a recovery
from any length of it gives the state after one of the commits, whole. Damage inside the rows stops
a recovery with the row's first sequence, whether or not it is the last one: a row was committed as
a whole, so one that is wrong was changed afterwards, and may have been answered.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from orderbook.core.commands import Command, Deposit, OpenEpoch
from orderbook.core.snapshot import state_hash
from orderbook.core.units import Side
from orderbook.journal import GENESIS_CHECKSUM, Entry, JournalDamaged
from orderbook.models import JournalBatch, ProjectionCursor
from orderbook.worker.engine_worker import EngineWorker
from orderbook.worker.journal_writer import JournalWriter
from orderbook.worker.recovery import Replica, check_tables, table_ends
from orderbook.worker.verification import JournalVerifier
from tests.integration.venue import DEFINITIONS, limit_order

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

ROWS = 24
LENGTHS = 60
"""Lengths to which the log is cut, besides those around the end of each commit."""

_TABLE = JournalBatch._meta.db_table
_COLUMNS = "first_sequence, last_sequence, epoch, time_ns, payload, checksum"


def write_rows(rows: int = ROWS) -> dict[int, str]:
    """A journal of so many rows; the state's hash by the last sequence of each."""
    replica, writer = Replica(), JournalWriter()
    epoch = writer.open_epoch(GENESIS_CHECKSUM, 0)
    setup: list[Command] = [OpenEpoch(epoch), *DEFINITIONS]
    setup += [Deposit(1, asset, 10**15, "start") for asset in ("BTC", "USDT")]
    hashes = {0: state_hash(replica.engine)}
    sequence = 0
    for number in range(1, rows + 1):
        commands = setup if number == 1 else [limit_order(1, Side.BUY, 100 + number, 1)] * 3
        entries = [Entry(b"", one, replica.engine.apply(one, number)) for one in commands]
        writer.append(sequence + 1, sequence + len(entries), number, entries)
        sequence += len(entries)
        hashes[sequence] = state_hash(replica.engine)
    return hashes


# -- the tail ---------------------------------------------------------------------------------


@contextmanager
def journal_in(path: Path) -> Iterator[None]:
    """The journal's database is this file meanwhile."""
    described = connections.databases[settings.JOURNAL_DATABASE]
    before = described["NAME"]
    connections[settings.JOURNAL_DATABASE].close()
    described["NAME"] = str(path)
    try:
        yield
    finally:
        connections[settings.JOURNAL_DATABASE].close()
        described["NAME"] = before


class Torn:
    """A journal whose rows are all in the log beside the file, as after a crash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "base.sqlite3"
        self.log_sizes: dict[int, int] = {}
        """Size of the log by the last sequence that it holds."""
        keeper = sqlite3.connect(self.base, isolation_level=None)
        keeper.execute("PRAGMA journal_mode=WAL")
        keeper.execute("PRAGMA wal_autocheckpoint=0")
        with journal_in(Path(str(connections.databases["journal"]["NAME"]))):
            source = connections["journal"]
            source.ensure_connection()
            for (sql,) in source.connection.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
            ):
                keeper.execute(sql)
            rows = source.connection.execute(
                f"SELECT {_COLUMNS} FROM {_TABLE} ORDER BY first_sequence"
            ).fetchall()
        keeper.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.log = folder / "base.sqlite3-wal"
        for row in rows:
            keeper.execute(f"INSERT INTO {_TABLE} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)
            self.log_sizes[row[1]] = self.log.stat().st_size
        self.copy = folder / "copy.sqlite3"
        self._bytes = self.base.read_bytes(), self.log.read_bytes()
        keeper.close()

    def cut_to(self, size: int) -> Path:
        """The journal as it is found where only so much of its log reached the disk."""
        base, log = self._bytes
        for leftover in self.folder.glob("copy.sqlite3*"):
            leftover.unlink()
        self.copy.write_bytes(base)
        Path(f"{self.copy}-wal").write_bytes(log[:size])
        return self.copy


@pytest.fixture
def sqlite_only() -> None:
    if connections["journal"].vendor != "sqlite":
        pytest.skip("the log beside the file is SQLite's")


def test_a_torn_tail_is_cut_at_the_last_whole_commit(sqlite_only: None, tmp_path: Path) -> None:
    hashes = write_rows()
    torn = Torn(tmp_path)
    ends = sorted(torn.log_sizes.values())
    rng = random.Random(7)
    sizes = {0, *(end + by for end in ends for by in (-1, 0, 1))}
    sizes |= {rng.randrange(ends[-1]) for _ in range(LENGTHS)}
    for size in sorted(sizes):
        whole = [sequence for sequence, end in torn.log_sizes.items() if end <= size]
        with journal_in(torn.cut_to(size)):
            replica = Replica()
            replica.recover()
        expected = max(whole, default=0)
        assert (replica.sequence, state_hash(replica.engine)) == (expected, hashes[expected]), size


def test_a_tail_that_tables_have_seen_is_not_cut_silently(
    sqlite_only: None, tmp_path: Path
) -> None:
    """What was committed was answered, and the projector has mostly seen it."""
    end = max(write_rows())
    torn = Torn(tmp_path)
    ProjectionCursor.objects.create(name="test.torn", sequence=end)
    with journal_in(torn.cut_to(max(torn.log_sizes.values()) - 1)):
        replica = Replica()
        replica.recover()
        with pytest.raises(JournalDamaged) as caught:
            check_tables(replica.sequence, table_ends())
    assert caught.value.sequence == replica.sequence + 1


# -- the rows ---------------------------------------------------------------------------------


def nth(number: int) -> JournalBatch:
    return JournalBatch.objects.order_by("first_sequence")[number]


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 0x10
    return bytes(changed)


def flip_a_byte_of_a_middle_row() -> int:
    row = nth(ROWS // 2)
    JournalBatch.objects.filter(pk=row.pk).update(payload=flipped(row.payload, 20))
    return row.first_sequence


def cut_a_middle_row_short() -> int:
    row = nth(ROWS // 2)
    JournalBatch.objects.filter(pk=row.pk).update(payload=bytes(row.payload)[:-5])
    return row.first_sequence


def lose_a_row() -> int:
    row = nth(ROWS // 2)
    JournalBatch.objects.filter(pk=row.pk).delete()
    return row.first_sequence


def lose_the_first_row() -> int:
    nth(0).delete()
    return 1


def swap_two_rows() -> int:
    one, two = nth(5), nth(6)
    for row, other in ((one, two), (two, one)):
        JournalBatch.objects.filter(pk=row.pk).update(
            payload=bytes(other.payload), checksum=bytes(other.checksum)
        )
    return one.first_sequence


def double_a_row() -> int:
    """The last row's commands once more, under the next numbers."""
    row = nth(ROWS - 1)
    count = row.last_sequence - row.first_sequence + 1
    row.first_sequence, row.last_sequence = row.last_sequence + 1, row.last_sequence + count
    row.save(force_insert=True)
    return row.first_sequence


def spoil_the_last_checksum() -> int:
    row = nth(ROWS - 1)
    JournalBatch.objects.filter(pk=row.pk).update(checksum=flipped(row.checksum, 0))
    return row.first_sequence


def spoil_the_last_payload() -> int:
    row = nth(ROWS - 1)
    JournalBatch.objects.filter(pk=row.pk).update(payload=flipped(row.payload, -1))
    return row.first_sequence


DAMAGES: list[Callable[[], int]] = [
    flip_a_byte_of_a_middle_row,
    cut_a_middle_row_short,
    lose_a_row,
    lose_the_first_row,
    swap_two_rows,
    double_a_row,
    spoil_the_last_checksum,
    spoil_the_last_payload,
]


@pytest.mark.parametrize("page_rows", [100, 4], ids=["one read", "read ahead"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_stops_a_recovery_and_names_the_row(
    damage: Callable[[], int], page_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbook.journal.PAGE_ROWS", page_rows)
    hashes = write_rows()
    replica = Replica()
    replica.recover()
    assert state_hash(replica.engine) == hashes[replica.sequence]
    bad = damage()
    with pytest.raises(JournalDamaged) as caught:
        Replica().recover()
    assert caught.value.sequence == bad
    verifier = JournalVerifier(check_every=1_000)
    list(verifier.run())
    assert verifier.report()["bad_sequence"] == bad


async def test_an_engine_does_not_start_on_a_damaged_journal() -> None:
    await asyncio.to_thread(write_rows)
    bad = await asyncio.to_thread(flip_a_byte_of_a_middle_row)
    worker = EngineWorker()
    with pytest.raises(JournalDamaged, match=f"damaged at sequence {bad}"):
        await asyncio.wait_for(worker.run(), 60)
    assert not worker.leading.is_set()


def test_every_length_of_the_journal_recovers_alike_however_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashes: dict[int, Any] = write_rows()
    for page_rows in (1, 2, 3, ROWS, ROWS + 1):
        monkeypatch.setattr("orderbook.journal.PAGE_ROWS", page_rows)
        replica = Replica()
        replica.recover()
        assert state_hash(replica.engine) == hashes[max(hashes)]
