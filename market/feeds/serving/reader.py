"""The process that reads one feed: its books, their top ten, latencies, trades, and what is offered
to storage and to the publication.

``on_batch`` runs in the thread that receives; everything of the publication's runs in its own.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from market.feeds.books.contract import BookImage, BookKey, Books, Top
from market.feeds.dbn.records import Records
from market.feeds.serving.guarded import GuardedBooks
from market.feeds.serving.latency import Latencies
from market.feeds.serving.messages import (
    PUBLISHED_LEVELS,
    VERSION,
    BookState,
    FeedStats,
    Hello,
    InstrumentName,
    StorageStats,
)
from market.feeds.serving.tape import Tape
from market.feeds.serving.tops import take_tops
from market.feeds.session import Batch
from market.feeds.states import BookStatus, FeedState

TOP_DEPTH: Final = 10
RESYNC_EVERY_NS: Final = 10**9
RESYNC_BELOW_BYTES: Final = 16 << 20
_UNKNOWN: Final = BookStatus(FeedState.INIT, cold_start=False)
RATE_WINDOW_NS: Final = 2 * 10**9
NS_PER_US: Final = 1_000
LATE_NS: Final = 2_000_000
COALESCED_NS: Final = 4_000_000
"""Tops wait for no longer than this after the last ones."""
FEED_LIVE: Final = "live"
FEED_AWAITED: Final = "connecting"


class ReadSession(Protocol):
    """The part of a session that is asked about its books; any thread may ask."""

    gap_count: int
    restart_count: int
    """How often the source has begun again; the books were emptied before it was counted."""

    @property
    def outage(self) -> str: ...

    def status(self, key: BookKey) -> BookStatus: ...

    def symbol(self, key: BookKey) -> str | None: ...


class Store(Protocol):
    """Of ``market.feeds.storage.writer.FeedStore`` what is used here."""

    def offer(self, records: Records, first_record: int, *, restarted: bool = False) -> bool: ...

    @property
    def needs_resync(self) -> bool: ...

    def resync(self, images: Iterable[BookImage]) -> bool: ...

    def lag(self) -> Any: ...


class FeedReader:
    """Takes batches, and is the publication's source."""

    def __init__(
        self,
        feed_id: str,
        books: GuardedBooks,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.feed_id = feed_id
        self._books = books
        self._store: Store | None = None
        self._resync_ns = 0
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        """Guards what both threads use: changed books, trades, tops, latencies."""
        self._changed: set[BookKey] = set()
        self._told_gaps = 0
        self._tape = Tape()
        self._latencies = Latencies()
        self._crossed: set[BookKey] = set()
        self._names: list[InstrumentName] = []
        self._rate = _Rate()
        self._unready: list[tuple[int, int]] = []
        """(scheduled time, records) of batches whose tops are not made yet."""
        self._ready_ns = 0
        self.started_ns = clock_ns()
        self.session: ReadSession | None = None
        self.tops: dict[BookKey, bytes] = {}
        """Of every book its best ten levels as JSON, as of its last batch."""
        self.state = FEED_AWAITED
        self.state_text = ""
        self.record_count = self.batch_count = self.restart_count = 0

    # -- the receiving thread -----------------------------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        """The tops of its books are made at once; where the batch is late they may wait for those
        of the next ones, so that a burst costs one top for each book and not one for each batch.
        """
        self._begin_anew()
        records = batch.records
        now_ns = self._clock_ns()
        self._unready.append((batch.send_ns, len(records)))
        if now_ns - batch.send_ns < LATE_NS or now_ns - self._ready_ns > COALESCED_NS:
            self.make_ready()
        if self._store is not None and len(records):
            self._offer(self._store, batch, now_ns)
        with self._lock:
            self.state = FEED_LIVE
            self.record_count += len(records)
            self.batch_count += 1
            self._rate.add(now_ns, len(records))
            self._tape.take(records)

    def make_ready(self) -> None:
        """Makes the tops of all books that changed; called, too, when nothing more comes. A source
        that began again has emptied every book, and may say nothing of some of them."""
        if not self._begin_anew() and not self._unready:
            return
        tops: list[Top] = self._books.read(_tops)
        self._ready_ns = now_ns = self._clock_ns()
        with self._lock:
            for send_ns, count in self._unready:
                if send_ns > 0 and count:
                    self._latencies.add((now_ns - send_ns) // NS_PER_US, count, now_ns)
            self._unready.clear()
            for key, text, is_crossed in tops:
                self._changed.add(key)
                self.tops[key] = text
                (self._crossed.add if is_crossed else self._crossed.discard)(key)

    def _begin_anew(self) -> bool:
        """Whether the source has begun again since the last call: no trades are known then."""
        if self.session is None or self.session.restart_count == self.restart_count:
            return False
        with self._lock:
            self.restart_count = self.session.restart_count
            self._tape.start_again()
        return True

    def _offer(self, store: Store, batch: Batch, now_ns: int) -> None:
        """Where storage lost records it is told how the books are, once it has room."""
        store.offer(batch.records, batch.first_record, restarted=batch.restarted)
        if store.needs_resync and now_ns - self._resync_ns > RESYNC_EVERY_NS:
            self._resync_ns = now_ns
            if store.lag().queued_bytes < RESYNC_BELOW_BYTES:
                self._books.read(lambda books: store.resync(map(books.image, books.keys())))

    def use_store(self, store: Store | None) -> None:
        self._store = store

    def finish(self, state: str, text: str = "") -> None:
        """The source came to an end, or failed."""
        with self._lock:
            self.state, self.state_text = state, text

    # -- the publication's thread -------------------------------------------------------------

    def hello(self) -> Hello:
        return Hello(VERSION, self.feed_id, self.started_ns, self.instruments())

    def instruments(self) -> list[InstrumentName]:
        """Those that there were records of, by symbol."""
        with self._lock:
            if len(self.tops) != len(self._names):
                names = [InstrumentName(*key, self._symbol(key)) for key in self.tops]
                self._names = sorted(names, key=lambda name: (name.symbol, name.publisher_id))
            return self._names

    def _symbol(self, key: BookKey) -> str:
        """Without a name, the instrument's number stands for it."""
        name = self.session.symbol(key) if self.session else None
        return name or str(key.instrument_id)

    def take_changed(self) -> set[BookKey]:
        gap_count = self.session.gap_count if self.session else 0
        with self._lock:
            changed, self._changed = self._changed, set()
            if gap_count != self._told_gaps:
                # Every book has another state now, also those that get no records.
                self._told_gaps = gap_count
                changed.update(self.tops)
        return changed

    def book_state(self, key: BookKey, update_id: int) -> BookState | None:
        try:
            head, (bids, asks) = self._books.read(
                lambda books: (books.head(key), books.levels(key, PUBLISHED_LEVELS))
            )
        except KeyError:
            return None
        with self._lock:
            tape = self._tape.book(key)
            trades, sums, record_count = tape.messages(), tape.sums(), self.record_count
        status = self.session.status(key) if self.session else _UNKNOWN
        return BookState(
            *key,
            update_id,
            record_count,
            head.ts_recv,
            head.ts_event,
            head.sequence,
            str(status.state),
            status.cold_start,
            bool(bids and asks and bids[0].price >= asks[0].price),
            bids,
            asks,
            trades,
            sums,
        )

    def told_state(self) -> tuple[str, str]:
        """The feed's state and what there is to say of it. Any thread may ask."""
        outage = self.session.outage if self.session else ""
        if outage and self.state == FEED_LIVE:
            return FEED_AWAITED, f"The sender is away: {outage.rstrip('.')}."
        return self.state, self.state_text

    def stats(self) -> FeedStats:
        now_ns = self._clock_ns()
        state, state_text = self.told_state()
        anomalies = {str(name): count for name, count in self._books.counters().items() if count}
        with self._lock:
            return FeedStats(
                state,
                state_text,
                now_ns,
                self.started_ns,
                self.record_count,
                self._rate.at(now_ns),
                self.batch_count,
                len(self.tops),
                len(self._crossed),
                self.session.gap_count if self.session else 0,
                self.restart_count,
                anomalies,
                self._latencies.recent(now_ns),
                self._latencies.overall.stats(),
                self._storage(),
            )

    def _storage(self) -> StorageStats | None:
        if self._store is None:
            return None
        lag = self._store.lag()
        return StorageStats(
            lag.queued_records, lag.queued_bytes, float(lag.behind_s), lag.dropped_records
        )


class _Rate:
    """Records a second over the last ``RATE_WINDOW_NS``, in tenths of it."""

    def __init__(self) -> None:
        self._slices: dict[int, int] = {}

    def add(self, now_ns: int, count: int) -> None:
        place = now_ns // (RATE_WINDOW_NS // 10)
        self._slices[place] = self._slices.get(place, 0) + count
        if len(self._slices) > 12:
            self._slices = {at: n for at, n in self._slices.items() if at > place - 11}

    def at(self, now_ns: int) -> int:
        """Whole slices only: the one under way has just begun."""
        place = now_ns // (RATE_WINDOW_NS // 10)
        total = sum(n for at, n in self._slices.items() if place - 11 < at < place)
        return total * 10**9 // RATE_WINDOW_NS


def _tops(books: Books) -> list[Top]:
    return take_tops(books, TOP_DEPTH)
