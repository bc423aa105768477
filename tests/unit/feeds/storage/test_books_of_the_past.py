"""The book at a past moment is the one that its records make."""

import random

import numpy as np
import pytest

from market.feeds.errors import BookUnknown, NotStored, StorageDamaged
from market.feeds.models import BookSnapshot, RecordSegment, StorageGap
from market.feeds.storage import reading
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


@pytest.mark.parametrize("seed", range(4))
def test_at_any_moment_it_equals_the_book_built_directly(seed: int) -> None:
    feed = new_feed()
    records = Flow(seed).take(3_000)
    store(recorder_of(feed), records, chunk=37 + 50 * seed)
    assert BookSnapshot.objects.count() > 5
    draw = random.Random(seed)
    first, last = int(records["ts_recv"][0]), int(records["ts_recv"][-1])
    moments = [draw.randrange(first + 10**9, last + 10**9) for _ in range(20)]
    moments += [int(draw.choice(records["ts_recv"])) - draw.randrange(2) for _ in range(15)]
    compared = 0
    for moment in moments:
        for key in KEYS:
            past = until(records, moment)
            if not len(past) or key not in _keys(past):
                with pytest.raises(NotStored):
                    reading.book_at(feed, key, moment)
                continue
            assert same(reading.book_at(feed, key, moment), direct(past, key)), (key, moment)
            compared += 1
    assert compared > 60


def test_at_every_record_around_segments_and_snapshots() -> None:
    feed = new_feed()
    records = Flow(9).take(700)
    store(recorder_of(feed), records)
    edges = RecordSegment.objects.values_list("position", flat=True)
    snapshots = np.flatnonzero(records["flags"] & 32).tolist()
    places = {place + near for place in [*edges, *snapshots] for near in (-1, 0, 1)}
    assert len(places) > 20
    for place in sorted(place for place in places if 30 <= place < len(records)):
        moment = int(records["ts_recv"][place])
        for key in KEYS:
            past = until(records, moment)
            assert same(reading.book_at(feed, key, moment), direct(past, key)), place


def test_before_the_first_record_nothing_is_stored() -> None:
    feed = new_feed()
    records = Flow(1).take(300)
    store(recorder_of(feed), records)
    with pytest.raises(NotStored):
        reading.book_at(feed, KEYS[0], int(records["ts_recv"][0]) - 1)


