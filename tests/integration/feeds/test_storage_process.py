"""The storing process: what it stores, and what becomes of it when someone is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.db import connections

from market.feeds.dbn.records import Records
from market.feeds.models import BookSnapshot, Feed, RecordSegment, StorageGap, StorageRun
from market.feeds.storage import reading
from market.feeds.storage.child import discard, prepare
from market.feeds.storage.plan import StoragePlan
from market.feeds.storage.rebuilding import records_of
from market.feeds.storage.writer import FeedStore
from tests.unit.feeds.storage.flow import KEYS, Flow, direct, joined, new_feed, same

pytestmark = [
    pytest.mark.django_db(databases=["feeds"], transaction=True),
    pytest.mark.slow,
]
ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 300
FOREVER = 2**62
PLAN = StoragePlan(segment_records=512, commit_records=2_048, commit_s=0.05, snapshot_records=2_000)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def storing(feed: Feed, **options: object) -> Iterator[FeedStore]:
    store = FeedStore(feed, {7: "ESZ4"}, plan=PLAN, **options)
    try:
        yield store
    finally:
        store.close(DEADLINE_S)


def offer(store: FeedStore, records: Records, first: int = 0, size: int = 300) -> None:
    for start in range(0, len(records), size):
        store.offer(records[start : start + size], first + start)


def stored(feed: Feed) -> Records:
    return joined(reading.records(feed, 0, FOREVER))


def stored_count(feed: Feed) -> int:
    return sum(RecordSegment.objects.filter(feed=feed).values_list("record_count", flat=True))


def test_everything_is_stored_and_read_back_exactly() -> None:
    feed = new_feed()
    records = Flow(1).take(10_000)
    with storing(feed) as store:
        offer(store, records)
        report = store.close(DEADLINE_S)
    assert report.is_whole
    assert report.offered_records == 10_000
    assert stored(feed).tobytes() == records.tobytes()
    last = int(records["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(records, key))
    assert not reading.gaps(feed, 0, FOREVER)


def full_books(feed: Feed) -> list[tuple[int, int]]:
    """Publisher and instrument of each book that is stored whole where its run ends."""
    (run,) = StorageRun.objects.filter(feed=feed)
    rows = BookSnapshot.objects.filter(feed=feed, run=run.number, position=run.next_position)
    names = rows.values_list("instrument__publisher_id", "instrument__instrument_id")
    return sorted(names)


def test_a_source_that_ends_in_a_moment_leaves_its_books_behind() -> None:
    feed = new_feed()
    records = Flow(6).take(2_000)
    store = FeedStore(feed, {7: "ESZ4"})
    try:
        offer(store, records)
    finally:
        report = store.close(DEADLINE_S)
    assert report.is_whole
    assert full_books(feed) == sorted(KEYS)
    assert BookSnapshot.objects.count() == len(KEYS)
    last = int(records["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(records, key))


def test_a_process_that_was_prepared_stores_like_another() -> None:
    process = prepare(1 << 20)
    try:
        assert process.wait_until_warm(DEADLINE_S)
    except BaseException:
        discard(process)
        raise
    feed = new_feed()
    records = Flow(3).take(5_000)
    with storing(feed, prepared=process) as store:
        assert store.pid == process.pid
        assert store.wait_until_ready(DEADLINE_S)
        offer(store, records)
        report = store.close(DEADLINE_S)
    assert report.is_whole
    assert report.restarts == 0
    assert stored(feed).tobytes() == records.tobytes()


def test_a_prepared_process_that_is_not_needed_ends() -> None:
    process = prepare(1 << 20)
    discard(process)
    assert process.exit_code() is not None


def test_a_killed_storing_process_is_followed_by_one_that_goes_on() -> None:
    feed = new_feed()
    flow = Flow(2)
    first, second, third = flow.take(6_000), flow.take(3_000), flow.take(3_000)
    with storing(feed) as store:
        offer(store, first)
        until(lambda: stored_count(feed) > 2_000, "nothing is stored")
        killed = store.pid
        os.kill(killed, signal.SIGKILL)
        offer(store, second, 6_000)
        until(lambda: store.lag().restarts == 1, "its end is not noticed")
        offer(store, third, 9_000)
        report = store.close(DEADLINE_S)
    whole = joined([first, second, third])
    assert report.is_whole
    assert report.restarts == 1
    assert store.pid != killed
    assert stored(feed).tobytes() == whole.tobytes()
    last = int(whole["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(whole, key))
    assert StorageRun.objects.count() == 1
    bars = {key: reading.bars(feed, key, 0, FOREVER) for key in KEYS}
    assert sum(bar.trade_count for found in bars.values() for bar in found) == np.count_nonzero(
        whole["action"] == ord("T")
    )


def test_what_does_not_fit_the_queue_is_dropped_counted_and_recorded() -> None:
    feed = new_feed()
    flow = Flow(3, KEYS[:1])
    with storing(feed, queue_bytes=1 << 20) as store:
        assert store.wait_until_ready(DEADLINE_S)
        os.kill(store.pid, signal.SIGSTOP)
        parts = [flow.take(1_000, clears=False) for _ in range(30)]
        kept = [store.offer(part, 1_000 * place) for place, part in enumerate(parts)]
        assert not all(kept)
        # There is room for these, but not for half a queue of them.
        parts.append(flow.take(10, clears=False))
        assert not store.offer(parts[-1], 30_000)
        dropped = store.lag().dropped_records
        assert dropped == 1_000 * kept.count(False) + 10
        assert store.needs_resync
        os.kill(store.pid, signal.SIGCONT)
        until(lambda: store.lag().queued_records <= dropped, "the queue does not empty")
        whole = joined(parts)
        until(lambda: store.resync([direct(whole, KEYS[0])]), "the book is not taken")
        rest = flow.take(2_000, clears=False)
        offer(store, rest, 30_010)
        report = store.close(DEADLINE_S)
    assert report.dropped_records == dropped
    assert not report.is_whole
    lost = StorageGap.objects.filter(feed=feed, reason="overflow")
    assert sum(gap.record_count for gap in lost) == dropped
    assert len(stored(feed)) == 32_010 - dropped
    everything = joined([whole, rest])
    last = int(rest["ts_recv"][-1])
    assert same(reading.book_at(feed, KEYS[0], last), direct(everything, KEYS[0]))


def test_books_from_elsewhere_outlive_the_storing_process() -> None:
    feed = new_feed()
    flow = Flow(7, KEYS[:2])
    before, lost, rest = (flow.take(count, clears=False) for count in (1_000, 100, 700))
    with storing(feed) as store:
        offer(store, before)
        # The stream skips what is lost; the feed's own books come from a sender that did not.
        assert store.offer(rest[:100], 1_100)
        known = joined([before, lost, rest[:100]])
        assert store.resync([direct(known, key) for key in KEYS[:2]])
        until(lambda: stored_count(feed) == 1_100, "nothing is stored")
        until(lambda: not store.lag().queued_records, "books are waited for")
        time.sleep(1.0)
        assert store.lag().behind_s == 0
        os.kill(store.pid, signal.SIGKILL)
        until(lambda: store.lag().restarts == 1, "its end is not noticed")
        assert store.offer(rest[100:], 1_200)
        report = store.close(DEADLINE_S)
    assert report.is_whole
    whole = joined([before, lost, rest])
    for key in KEYS[:2]:
        assert same(reading.book_at(feed, key, int(rest["ts_recv"][-1])), direct(whole, key))


def test_records_that_never_arrived_are_a_gap_and_a_restart_a_run() -> None:
    feed = new_feed()
    records = Flow(4).take(3_000)
    with storing(feed) as store:
        store.offer(records[:1_000], 0)
        store.offer(records[1_500:], 1_500)
        store.offer(records, 0, restarted=True)
        assert store.close(DEADLINE_S).offered_records == 5_500
    (gap,) = StorageGap.objects.filter(feed=feed)
    assert (gap.run, gap.position, gap.record_count, gap.reason) == (1, 1_000, 500, "stream")
    runs = StorageRun.objects.filter(feed=feed).order_by("number")
    assert [(run.number, run.record_count, run.lost_count) for run in runs] == [
        (1, 2_500, 500),
        (2, 3_000, 0),
    ]
    assert stored(feed).tobytes() == records.tobytes()


def test_the_next_store_goes_on_after_the_last() -> None:
    feed = new_feed()
    flow = Flow(5)
    first = flow.take(1_000)
    flow.pause()
    second = flow.take(1_000)
    for part in (first, second):
        with storing(feed) as store:
            store.offer(part, 0)
            assert store.close(DEADLINE_S).is_whole
    assert stored(feed).tobytes() == joined([first, second]).tobytes()
    positions = StorageRun.objects.filter(feed=feed).values_list("first_position", "next_position")
    assert list(positions) == [(0, 1_000), (1_000, 2_000)]


PARENT = """
import os, signal, sys, django
django.setup()
from django.conf import settings
from django.db import connections
connections[settings.FEEDS_DATABASE].settings_dict["NAME"] = {database!r}
from market.feeds.storage.writer import FeedStore
from tests.integration.feeds.test_storage_process import PLAN
from tests.unit.feeds.storage.flow import Flow
store = FeedStore({feed!r}, plan=PLAN)
assert store.wait_until_ready({deadline})
"""


def start_parent(feed: Feed, then: str) -> subprocess.Popen[bytes]:
    """A process that stores the feed in this test's database, as ``store``, and does this."""
    database = str(connections[settings.FEEDS_DATABASE].settings_dict["NAME"])
    source = PARENT.format(database=database, feed=feed.pk, deadline=DEADLINE_S)
    return subprocess.Popen(
        [sys.executable, "-c", source + textwrap.dedent(then)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


STORES_FORTY_PARTS = """
    for place in range(40):
        store.offer(Flow(place).take(300), 300 * place)
    print(store.pid, flush=True)
    sys.stdin.read()
"""


def test_a_killed_parent_takes_its_storing_process_along() -> None:
    feed = new_feed()
    parent = start_parent(feed, STORES_FORTY_PARTS)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: not is_running(child), "the storing process did not end")
    assert stored_count(feed) == 12_000
    assert full_books(feed) == sorted(KEYS)
    for row in RecordSegment.objects.filter(feed=feed):
        assert len(records_of(row)) == row.record_count


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
