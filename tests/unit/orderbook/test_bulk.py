"""Bulk writes on SQLite; tests/integration/test_bulk_postgres.py runs the same on PostgreSQL."""

import pytest
from django.db import IntegrityError, transaction

from orderbook import bulk
from orderbook.bulk import insert_rows, update_rows, upsert_rows
from orderbook.models import ProjectionCursor

pytestmark = pytest.mark.django_db
FIELDS = ["name", "sequence"]


def stored() -> dict[str, int]:
    return dict(ProjectionCursor.objects.values_list("name", "sequence"))


def test_insert_adds_every_row_of_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BULK_CHUNK_ROWS", 3)
    insert_rows(ProjectionCursor, FIELDS, ((f"p{i}", i) for i in range(10)))
    assert stored() == {f"p{i}": i for i in range(10)}


def test_insert_of_nothing_is_allowed() -> None:
    insert_rows(ProjectionCursor, FIELDS, [])
    upsert_rows(ProjectionCursor, FIELDS, [], ["name"], ["sequence"])
    update_rows(ProjectionCursor, "name", ["sequence"], [])
    assert stored() == {}


def test_insert_of_a_taken_key_adds_nothing() -> None:
    insert_rows(ProjectionCursor, FIELDS, [("b", 1)])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(ProjectionCursor, FIELDS, [("a", 2), ("b", 3)])
    assert stored() == {"b": 1}


def test_upsert_changes_what_exists_and_adds_the_rest() -> None:
    insert_rows(ProjectionCursor, FIELDS, [("a", 1), ("b", 1)])
    upsert_rows(ProjectionCursor, FIELDS, [("b", 2), ("c", 3)], ["name"], ["sequence"])
    assert stored() == {"a": 1, "b": 2, "c": 3}


def test_upsert_without_update_fields_leaves_what_exists() -> None:
    insert_rows(ProjectionCursor, FIELDS, [("a", 1)])
    upsert_rows(ProjectionCursor, FIELDS, [("a", 9), ("b", 2)], ["name"], [])
    assert stored() == {"a": 1, "b": 2}


def test_update_changes_rows_by_key_and_passes_over_unknown_ones() -> None:
    insert_rows(ProjectionCursor, FIELDS, [("a", 1), ("b", 1)])
    update_rows(ProjectionCursor, "name", ["sequence"], [("b", 5), ("zz", 7)])
    assert stored() == {"a": 1, "b": 5}


def test_update_by_several_keys() -> None:
    insert_rows(ProjectionCursor, FIELDS, [("a", 1), ("b", 1)])
    update_rows(ProjectionCursor, ["name", "sequence"], ["sequence"], [("a", 1, 4), ("b", 9, 4)])
    assert stored() == {"a": 4, "b": 1}
