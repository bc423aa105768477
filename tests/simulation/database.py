"""The venue's databases: SQLite in memory, reached through a server that can fail.

The product's own statements run, so a transaction is a real one. Around them stands what belongs to
the server: sessions that break, the leader's lock, and commits of the journal that fail, are torn
or are never reported.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from orderbook.models import JournalBatch
from tests.simulation.loop import Process, ProcessKilled, current_process

ALIASES = ("default", "journal")
EVENTS_TABLE = "simulation_events"
"""Where the simulation's own projection writes."""

_databases: dict[str, BaseDatabaseWrapper] = {}
_tables: dict[str, list[str]] = {}


def _open() -> None:
    """Makes the databases once a process; each run then empties them."""
    handler = ConnectionHandler(
        {alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for alias in ALIASES}
    )
    for alias in ALIASES:
        _databases[alias] = connection = handler[alias]
        models = [
            model
            for model in apps.get_models()
            if router.allow_migrate_model(alias, model) and model._meta.managed
        ]
        with connection.schema_editor() as editor:
            for model in models:
                editor.create_model(model)
        _tables[alias] = [model._meta.db_table for model in models]
    with _databases["default"].cursor() as cursor:
        cursor.execute(f"CREATE TABLE {EVENTS_TABLE} (sequence INTEGER, place INTEGER, event TEXT)")
    _tables["default"].append(EVENTS_TABLE)


@contextmanager
def databases() -> Iterator[None]:
    """Empty databases in the place of the configured ones."""
    if not _databases:
        _open()
    before = {alias: connections[alias] for alias in ALIASES}
    for alias in ALIASES:
        connection = connections[alias] = _databases[alias]
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for table in _tables[alias]:
                cursor.execute(f"DELETE FROM {table}")
    try:
        yield
    finally:
        for alias in ALIASES:
            connections[alias] = before[alias]


class DatabaseServer:
    """What stands between a process's statements and their execution.

    ``on_commit(process, row)`` is called after each row that is in the journal as it was meant,
    ``commit_fault`` before it, to say what goes wrong: see ``plan.COMMIT_FAULTS``.
    """

    def __init__(self) -> None:
        self.holder: Process | None = None
        """Whose session has the leader's lock."""
        self.away = False
        """Whether no statement of anyone is answered."""
        self.on_commit: Callable[[Process, tuple[Any, ...]], None] = lambda process, row: None
        self.commit_fault: Callable[[Process], str | None] = lambda process: None
        self.on_death: Callable[[], None] = lambda: None
        self.burn_fuse: Callable[[Process], bool] = lambda process: False
        self.kill: Callable[[Process], None] = lambda process: None

    @contextmanager
    def serving(self) -> Iterator[None]:
        wrappers = [_databases[alias].execute_wrapper(self._execute) for alias in ALIASES]
        with wrappers[0], wrappers[1]:
            yield

    # -- sessions and the lock ----------------------------------------------------------------

    def try_lock(self, process: Process) -> bool:
        self._check_session(process)
        if self.holder is None or self.holder is process:
            self.holder = process
        return self.holder is process

    def end_session(self, process: Process) -> None:
        if self.holder is process:
            self.holder = None

    def break_session(self, process: Process) -> None:
        process.session_is_broken = True
        self.end_session(process)

    def _check_session(self, process: Process) -> None:
        if self.away:
            self.break_session(process)
        if process.session_is_broken:
            process.session_is_broken = process.needs_session
            raise OperationalError("the connection to the server is lost")

    # -- statements ---------------------------------------------------------------------------

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        process = current_process()
        if process is None:
            return execute(sql, params, many, context)
        if self.burn_fuse(process):
            raise ProcessKilled
        self._check_session(process)
        if sql.startswith("INSERT") and JournalBatch._meta.db_table in sql:
            return self._commit(process, execute, sql, params, many, context)
        return execute(sql, params, many, context)

    def _commit(
        self, process: Process, execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        fault = self.commit_fault(process)
        if fault == "commit fails":
            self.break_session(process)
            raise OperationalError("the server is shutting down")
        if fault == "commit lost":
            self.kill(process)
            raise ProcessKilled
        if fault == "commit torn":
            _write_and_lose(execute, sql, params, many, context)
            self.on_death()
            raise OperationalError("the server closed the connection unexpectedly")
        result = execute(sql, params, many, context)
        self.on_commit(process, tuple(params))
        if fault == "commit unreported":
            self.break_session(process)
            raise OperationalError("the connection was closed before the answer came")
        if fault == "commit unseen":
            self.kill(process)
            raise ProcessKilled
        return result


def _write_and_lose(execute: Any, sql: str, params: Any, many: bool, context: Any) -> None:
    """The server dies while it writes. Half of a transaction at the end of its log is not a
    transaction: its own recovery cuts it off."""
    connection = context["connection"].connection
    connection.execute("BEGIN")
    try:
        execute(sql, params, many, context)
    finally:
        # A stale leader's row is refused before the server dies.
        connection.execute("ROLLBACK")
