"""A feed's process as a whole: source, books, storage, publication and the feed's row.

One thread receives and applies; the publication has one, and so has what is written to the feed's
row. Where they contend, the receiving thread waits for the length of one switch of threads at most,
which is set short here.
"""

import contextlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import DatabaseError, connections

from market.feeds import priority
from market.feeds.books.contract import Books
from market.feeds.errors import FeedError
from market.feeds.models import FeedState
from market.feeds.serving import directory
from market.feeds.serving.errors import FeedIsRead
from market.feeds.serving.guarded import GuardedBooks
from market.feeds.serving.messages import FeedStats
from market.feeds.serving.publication import Publication
from market.feeds.serving.reader import FeedReader
from market.feeds.session import Batch, FeedSession
from market.feeds.storage.child import StoringProcess, discard, prepare
from market.feeds.storage.writer import QUEUE_BYTES, FeedStore, StoreReport
from market.feeds.transport.client import FrameClient
from market.feeds.transport.errors import StreamLost
from market.feeds.transport.sources import FileSource
from orderbook import garbage

logger = logging.getLogger(__name__)

SWITCH_INTERVAL_S: Final = 0.0005
TELL_EVERY_S: Final = 2.0
PROBE_TIMEOUT_S: Final = 1.0
STORE_CLOSE_S: Final = 120.0
CONNECT_STEP_S: Final = 0.5
"""While the sender is awaited, how often it is looked whether to stop."""
WARM_S: Final = 60.0
WARM_STEP_S: Final = 0.5
FULL_BYTES: Final = 64 << 20
"""Records of a file wait for storage from here on; those of a stream cannot."""
FULL_WAIT_S: Final = 0.005
IDLE_S: Final = 0.005
"""Silence after which tops that wait for more are made."""


class FeedPlan(NamedTuple):
    feed_id: str
    title: str = ""
    connect: tuple[str, int] | None = None
    files: tuple[Path, ...] = ()
    stores: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    patience_s: float = 30.0
    is_urgent: bool = False
    """Whether its threads go before other processes' where the machine is busy."""


class FeedReport(NamedTuple):
    """At the end."""

    stats: FeedStats
    seconds: float
    """From the first batch to the last."""
    is_complete: bool
    stored: StoreReport | None
    error: FeedError | None
    priority: str
    """As ``market.feeds.priority`` names it."""


