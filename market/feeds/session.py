"""Records from a sender or from files, applied to books: the one loop of every consumer.

Several files are taken one after the other, as a sender streams them: the second goes on with the
books of the first.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from market.feeds.books.contract import BookKey, Books
from market.feeds.dbn.files import BATCH_RECORDS
from market.feeds.dbn.records import Records
from market.feeds.errors import FeedError
from market.feeds.states import BookStatus, FeedState, StateTracker
from market.feeds.transport.client import FrameClient, Gap
from market.feeds.transport.frames import Kind
from market.feeds.transport.sources import FileSource

__all__ = ["Batch", "BookStatus", "FeedSession", "FeedState"]

DEFAULT_IDLE_S: Final = 0.05


class Batch(NamedTuple):
    """Records that the books have taken."""

    records: Records
    """Contiguous; valid until the callback returns."""
    first_record: int
    """Number of the first one in the stream."""
    send_ns: int
    """When the sender's schedule had them sent, in nanoseconds since the epoch; of files, when
    they were read."""
    receive_ns: int
    restarted: bool
    """The source has begun again: books were emptied before these."""
    after_gap: bool
    """Records before these were lost for good: ``first_record`` does not go on."""


class FeedSession:
    """Feeds ``books`` until the source ends, fails or ``stop`` is called.

    A client that shall survive the loss of frames is made with ``skip_gaps``; the states say which
    books may be wrong since. For one thread, but ``stop``.
    """

    def __init__(
        self,
        source: FrameClient | FileSource,
        books: Books,
        *,
        batch_records: int = BATCH_RECORDS,
        idle_s: float = DEFAULT_IDLE_S,
    ) -> None:
        """``batch_records`` bounds the batches of files; frames are batches as they come."""
        self.books = books
        self.record_count = 0
        """Taken so far, over all laps."""
        self.restart_count = 0
        self.gap_count = 0
        self.is_complete = False
        """The source has said that this was all."""
        self._source = source
        self._batch_records = batch_records
        self._idle_s = idle_s
        self._states = StateTracker()
        self._is_stopped = False
        self._restarted = self._after_gap = False

    @property
    def last_sequence(self) -> int:
        """Of the last frame; 0 for files."""
        return self._source.last_sequence if isinstance(self._source, FrameClient) else 0

    @property
    def outage(self) -> str:
        """Why the sender is not connected now; "" while it is, and for files. Any thread may
        ask."""
        return self._source.outage if isinstance(self._source, FrameClient) else ""

    def stop(self) -> None:
        """``run`` returns soon; may be called by a signal handler or another thread."""
        self._is_stopped = True

    def status(self, key: BookKey) -> BookStatus:
        """As of the last batch; INIT for a book that was not seen."""
        return self._states.status(key)

    def statuses(self) -> dict[BookKey, BookStatus]:
        return self._states.statuses()

    def symbol(self, key: BookKey) -> str | None:
        """As the source names the instrument; None where it does not, or is not connected yet."""
        if isinstance(self._source, FileSource):
            return self._source.symbols.get(key.instrument_id)
        hello = self._source.hello
        for publisher_id, instrument_id, name in hello.symbols if hello else ():
            if instrument_id == key.instrument_id and publisher_id in (0, key.publisher_id):
                return name
        return None

    def run(
        self, on_batch: Callable[[Batch], None], on_idle: Callable[[], None] | None = None
    ) -> None:
        """``on_idle`` is called when nothing came for ``idle_s``, and again after as long.

        Raises the source's FeedError after all whole records before it were taken; its message
        says how many these were, and ``is_complete`` stays False.
        """
        try:
            if isinstance(self._source, FileSource):
                self._run_files(self._source, on_batch)
            else:
                self._run_client(self._source, on_batch, on_idle)
        except FeedError as error:
            error.message = f"{error.message} Complete before it: {self.record_count} records."
            error.args = (error.message,)
            raise

    def _run_files(self, source: FileSource, on_batch: Callable[[Batch], None]) -> None:
        for file in source.files:
            for records in file.batches(self._batch_records):
                now_ns = time.time_ns()
                self._take(records, self.record_count, now_ns, now_ns, on_batch)
                if self._is_stopped:
                    return
        self.is_complete = True

    def _run_client(
        self,
        client: FrameClient,
        on_batch: Callable[[Batch], None],
        on_idle: Callable[[], None] | None,
    ) -> None:
        while not self._is_stopped:
            received = client.receive(self._idle_s)
            if received is None:
                if on_idle:
                    on_idle()
            elif isinstance(received, Gap):
                self._take_gap(received)
            elif received.kind is Kind.RECORDS:
                self._take(
                    received.records,
                    received.first_record,
                    received.send_ns,
                    time.time_ns(),
                    on_batch,
                )
            elif received.kind is Kind.RESTART:
                self._restart()
            elif received.kind is Kind.END:
                self.is_complete = True
                return

    def _take(
        self,
        records: Records,
        first_record: int,
        send_ns: int,
        receive_ns: int,
        on_batch: Callable[[Batch], None],
    ) -> None:
        self.books.apply(records)
        self._states.take(records)
        self.record_count += len(records)
        batch = Batch(records, first_record, send_ns, receive_ns, self._restarted, self._after_gap)
        self._restarted = self._after_gap = False
        on_batch(batch)

    def _restart(self) -> None:
        self.books.clear()
        self._states.restart()
        self.restart_count += 1
        self._restarted = True

    def _take_gap(self, gap: Gap) -> None:
        self._after_gap = True
        if gap.is_new_stream:
            self._restart()
        else:
            self._states.gap()
        self.gap_count += 1  # last: who sees it finds the states as they are now
