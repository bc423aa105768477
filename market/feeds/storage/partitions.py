"""Days as partitions: made by whoever writes, before the first row of a day, and dropped whole.

PostgreSQL only; on other databases nothing happens. Where a table is a hypertable of TimescaleDB,
the extension makes the chunks itself, and drops them when it is asked to.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

from django.conf import settings
from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from market.feeds.models import BboBar, BboSegment, BookSnapshot, FeedTrade, RecordSegment

DAY_NS: Final = 86_400 * 10**9
PARTITIONED: Final[tuple[type[models.Model], ...]] = (
    RecordSegment,
    BboSegment,
    BboBar,
    FeedTrade,
    BookSnapshot,
)
_LOCK: Final = 0x6665_6564_7061_7274
"""Of the session that changes partitions: two writers may need the same day at once."""
_KIND_OF_TABLE = "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)"


def day_of(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).date()


def start_of(day: date) -> int:
    """In nanoseconds since the epoch."""
    return (day - date(1970, 1, 1)).days * DAY_NS


class Partitions:
    """Remembers which days are there, so that asking again costs nothing."""

    def __init__(self) -> None:
        self._days: set[date] = set()

    def ensure(self, days: Iterable[date]) -> None:
        missing = set(days) - self._days
        connection = connections[settings.FEEDS_DATABASE]
        if missing and connection.vendor == "postgresql":
            with transaction.atomic(using=connection.alias):
                _lock(connection)
                for model in PARTITIONED:
                    if is_partitioned(connection, model):
                        for day in sorted(missing):
                            _create(connection, model, day)
        self._days |= missing

    def forget(self) -> None:
        """What is there may have changed: someone else dropped days."""
        self._days = set()


def is_partitioned(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_KIND_OF_TABLE, [model._meta.db_table])
        row = cursor.fetchone()
    return row is not None and row[0] in ("p", b"p")


def is_hypertable(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if cursor.fetchone() is None:
            return False
        cursor.execute(
            "SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_name = %s",
            [model._meta.db_table],
        )
        return cursor.fetchone() is not None


def drop(day: date) -> int:
    """Drops what every table has of the day; returns how many partitions or chunks that were."""
    connection = connections[settings.FEEDS_DATABASE]
    dropped = 0
    with transaction.atomic(using=connection.alias):
        _lock(connection)
        for model in PARTITIONED:
            if is_partitioned(connection, model):
                dropped += _drop_partition(connection, model, day)
            elif is_hypertable(connection, model):
                dropped += _drop_chunks(connection, model, day)
    return dropped


def drops_whole_days() -> bool:
    connection = connections[settings.FEEDS_DATABASE]
    if connection.vendor != "postgresql":
        return False
    return is_partitioned(connection, RecordSegment) or is_hypertable(connection, RecordSegment)


def name_of(model: type[models.Model], day: date) -> str:
    return f"{model._meta.db_table}_{day:%Y%m%d}"


def _lock(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _create(connection: BaseDatabaseWrapper, model: type[models.Model], day: date) -> None:
    """A table of its own first, then attached: attaching lets readers and writers go on."""
    quote = connection.ops.quote_name
    table, name = quote(model._meta.db_table), quote(name_of(model, day))
    with connection.cursor() as cursor:
        cursor.execute(_KIND_OF_TABLE, [name_of(model, day)])
        if cursor.fetchone() is not None:
            return
        cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        cursor.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name} "
            f"FOR VALUES FROM ({start_of(day)}) TO ({start_of(day) + DAY_NS})"
        )


def _drop_partition(connection: BaseDatabaseWrapper, model: type[models.Model], day: date) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_KIND_OF_TABLE, [name_of(model, day)])
        if cursor.fetchone() is None:
            return 0
        cursor.execute(f"DROP TABLE {connection.ops.quote_name(name_of(model, day))}")
    return 1


def _drop_chunks(connection: BaseDatabaseWrapper, model: type[models.Model], day: date) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM drop_chunks(%s::regclass, older_than => %s::bigint, "
            "newer_than => %s::bigint)",
            [model._meta.db_table, start_of(day) + DAY_NS, start_of(day)],
        )
        (count,) = cursor.fetchone()
    return int(count)
