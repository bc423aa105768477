"""From a feed's records to rows: what the storing process does, without the process.

Records are collected into segments; when one is cut, everything else is derived from it at once,
since numpy's cost is per call. A batch of segments is one transaction.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from itertools import pairwise

import numpy as np

from market.feeds.books.contract import BookImage, BookKey, Books, top_dtype
from market.feeds.dbn.records import MBO_DTYPE, Records
from market.feeds.models import MAX_FEED_SYMBOL_LENGTH, Feed, FeedInstrument, StorageGap
from market.feeds.storage import tables
from market.feeds.storage.attempts import Attempt, once
from market.feeds.storage.codec import (
    Clock,
    bbo_rows,
    checksum,
    clock_of,
    pack,
    pack_image,
)
from market.feeds.storage.deriving import Bars, BookRows, row_id, trades_of
from market.feeds.storage.exactness import Exactness, packed, packed_keys, unpacked
from market.feeds.storage.partitions import DAY_NS, Partitions, day_of
from market.feeds.storage.plan import StoragePlan
from market.feeds.storage.rebuilding import rebuild
from market.feeds.storage.recovery import endless_gaps, open_bars, saved_at, stored_run
from market.feeds.storage.tables import Batch, RunState


class Recorder:
    """Stores one feed. Not safe for use by several threads."""

    def __init__(
        self,
        feed: Feed,
        symbols: Mapping[int, str],
        new_books: Callable[[], Books],
        plan: StoragePlan,
        attempt: Attempt = once,
    ) -> None:
        """``attempt`` calls what needs the database while records are taken, and may do so again
        and again until it succeeds: taking cannot be repeated."""
        self._feed = feed
        self._attempt = attempt
        self._symbols = symbols
        self._plan = plan
        self._new_books = new_books
        self._books = new_books()
        self._rows = BookRows()
        self._bars = Bars()
        self._exactness = Exactness()
        self._partitions = Partitions()
        self._batch = Batch()
        self._endless: list[StorageGap] = []
        """Losses of which it is not known when they ended: the next record says so."""
        self._is_in_doubt = False
        """Whether a transaction of the batch was begun, and its end was not reported."""
        self._run: RunState | None = None
        self._clock = 0
        self._seen: set[BookKey] = set()
        self._unsaved: set[BookKey] = set()
        """Books that changed since their last snapshot."""
        self._since_round = 0
        self._round_after = self._first_round
        """So many records after the last round comes the next."""
        self._round_at = time.monotonic()
        self._is_round_wanted = False
        self._buffer = np.empty(plan.segment_records, MBO_DTYPE)
        self._tops = np.empty(plan.segment_records, top_dtype(1))
        self._count = 0
        self._position = 0
        """Of the buffer's first record."""
        self._opened_at = time.monotonic()
        self._rows.learn(
            {
                packed(BookKey(row.publisher_id, row.instrument_id)): row.pk
                for row in FeedInstrument.objects.filter(feed=feed)
            }
        )

    @property
    def _first_round(self) -> int:
        return min(self._plan.first_snapshot_records, self._plan.snapshot_records)

    @property
    def next_position(self) -> int:
        return self._position + self._count

    @property
    def uncommitted(self) -> int:
        """Records taken and not stored."""
        return self._count + self._batch.record_count

    def resume(self, run_number: int) -> None:
        """Goes on where the stored data of a run ends, with the books as they were there."""
        row = stored_run(self._feed, run_number)
        if row is None:
            return
        self._exactness = rebuild(self._books, row, row.next_position)
        self._run = RunState(*(getattr(row, name) for name in RunState.__struct_fields__))
        self._position, self._clock = row.next_position, row.end_ns
        self._seen = set(self._books.keys())
        self._unsaved = self._seen - saved_at(row, row.next_position)
        self._endless = endless_gaps(row)
        self._books.changed()
        for instrument, second, bar in open_bars(row, self._books, self._rows.known):
            self._bars.put(instrument, second, bar)

    # -- what comes in ------------------------------------------------------------------------

    def take(self, run: int, position: int, records: Records) -> None:
        """Records of a run. What is stored already, or taken, is passed over."""
        self._enter(run, position)
        known = self.next_position - position
        if known > 0:
            records = records[known:]
        elif known < 0:
            self.lose(run, self.next_position, -known, StorageGap.Reason.FAILURE)
        while len(records):
            if not self._count:
                self._opened_at = time.monotonic()
            room = len(self._buffer) - self._count
            part = records[:room]
            self._buffer[self._count : self._count + len(part)] = part
            self._count += len(part)
            records = records[room:]
            if self._count == len(self._buffer):
                self.cut()

    def lose(
        self, run: int, position: int, count: int, reason: str, span: tuple[int, int] = (0, 0)
    ) -> None:
        """``count`` records are missing from ``position`` on. ``span``: the time of the first and
        the latest of them, 0 where that is not known."""
        self._enter(run, position)
        if position < self.next_position or self._run is None:
            return
        self.cut()
        start_ns = max(self._clock, span[0])
        gap = StorageGap(
            feed=self._feed,
            run=run,
            position=position,
            record_count=count,
            start_ns=start_ns,
            end_ns=max(start_ns, span[1]),
            reason=reason,
        )
        self._batch.gaps.append(gap)
        self._endless += [] if span[1] else [gap]
        self._exactness.lose()
        self._position = position + count
        self._run.lost_count += count
        self._run.next_position = self._position
        self._batch.runs[run] = self._run

    def replace(self, images: list[BookImage]) -> None:
        """Books as they are now, known from elsewhere."""
        self.cut()
        if self._run is None:
            return
        for image in images:
            self._books.load(image)
            self._exactness.trust(image.key)
            self._seen.add(image.key)
        self._learn({packed(image.key) for image in images})
        self._is_round_wanted = True

    def _enter(self, run: int, position: int) -> None:
        if self._run is not None and run == self._run.number:
            return
        self.cut()
        if self._run is not None:
            # Fewer records than that are replayed in a moment, and laps of a short file are many.
            if self._since_round >= self._first_round:
                self.finish()
            self._batch.add_bars(self._bars.drain(self._run.number))
            self._bars.forget()
            # Cleared books would remember the best prices that they told last, and not tell them
            # again.
            self._books = self._new_books()
        self._seen, self._unsaved = set(), set()
        self._endless = []
        self._exactness.restore()
        self._run = RunState(run, position, position, 0, 0)
        self._position, self._clock = position, 0
        self._since_round, self._round_at = 0, time.monotonic()
        self._round_after = self._first_round
        self._is_round_wanted = False

    # -- segments -----------------------------------------------------------------------------

    def cut(self) -> None:
        """Ends the segment that is being collected; it is cut where a day ends, too."""
        if not self._count:
            return
        records = self._buffer[: self._count]
        clock = clock_of(records, self._clock)
        if not clock[0] and clock[-1]:
            # A run that begins without a time begins with the first one: before, it tells nothing.
            first = int(np.flatnonzero(clock)[0])
            clock[:first] = clock[first]
        days = clock // np.uint64(DAY_NS)
        edges = [0, *(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), len(records)]
        for start, end in pairwise(edges):
            self._segment(records[start:end], clock[start:end])
        self._count = 0

    def _segment(self, records: Records, clock: Clock) -> None:
        run = self._run
        assert run is not None
        start_ns, end_ns = int(clock[0]), int(clock[-1])
        self._end_gaps(start_ns)
        if self._is_round_wanted or (
            run.record_count and start_ns // DAY_NS != self._clock // DAY_NS
        ):
            self._round(start_ns, self._seen)
        elif self._is_round_due():
            self._round(start_ns, self._unsaved)
        position, first_id = self._position, row_id(self._feed.number, self._position)
        changed = self._apply(records, clock, first_id, run.number, day_of(start_ns))
        payload = pack(records)
        self._batch.records.append(
            (
                first_id,
                self._feed.pk,
                run.number,
                position,
                len(records),
                start_ns,
                end_ns,
                payload,
                checksum(first_id, len(records), payload),
            )
        )
        counts = self._batch.day(day_of(start_ns))
        counts.record_count += len(records)
        counts.record_bytes += len(payload)
        self._seen |= changed
        self._unsaved |= changed
        self._since_round += len(records)
        self._position += len(records)
        self._clock = run.end_ns = end_ns
        run.start_ns = run.start_ns or start_ns
        run.record_count += len(records)
        run.next_position = self._position
        self._batch.runs[run.number] = run

    def _end_gaps(self, end_ns: int) -> None:
        for gap in self._endless:
            gap.end_ns = max(gap.start_ns, end_ns)
            self._batch.gap_ends[gap.position] = gap.end_ns
        self._endless = []

    def _apply(
        self, records: Records, clock: Clock, first_id: int, run: int, day: date
    ) -> set[BookKey]:
        """Books, best prices, trades and bars; returns the books that changed."""
        count = self._books.apply_with_top(records, 1, self._tops)
        changed = set(self._books.changed())
        self._learn({packed(key) for key in changed})
        tops = self._tops[:count]
        exact = self._exactness.exact_rows(records, packed_keys(tops), tops["record"])
        rows = bbo_rows(tops if exact is None else tops[exact], clock)
        trades = trades_of(records, clock, first_id, run, self._rows)
        self._bars.add(self._rows.of(packed_keys(rows)), rows, trades)
        counts = self._batch.day(day)
        counts.trade_count += len(trades)
        if len(trades):
            self._batch.trades.append(trades)
        if len(rows):
            payload = pack(rows)
            counts.bbo_count += len(rows)
            counts.bbo_bytes += len(payload)
            self._batch.bbo.append(
                (
                    first_id,
                    self._feed.pk,
                    run,
                    self._position,
                    len(rows),
                    int(rows["ts_recv"][0]),
                    int(rows["ts_recv"][-1]),
                    payload,
                    checksum(first_id, len(rows), payload),
                )
            )
        return changed

    def _learn(self, books: set[int]) -> None:
        """Makes rows for books that have none."""
        new = books - self._rows.known.keys()
        if not new:
            return
        ids = {}
        for book in sorted(new):
            publisher_id, instrument_id = unpacked(book)
            symbol = self._symbols.get(instrument_id) or str(instrument_id)
            row_of = partial(
                FeedInstrument.objects.get_or_create,
                feed=self._feed,
                publisher_id=publisher_id,
                instrument_id=instrument_id,
                defaults={"symbol": symbol[:MAX_FEED_SYMBOL_LENGTH]},
            )
            row, _ = self._attempt(row_of)
            ids[book] = row.pk
        self._rows.learn(ids)

    # -- full books ---------------------------------------------------------------------------

    def _is_round_due(self) -> bool:
        if not self._unsaved:
            return False
        waited = time.monotonic() - self._round_at
        return self._since_round >= self._round_after or waited >= self._plan.snapshot_s

    def finish(self) -> None:
        """Nothing of the run follows: with the next transaction, all books that changed since
        their last snapshot are stored."""
        self.cut()
        if self._run is None:
            return
        keys = self._seen if self._is_round_wanted else self._unsaved
        if keys:
            self._round(self._clock, keys)
            self._batch.runs[self._run.number] = self._run

    def _round(self, at_ns: int, keys: set[BookKey]) -> None:
        """Stores these books as they are before the next record; those that are not exact wait."""
        run = self._run
        assert run is not None
        counts = self._batch.day(day_of(at_ns))
        position_id = row_id(self._feed.number, self._position)
        for key in sorted(keys):
            if not self._exactness.is_exact(key):
                continue
            image = self._books.image(key)
            instrument = self._rows.known[packed(key)]
            payload, orders = pack_image(image), len(image.bids) + len(image.asks)
            self._batch.snapshots.append(
                (
                    uuid.UUID(int=instrument << 64 | position_id),
                    self._feed.pk,
                    instrument,
                    run.number,
                    self._position,
                    at_ns,
                    orders,
                    payload,
                    checksum(position_id, orders, payload),
                )
            )
            counts.snapshot_count += 1
            counts.snapshot_bytes += len(payload)
            self._unsaved.discard(key)
        self._since_round, self._round_at = 0, time.monotonic()
        self._round_after = min(2 * self._round_after, self._plan.snapshot_records)
        self._is_round_wanted = False

    # -- transactions -------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether what was taken should be stored now."""
        if not self.uncommitted and not self._batch.runs:
            return False
        waited = time.monotonic() - self._opened_at
        return waited >= self._plan.commit_s or self.uncommitted >= self._plan.commit_records

    def commit(self) -> int:
        """Stores everything that was taken; returns the position after it. Raises Django's
        DatabaseError, and can then be called again."""
        self.cut()
        run = self._run
        if run is None or not self._batch.runs:
            return self.next_position
        self._batch.add_bars(self._bars.drain(run.number))
        if not self._is_in_doubt or not tables.is_written(self._feed.pk, self._batch):
            self._is_in_doubt = True
            tables.write(self._feed.pk, self._batch, datetime.now(UTC), self._partitions)
        self._is_in_doubt = False
        self._batch = Batch()
        self._opened_at = time.monotonic()
        return self.next_position
