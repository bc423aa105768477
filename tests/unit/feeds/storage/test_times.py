"""Times of receipt that are missing, run back or cannot be."""

import numpy as np
import pytest

from market.feeds.books.contract import BookKey
from market.feeds.dbn.records import MBO_DTYPE, Records
from market.feeds.errors import BookUnknown
from market.feeds.models import BboBar, StorageGap, StorageRun
from market.feeds.storage import reading
from market.feeds.storage.codec import LAST_NS, UNDEFINED_TIME
from market.feeds.storage.writer import span_of
from tests.unit.feeds.books.flow import KEY, flow
from tests.unit.feeds.storage.flow import (
    KEYS,
    SECOND_NS,
    START_NS,
    Flow,
    direct,
    joined,
    new_feed,
    recorder_of,
    same,
    store,
)

pytestmark = pytest.mark.django_db(databases=["feeds"])
IMPOSSIBLE = (UNDEFINED_TIME, UNDEFINED_TIME - 1, 2**63, 2**63 - 1, LAST_NS + 1)
NOTHING = (0, *IMPOSSIBLE)


def timed(records: Records, times: dict[int, int]) -> Records:
    changed = records.copy()
    for place, time in times.items():
        changed["ts_recv"][place] = time
    return changed


@pytest.mark.parametrize("time", NOTHING)
def test_a_record_without_a_time_comes_with_the_one_before_it(time: int) -> None:
    feed = new_feed()
    records = timed(Flow(1).take(600), {100: time, 127: time, 128: time, 599: time})
    store(recorder_of(feed), records)
    assert joined(reading.records(feed, 0, 2**62)).tobytes() == records.tobytes()
    for place in (99, 126, 598):
        moment = int(records["ts_recv"][place])
        later = np.flatnonzero((records["ts_recv"] > moment) & (records["ts_recv"] <= LAST_NS))
        past = records[: later[0]] if len(later) else records
        for key in KEYS:
            assert same(reading.book_at(feed, key, moment), direct(past, key)), place


@pytest.mark.parametrize("time", NOTHING)
def test_the_first_records_without_a_time_come_with_the_first_that_has_one(time: int) -> None:
    feed = new_feed()
    older, flow_ = Flow(2).take(300), Flow(3, start_ns=START_NS + 3_600 * SECOND_NS)
    newer = timed(flow_.take(300), dict.fromkeys(range(5), time))
    recorder = recorder_of(feed)
    store(recorder, older)
    store(recorder, newer, run=2, position=300)
    # The second run tells of nothing before its first time, so the first one is not hidden.
    whole = joined(reading.records(feed, 0, 2**62))
    assert whole.tobytes() == joined([older, newer]).tobytes()
    first = int(newer["ts_recv"][5])
    assert StorageRun.objects.get(number=2).start_ns == first
    moment = int(older["ts_recv"][-1])
    assert same(reading.book_at(feed, KEYS[0], moment), direct(older, KEYS[0]))
    begun = newer[: int(np.searchsorted(newer["ts_recv"][5:], np.uint64(first), "right")) + 5]
    for key in {BookKey(int(row["publisher_id"]), int(row["instrument_id"])) for row in begun}:
        assert same(reading.book_at(feed, key, first), direct(begun, key))


def test_a_run_whose_first_transaction_has_no_time_hides_nothing() -> None:
    feed = new_feed()
    older = Flow(2).take(300)
    newer = timed(Flow(3, start_ns=START_NS + 3_600 * SECOND_NS).take(200), {0: 0, 1: 0})
    recorder = recorder_of(feed)
    store(recorder, older)
    store(recorder, newer[:2], run=2, position=300)
    store(recorder, newer[2:], run=2, position=302)
    assert StorageRun.objects.get(number=2).start_ns == int(newer["ts_recv"][2])
    moment = int(older["ts_recv"][-1])
    assert same(reading.book_at(feed, KEYS[0], moment), direct(older, KEYS[0]))
    last = int(newer["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(newer, key))


@pytest.mark.parametrize("time", IMPOSSIBLE)
def test_trades_and_bars_of_impossible_times_are_those_of_the_clock(time: int) -> None:
    feed = new_feed()
    records = flow("A B 1 100 5", "A A 2 101 5", "T B 0 101 1", "F A 2 101 1", "M A 2 101 4")
    records["ts_recv"][2:] = time
    store(recorder_of(feed), records)
    (trade,) = reading.trades(feed, KEY, 0, 2**62)
    assert trade.ts_recv == int(records["ts_recv"][1])
    assert [bar.start_ns for bar in BboBar.objects.order_by("start_ns")] == [
        START_NS,
        START_NS + SECOND_NS,
    ]
    assert reading.bars(feed, KEY, 0, 2**62)[1].trade_count == 1


def test_times_that_run_back_do_not_take_the_clock_along() -> None:
    feed = new_feed()
    records = Flow(4).take(400)
    back = timed(records, dict.fromkeys(range(200, 230), START_NS - 86400 * SECOND_NS))
    store(recorder_of(feed), back)
    moment = int(back["ts_recv"][199])
    for key in KEYS:
        assert same(reading.book_at(feed, key, moment), direct(back[:230], key))
    assert joined(reading.records(feed, 0, 2**62)).tobytes() == back.tobytes()


def test_the_span_of_lost_records_is_that_of_their_times() -> None:
    records = np.zeros(4, MBO_DTYPE)
    for times, expected in (
        ((5, 9, 7, 8), (5, 9)),
        ((UNDEFINED_TIME, 9, 7, UNDEFINED_TIME), (0, 9)),
        ((5, UNDEFINED_TIME, 4, 2**63), (5, 5)),
        (IMPOSSIBLE[:4], (0, 0)),
    ):
        records["ts_recv"] = times
        assert span_of(records) == expected


def test_a_gap_begins_where_the_clock_was() -> None:
    feed = new_feed()
    flow_ = Flow(5, KEYS[:1])
    before, lost, after = (flow_.take(count, clears=False) for count in (200, 50, 200))
    lost = timed(lost, {0: UNDEFINED_TIME})
    recorder = recorder_of(feed)
    store(recorder, before)
    recorder.lose(1, 200, 50, StorageGap.Reason.OVERFLOW, span_of(lost))
    store(recorder, after, position=250)
    (gap,) = StorageGap.objects.all()
    last = int(before["ts_recv"][-1])
    assert (gap.start_ns, gap.end_ns) == (last, int(lost["ts_recv"][1:].max()))
    with pytest.raises(BookUnknown):
        reading.book_at(feed, KEYS[0], last)
    known = int(before["ts_recv"][before["ts_recv"] < last][-1])
    past = before[before["ts_recv"] <= known]
    assert same(reading.book_at(feed, KEYS[0], known), direct(past, KEYS[0]))


def test_a_gap_of_records_that_ran_back_begins_where_the_clock_was() -> None:
    feed = new_feed()
    before = Flow(6, KEYS[:1]).take(200, clears=False)
    recorder = recorder_of(feed)
    store(recorder, before)
    recorder.lose(1, 200, 5, StorageGap.Reason.OVERFLOW, (START_NS - 7, START_NS - 5))
    recorder.commit()
    (gap,) = StorageGap.objects.all()
    assert gap.start_ns == gap.end_ns == int(before["ts_recv"][-1])
