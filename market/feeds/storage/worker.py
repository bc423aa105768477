"""The process that stores one feed: ``python -m market.feeds.storage.worker DESCRIPTOR
NICENESS``.

It is started by ``child.StoringProcess``, loads its libraries, says so in the ring of that
descriptor, and gets one line of JSON on its standard input, whose end says that the parent is no
more. Then it stores what is left in the ring, and ends; so it does when the ring is closed.
"""

import fcntl
import logging
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import django
import msgspec

from market.feeds import priority
from market.feeds.storage.plan import StoragePlan
from market.feeds.storage.ring import Entry, Kind, Ring

POLL_S: Final = 0.05
"""How often it looks for new records when there are none: nobody wakes it."""
RETRY_S: Final = 0.5
ORPHAN_RETRIES: Final = 20
"""How often it tries to store the rest without a parent."""
FINISH_RETRIES: Final = 10
"""How often it tries to store the books at the end."""
CONFIG_LIMIT: Final = 1 << 24
T = TypeVar("T")
logger = logging.getLogger(__name__)


class Config(msgspec.Struct):
    feed_id: str
    database: str
    """Name of the database, which tests change."""
    symbols: dict[int, str]
    plan: StoragePlan


def main() -> None:
    priority.lower_own(int(sys.argv[2]))
    ring = Ring(int(sys.argv[1]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
    django.setup()
    from django.conf import settings
    from django.db import connections

    from market.feeds.books.fast import warm_up

    warm_up()
    ring.warm = os.getpid()
    config = msgspec.json.decode(_read_line(0), type=Config)
    connections[settings.FEEDS_DATABASE].settings_dict["NAME"] = config.database
    with sole_writer(config.feed_id):
        attempt(ring, partial(Storing, ring, config)).run()


class Storing:
    def __init__(self, ring: Ring, config: Config) -> None:
        from market.feeds.books.fast import FastBooks
        from market.feeds.models import Feed
        from market.feeds.storage.recorder import Recorder
        from market.feeds.storage.recovery import last_run, next_places

        feed = Feed.objects.get(pk=config.feed_id)
        self._ring = ring
        self._recorder = Recorder(
            feed, config.symbols, FastBooks, config.plan, partial(attempt, ring)
        )
        self._read = ring.released
        self._open: deque[tuple[int, int]] = deque()
        """Entries that were taken: where each ends in the ring, and the position after it."""
        if ring.origin is None:
            ring.origin = next_places(feed)
        assert ring.origin is not None
        self._first_run, self._first_position = ring.origin
        newest = last_run(feed)
        if newest is not None and newest >= self._first_run:
            self._recorder.resume(newest)
            logger.info("feed %s: storage resumes at %d", feed, self._recorder.next_position)

    def run(self) -> None:
        self._ring.reader = os.getpid()
        is_orphan = False
        while True:
            is_orphan = is_orphan or _is_at_end(0)
            is_last = self._ring.is_closing or is_orphan
            took = self._take()
            if self._recorder.is_due() or (is_last and not took):
                self._commit()
            if is_last and not took:
                self._finish()
                break
            if not took:
                select.select([0] if not is_orphan else [], [], [], POLL_S)
        logger.info("storage ends at %d", self._recorder.next_position)

    def _take(self) -> bool:
        """Takes what is new, but not more than one transaction's worth."""
        took = False
        for found in self._ring.entries(self._read):
            entry = found._replace(
                position=self._first_position + found.position, run=self._first_run + found.run
            )
            if not self._is_stored(entry):
                self._handle(entry)
            self._read = entry.after
            # Books are stored with the records after them: until then a successor needs them.
            is_book = entry.kind == Kind.IMAGES
            self._open.append((entry.after, self._recorder.next_position + is_book))
            took = True
            if self._recorder.is_due():
                break
        return took

    def _is_stored(self, entry: Entry) -> bool:
        """Whether a process before this one stored it, and ended before it could say so."""
        end = entry.position + entry.record_count
        known = self._recorder.next_position
        return entry.position < known if entry.kind == Kind.IMAGES else end <= known

    def _handle(self, entry: Entry) -> None:
        import numpy as np

        from market.feeds.dbn.records import MBO_DTYPE
        from market.feeds.models import StorageGap
        from market.feeds.storage.codec import unpack_images

        if entry.kind == Kind.RECORDS:
            records = np.frombuffer(entry.payload, MBO_DTYPE)
            self._recorder.take(entry.run, entry.position, records)
        elif entry.kind == Kind.GAP:
            reason = list(StorageGap.Reason)[entry.detail]
            span = entry.start_ns, entry.end_ns
            self._recorder.lose(entry.run, entry.position, entry.record_count, reason, span)
        elif entry.kind == Kind.IMAGES:
            self._recorder.replace(unpack_images(bytes(entry.payload)))

    def _finish(self) -> None:
        """Full books at the end, in a transaction of their own: the records are stored by now, and
        nobody waits long for what only makes reading cheaper."""
        from django.db import DatabaseError, InterfaceError

        self._recorder.finish()
        try:
            self._commit(FINISH_RETRIES)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the books at the end are not stored: %s", error)
        self._ring.release(self._read, self._ring.stored_position)

    def _commit(self, max_retries: int | None = None) -> None:
        stored = attempt(self._ring, self._recorder.commit, max_retries)
        at = self._ring.released
        while self._open and self._open[0][1] <= stored:
            at = self._open.popleft()[0]
        # Before its first record the recorder knows no place.
        self._ring.release(at, max(0, stored - self._first_position))


@contextmanager
def sole_writer(feed_id: str) -> Iterator[None]:
    """Waits until no other process of this machine stores the feed: the one of a killed
    predecessor stores what that left, and only then it is known where this one begins."""
    from django.conf import settings

    path = settings.DATA_DIR / f"feed-{feed_id}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("feed %s: another process stores it, and is waited for", feed_id)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def attempt(ring: Ring, action: Callable[[], T], max_retries: int | None = None) -> T:
    """Tries until the database does it, or so often; the parent ends this process if that takes too
    long. Without a parent it gives up, for nobody would ever end it."""
    from django.conf import settings
    from django.db import DatabaseError, InterfaceError, connections

    retries = orphan_retries = 0
    while True:
        try:
            result = action()
        except (DatabaseError, InterfaceError) as error:
            ring.failures += 1
            logger.warning("storing failed, and is tried again: %s", error)
            connections[settings.FEEDS_DATABASE].close()
            retries += 1
            orphan_retries += _is_at_end(0)
            if orphan_retries > ORPHAN_RETRIES or retries == max_retries:
                raise
            time.sleep(RETRY_S)
        else:
            ring.failures = 0
            return result


def _read_line(descriptor: int) -> bytes:
    """Up to the end of the line, byte by byte as it were: nothing after it is taken."""
    line = b""
    while not line.endswith(b"\n") and len(line) < CONFIG_LIMIT:
        piece = os.read(descriptor, 65_536)
        if not piece:
            raise SystemExit("the parent ended before it said what to do")
        line += piece
    return line


def _is_at_end(descriptor: int) -> bool:
    ready, _, _ = select.select([descriptor], [], [], 0)
    return bool(ready) and not os.read(descriptor, 65_536)


if __name__ == "__main__":
    main()
