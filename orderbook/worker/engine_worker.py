"""The engine's process: one writer that owns every book and balance.

A pipeline of four tasks. *Intake* takes messages off the queue. *Applying* turns all that has
arrived into events. *Committing* appends them to the journal as one row. *Releasing* sends the
answers and the events. While one batch commits the next is applied, so memory is at most one batch
ahead of the journal. Any failure of a commit ends the worker: it never carries on, the next start
recovers from the journal.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import InterfaceError, OperationalError

from orderbook import metrics
from orderbook.core.commands import AdvanceTime, OpenEpoch
from orderbook.core.events import OrderAccepted, Trade
from orderbook.core.rejects import RejectReason
from orderbook.core.units import MAX_TIME_NS
from orderbook.gateway.protocol import (
    MAX_DEADLINE_NS,
    Answer,
    DepthUpdate,
    Envelope,
    Level,
    decode_envelopes,
    decode_query,
    encode,
    is_refusal,
    refusal,
)
from orderbook.journal import Entry
from orderbook.worker.dropped_log import DroppedLog
from orderbook.worker.journal_writer import STALE_LEADER_S, JournalWriter
from orderbook.worker.publisher import Publisher, Replies
from orderbook.worker.queries import answer_query
from orderbook.worker.recovery import Replica, check_tables, table_ends
from orderbook.worker.repeats import surely_not_executed
from orderbook.worker.snapshots import Packing, SnapshotKeeper

logger = logging.getLogger(__name__)

MAX_INBOX_MESSAGES = 256
"""Queue messages held in memory; what exceeds them waits in the queue."""
MAX_COMMIT_COMMANDS = 2_000
"""Commands after which a batch takes no further message."""
STANDBY_POLL_S = 0.1
LOCK_CHECK_S = 1.0
"""How often a leader without orders speaks to the database: see STALE_LEADER_S."""
RECONNECT_S = 0.2
DATABASE_RETRY_S = 1.0
MAX_TIMER_WAIT_S = 1.0
"""How long an idle engine waits before it looks at the clock again: the clock may be set."""
_ADVANCE_TIME = AdvanceTime()
CLOCK_WARNING_NS = 10**9
"""How far the wall clock may be behind the journal's time without a warning."""


class _Work(NamedTuple):
    """One batch on its way through the pipeline."""

    first_sequence: int
    last_sequence: int
    time_ns: int
    taken_at: float
    entries: list[Entry]
    replies: Replies
    depth: list[DepthUpdate]
    state: Packing | None


class _Now(NamedTuple):
    """One moment on three clocks."""

    wall_ns: int
    """What deadlines are compared with. May jump either way."""
    journal_ns: int
    """Never goes back. After a moment's wrong time ahead it stands still until the wall clock has
    come up to it, which may take long; orders must not wait for that."""
    elapsed_ns: int
    """Time that really passed: how long answers are remembered."""


