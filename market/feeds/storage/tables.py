"""One transaction that writes everything derived from some records, whole or not at all.

PostgreSQL: binary COPY, for trades built by numpy. Other databases: ``executemany``.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec
import numpy as np
from django.conf import settings
from django.db import Error, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from market.feeds.models import (
    BboBar,
    BboSegment,
    BookSnapshot,
    FeedTrade,
    RecordSegment,
    StorageGap,
    StorageRun,
    StoredDay,
)
from market.feeds.storage.codec import Rows
from market.feeds.storage.deriving import BAR_FIELDS, TRADE_DTYPE
from market.feeds.storage.partitions import Partitions, day_of
from orderbook.bulk import upsert_rows

RECORD_FIELDS: Final = (
    "id", "feed_id", "run", "position", "record_count", "start_ns", "end_ns", "payload", "checksum",
)  # fmt: skip
BBO_FIELDS: Final = (
    "id", "feed_id", "run", "position", "row_count", "start_ns", "end_ns", "payload", "checksum",
)  # fmt: skip
SNAPSHOT_FIELDS: Final = (
    "id", "feed_id", "instrument_id", "run", "position", "ts_ns", "order_count", "payload",
    "checksum",
)  # fmt: skip
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_COUNTERS: Final = (
    "record_count", "record_bytes", "bbo_count", "bbo_bytes", "bar_count", "trade_count",
    "snapshot_count", "snapshot_bytes",
)  # fmt: skip


class DayCounts(msgspec.Struct):
    """What is added to a ``StoredDay``."""

    record_count: int = 0
    record_bytes: int = 0
    bbo_count: int = 0
    bbo_bytes: int = 0
    bar_count: int = 0
    trade_count: int = 0
    snapshot_count: int = 0
    snapshot_bytes: int = 0


class RunState(msgspec.Struct):
    """As ``StorageRun``."""

    number: int
    first_position: int
    next_position: int
    start_ns: int
    end_ns: int
    record_count: int = 0
    lost_count: int = 0


class Batch(msgspec.Struct):
    """What one transaction writes. Rows are tuples in the order of the fields above."""

    records: list[tuple[Any, ...]] = []
    bbo: list[tuple[Any, ...]] = []
    bars: dict[int, list[Any]] = {}
    """By id: a second of two runs has the bar of the later one."""
    trades: list[Any] = []
    """Arrays of ``TRADE_DTYPE``."""
    snapshots: list[tuple[Any, ...]] = []
    gaps: list[StorageGap] = []
    gap_ends: dict[int, int] = {}
    """By position: when losses ended that may have been written before."""
    runs: dict[int, RunState] = {}
    days: dict[date, DayCounts] = {}

    @property
    def record_count(self) -> int:
        return sum(row[4] for row in self.records)

    def add_bars(self, rows: list[list[Any]]) -> None:
        for row in rows:
            self.bars[row[0]] = row
            self.day(day_of(row[3])).bar_count += 1

    def day(self, day: date) -> DayCounts:
        return self.days.setdefault(day, DayCounts())


def write(feed_id: str, batch: Batch, now: datetime, partitions: Partitions) -> None:
    """Raises Django's database errors, and then nothing is written."""
    try:
        _write(feed_id, batch, now, partitions)
    except Error:
        # Perhaps because retention dropped a day that is written to again.
        partitions.forget()
        raise


def _write(feed_id: str, batch: Batch, now: datetime, partitions: Partitions) -> None:
    partitions.ensure(batch.days)
    connection = connections[settings.FEEDS_DATABASE]
    # Django does not see what COPY raises.
    with transaction.atomic(using=connection.alias), connection.wrap_database_errors:
        insert(connection, RecordSegment, RECORD_FIELDS, batch.records)
        insert(connection, BboSegment, BBO_FIELDS, batch.bbo)
        insert(connection, BookSnapshot, SNAPSHOT_FIELDS, batch.snapshots)
        if batch.trades:
            insert_trades(connection, np.concatenate(batch.trades))
        if batch.bars:
            unique = ("id", "start_ns") if connection.vendor == "postgresql" else ("id",)
            changed = [name for name in BAR_FIELDS if name not in ("id", "start_ns")]
            upsert_rows(BboBar, BAR_FIELDS, list(batch.bars.values()), unique, changed)
        StorageGap.objects.bulk_create(batch.gaps, ignore_conflicts=True)
        for position, end_ns in batch.gap_ends.items():
            StorageGap.objects.filter(feed_id=feed_id, position=position).update(end_ns=end_ns)
        _write_runs(feed_id, batch.runs, now)
        _write_days(feed_id, batch.days, now)


