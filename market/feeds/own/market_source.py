"""A market of this venue as a live source: its book as it is now, then whatever happens to it.

Reads the journal and nothing else, so that it works beside an embedded venue as in full mode, and
nothing is streamed that is not durable.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping

from django.db import Error as DatabaseError
from django.db import connections

from market.feeds.dbn.records import Records
from market.feeds.errors import FeedError
from market.feeds.own.expression import DATASET, instrument_id
from market.feeds.own.journal_recorder import JournalRecorder
from orderbook.journal import JournalDamaged, last_sequence

logger = logging.getLogger(__name__)

POLL_S = 0.02
"""Between two looks at the journal's end."""
RETRY_S = 1.0
SNAPSHOT_EVERY_RECORDS = 400_000
"""After so many records the book is given anew, because senders keep no more than about a million:
whoever comes late finds an R among them."""
MAX_OUTAGE_S = 60.0
"""A journal that cannot be read for longer ends the stream."""


class UnknownMarket(FeedError):
    code = "unknown_market"


class MarketSource:
    """Satisfies ``market.feeds.transport.sources.Source``. ``batches`` may be read once."""

    def __init__(self, symbol: str) -> None:
        """Replays the journal from its newest snapshot. Raises UnknownMarket or NotExpressible, or
        FeedError where the journal cannot be read."""
        self._closed = threading.Event()
        self._since_snapshot = 0
        try:
            self._recorder = JournalRecorder(symbol, last_sequence())
            self._beginning = self._recorder.begin()
        except JournalDamaged as error:
            raise FeedError(str(error)) from error
        if not self._recorder.has_begun:
            raise UnknownMarket(f"This venue has no market {symbol}.")
        self.symbols: Mapping[int, str] = {instrument_id(symbol): symbol}
        self.dataset = DATASET
        self.is_live = True

    def batches(self, start_record: int = 0) -> Iterator[Records]:
        """First an R and the book, then the records of each row of the journal."""
        if start_record:
            raise ValueError("a live source begins with its first record")
        yield self._beginning
        failing_since: float | None = None
        try:
            while not self._closed.is_set():
                try:
                    yield from self._follow()
                    failing_since = None
                    pause_s = POLL_S
                except JournalDamaged as error:
                    raise FeedError(str(error)) from error
                except DatabaseError as error:
                    failing_since = self._note_outage(failing_since, error)
                    pause_s = RETRY_S
                self._closed.wait(pause_s)
        finally:
            connections.close_all()

    def _follow(self) -> Iterator[Records]:
        for records in self._recorder.follow():
            yield records
            self._since_snapshot += len(records)
            if self._since_snapshot >= SNAPSHOT_EVERY_RECORDS:
                self._since_snapshot = 0
                yield self._recorder.snapshot()

    def close(self) -> None:
        self._closed.set()

    def _note_outage(self, since: float | None, error: DatabaseError) -> float:
        now = time.monotonic()
        since = now if since is None else since
        if now - since > MAX_OUTAGE_S:
            raise FeedError("The journal cannot be read.") from error
        logger.warning("the journal cannot be read: %s", error)
        connections.close_all()
        return since
