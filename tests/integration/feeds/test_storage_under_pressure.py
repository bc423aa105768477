"""Storage while its disk is full, and while its oldest days are deleted under a reader's eyes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connections

from market.feeds.errors import NotStored
from market.feeds.models import BookSnapshot, RecordSegment, StoredDay
from market.feeds.storage import reading, retention
from tests.unit.feeds.storage.flow import (
    KEYS,
    Flow,
    direct,
    joined,
    new_feed,
    recorder_of,
    same,
    store,
    until,
)

pytestmark = [
    pytest.mark.django_db(databases=["feeds"], transaction=True),
    pytest.mark.slow,
]
DAY_NS = 86_400 * 10**9


def test_a_full_disk_is_waited_for_and_leaves_nothing_half_written() -> None:
    connection = connections[settings.FEEDS_DATABASE]
    feed = new_feed()
    records = Flow(1).take(6_000)
    recorder = recorder_of(feed)
    store(recorder, records[:1_000])
    stored = RecordSegment.objects.count(), BookSnapshot.objects.count()
    recorder.take(1, 1_000, records[1_000:])
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # or pages that earlier rows left free would be filled first
            cursor.execute("PRAGMA page_count")
            (pages,) = cursor.fetchone()
            cursor.execute(f"PRAGMA max_page_count = {pages + 4}")
        for _ in range(2):
            with pytest.raises(OperationalError, match="full"):
                recorder.commit()
            assert (RecordSegment.objects.count(), BookSnapshot.objects.count()) == stored
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert recorder.commit() == 6_000
    assert joined(reading.records(feed, 0, 2**62)).tobytes() == records.tobytes()
    last = int(records["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(records, key))


def test_who_reads_what_is_being_deleted_sees_what_was_or_nothing() -> None:
    feed = new_feed()
    records = Flow(2, step_ns=DAY_NS // 150).take(6_000)
    store(recorder_of(feed), records)
    days = list(StoredDay.objects.filter(feed=feed).order_by("day"))
    assert len(days) > 8
    moments = [int(records["ts_recv"][place]) for place in range(200, 6_000, 400)]
    expected = {moment: direct(until(records, moment), KEYS[0]) for moment in moments}
    is_over = threading.Event()
    wrong: list[object] = []
    answers = {"books": 0, "nothing": 0}

    def read() -> None:
        try:
            is_last = False
            while not is_last:
                is_last = is_over.is_set()
                for moment in moments:
                    try:
                        found = reading.book_at(feed, KEYS[0], moment)
                    except NotStored:
                        answers["nothing"] += 1
                        continue
                    answers["books"] += 1
                    if not same(found, expected[moment]):
                        wrong.append(moment)
        except Exception as error:
            wrong.append(error)
        finally:
            connections.close_all()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for day in days[:-2]:
            long_ago = datetime.now(UTC) - timedelta(days=100)
            StoredDay.objects.filter(pk=day.pk).update(written_at=long_ago)
            retention.prune(retention.expired(30))
    finally:
        is_over.set()
        reader.join()
    assert not wrong
    assert min(answers.values()) > 0