def is_written(feed_id: str, batch: Batch) -> bool:
    """Whether a transaction whose end was never reported took place."""
    if batch.snapshots:
        row = dict(zip(SNAPSHOT_FIELDS, batch.snapshots[-1], strict=True))
        return BookSnapshot.objects.filter(pk=row["id"], ts_ns=row["ts_ns"]).exists()
    newest = max(batch.runs)
    run = StorageRun.objects.filter(feed_id=feed_id, number=newest).first()
    return run is not None and run.next_position >= batch.runs[newest].next_position


def insert(
    connection: BaseDatabaseWrapper,
    model: type[models.Model],
    fields: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Rows with binary fields."""
    if not rows:
        return
    columns = [model._meta.get_field(name.removesuffix("_id")) for name in fields if name != "id"]
    columns.insert(0, model._meta.get_field("id"))
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(column.column)) for column in columns)  # type: ignore[union-attr]
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            types = [_copy_type(connection, column) for column in columns]
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(columns))
        prepared = [
            [
                column.get_db_prep_save(value, connection)  # type: ignore[union-attr]
                for column, value in zip(columns, row, strict=True)
            ]
            for row in rows
        ]
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", prepared)


def insert_trades(connection: BaseDatabaseWrapper, trades: Rows) -> None:
    """Of ``TRADE_DTYPE``."""
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, TRADE_DTYPE.names or ()))
    table = quote(FeedTrade._meta.db_table)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(_COPY_HEADER + copy_rows(trades) + _COPY_END)
            return
        marks = ", ".join(["%s"] * len(TRADE_DTYPE.names or ()))
        rows = trades.astype(_WITH_TEXT).tolist()
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


_WITH_TEXT: Final = np.dtype(
    [(name, "U1" if name == "side" else TRADE_DTYPE[name].str) for name in TRADE_DTYPE.names or ()]
)


def copy_rows(rows: Rows) -> bytes:
    """Rows in PostgreSQL's binary form: big-endian, each value after its length. Every field has a
    fixed width, so that numpy builds them all at once."""
    names = rows.dtype.names or ()
    wire = np.dtype(
        [("fields", ">i2")]
        + [
            part
            for name in names
            for part in ((f"{name} length", ">i4"), (name, rows.dtype[name].newbyteorder(">")))
        ]
    )
    copied = np.empty(len(rows), wire)
    copied["fields"] = len(names)
    for name in names:
        copied[f"{name} length"] = rows.dtype[name].itemsize
        copied[name] = rows[name]
    return copied.tobytes()


def _copy_type(connection: BaseDatabaseWrapper, column: Any) -> str:
    kind = str(column.db_type(connection)).split("(")[0]
    return {"bigint": "int8", "integer": "int4", "smallint": "int2"}.get(kind, kind)


def _write_runs(feed_id: str, runs: dict[int, RunState], now: datetime) -> None:
    for run in runs.values():
        values = msgspec.structs.asdict(run) | {"updated_at": now}
        # Where a run begins changes when retention deletes its beginning: that is not taken back.
        begins = {name: values.pop(name) for name in ("number", "first_position", "start_ns")}
        known = StorageRun.objects.filter(feed_id=feed_id, number=run.number)
        if not known.update(**values):
            StorageRun.objects.create(feed_id=feed_id, **begins, **values)
        elif run.start_ns:
            known.filter(start_ns=0).update(start_ns=run.start_ns)


def _write_days(feed_id: str, days: dict[date, DayCounts], now: datetime) -> None:
    for day, added in days.items():
        row, _ = StoredDay.objects.get_or_create(
            feed_id=feed_id, day=day, defaults={"written_at": now}
        )
        changes = {name: F(name) + getattr(added, name) for name in _COUNTERS}
        StoredDay.objects.filter(pk=row.pk).update(**changes, written_at=now)
