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
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import InterfaceError, OperationalError

from orderbook import metrics, speedups
from orderbook.core.commands import OpenEpoch
from orderbook.core.events import OrderAccepted, Trade
from orderbook.core.units import MAX_TIME_NS
from orderbook.gateway.protocol import REFUSALS, Answer, Envelope, encode
from orderbook.journal import Entry
from orderbook.worker.applying import Applying, Now, Work
from orderbook.worker.dropped_log import DroppedLog
from orderbook.worker.journal_writer import STALE_LEADER_S, JournalWriter
from orderbook.worker.publisher import Publisher
from orderbook.worker.recovery import Replica, check_tables, table_ends
from orderbook.worker.snapshots import SnapshotKeeper

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
CLOCK_WARNING_NS = 10**9
"""How far the wall clock may be behind the journal's time without a warning."""


class EngineWorker:
    """``run`` returns only by an exception; cancelling it is the way to stop."""

    def __init__(self, when_recovered: Callable[[], None] = lambda: None) -> None:
        """``when_recovered``: called once, level with the journal and before it may lead."""
        self._when_recovered = when_recovered
        self._layer = get_channel_layer("engine")
        self._journal = JournalWriter()
        self._replica = Replica()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_INBOX_MESSAGES)
        self._to_commit: asyncio.Queue[Work] = asyncio.Queue(1)
        self._to_release: asyncio.Queue[Work] = asyncio.Queue(8)
        self._sequence = 0
        self._put_off: tuple[str, list[Envelope]] | None = None
        """What the last batch left to the next one."""
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
                    "leading epoch %d from sequence %d; core: %s",
                    self._journal.epoch,
                    self._sequence,
                    speedups.state,
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
        self._elapsed_from_ns = replica.elapsed_ns - time.monotonic_ns()
        time_ns = self._now().journal_ns
        command = OpenEpoch(epoch)
        events = replica.engine.apply(command, time_ns)
        sequence = replica.sequence + 1
        entry = Entry(b"", command, events)
        await self._on_journal(self._journal.append, sequence, sequence, time_ns, [entry])
        self._sequence = sequence
        self._snapshots = SnapshotKeeper(sequence)
        self._publisher = Publisher(replica.sequence)
        answer = Answer(b"", sequence, time_ns, events)
        self._publisher.add(sequence, time_ns, [encode([answer])], [])

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
            message = None if self._put_off is not None else await self._next_message()
            work = self._apply(message)
            await self._to_commit.join()
            self._to_commit.put_nowait(work)

    async def _next_message(self) -> dict[str, Any] | None:
        """None where a timer of the engine is due before one comes."""
        due_ns = self._replica.engine.next_due_ns
        wait_s = None if due_ns == MAX_TIME_NS else max(0, due_ns - time.time_ns()) / 1e9
        try:
            async with asyncio.timeout(None if wait_s is None else min(wait_s, MAX_TIMER_WAIT_S)):
                return await self._inbox.get()
        except TimeoutError:
            return None

    def _apply(self, message: dict[str, Any] | None) -> Work:
        """Applies ``message`` and whatever else has arrived, up to a batch's limit."""
        batch = Applying(self._replica, self._dropped, self._sequence, self._now())
        if self._put_off is not None:
            batch.resume(self._put_off)
        elif message is not None:
            batch.take(message)
        while (
            batch.put_off is None
            and len(batch.entries) < MAX_COMMIT_COMMANDS
            and not self._inbox.empty()
        ):
            batch.take(self._inbox.get_nowait())
        self._put_off = batch.put_off
        work = batch.finish(self._snapshots)
        self._sequence = work.last_sequence
        metrics.ENGINE_QUEUE_DEPTH.set(len(work.entries) + self._inbox.qsize())
        return work

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
                    work.executed,
                    work.depth,
                )
                _count(work)

    async def _watch_lock_forever(self) -> None:
        while True:
            await asyncio.sleep(LOCK_CHECK_S)
            await self._on_journal(self._journal.check_connection)

    def _now(self) -> Now:
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
        return Now(wall_ns, max(wall_ns, reached_ns), elapsed_ns)


def _count(work: Work) -> None:
    """Once a batch: counting each command by itself took a twelfth of the engine's time."""
    metrics.COMMANDS.inc(len(work.entries))
    metrics.ENGINE_COMMAND_SECONDS.observe(time.perf_counter() - work.taken_at)
    orders: Counter[str] = Counter()
    trades: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    event: Any
    for entry in work.entries:
        for event in entry.events:
            # Exact types: most events are none of these, and isinstance asks a class for each.
            kind = type(event)
            if kind is OrderAccepted:
                orders[event.symbol] += 1
            elif kind is Trade:
                trades[event.symbol] += 1
            elif kind in REFUSALS:
                rejects[event.reason.value] += 1
    for metric, counts in (
        (metrics.ORDERS, orders),
        (metrics.TRADES, trades),
        (metrics.REJECTS, rejects),
    ):
        for label, count in counts.items():
            metric.labels(label).inc(count)
