"""The database goes away and comes back: nothing is lost, and nobody has to be started again."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from tests.integration.feeds.test_storage_process import (
    DEADLINE_S,
    is_running,
    offer,
    start_parent,
    stored,
    stored_count,
    storing,
    until,
)
from tests.unit.feeds.storage.flow import Flow, joined, new_feed

pytestmark = [
    pytest.mark.django_db(databases=["feeds"], transaction=True),
    pytest.mark.slow,
]

AWAY_S = 2.0


@contextmanager
def database_away() -> Iterator[None]:
    """Nobody can write to it, and whoever is connected to a server loses the connection."""
    connection = connections[settings.FEEDS_DATABASE]
    values = connection.settings_dict
    if connection.vendor != "postgresql":
        with closing(sqlite3.connect(values["NAME"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    connection.close()
    with _maintenance(values) as cursor:
        cursor.execute(f'ALTER DATABASE "{values["NAME"]}" ALLOW_CONNECTIONS false')
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [values["NAME"]],
        )
    try:
        yield
    finally:
        with _maintenance(values) as cursor:
            cursor.execute(f'ALTER DATABASE "{values["NAME"]}" ALLOW_CONNECTIONS true')


@contextmanager
def _maintenance(values: dict[str, Any]) -> Iterator[Any]:
    import psycopg

    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    arguments = {name: values[key] for name, key in names.items()}
    with psycopg.connect(**arguments, dbname="postgres", autocommit=True) as connection:
        yield connection


def test_records_of_new_books_wait_for_the_database() -> None:
    feed = new_feed()
    flow = Flow(1)
    parts = [flow.take(3_000) for _ in range(3)]
    with storing(feed) as store:
        assert store.wait_until_ready(DEADLINE_S)
        with database_away():
            offer(store, parts[0])
            until(lambda: store.lag().failures > 0, "nobody notices")
        offer(store, parts[1], 3_000)
        until(lambda: stored_count(feed) > 3_000, "it does not go on")
        with database_away():
            offer(store, parts[2], 6_000)
            until(lambda: store.lag().failures > 0, "nobody notices")
        report = store.close(DEADLINE_S)
    assert report.is_whole
    assert report.restarts == 0
    assert stored(feed).tobytes() == joined(parts).tobytes()


STORES_WHEN_TOLD = """
    print(store.pid, flush=True)
    sys.stdin.readline()
    for place in range(40):
        store.offer(Flow(place).take(300), 300 * place)
    print("offered", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_feed_leaves_is_stored_when_the_database_is_back() -> None:
    feed = new_feed()
    parent = start_parent(feed, STORES_WHEN_TOLD)
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        child = int(parent.stdout.readline())
        with database_away():
            parent.stdin.write(b"go on\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == b"offered\n"
            parent.kill()
            parent.wait()
            time.sleep(AWAY_S)
            assert is_running(child)
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: not is_running(child), "the storing process did not end")
    assert stored_count(feed) == 12_000