def test_days_begin_with_every_book() -> None:
    feed = new_feed()
    records = Flow(2, start_ns=START_NS, step_ns=DAY_NS // 200).take(2_000)
    store(recorder_of(feed), records)
    days = {row.ts_ns // DAY_NS for row in BookSnapshot.objects.all()}
    stored = {row.start_ns // DAY_NS for row in RecordSegment.objects.all()}
    assert len(stored) > 3
    assert stored - days <= {min(stored)}
    for row in RecordSegment.objects.all():
        assert row.start_ns // DAY_NS == row.end_ns // DAY_NS
    moment = int(records["ts_recv"][1_500])
    assert same(reading.book_at(feed, KEYS[1], moment), direct(until(records, moment), KEYS[1]))


def test_after_a_loss_the_book_is_unknown_until_it_begins_anew() -> None:
    feed = new_feed()
    flow = Flow(3, KEYS[:1])
    before, lost, after = (flow.take(count, clears=False) for count in (500, 90, 400))
    rest = joined([flow.begin_anew(KEYS[0]), flow.take(600, clears=False)])
    recorder = recorder_of(feed)
    store(recorder, before)
    span = int(lost["ts_recv"][0]), int(lost["ts_recv"][-1])
    recorder.lose(1, 500, 90, StorageGap.Reason.OVERFLOW, span)
    store(recorder, after, position=590)
    store(recorder, rest, position=990)
    known = int(before["ts_recv"][-1])
    assert same(reading.book_at(feed, KEYS[0], known), direct(before, KEYS[0]))
    for moment in (span[0], span[1], int(after["ts_recv"][0]), int(after["ts_recv"][-1])):
        if moment > known:
            with pytest.raises(BookUnknown):
                reading.book_at(feed, KEYS[0], moment)
    last = int(rest["ts_recv"][-1])
    assert same(reading.book_at(feed, KEYS[0], last), direct(rest, KEYS[0]))
    (gap,) = reading.gaps(feed, 0, last)
    assert (gap.position, gap.record_count, gap.reason) == (500, 90, "overflow")


def test_after_a_loss_books_from_elsewhere_are_taken() -> None:
    feed = new_feed()
    flow = Flow(4, KEYS[:2])
    before, lost, after = (flow.take(count, clears=False) for count in (300, 50, 300))
    recorder = recorder_of(feed)
    store(recorder, before)
    recorder.lose(1, 300, 50, StorageGap.Reason.OVERFLOW)
    recorder.replace([direct(joined([before, lost]), key) for key in KEYS[:2]])
    store(recorder, after, position=350)
    for key in KEYS[:2]:
        whole = direct(joined([before, lost, after]), key)
        assert same(reading.book_at(feed, key, int(after["ts_recv"][-1])), whole)


def test_of_two_runs_the_later_one_counts_where_it_tells_of_the_time() -> None:
    feed = new_feed()
    first, second = Flow(5).take(900), Flow(6).take(400)
    recorder = recorder_of(feed)
    store(recorder, first, run=1)
    store(recorder, second, run=2, position=900)
    middle, end = int(second["ts_recv"][-1]), int(first["ts_recv"][-1])
    assert middle < end
    assert same(reading.book_at(feed, KEYS[0], middle), direct(second, KEYS[0]))
    assert same(reading.book_at(feed, KEYS[0], end), direct(first, KEYS[0]))


def test_between_two_runs_nothing_is_stored() -> None:
    feed = new_feed()
    first = Flow(5).take(300)
    second = Flow(6, start_ns=START_NS + DAY_NS).take(300)
    recorder = recorder_of(feed)
    store(recorder, first, run=1)
    store(recorder, second, run=2, position=300)
    with pytest.raises(NotStored, match="between two runs"):
        reading.book_at(feed, KEYS[0], int(first["ts_recv"][-1]) + 1)


def test_between_two_runs_nothing_is_stored_whichever_was_read_first() -> None:
    feed = new_feed()
    later = Flow(6, start_ns=START_NS + DAY_NS).take(300)
    earlier = Flow(5).take(300)
    recorder = recorder_of(feed)
    store(recorder, later, run=1)
    store(recorder, earlier, run=2, position=300)
    with pytest.raises(NotStored, match="between two runs"):
        reading.book_at(feed, KEYS[0], int(earlier["ts_recv"][-1]) + 1)
    end = int(later["ts_recv"][-1]) + 1
    assert same(reading.book_at(feed, KEYS[0], end), direct(later, KEYS[0]))


def test_two_events_of_one_moment_are_both_before_what_is_asked_for() -> None:
    feed = new_feed()
    records = Flow(10).take(400)
    # One event of three records lies in two segments, and its records come at different moments.
    records["ts_recv"][126:130] = records["ts_recv"][126] + np.array([0, 0, 1, 1], np.uint64)
    records["ts_recv"][130:] += np.uint64(2)
    store(recorder_of(feed), records)
    for place in (126, 127, 128, 129):
        moment = int(records["ts_recv"][place])
        past = until(records, moment)
        assert len(past) == (128 if place < 128 else 130)
        for key in KEYS:
            assert same(reading.book_at(feed, key, moment), direct(past, key))


def test_a_damaged_segment_is_found() -> None:
    feed = new_feed()
    records = Flow(7).take(300)
    store(recorder_of(feed), records)
    row = RecordSegment.objects.order_by("position")[1]
    payload = bytearray(row.payload)
    payload[len(payload) // 2] ^= 1
    RecordSegment.objects.filter(pk=row.pk).update(payload=bytes(payload))
    with pytest.raises(StorageDamaged):
        reading.book_at(feed, KEYS[0], int(records["ts_recv"][-1]))


def _keys(records: np.ndarray) -> set[tuple[int, int]]:
    return set(
        zip(records["publisher_id"].tolist(), records["instrument_id"].tolist(), strict=True)
    )