class FeedProcess:
    """Runs one feed. ``run`` returns when its source ended, failed, or ``stop`` was called."""

    def __init__(self, plan: FeedPlan, books: Books) -> None:
        self._plan = plan
        self._books = GuardedBooks(books)
        self._stopping = threading.Event()
        self._session: FeedSession | None = None
        self._first_s = self._last_s = 0.0
        self._priority = priority.NORMAL
        self.reader = FeedReader(plan.feed_id, self._books)
        self.address = ""

    def stop(self) -> None:
        """May be called by a signal handler."""
        self._stopping.set()
        if self._session is not None:
            self._session.stop()

    def run(
        self,
        on_start: Callable[[str], None] = lambda _: None,
        on_batch: Callable[[Batch], None] = lambda _: None,
        *,
        hold: bool = False,
    ) -> FeedReport:
        """``on_start`` hears the publication's address. ``hold``: the last books stay published
        until ``stop``.

        Raises FeedIsRead, BadFile before anything was read, and OSError where the address to
        publish at cannot be had.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        require_unread(self._plan.feed_id)
        with self._source() as source:
            storing = self._prepare() if self._plan.stores else None
            if self._plan.is_urgent:
                self._priority = priority.raise_own()
            publication = Publication(self.reader, self._plan.host, self._plan.port)
            try:
                self.address = publication.start()
                on_start(self.address)
                store = self._connect(source, storing)
            except BaseException:
                if storing is not None:
                    discard(storing)
                publication.stop()
                raise
            try:
                return self._run(source, store, on_batch, hold)
            finally:
                publication.stop()

    def _prepare(self) -> StoringProcess:
        if self._plan.is_urgent:
            return prepare(QUEUE_BYTES, priority.BEHIND_URGENT_NICENESS)
        return prepare(QUEUE_BYTES)

    def _connect(
        self, source: FrameClient | FileSource, storing: StoringProcess | None
    ) -> FeedStore | None:
        """A sender may begin as soon as somebody is there: what takes long is done before."""
        self._announce(source)
        if isinstance(source, FrameClient):
            if storing is not None:
                self._wait_until_warm(storing)
            garbage.settle()
            self._say(_words(source), self._dataset_of(source))
        else:
            garbage.settle()
        if storing is None:
            return None
        return FeedStore(self._plan.feed_id, _symbols(source), prepared=storing)

    def _wait_until_warm(self, storing: StoringProcess) -> None:
        """Records would wait for it in the queue; so nothing is lost where it takes longer."""
        deadline_s = time.monotonic() + WARM_S
        while time.monotonic() < deadline_s and not self._stopping.is_set():
            if storing.wait_until_warm(WARM_STEP_S) or storing.exit_code() is not None:
                return

    def _run(
        self,
        source: FrameClient | FileSource,
        store: FeedStore | None,
        on_batch: Callable[[Batch], None],
        hold: bool,
    ) -> FeedReport:
        self.reader.use_store(store)
        session = FeedSession(source, self._books, idle_s=IDLE_S)
        self._session = self.reader.session = session
        teller = threading.Thread(target=self._tell, name="feed-row", daemon=True)
        teller.start()
        error = None
        try:
            error = self._receive(session, source, store, on_batch)
            while hold and not self._stopping.is_set():
                self._stopping.wait(1.0)
        finally:
            stored = store.close(STORE_CLOSE_S) if store else None
            self._stopping.set()
            teller.join()
            self._say_farewell()
        seconds = max(0.0, self._last_s - self._first_s)
        self.reader.use_store(None)
        stats = self.reader.stats()
        return FeedReport(stats, seconds, session.is_complete, stored, error, self._priority)

    def _receive(
        self,
        session: FeedSession,
        source: FrameClient | FileSource,
        store: FeedStore | None,
        on_batch: Callable[[Batch], None],
    ) -> FeedError | None:
        waits = isinstance(source, FileSource) and store is not None

        def take(batch: Batch) -> None:
            self._last_s = time.monotonic()
            self._first_s = self._first_s or self._last_s
            self.reader.on_batch(batch)
            on_batch(batch)
            while waits and store and store.lag().queued_bytes > FULL_BYTES:
                time.sleep(FULL_WAIT_S)

        if self._stopping.is_set():
            session.stop()
        try:
            session.run(take, self.reader.make_ready)
        except FeedError as error:
            self.reader.make_ready()
            self.reader.finish(FeedState.FAILED, error.message)
            return error
        self.reader.make_ready()
        if session.is_complete:
            self.reader.finish(FeedState.ENDED, "The source came to its end.")
        else:
            self.reader.finish(FeedState.STOPPED)
        return None

    @contextlib.contextmanager
    def _source(self) -> Iterator[FrameClient | FileSource]:
        if self._plan.connect is None:
            with FileSource(self._plan.files) as files:
                yield files
            return
        host, port = self._plan.connect
        client = FrameClient(host, port, skip_gaps=True, patience_s=self._plan.patience_s)
        with contextlib.closing(client):
            yield client

    # -- the feed's row -----------------------------------------------------------------------

    def _announce(self, source: FrameClient | FileSource) -> None:
        """It is there, and says what it waits for, before its sender is."""
        self._say(_words(source), source.dataset if isinstance(source, FileSource) else "")

    def _say(self, source: str, dataset: str) -> None:
        directory.announce(
            self._plan.feed_id,
            title=self._plan.title,
            source=source,
            dataset=dataset[:32],
            address=self.address,
            state=FeedState.CONNECTING,
        )

    def _dataset_of(self, client: FrameClient) -> str:
        """Waits for the sender; "" where ``stop`` was called meanwhile. Raises FeedError."""
        deadline_s = time.monotonic() + self._plan.patience_s
        while not self._stopping.is_set():
            try:
                return client.connect(CONNECT_STEP_S).dataset
            except FeedError as error:
                if not isinstance(error, StreamLost) or time.monotonic() >= deadline_s:
                    directory.tell_state(
                        self._plan.feed_id, FeedState.FAILED, error.message, ended=True
                    )
                    raise
        return ""

    def _tell(self) -> None:
        """Keeps the row fresh, and the instruments that it has, from a thread of its own."""
        known = 0
        while True:
            is_last = self._stopping.wait(TELL_EVERY_S)
            try:
                names = self.reader.instruments()
                if len(names) != known:
                    directory.learn(self._plan.feed_id, names)
                    known = len(names)
                directory.tell_state(self._plan.feed_id, *self.reader.told_state())
            except DatabaseError as error:
                logger.warning("the feed's row cannot be written: %s", error)
            if is_last:
                connections.close_all()
                return

    def _say_farewell(self) -> None:
        state = self.reader.state
        if state in (FeedState.LIVE, FeedState.CONNECTING):
            state = FeedState.STOPPED
        with contextlib.suppress(DatabaseError):
            directory.tell_state(self._plan.feed_id, state, self.reader.state_text, ended=True)


def require_unread(feed_id: str) -> None:
    """Raises FeedIsRead where another process publishes the feed now."""
    host, _, port = directory.address_of(feed_id).rpartition(":")
    if not host or not port.isdecimal():
        return
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), PROBE_TIMEOUT_S):
        raise FeedIsRead(f"Feed {feed_id} is read by another process, published at {host}:{port}.")


def _words(source: FrameClient | FileSource) -> str:
    if isinstance(source, FileSource):
        return ", ".join(path.name for path in source.paths)
    return "{}:{}".format(*source.address)


def _symbols(source: FrameClient | FileSource) -> dict[int, str]:
    """By instrument."""
    if isinstance(source, FileSource):
        return dict(source.symbols)
    hello = source.hello
    return {instrument_id: name for _, instrument_id, name in (hello.symbols if hello else ())}


def report_json(report: FeedReport) -> dict[str, Any]:
    """For ``run_feed --json``."""
    stats, stored = report.stats, report.stored
    latency = stats.overall
    return {
        "state": stats.state,
        "records": stats.record_count,
        "batches": stats.batch_count,
        "seconds": round(report.seconds, 3),
        "records_per_s": round(stats.record_count / report.seconds) if report.seconds else 0,
        "books": stats.book_count,
        "crossed_books": stats.crossed_count,
        "gaps": stats.gap_count,
        "restarts": stats.restart_count,
        "anomalies": stats.anomalies,
        "latency_us": {
            "p50": latency.p50_us,
            "p99": latency.p99_us,
            "p99_9": latency.p99_9_us,
            "max": latency.max_us,
        },
        "priority": report.priority,
        "is_complete": report.is_complete,
        "storage": None if stored is None else {**stored._asdict(), "is_whole": stored.is_whole},
        "error": report.error.message if report.error else None,
    }
