"""A feed that is started again while what its killed predecessor left is still being stored."""

import os
import signal
import time

import pytest

from market.feeds.models import StorageRun
from market.feeds.storage import reading
from tests.integration.feeds.test_storage_process import (
    DEADLINE_S,
    is_running,
    offer,
    start_parent,
    stored,
    storing,
    until,
)
from tests.unit.feeds.storage.flow import KEYS, Flow, direct, joined, new_feed, same

pytestmark = [
    pytest.mark.django_db(databases=["feeds"], transaction=True),
    pytest.mark.slow,
]
LEAVES_WHAT_IS_NOT_STORED = """
    os.kill(store.pid, signal.SIGSTOP)
    records = Flow(1).take(3_000)
    store.offer(records[:1_000], 0)
    store.offer(records[1_000:], 1_000)
    store.offer(Flow(2).take(500), 0, restarted=True)
    print(store.pid, flush=True)
    sys.stdin.read()
"""


def test_both_are_stored_whole_one_after_the_other() -> None:
    feed = new_feed()
    parent = start_parent(feed, LEAVES_WHAT_IS_NOT_STORED)
    try:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
    finally:
        parent.kill()
        parent.wait()
    third = Flow(3, start_ns=2 * 10**18).take(2_000)
    try:
        with storing(feed) as store:
            assert not store.wait_until_ready(3.0)
            offer(store, third[:1_500])
            time.sleep(0.5)
            assert not StorageRun.objects.filter(feed=feed).exists()
            os.kill(orphan, signal.SIGCONT)
            assert store.wait_until_ready(DEADLINE_S)
            assert StorageRun.objects.filter(feed=feed, next_position=3_500).exists()
            offer(store, third[1_500:], 1_500)
            until(lambda: not store.lag().queued_records, "it does not store")
            os.kill(store.pid, signal.SIGKILL)
            until(lambda: store.lag().restarts == 1, "its end is not noticed")
            report = store.close(DEADLINE_S)
    finally:
        if is_running(orphan):
            os.kill(orphan, signal.SIGKILL)
    assert report.is_whole
    runs = StorageRun.objects.filter(feed=feed).order_by("number")
    places = [(run.number, run.first_position, run.next_position) for run in runs]
    assert places == [(1, 0, 3_000), (2, 3_000, 3_500), (3, 3_500, 5_500)]
    assert [run.record_count for run in runs] == [3_000, 500, 2_000]
    last = int(third["ts_recv"][-1])
    for key in KEYS:
        assert same(reading.book_at(feed, key, last), direct(third, key))
    assert stored(feed).tobytes().endswith(joined([third]).tobytes())
