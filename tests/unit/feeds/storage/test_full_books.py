"""When full books are stored: early in a run, then more seldom, and at its end."""

from collections.abc import Callable

import pytest
from django.db import OperationalError

from market.feeds.dbn.records import Records
from market.feeds.models import BookSnapshot, Feed, RecordSegment, StorageGap, StorageRun
from market.feeds.storage import reading, tables
from market.feeds.storage.plan import StoragePlan
from market.feeds.storage.recorder import Recorder
from tests.unit.feeds.storage.flow import (
    KEYS,
    Flow,
    direct,
    joined,
    new_feed,
    recorder_of,
    same,
    store,
)

pytestmark = pytest.mark.django_db(databases=["feeds"])
SELDOM = StoragePlan(segment_records=128, commit_records=512, commit_s=0.0, snapshot_s=9e9)


def finished(feed: Feed, records: Records) -> Recorder:
    recorder = recorder_of(feed, SELDOM)
    store(recorder, records)
    recorder.finish()
    recorder.commit()
    return recorder


def positions(run: int = 1) -> list[int]:
    """Where there are full books, without repetition."""
    found = BookSnapshot.objects.filter(run=run).values_list("position", flat=True)
    return sorted(set(found))


def test_a_short_run_ends_with_every_book() -> None:
    feed = new_feed()
    records = Flow(1).take(700)
    finished(feed, records)
    assert positions() == [700]
    last = int(records["ts_recv"][-1])
    for key in KEYS:
        (row,) = reading.snapshots(feed, key, last, last)
        assert row.position == StorageRun.objects.get().next_position == 700
        for moment in (last, last + 10**9):
            assert same(reading.book_at(feed, key, moment), direct(records, key))


def test_no_record_is_applied_for_the_book_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = new_feed()
    records = Flow(2).take(700)
    finished(feed, records)
    monkeypatch.setattr("market.feeds.books.plain_book.PlainBook.apply", _never)
    last = int(records["ts_recv"][-1])
    assert reading.book_at(feed, KEYS[0], last).key == KEYS[0]


def _never(*arguments: object) -> None:
    raise AssertionError("records are applied")


def test_what_did_not_change_since_its_snapshot_has_no_second_one() -> None:
    feed = new_feed()
    recorder = finished(feed, Flow(3).take(700))
    recorder.finish()
    recorder.commit()
    again = recorder_of(feed, SELDOM)
    again.resume(1)
    again.finish()
    again.commit()
    assert BookSnapshot.objects.count() == len(KEYS)


def test_a_process_that_takes_over_at_the_end_stores_the_books() -> None:
    feed = new_feed()
    records = Flow(4).take(700)
    store(recorder_of(feed, SELDOM), records)
    again = recorder_of(feed, SELDOM)
    again.resume(1)
    again.finish()
    again.commit()
    assert positions() == [700]
    last = int(records["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(records, key))


def test_nothing_is_stored_at_the_end_of_nothing() -> None:
    recorder = recorder_of(new_feed(), SELDOM)
    recorder.finish()
    assert recorder.commit() == 0
    recorder.lose(1, 0, 5, StorageGap.Reason.STREAM)
    recorder.finish()
    assert recorder.commit() == 5
    assert not BookSnapshot.objects.exists()


def test_books_that_are_not_known_have_no_snapshot_at_the_end() -> None:
    feed = new_feed()
    flow = Flow(5, KEYS[:2])
    before, lost = flow.take(300, clears=False), flow.take(50, clears=False)
    after = flow.begin_anew(KEYS[0])
    recorder = recorder_of(feed, SELDOM)
    store(recorder, before)
    recorder.lose(1, 300, len(lost), StorageGap.Reason.OVERFLOW)
    store(recorder, after, position=350)
    recorder.finish()
    recorder.commit()
    (row,) = BookSnapshot.objects.select_related("instrument")
    assert row.instrument.instrument_id == KEYS[0].instrument_id
    last = int(after["ts_recv"][-1])
    assert same(reading.book_at(feed, KEYS[0], last), direct(joined([before, after]), KEYS[0]))


def test_books_from_elsewhere_that_nothing_follows_are_stored_at_the_end() -> None:
    feed = new_feed()
    flow = Flow(6, KEYS[:2])
    before, lost = flow.take(300, clears=False), flow.take(50, clears=False)
    recorder = recorder_of(feed, SELDOM)
    store(recorder, before)
    span = int(lost["ts_recv"][0]), int(lost["ts_recv"][-1])
    recorder.lose(1, 300, len(lost), StorageGap.Reason.OVERFLOW, span)
    recorder.replace([direct(joined([before, lost]), key) for key in KEYS[:2]])
    recorder.finish()
    recorder.commit()
    assert positions() == [350]


def test_full_books_come_early_and_then_more_seldom() -> None:
    feed = new_feed()
    plan = StoragePlan(
        segment_records=100,
        commit_s=0.0,
        first_snapshot_records=200,
        snapshot_records=1_000,
        snapshot_s=9e9,
    )
    store(recorder_of(feed, plan), Flow(7).take(5_000))
    assert positions() == [200, 600, 1_400, 2_400, 3_400, 4_400]


@pytest.mark.parametrize(("count", "expected"), [(300, [300]), (299, [])])
def test_where_the_source_begins_again_a_run_of_some_length_ends_with_every_book(
    count: int, expected: list[int]
) -> None:
    feed = new_feed()
    plan = StoragePlan(segment_records=512, commit_s=0.0, first_snapshot_records=300)
    flow = Flow(8)
    first = flow.take(count)
    flow.pause()
    second = flow.take(100)
    recorder = recorder_of(feed, plan)
    store(recorder, first)
    store(recorder, second, run=2, position=count)
    assert positions(1) == expected
    assert positions(2) == []
    assert RecordSegment.objects.filter(run=2, position=count).exists()
    moment = int(first["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, moment), direct(first, key))


@pytest.mark.parametrize("is_written", [True, False])
def test_a_lost_answer_to_the_last_transaction_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    feed = new_feed()
    recorder = recorder_of(feed, SELDOM)
    store(recorder, Flow(9).take(700))
    recorder.finish()
    _fail_once(monkeypatch, is_written)
    with pytest.raises(OperationalError):
        recorder.commit()
    assert recorder.commit() == 700
    assert BookSnapshot.objects.count() == len(KEYS)


def _fail_once(monkeypatch: pytest.MonkeyPatch, is_written: bool) -> None:
    write: Callable[..., None] = tables.write

    def lose_touch(*arguments: object) -> None:
        monkeypatch.setattr(tables, "write", write)
        if is_written:
            write(*arguments)
        raise OperationalError("the connection was lost")

    monkeypatch.setattr(tables, "write", lose_touch)
