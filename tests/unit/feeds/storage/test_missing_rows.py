"""Rows that are not there any more: nothing is shown that was never so."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from market.feeds.dbn.records import Records
from market.feeds.errors import BookUnknown, NotStored, StorageDamaged
from market.feeds.models import BookSnapshot, Feed, RecordSegment, StorageGap, StoredDay
from market.feeds.storage import reading, retention
from market.feeds.storage.plan import StoragePlan
from tests.unit.feeds.storage.flow import (
    KEYS,
    START_NS,
    Flow,
    direct,
    joined,
    new_feed,
    recorder_of,
    same,
    store,
    until,
)

pytestmark = pytest.mark.django_db(databases=["feeds"])
DAY_NS = 86_400 * 10**9
ONE_DAY_IN = START_NS // DAY_NS * DAY_NS + DAY_NS
UNSAVED = StoragePlan(segment_records=128, commit_records=512, commit_s=0.0, snapshot_s=9e9)


def prune_days(feed: Feed, *places: int) -> list[StoredDay]:
    """The days of these places among all, oldest first."""
    days = list(StoredDay.objects.filter(feed=feed).order_by("day"))
    chosen = [days[place] for place in places]
    StoredDay.objects.filter(pk__in=[day.pk for day in chosen]).update(
        written_at=datetime.now(UTC) - timedelta(days=100)
    )
    retention.prune(retention.expired(30))
    return chosen


def days_of(records: Records) -> list[int]:
    return sorted({int(time) // DAY_NS for time in records["ts_recv"]})


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_segment_that_is_gone_is_missed(place: int) -> None:
    feed = new_feed()
    records = Flow(1).take(700)
    store(recorder_of(feed, UNSAVED), records)
    rows = list(RecordSegment.objects.order_by("position"))
    before = int(records["ts_recv"][rows[place].position - 1]) - 1
    RecordSegment.objects.filter(pk=rows[place].pk).delete()
    for moment in (rows[place].end_ns, int(records["ts_recv"][-1])):
        with pytest.raises(StorageDamaged if place else NotStored):
            reading.book_at(feed, KEYS[0], moment)
    if place:
        past = until(records, before)
        assert same(reading.book_at(feed, KEYS[0], before), direct(past, KEYS[0]))


def test_a_day_in_the_middle_that_is_no_longer_kept_has_no_book() -> None:
    feed = new_feed()
    records = Flow(2, step_ns=DAY_NS // 100).take(1_500)
    store(recorder_of(feed), records)
    days = days_of(records)
    assert len(days) >= 4
    prune_days(feed, 1)
    for moment in (days[1] * DAY_NS + DAY_NS // 2, days[1] * DAY_NS + DAY_NS - 1):
        with pytest.raises(NotStored):
            reading.book_at(feed, KEYS[0], moment)
    for day in (days[0], days[2], days[3]):
        moment = day * DAY_NS + DAY_NS - 1
        past = until(records, moment)
        for key in KEYS:
            assert same(reading.book_at(feed, key, moment), direct(past, key))


def test_a_loss_in_a_day_that_is_no_longer_kept_is_not_forgotten() -> None:
    feed = new_feed()
    flow = Flow(3, KEYS[:1], start_ns=ONE_DAY_IN - DAY_NS // 2, step_ns=DAY_NS // 100)
    before, _lost, after = (flow.take(count, clears=False) for count in (100, 50, 900))
    recorder = recorder_of(feed)
    store(recorder, before)
    recorder.lose(1, 100, 50, StorageGap.Reason.OVERFLOW)
    store(recorder, after, position=150)
    assert len(days_of(joined([before, after]))) >= 3
    moment = int(after["ts_recv"][-1])
    with pytest.raises(BookUnknown):
        reading.book_at(feed, KEYS[0], moment)
    prune_days(feed, 0)
    with pytest.raises(BookUnknown):
        reading.book_at(feed, KEYS[0], moment)
    prune_days(feed, 0)
    with pytest.raises(BookUnknown):
        reading.book_at(feed, KEYS[0], moment)
    assert StorageGap.objects.count() == 1


def test_losses_are_forgotten_with_their_run_and_where_another_came_since() -> None:
    feed = new_feed()
    flow = Flow(4, KEYS[:1], start_ns=ONE_DAY_IN, step_ns=DAY_NS // 400)
    recorder = recorder_of(feed)
    for position in (0, 100, 200):
        store(recorder, flow.take(90, clears=False), position=position)
        recorder.lose(1, position + 90, 10, StorageGap.Reason.OVERFLOW)
    recorder.commit()
    store(recorder, flow.take(1_500, clears=False), position=300)
    prune_days(feed, 0)
    assert StorageGap.objects.get().position == 290
    prune_days(feed, *range(StoredDay.objects.filter(feed=feed).count()))
    assert not StorageGap.objects.exists()


def test_a_run_that_goes_on_after_all_of_it_was_deleted_begins_where_it_goes_on() -> None:
    feed = new_feed()
    records = Flow(5).take(900)
    recorder = recorder_of(feed)
    store(recorder, records[:300])
    prune_days(feed, 0)
    recorder.take(1, 300, records[300:350])
    with suppress(IntegrityError):  # The day's partition is gone: it is made for the next attempt.
        recorder.commit()
    assert recorder.commit() == 350
    moment = int(records["ts_recv"][349])
    with pytest.raises(NotStored):
        reading.book_at(feed, KEYS[0], moment)
    store(recorder, records[350:], position=350)
    assert BookSnapshot.objects.exists()
    moment = int(records["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, moment), direct(records, key))
