"""Writes many rows at once: what projections use instead of one statement a row.

PostgreSQL gets COPY for new rows and one statement over ``unnest`` arrays for changes; other
databases get ``executemany``. Every function runs on the connection, and so in the transaction, of
the model's database. Values are written as given: no ``save()``, no signals, no ``auto_now``.
Fields are named as in the model; rows are tuples in the order of the fields.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

BULK_CHUNK_ROWS = 10_000
"""Most rows in one statement over arrays, or one ``executemany``."""

Row = Sequence[Any]
_WRITTEN_AS_IS = (models.IntegerField, models.CharField, models.TextField, models.BooleanField)


def insert_rows(model: type[models.Model], fields: Sequence[str], rows: Iterable[Row]) -> None:
    """Adds rows. A row that breaks a constraint raises IntegrityError and nothing is added."""
    connection = _connection(model)
    columns = _columns(model, fields)
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(_names(connection, columns))
    prepared = _prepared(connection, columns, rows)
    with transaction.atomic(using=connection.alias, savepoint=False):
        if connection.vendor == "postgresql":
            with (
                connection.cursor() as cursor,
                connection.wrap_database_errors,
                cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                for row in prepared:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(columns))
        _executemany(connection, f"INSERT INTO {table} ({names}) VALUES ({marks})", prepared)


def upsert_rows(
    model: type[models.Model],
    fields: Sequence[str],
    rows: Iterable[Row],
    unique_fields: Sequence[str],
    update_fields: Sequence[str],
) -> None:
    """Adds rows; where ``unique_fields`` exist already, sets ``update_fields`` (none: leaves them).

    One call must not name the same unique key twice: PostgreSQL refuses it.
    """
    connection = _connection(model)
    columns = _columns(model, fields)
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(_names(connection, columns))
    unique = ", ".join(_names(connection, _columns(model, unique_fields)))
    updated = _names(connection, _columns(model, update_fields))
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in updated)
    conflict = f"ON CONFLICT ({unique}) DO " + (f"UPDATE SET {changes}" if changes else "NOTHING")
    prepared = _prepared(connection, columns, rows)
    with transaction.atomic(using=connection.alias, savepoint=False):
        if connection.vendor == "postgresql":
            statement = (
                f"INSERT INTO {table} ({names}) "
                f"SELECT * FROM unnest({_array_marks(connection, columns)}) {conflict}"
            )
            _execute_arrays(connection, statement, prepared)
            return
        marks = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}"
        _executemany(connection, statement, prepared)


def update_rows(
    model: type[models.Model], key: str | Sequence[str], fields: Sequence[str], rows: Iterable[Row]
) -> None:
    """Sets ``fields`` of the rows found by ``key``; each row is (*key, *fields).

    Keys that are not in the table are passed over. One call must not name the same key twice.
    """
    connection = _connection(model)
    keys = _columns(model, [key] if isinstance(key, str) else key)
    changed = _columns(model, fields)
    table = connection.ops.quote_name(model._meta.db_table)
    key_names, changed_names = _names(connection, keys), _names(connection, changed)
    prepared = _prepared(connection, [*keys, *changed], rows)
    with transaction.atomic(using=connection.alias, savepoint=False):
        if connection.vendor == "postgresql":
            key_pairs = [f"{table}.{name} = given.k{i}" for i, name in enumerate(key_names)]
            changes = [f"{name} = given.v{i}" for i, name in enumerate(changed_names)]
            given = [f"k{i}" for i in range(len(keys))] + [f"v{i}" for i in range(len(changed))]
            statement = (
                f"UPDATE {table} SET {', '.join(changes)} "
                f"FROM unnest({_array_marks(connection, [*keys, *changed])}) "
                f"AS given ({', '.join(given)}) WHERE {' AND '.join(key_pairs)}"
            )
            _execute_arrays(connection, statement, prepared)
            return
        statement = (
            f"UPDATE {table} SET {', '.join(f'{n} = %s' for n in changed_names)} "
            f"WHERE {' AND '.join(f'{n} = %s' for n in key_names)}"
        )
        width = len(keys)
        _executemany(connection, statement, ([*row[width:], *row[:width]] for row in prepared))


def _connection(model: type[models.Model]) -> BaseDatabaseWrapper:
    return connections[router.db_for_write(model)]


def _columns(model: type[models.Model], fields: Sequence[str]) -> "list[models.Field[Any, Any]]":
    columns: list[models.Field[Any, Any]] = []
    for name in fields:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        assert isinstance(field, models.Field)
        columns.append(field)
    return columns


def _names(
    connection: BaseDatabaseWrapper, columns: "Sequence[models.Field[Any, Any]]"
) -> list[str]:
    return [connection.ops.quote_name(str(column.column)) for column in columns]


def _prepared(
    connection: BaseDatabaseWrapper,
    columns: "Sequence[models.Field[Any, Any]]",
    rows: Iterable[Row],
) -> Iterator[Row]:
    """Rows as the driver takes them; only columns that need it (dates, JSON, ...) are converted."""
    converters: list[tuple[int, Callable[..., Any]]] = [
        (place, column.get_db_prep_save)
        for place, column in enumerate(columns)
        if not isinstance(column, _WRITTEN_AS_IS)
    ]
    if not converters:
        return iter(rows)

    def convert(row: Row) -> Row:
        values = list(row)
        for place, converter in converters:
            values[place] = converter(values[place], connection=connection)
        return values

    return map(convert, rows)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, BULK_CHUNK_ROWS)):
        yield chunk


def _executemany(connection: BaseDatabaseWrapper, statement: str, rows: Iterator[Row]) -> None:
    with connection.cursor() as cursor:
        for chunk in _chunks(rows):
            cursor.executemany(statement, chunk)


def _array_marks(
    connection: BaseDatabaseWrapper, columns: "Sequence[models.Field[Any, Any]]"
) -> str:
    return ", ".join(f"%s::{_array_type(connection, column)}[]" for column in columns)


def _array_type(connection: BaseDatabaseWrapper, column: "models.Field[Any, Any]") -> str:
    """A cast to varchar(n) would cut a long text silently; the assignment from text refuses it."""
    db_type = column.db_type(connection) or "text"
    return "text" if db_type.startswith("varchar") else db_type


def _execute_arrays(connection: BaseDatabaseWrapper, statement: str, rows: Iterator[Row]) -> None:
    with connection.cursor() as cursor:
        for chunk in _chunks(rows):
            cursor.execute(statement, [list(values) for values in zip(*chunk, strict=True)])
