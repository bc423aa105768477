"""The door to storage for the process that reads a feed: hands records over, and never waits.

A process of its own stores them. Between the two lies a ring in memory; when it is full, records
are dropped, counted, and recorded as a gap as soon as there is room again.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
from django.conf import settings
from django.db import connections

from market.feeds.books.contract import BookImage
from market.feeds.dbn.records import Records
from market.feeds.models import Feed, StorageGap
from market.feeds.storage.child import StoringProcess
from market.feeds.storage.codec import LAST_NS, pack_images
from market.feeds.storage.plan import StoragePlan
from market.feeds.storage.reading import feed_of
from market.feeds.storage.ring import Entry, Kind, Ring
from orderbook import metrics

logger = logging.getLogger(__name__)
QUEUE_BYTES: Final = 256 << 20
"""About 4.8 million records: more than nine seconds of 500,000 a second."""
MAX_CHUNK_RECORDS: Final = 65_536
WATCH_S: Final = 0.1
FIRST_BACKOFF_S: Final = 0.2
MAX_BACKOFF_S: Final = 10.0
REASONS: Final = tuple(StorageGap.Reason)
_NO_PAYLOAD: Final = memoryview(b"")


class Lag(NamedTuple):
    """How far storage is behind. What is queued is not stored yet, and not lost either."""

    queued_records: int
    queued_bytes: int
    behind_s: float
    """Age of the oldest record that is not stored."""
    dropped_records: int
    """Since the beginning."""
    restarts: int
    """Of the storing process, since the beginning."""
    failures: int
    """Times in a row that the database refused or was away; 0 when it works."""


class StoreReport(NamedTuple):
    """What became of everything that was offered."""

    offered_records: int
    dropped_records: int
    unstored_records: int
    """Still queued when the time was up: they are not stored."""
    restarts: int

    @property
    def is_whole(self) -> bool:
        return not (self.dropped_records or self.unstored_records)


class _Loss(msgspec.Struct):
    """Dropped records that no entry tells of yet."""

    run: int
    position: int
    record_count: int
    start_ns: int
    end_ns: int
    reason: str


class FeedStore:
    """Stores one feed. ``offer`` and ``resync`` belong to one thread; the rest to any.

    Raises UnknownFeed if the feed has no row.
    """

    def __init__(
        self,
        feed: Feed | str,
        symbols: Mapping[int, str] | None = None,
        *,
        queue_bytes: int = QUEUE_BYTES,
        plan: StoragePlan | None = None,
        prepared: StoringProcess | None = None,
    ) -> None:
        """``symbols``: by instrument id, for instruments that have no row yet. ``prepared``: its
        process and its queue, which are the store's from now on."""
        self._feed = feed_of(feed)
        self._symbols = dict(symbols or {})
        self._plan = plan or StoragePlan()
        self._ring = prepared.ring if prepared else Ring.create(queue_bytes)
        self._run = self._position = 0
        """Counted from the first that is offered here: what the feed has before is for the storing
        process to find out, once a process that stores what is left of another run has ended."""
        self._expected: int | None = None
        """Number that the stream's next record should have."""
        self._losses: list[_Loss] = []
        self._offered = self._dropped = self._restarts = 0
        self._told_dropped = 0
        self._lost_since_resync = self._is_overfull = False
        self._report: StoreReport | None = None
        self._is_closed = threading.Event()
        self._child = prepared or StoringProcess(self._ring)
        self._tell_child()
        self._watch = threading.Thread(target=self._watch_child, daemon=True, name="feed-store")
        self._watch.start()

    # -- handing over -------------------------------------------------------------------------

    def offer(self, records: Records, first_record: int, *, restarted: bool = False) -> bool:
        """Copies the records, which must be contiguous, and returns at once.

        ``first_record`` is the stream's number of the first of them; records that the stream
        skipped are recorded as a gap. ``restarted``: the source began again, from empty books; so
        it did where the number is lower than it should be.
        False: at least some of them were dropped, and are counted.
        """
        if self._expected is None:
            pass
        elif restarted or first_record < self._expected:
            self._run += 1
        elif first_record > self._expected:
            self._lose(first_record - self._expected, 0, 0, StorageGap.Reason.STREAM)
        self._expected = first_record + len(records)
        self._offered += len(records)
        offered_ns = time.monotonic_ns()
        is_whole = True
        for start in range(0, len(records), MAX_CHUNK_RECORDS):
            part = records[start : start + MAX_CHUNK_RECORDS]
            if self._has_room() and self._tell_losses(offered_ns) and self._put(part, offered_ns):
                self._position += len(part)
                continue
            is_whole, self._is_overfull = False, True
            self._dropped += len(part)
            self._lose(len(part), *span_of(part), StorageGap.Reason.OVERFLOW)
        return is_whole

    @property
    def needs_resync(self) -> bool:
        """Whether records were lost since the last ``resync``: best prices, bars and books are not
        stored until then, or until each book begins anew."""
        return self._lost_since_resync

    def resync(self, images: Iterable[BookImage]) -> bool:
        """Tells storage how books are after what was offered last; only books that are known.
        False: there is no room; try again later."""
        payload = np.frombuffer(pack_images(images), np.uint8)
        now = time.monotonic_ns()
        entry = Entry(Kind.IMAGES, self._position, self._run, 0, _NO_PAYLOAD, now)
        if not (self._tell_losses(now) and self._ring.put(entry, payload)):
            return False
        self._lost_since_resync = False
        return True

    def _has_room(self) -> bool:
        """Once something was dropped, everything is until half of the queue is free: one long gap
        costs less than many short ones, each of which ends a segment."""
        if self._is_overfull and self._ring.queued_bytes <= self._ring.capacity // 2:
            self._is_overfull = False
        return not self._is_overfull

    def _put(self, records: Records, offered_ns: int) -> bool:
        entry = Entry(
            Kind.RECORDS, self._position, self._run, len(records), _NO_PAYLOAD, offered_ns
        )
        return self._ring.put(entry, records.view(np.uint8))

    def _lose(self, count: int, start_ns: int, end_ns: int, reason: str) -> None:
        self._lost_since_resync = True
        last = self._losses[-1] if self._losses else None
        if last is not None and (last.run, last.reason) == (self._run, reason):
            last.record_count += count
            last.end_ns = max(last.end_ns, end_ns)
        else:
            loss = _Loss(self._run, self._position, count, start_ns, end_ns, reason)
            self._losses.append(loss)
        self._position += count

    def _tell_losses(self, now_ns: int) -> bool:
        """Whether every loss is in the ring: only then may something follow it."""
        while self._losses:
            loss = self._losses[0]
            entry = Entry(
                Kind.GAP,
                loss.position,
                loss.run,
                loss.record_count,
                _NO_PAYLOAD,
                now_ns,
                loss.start_ns,
                loss.end_ns,
                [reason.value for reason in REASONS].index(loss.reason),
            )
            if not self._ring.put(entry, None):
                return False
            self._losses.pop(0)
        return True

    # -- the storing process ------------------------------------------------------------------

    def lag(self) -> Lag:
        oldest = self._ring.oldest_offered_ns()
        stored = self._ring.stored_position
        return Lag(
            queued_records=0 if oldest is None else max(0, self._position - stored),
            queued_bytes=self._ring.queued_bytes,
            behind_s=0.0 if oldest is None else (time.monotonic_ns() - oldest) / 1e9,
            dropped_records=self._dropped,
            restarts=self._restarts,
            failures=self._ring.failures,
        )

    @property
    def pid(self) -> int:
        """Of the storing process."""
        return self._child.pid

    def wait_until_ready(self, timeout: float) -> bool:
        """Whether the storing process has started within so many seconds. Records may be offered
        before: they wait in the queue."""
        return self._child.wait_until_ready(timeout)

    def close(self, timeout: float = 60.0) -> StoreReport:
        """Stores everything that is queued, ends the storing process, and says what became of all
        records. What is not stored in time is lost, and counted. Again, it says the same."""
        if self._report is not None:
            return self._report
        deadline = time.monotonic() + timeout
        while not self._tell_losses(time.monotonic_ns()) and time.monotonic() < deadline:
            time.sleep(WATCH_S)
        self._ring.finish()
        while self._ring.queued_bytes and time.monotonic() < deadline:
            time.sleep(WATCH_S / 4)
        self._is_closed.set()
        self._watch.join()
        self._child.end(max(0.0, deadline - time.monotonic()))
        unstored = self._unstored()
        self._tell_metrics()
        self._ring.close()
        self._report = StoreReport(self._offered, self._dropped, unstored, self._restarts)
        return self._report

    def _unstored(self) -> int:
        """Records in the queue, which nobody takes any more."""
        stored = self._ring.stored_position
        return sum(
            min(entry.record_count, max(0, entry.position + entry.record_count - stored))
            for entry in self._ring.entries(self._ring.released)
            if entry.kind == Kind.RECORDS
        )

    def _tell_child(self) -> None:
        config = {
            "feed_id": self._feed.pk,
            "database": str(connections[settings.FEEDS_DATABASE].settings_dict["NAME"]),
            "symbols": self._symbols,
            "plan": self._plan,
        }
        self._child.tell(config)

    def _watch_child(self) -> None:
        """Starts another process where one ended; nothing is lost by it unless the ring is full."""
        backoff_s = FIRST_BACKOFF_S
        while not self._is_closed.wait(WATCH_S):
            self._tell_metrics()
            if self._child.exit_code() is None:
                backoff_s = FIRST_BACKOFF_S if self._ring.reader else backoff_s
                continue
            if self._ring.is_closing and not self._ring.queued_bytes:
                continue
            self._restarts += 1
            metrics.FEED_STORE_RESTARTS.labels(self._feed.pk).inc()
            logger.error(
                "feed %s: the storing process ended with %s and is started again",
                self._feed.pk,
                self._child.exit_code(),
            )
            if self._is_closed.wait(backoff_s):
                return
            backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)
            self._child = StoringProcess(self._ring, self._child.niceness)
            self._tell_child()

    def _tell_metrics(self) -> None:
        lag, feed = self.lag(), self._feed.pk
        metrics.FEED_STORE_QUEUED_RECORDS.labels(feed).set(lag.queued_records)
        metrics.FEED_STORE_BEHIND_SECONDS.labels(feed).set(lag.behind_s)
        dropped, self._told_dropped = lag.dropped_records - self._told_dropped, lag.dropped_records
        metrics.FEED_STORE_DROPPED_RECORDS.labels(feed).inc(dropped)


def span_of(records: Records) -> tuple[int, int]:
    """The time of the first record and the latest of all; 0 where none is told."""
    times = np.where(records["ts_recv"] > LAST_NS, 0, records["ts_recv"])
    return int(times[0]), int(times.max())
