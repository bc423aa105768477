"""The large tables become partitioned by day on PostgreSQL; they are empty still.

Partitions are made by whoever writes, never here. Where the extension TimescaleDB is installed in
the database, the tables become its hypertables instead, and what is a week old is compressed.
"""

from typing import Any

from django.db import migrations, router

DAY_NS = 86_400 * 10**9
COMPRESSED_AFTER_DAYS = 7
TABLES = {
    "RecordSegment": "start_ns",
    "BboSegment": "start_ns",
    "BboBar": "start_ns",
    "FeedTrade": "ts_recv",
    "BookSnapshot": "ts_ns",
}
COMPRESSED = {"BboBar": "start_ns", "FeedTrade": "ts_recv"}
"""The others hold payloads that are compressed already."""
NOW = """
CREATE OR REPLACE FUNCTION feeds_now_ns() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT (extract(epoch FROM now()) * 1000000000)::bigint $$
"""


def partition(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    feed = apps.get_model("feeds", "Feed")
    if connection.vendor != "postgresql" or not router.allow_migrate_model(connection.alias, feed):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        has_timescale = cursor.fetchone() is not None
        if has_timescale:
            cursor.execute(NOW)
        for name, column in TABLES.items():
            table = apps.get_model("feeds", name)._meta.db_table
            if name not in COMPRESSED:
                # The server would try to compress what is compressed.
                cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "payload" SET STORAGE EXTERNAL')
            if has_timescale:
                _make_hypertable(cursor, table, column, compressed=name in COMPRESSED)
            else:
                _make_partitioned(cursor, apps.get_model("feeds", name), table, column)


def _make_partitioned(cursor: Any, model: Any, table: str, column: str) -> None:
    """A table cannot become partitioned: another one takes its place."""
    cursor.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_plain"')
    cursor.execute(
        f'CREATE TABLE "{table}" (LIKE "{table}_plain" INCLUDING DEFAULTS INCLUDING STORAGE) '
        f'PARTITION BY RANGE ("{column}")'
    )
    cursor.execute(f'DROP TABLE "{table}_plain"')
    cursor.execute(f'ALTER TABLE "{table}" ADD PRIMARY KEY ("id", "{column}")')
    for index in model._meta.indexes:
        columns = ", ".join(f'"{model._meta.get_field(name).column}"' for name in index.fields)
        cursor.execute(f'CREATE INDEX "{index.name}" ON "{table}" ({columns})')


def _make_hypertable(cursor: Any, table: str, column: str, *, compressed: bool) -> None:
    cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey"')
    cursor.execute(f'ALTER TABLE "{table}" ADD PRIMARY KEY ("id", "{column}")')
    cursor.execute(
        "SELECT create_hypertable(%s::regclass, %s::name, chunk_time_interval => %s::bigint)",
        [table, column, DAY_NS],
    )
    if compressed:
        cursor.execute("SELECT set_integer_now_func(%s::regclass, 'feeds_now_ns')", [table])
        cursor.execute(
            f'ALTER TABLE "{table}" SET (timescaledb.compress, '
            f"timescaledb.compress_segmentby = 'instrument_id', "
            f"timescaledb.compress_orderby = '{column}')"
        )
        cursor.execute(
            "SELECT add_compression_policy(%s::regclass, compress_after => %s::bigint)",
            [table, COMPRESSED_AFTER_DAYS * DAY_NS],
        )


class Migration(migrations.Migration):
    dependencies = [("feeds", "0001_initial")]

    operations = [migrations.RunPython(partition, migrations.RunPython.noop)]
