"""The leader's end of the journal: the lock, the epoch, and one commit for each batch.

Everything here runs on one thread of its own with one database connection, because the leadership
lock belongs to that connection: when it breaks, leadership is gone and the next append fails.
"""

import fcntl
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import psycopg
from django.conf import settings
from django.db import IntegrityError, connections, transaction

from orderbook.journal import Entry, chained_checksum, encode_entries
from orderbook.models import Epoch, JournalBatch

T = TypeVar("T")

LEADER_LOCK_KEY = 0x5249_414C_544F
"""Advisory lock that a PostgreSQL leader holds."""
STALE_LEADER_S = 3.0
"""Silence of a leader's session after which a standby ends it: less than a command's deadline, and
three times as long as a leader is ever silent (LOCK_CHECK_S)."""


class LeadershipLost(Exception):
    """Another engine has written to the journal; this one must stop and recover."""


class JournalWriter:
    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._lock_file: IO[str] | None = None
        self._checksum = b""
        self.epoch = 0

    # -- on the caller's thread ---------------------------------------------------------------

    def submit(self, function: Callable[..., T], *args: object) -> "Future[T]":
        """Runs one of the methods below on the journal's thread."""
        return self._thread.submit(function, *args)

    def close(self) -> None:
        """Releases the lock and the connection, after what is under way."""
        self._thread.submit(self._release).result()
        self._thread.shutdown()

    # -- on the journal's thread --------------------------------------------------------------

    def try_lock(self) -> bool:
        """Takes the leadership lock if nobody holds it."""
        connection = connections[settings.JOURNAL_DATABASE]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK_KEY])
                return bool(cursor.fetchone()[0])
        if self._lock_file is None:
            path = Path(f"{connection.settings_dict['NAME']}.lock")
            self._lock_file = path.open("a")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def end_stale_leader(self) -> bool:
        """Ends the session of a leader that has been silent for ``STALE_LEADER_S``, which frees the
        lock; whether there was one.

        A leader that is frozen, or whose host is gone, would keep the lock as long as its session
        lives. It cannot write afterwards: the lock went with the session that it writes through,
        and its next number is taken by the new leader's epoch. The silence is measured on the
        server's clock alone. A session with a statement under way is not silent, however long
        that takes: then the database is slow, and another leader would be no better off.
        """
        connection = connections[settings.JOURNAL_DATABASE]
        if connection.vendor != "postgresql":
            return False
        with connection.cursor() as cursor:
            cursor.execute(_END_STALE_LEADER, [*divmod(LEADER_LOCK_KEY, 1 << 32), STALE_LEADER_S])
            return bool(cursor.fetchall())

    def open_epoch(self, checksum: bytes, last_epoch: int) -> int:
        """Registers this leader. ``checksum``: of the last journal row, to chain the next to;
        ``last_epoch``: the journal's, which counts whatever became of the table."""
        with transaction.atomic(using=settings.JOURNAL_DATABASE):
            newest = Epoch.objects.order_by("-number").values_list("number").first()
            self.epoch = max(newest[0] if newest else 0, last_epoch) + 1
            Epoch.objects.create(number=self.epoch, owner=f"{socket.gethostname()}:{os.getpid()}")
        self._checksum = checksum
        return self.epoch

    def append(
        self, first_sequence: int, last_sequence: int, time_ns: int, entries: list[Entry]
    ) -> bytes:
        """Commits one batch and returns its checksum. Raises LeadershipLost on a taken number."""
        payload = encode_entries(entries)
        checksum = chained_checksum(
            self._checksum, first_sequence, last_sequence, self.epoch, time_ns, payload
        )
        try:
            _insert((first_sequence, last_sequence, self.epoch, time_ns, payload, checksum))
        except IntegrityError as error:
            raise LeadershipLost(f"sequence {first_sequence} is taken") from error
        self._checksum = checksum
        return checksum

    def check_connection(self) -> None:
        """Raises where the connection, and with it the lock, is gone."""
        with connections[settings.JOURNAL_DATABASE].cursor() as cursor:
            cursor.execute("SELECT 1")

    def _release(self) -> None:
        connection = connections[settings.JOURNAL_DATABASE]
        if connection.vendor == "postgresql" and connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock_all()")
        connections.close_all()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None


_COLUMNS = ("first_sequence", "last_sequence", "epoch", "time_ns", "payload", "checksum")
_INSERT = (
    f"INSERT INTO {JournalBatch._meta.db_table} ({', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
)


def _insert(row: tuple[int, int, int, int, bytes, bytes]) -> None:
    """One statement, committed by itself. Raises Django's database errors.

    On PostgreSQL it is prepared once and the payload travels as bytes: a third of the CPU time that
    the model's ``create`` takes (docs/performance.md).
    """
    connection = connections[settings.JOURNAL_DATABASE]
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, row)
        return
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_INSERT, row, prepare=True)


_END_STALE_LEADER = """
SELECT pg_terminate_backend(pid)
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = %s AND objid = %s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND state <> 'active'
  AND state_change < clock_timestamp() - %s * interval '1 second'
"""