class EngineWorker:
    """``run`` returns only by an exception; cancelling it is the way to stop."""

    def __init__(self, when_recovered: Callable[[], None] = lambda: None) -> None:
        """``when_recovered``: called once, level with the journal and before it may lead."""
        self._when_recovered = when_recovered
        self._layer = get_channel_layer("engine")
        self._journal = JournalWriter()
        self._replica = Replica()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_INBOX_MESSAGES)
        self._to_commit: asyncio.Queue[_Work] = asyncio.Queue(1)
        self._to_release: asyncio.Queue[_Work] = asyncio.Queue(8)
        self._sequence = 0
        self._elapsed_from_ns = 0
        self._clock_is_behind = False
        self._snapshots = SnapshotKeeper(0)
        self._publisher = Publisher(0)
        self._dropped = DroppedLog()
        self.leading = asyncio.Event()
        """Set once this engine leads and takes commands."""
        self.standing_by = False

    async def run(self) -> None:
        try:
            await self._follow_until_leader()
            await self._open_epoch()
            async with asyncio.TaskGroup() as tasks:
                for step in (
                    self._publisher.run,
                    self._release_forever,
                    self._commit_forever,
                    self._apply_forever,
                    self._intake_forever,
                    self._watch_lock_forever,
                ):
                    tasks.create_task(step(), name=f"engine{step.__name__}")
                metrics.ENGINE_LEADER.set(1)
                self.leading.set()
                logger.info(
                    "leading epoch %d from sequence %d", self._journal.epoch, self._sequence
                )
        finally:
            metrics.ENGINE_LEADER.set(0)
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self._journal.close)
            await self._snapshots.close()

    # -- becoming leader ----------------------------------------------------------------------

    async def _on_journal(self, function: Any, *args: object) -> Any:
        return await asyncio.wrap_future(self._journal.submit(function, *args))

    async def _follow_until_leader(self) -> None:
        """A warm standby until the lock is free; what the last leader wrote is then applied."""
        try:
            # Without the lock: who has it must be heard of all the time (end_stale_leader).
            await self._on_journal(self._replica.recover)
            self._when_recovered()
            while not await self._on_journal(self._journal.try_lock):
                await self._stand_by()
            await self._on_journal(self._replica.follow)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the journal's database cannot be reached: %s", error)
            await asyncio.sleep(DATABASE_RETRY_S)
            raise

    async def _stand_by(self) -> None:
        if not self.standing_by:
            self.standing_by = True
            logger.info("standing by: another engine leads")
        await self._on_journal(self._replica.follow)
        if await self._on_journal(self._journal.end_stale_leader):
            logger.warning(
                "the leader was silent for %.0f s: its session was ended", STALE_LEADER_S
            )
        else:
            await asyncio.sleep(STANDBY_POLL_S)

    async def _open_epoch(self) -> None:
        """The first row of a leader, which fences off whoever led before."""
        replica = self._replica
        check_tables(replica.sequence, await self._on_journal(table_ends))
        epoch = await self._on_journal(
            self._journal.open_epoch, replica.checksum, replica.engine.epoch
        )
        self._elapsed_from_ns = replica.engine.time_ns - time.monotonic_ns()
        time_ns = self._now().journal_ns
        command = OpenEpoch(epoch)
        events = replica.engine.apply(command, time_ns)
        sequence = replica.sequence + 1
        entry = Entry(b"", command, events)
        await self._on_journal(self._journal.append, sequence, sequence, time_ns, [entry])
        self._sequence = sequence
        self._snapshots = SnapshotKeeper(sequence)
        self._publisher = Publisher(replica.sequence)
        self._publisher.add(sequence, time_ns, [(sequence, time_ns, events)], [])

    # -- pipeline -----------------------------------------------------------------------------

    async def _intake_forever(self) -> None:
        while True:
            try:
                message = await self._layer.receive(settings.ENGINE_QUEUE)
            except Exception as error:
                logger.warning("the queue cannot be read: %s", error)
                await asyncio.sleep(RECONNECT_S)
                continue
            await self._inbox.put(message)

    async def _apply_forever(self) -> None:
        while True:
            work = self._apply(await self._next_messages())
            await self._to_commit.join()
            self._to_commit.put_nowait(work)

    async def _next_messages(self) -> list[dict[str, Any]]:
        """The next message; none where a timer of the engine is due before one comes."""
        due_ns = self._replica.engine.next_due_ns
        wait_s = None if due_ns == MAX_TIME_NS else max(0, due_ns - time.time_ns()) / 1e9
        try:
            async with asyncio.timeout(None if wait_s is None else min(wait_s, MAX_TIMER_WAIT_S)):
                return [await self._inbox.get()]
        except TimeoutError:
            return []

    def _apply(self, messages: list[dict[str, Any]]) -> _Work:
        """Applies ``messages`` and whatever else has arrived, up to a batch's limit."""
        taken_at = time.perf_counter()
        now = self._now()
        entries: list[Entry] = []
        replies = Replies()
        self._dropped.start_batch()
        self._replica.answers.forget_before(now.elapsed_ns)
        self._advance_time(now, entries)
        for message in messages:
            try:
                self._apply_message(message, now, entries, replies)
            except msgspec.MsgspecError:
                self._dropped.unreadable(message)
            if len(entries) < MAX_COMMIT_COMMANDS and not self._inbox.empty():
                messages.append(self._inbox.get_nowait())
        first = self._sequence + 1
        self._sequence += len(entries)
        metrics.ENGINE_QUEUE_DEPTH.set(len(entries) + self._inbox.qsize())
        state = None
        if entries and self._snapshots.due(self._sequence):
            state = self._snapshots.pack(self._replica.engine)
        return _Work(
            first,
            self._sequence,
            now.journal_ns,
            taken_at,
            entries,
            replies,
            self._depth(),
            state,
        )

    def _apply_message(
        self, message: dict[str, Any], now: _Now, entries: list[Entry], replies: Replies
    ) -> None:
        reply_to = message["reply_to"]
        if message["type"] == "query":
            query = decode_query(message["query"])
            sequence = self._sequence + len(entries)
            result = answer_query(self._replica.engine, query, sequence, self._journal.epoch)
            replies.result(reply_to, message["id"], encode(result))
            return
        for envelope in decode_envelopes(message["batch"]):
            answer = self._execute(envelope, now, entries)
            if answer is not None:
                replies.answer(reply_to, answer)

    def _execute(self, envelope: Envelope, now: _Now, entries: list[Entry]) -> bytes | None:
        """The encoded answer; None where a late copy must go without one."""
        answers = self._replica.answers
        if (known := answers.get(envelope.command_id)) is not None:
            metrics.REPEATED_COMMANDS.inc()
            return known
        if now.wall_ns > envelope.deadline_ns:
            metrics.LATE_COMMANDS.inc()
            self._dropped.late(envelope, now.wall_ns)
            if not surely_not_executed(envelope.deadline_ns, now.wall_ns):
                return None
            return self._refuse(envelope, now, RejectReason.DEADLINE_PASSED)
        if envelope.deadline_ns - now.wall_ns > MAX_DEADLINE_NS:
            self._dropped.too_far(envelope, now.wall_ns)
            return self._refuse(envelope, now, RejectReason.DEADLINE_TOO_FAR)
        self._advance_time(now, entries)
        events = self._replica.engine.apply(envelope.command, now.journal_ns)
        entries.append(Entry(envelope.command_id, envelope.command, events))
        sequence = self._sequence + len(entries)
        encoded = encode(Answer(envelope.command_id, sequence, now.journal_ns, events))
        answers.remember(envelope.command_id, now.elapsed_ns, encoded)
        return encoded

    def _advance_time(self, now: _Now, entries: list[Entry]) -> None:
        """Fires what is due, in commands of the engine's own: they are in the journal, so that a
        replay fires the same timers at the same places."""
        engine = self._replica.engine
        while engine.next_due_ns <= now.journal_ns:
            entries.append(Entry(b"", _ADVANCE_TIME, engine.apply(_ADVANCE_TIME, now.journal_ns)))

    def _refuse(self, envelope: Envelope, now: _Now, reason: RejectReason) -> bytes:
        """Nothing was executed, so nothing is journaled. It is remembered, because a copy may come
        at a time at which it would be executed."""
        event = refusal(envelope.command, reason)
        encoded = encode(Answer(envelope.command_id, 0, now.journal_ns, [event]))
        self._replica.answers.remember(envelope.command_id, now.elapsed_ns, encoded)
        return encoded

    def _depth(self) -> list[DepthUpdate]:
        updates = []
        for symbol, book in self._replica.engine.books.items():
            if changes := book.drain_changes():
                first, last, levels = changes
                updates.append(DepthUpdate(symbol, first, last, [Level(*one) for one in levels]))
        return updates

    async def _commit_forever(self) -> None:
        while True:
            work = await self._to_commit.get()
            if work.entries:
                started = time.perf_counter()
                checksum = await self._on_journal(
                    self._journal.append,
                    work.first_sequence,
                    work.last_sequence,
                    work.time_ns,
                    work.entries,
                )
                metrics.JOURNAL_COMMIT_SECONDS.observe(time.perf_counter() - started)
                metrics.JOURNAL_BATCH_COMMANDS.observe(len(work.entries))
                metrics.ENGINE_SEQUENCE.set(work.last_sequence)
                if work.state is not None:
                    self._snapshots.store(work.last_sequence, work.time_ns, work.state, checksum)
            else:
                # Reads and refusals leave without a commit, and must not come from an engine that
                # was frozen and has been replaced.
                await self._on_journal(self._journal.check_connection)
            self._to_commit.task_done()
            await self._to_release.put(work)

    async def _release_forever(self) -> None:
        while True:
            work = await self._to_release.get()
            await work.replies.send()
            if work.entries:
                self._publisher.add(
                    work.last_sequence,
                    work.time_ns,
                    [
                        (sequence, work.time_ns, entry.events)
                        for sequence, entry in enumerate(work.entries, work.first_sequence)
                    ],
                    work.depth,
                )
                _count(work)

    async def _watch_lock_forever(self) -> None:
        while True:
            await asyncio.sleep(LOCK_CHECK_S)
            await self._on_journal(self._journal.check_connection)

    def _now(self) -> _Now:
        wall_ns, reached_ns = time.time_ns(), self._replica.engine.time_ns
        behind_ns = reached_ns - wall_ns
        if (behind_ns > CLOCK_WARNING_NS) != self._clock_is_behind:
            self._clock_is_behind = not self._clock_is_behind
            if self._clock_is_behind:
                logger.warning(
                    "the clock is %.1f s behind the journal, whose time stands still meanwhile",
                    behind_ns / 1e9,
                )
        elapsed_ns = self._elapsed_from_ns + time.monotonic_ns()
        return _Now(wall_ns, max(wall_ns, reached_ns), elapsed_ns)


def _count(work: _Work) -> None:
    """Once a batch: counting each command by itself took a twelfth of the engine's time."""
    metrics.COMMANDS.inc(len(work.entries))
    metrics.ENGINE_COMMAND_SECONDS.observe(time.perf_counter() - work.taken_at)
    orders: Counter[str] = Counter()
    trades: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    for entry in work.entries:
        for event in entry.events:
            if isinstance(event, OrderAccepted):
                orders[event.symbol] += 1
            elif isinstance(event, Trade):
                trades[event.symbol] += 1
            elif is_refusal(event):
                rejects[event.reason.value] += 1  # type: ignore[union-attr]
    for metric, counts in (
        (metrics.ORDERS, orders),
        (metrics.TRADES, trades),
        (metrics.REJECTS, rejects),
    ):
        for label, count in counts.items():
            metric.labels(label).inc(count)
