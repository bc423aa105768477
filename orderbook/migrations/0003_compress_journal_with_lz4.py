"""PostgreSQL compresses the journal's payloads by LZ4 where its build has it.

Its default algorithm takes three times as much CPU time for nearly the same size, which was a
quarter of what a commit took (docs/performance.md). Rows that are there stay as they are.
"""

from typing import Any

from django.db import migrations, router

_HAS_LZ4 = """
SELECT 1 FROM pg_settings
WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)
"""


def use_lz4(apps: Any, schema_editor: Any) -> None:
    _set_compression(apps, schema_editor, "lz4")


def use_default(apps: Any, schema_editor: Any) -> None:
    _set_compression(apps, schema_editor, "default")


def _set_compression(apps: Any, schema_editor: Any, method: str) -> None:
    connection = schema_editor.connection
    model = apps.get_model("orderbook", "JournalBatch")
    if connection.vendor != "postgresql" or not router.allow_migrate_model(connection.alias, model):
        return
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(_HAS_LZ4)
        if cursor.fetchone():
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN payload SET COMPRESSION {method}")


class Migration(migrations.Migration):
    dependencies = [("orderbook", "0002_audit_entry")]

    operations = [migrations.RunPython(use_lz4, use_default)]
