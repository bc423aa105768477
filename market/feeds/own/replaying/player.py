"""Plays a plan at the venue: steps become commands, answers are compared with what was recorded.

Commands travel in batches. A batch ends with an order of an aggressor, so that what the engine
filled is known before anything else is sent; where it is not what was recorded, the makers are put
right at once, so that the book goes on as recorded. What others took of a maker, it has lost: later
cancels and amends of it find nothing, which is counted and does no harm.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from market.feeds.own.replaying.participants import Desk, SentOrder
from market.feeds.own.replaying.planner import Planner, Row
from market.feeds.own.replaying.report import Difference, Report
from market.feeds.own.replaying.steps import (
    Aggress,
    Amend,
    Cancel,
    CancelSide,
    Cause,
    Collect,
    Fill,
    Key,
    Place,
    Step,
    Uncross,
)
from market.feeds.own.replaying.trades import merged
from orderbook.core.commands import CancelOrder, Command, SetPhase
from orderbook.core.events import (
    AmendRejected,
    CancelRejected,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderRejected,
    Trade,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.units import InstrumentStatus
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway.protocol import Answer, PublishedBatch

BATCH_COMMANDS = 200
RETRY_S = 0.25
MAX_OUTAGE_S = 60.0
"""An engine that cannot be reached for longer ends the replay."""
FEED_WAIT_S = 10.0
"""Longest wait, at the end, for what the feed has to tell of others' trades."""

Pace = Callable[[int], float]
"""Seconds from now until an event of this ts_recv is due; 0 or less: at once."""
_DUPLICATE = RejectReason.DUPLICATE_CLIENT_ORDER_ID
_GONE = (RejectReason.UNKNOWN_ORDER, RejectReason.QUANTITY_BELOW_FILLED)


class Submitter(Protocol):
    async def submit_many(self, commands: Sequence[Command]) -> list[Answer]: ...


class Player:
    """Also a listener of the feed, from which it hears what others trade with its orders."""

    def __init__(self, gateway: Submitter, desk: Desk, planner: Planner, report: Report) -> None:
        self._gateway = gateway
        self._desk = desk
        self._planner = planner
        self._report = report
        self._batch: list[tuple[Command, Step | None]] = []
        self._resynced: set[Key] = set()
        self._lost: set[Key] = set()
        """Orders that are not as recorded because of somebody else's."""
        self._told: dict[str, tuple[int, list[Event]]] = {}
        """What the feed says of the orders that are under way, by client order id."""
        self._unanswered: list[tuple[int, int]] = []
        """Others' trades (order id, size) with orders whose answers are on their way."""
        self._open: list[tuple[int, Difference]] = []
        """Differences that are judged once the feed has come to their sequence."""
        self._heard = 0
        self.stopping = asyncio.Event()
        self.records_done = 0
        self._ts_recv = 0

    async def play(self, events: Iterable[list[Row]], pace: Pace) -> None:
        """``events``: the rows of each. Until they end or ``stopping`` is set; no more is planned
        than is played. Raises EngineUnavailable or OutcomeUnknown where the engine is away."""
        for rows in events:
            ts_recv = rows[-1][6]
            if pace(ts_recv) > 0:
                await self._send()
                await self._wait(ts_recv, pace)
            if self.stopping.is_set():
                break
            event = self._planner.plan(rows)
            self._ts_recv = ts_recv
            for step in event.steps:
                self._queue(step)
                if isinstance(step, Aggress | Uncross):
                    await self._send()
            if len(self._batch) >= BATCH_COMMANDS:
                await self._send()
            self.records_done = event.record_count
        while self._batch:
            await self._send()
        await self._judge_the_rest()

    # -- the feed -----------------------------------------------------------------------------

    def on_batch(self, batch: PublishedBatch) -> None:
        desk = self._desk
        for sequence, _, events in batch.entries:
            for event in events:
                if type(event) is OrderAccepted and desk.is_ours(event.account_id):
                    self._told[event.client_order_id] = (sequence, events)
                if type(event) is Trade and event.symbol == desk.symbol:
                    maker_is_ours = desk.is_ours(event.maker_account_id)
                    if maker_is_ours and not desk.is_ours(event.taker_account_id):
                        self._lose(event.maker_order_id, event.quantity_lots)
        self._heard = batch.last_sequence

    def on_gap(self) -> None:
        self._report.counts["feed_gaps"] += 1

    def _lose(self, order_id: int, lots: int) -> None:
        key = self._desk.key_of.get(order_id)
        if key is None:
            self._unanswered.append((order_id, lots))
            return
        self._lost.add(key)
        self._report.counts["size_taken_by_others"] += lots
        order = self._desk.orders.get(key)
        if order is not None:
            order.lost += lots

    # -- sending ------------------------------------------------------------------------------

    def _queue(self, step: Step) -> None:
        desk = self._desk
        command: Command | None
        match step:
            case Place():
                command = desk.place(step)
            case Amend():
                command = desk.amend(step)
            case Cancel():
                command = desk.cancel(step.key)
            case CancelSide():
                command = desk.cancel_side(step.side)
            case Aggress():
                command = desk.aggress(step)
            case Collect():
                command = SetPhase(desk.symbol, InstrumentStatus.PRE_OPEN)
            case Uncross():
                command = SetPhase(desk.symbol, InstrumentStatus.TRADING)
        self._report.sent[type(step).__name__.lower()] += command is not None
        if command is None:
            self._report.counts["already_filled"] += 1
        else:
            self._batch.append((command, step))

    async def _send(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        answers = await self._submit([command for command, _ in batch])
        for (command, step), answer in zip(batch, answers, strict=True):
            if isinstance(step, Aggress | Uncross):
                self._note_unanswered()
            if isinstance(step, Aggress):
                self._settle_trade(step, answer)
            elif isinstance(step, Uncross):
                self._settle_auction(step, answer)
            else:
                self._note(command, answer)
        self._note_unanswered()
        self._judge(self._heard)

    def _note_unanswered(self) -> None:
        """Every order has an id by now; one that still is not known is none of this replay's."""
        unanswered, self._unanswered = self._unanswered, []
        for order_id, lots in unanswered:
            if order_id in self._desk.key_of:
                self._lose(order_id, lots)

    async def _submit(self, commands: list[Command]) -> list[Answer]:
        """The answers. What may have been executed without one is sent again: client order ids
        keep an order from being placed twice, and the feed has told what became of it."""
        since = time.monotonic()
        self._told.clear()
        while True:
            try:
                answers = await self._gateway.submit_many(commands)
            except (EngineUnavailable, OutcomeUnknown):
                if time.monotonic() - since > MAX_OUTAGE_S or self.stopping.is_set():
                    raise
                self._report.counts["retries"] += 1
                await asyncio.sleep(RETRY_S)
                continue
            return [self._as_executed(answer) for answer in answers]

    def _as_executed(self, answer: Answer) -> Answer:
        first = answer.events[0] if answer.events else None
        if not isinstance(first, OrderRejected) or first.reason is not _DUPLICATE:
            return answer
        sequence, events = self._told.get(first.client_order_id, (answer.sequence, answer.events))
        return Answer(answer.command_id, sequence, answer.time_ns, events)

    async def _wait(self, ts_recv: int, pace: Pace) -> None:
        while (left_s := pace(ts_recv)) > 0 and not self.stopping.is_set():
            try:
                await asyncio.wait_for(self.stopping.wait(), left_s)
            except TimeoutError:
                continue

    # -- answers ------------------------------------------------------------------------------

    def _note(self, command: Command, answer: Answer) -> None:
        """What came of an order that was to rest, or of a change of one."""
        report = self._report
        for event in answer.events:
            match event:
                case OrderAccepted():
                    self._desk.learn(event.client_order_id, event.order_id)
                case Trade():
                    self._note_trade(event)
                case AmendRejected() | CancelRejected() if event.reason in _GONE:
                    report.counts["already_filled"] += 1
                    if event.reason is RejectReason.QUANTITY_BELOW_FILLED:
                        assert not isinstance(command, CancelOrder)
                        cancel = CancelOrder(event.account_id, 0, event.client_order_id)
                        self._batch.append((cancel, None))
                case OrderRejected() | AmendRejected() | CancelRejected() | CommandRejected():
                    report.refused[event.reason.value] += 1

    def _note_trade(self, trade: Trade) -> None:
        """An order that was to rest has traded: with somebody else's, or because the recording's
        book was crossed within an event."""
        ours = self._desk.is_ours(trade.maker_account_id)
        self._report.counts["trades_on_arrival" if ours else "trades_with_others"] += 1
        for order_id in (trade.maker_order_id, trade.taker_order_id):
            key = self._desk.key_of.get(order_id)
            order = self._desk.orders.get(key) if key is not None else None
            if key is not None and order is not None:
                self._lost.add(key)
                order.lost += trade.quantity_lots

    def _settle_trade(self, step: Aggress, answer: Answer) -> None:
        trades = [event for event in answer.events if isinstance(event, Trade)]
        if answer.events and isinstance(answer.events[0], OrderRejected):
            self._report.refused[answer.events[0].reason.value] += 1
        fills = merged(
            [
                Fill(self._desk.key_of.get(one.maker_order_id), self._desk.price(one.price_ticks),
                     one.quantity_lots)
                for one in trades
            ]
        )  # fmt: skip
        engine = tuple(fills)
        if self._report.compare(step.fills, engine):
            for fill in engine:
                self._fill(fill)
            return
        cause = self._cause(step, engine)
        difference = Difference(cause, self._ts_recv, step.fills, engine)
        self._open.append((answer.sequence, difference))
        self._put_right(_by_key(step.fills), _by_key(engine))

    def _settle_auction(self, step: Uncross, answer: Answer) -> None:
        filled: dict[Key, int] = {}
        others = 0
        for event in answer.events:
            if not isinstance(event, Trade):
                continue
            for order_id in (event.maker_order_id, event.taker_order_id):
                key = self._desk.key_of.get(order_id)
                if key is None:
                    others += event.quantity_lots
                else:
                    filled[key] = filled.get(key, 0) + event.quantity_lots
        both = {key: min(size, filled.get(key, 0)) for key, size in step.fills.items()}
        if step.fills or filled:
            self._report.auctions.append(
                {
                    "orders": len(step.fills),
                    "equal_orders": sum(filled.get(k) == size for k, size in step.fills.items()),
                    "size": sum(step.fills.values()),
                    "engine_size": sum(filled.values()) + others,
                    "equal_size": sum(both.values()),
                }
            )
        self._put_right(step.fills, filled)

    # -- putting right ------------------------------------------------------------------------

    def _fill(self, fill: Fill) -> None:
        if fill.key is None:
            return
        order = self._desk.orders.get(fill.key)
        if order is not None:
            order.filled += fill.size
            if order.left <= 0:
                del self._desk.orders[fill.key]

    def _put_right(self, recorded: dict[Key, int], engine: dict[Key, int]) -> None:
        """Takes away what should have been filled, and gives as much back to those who were filled
        in their stead; what is the doing of others stays as it is."""
        spare = 0
        for key, size in engine.items():
            if (order := self._desk.orders.get(key)) is not None:
                order.filled += size
        for key, size in recorded.items():
            missing = size - engine.get(key, 0)
            order = self._desk.orders.get(key)
            if missing <= 0 or order is None:
                continue
            taken = min(missing, max(0, order.left))
            spare += taken
            if taken < missing:
                self._lost.add(key)
            if taken:
                self._correct(key, order, -missing)
        for key, size in engine.items():
            order = self._desk.orders.get(key)
            more = min(size - recorded.get(key, 0), spare)
            if order is None:
                continue
            if more > 0:
                spare -= more
                self._correct(key, order, more)
            elif order.left <= 0:
                del self._desk.orders[key]

    def _correct(self, key: Key, order: SentOrder, more: int) -> None:
        self._resynced.add(key)
        self._report.counts["corrections"] += 1
        command: Command
        if more > 0 and order.left <= 0:
            command = self._desk.place_again(key, order, more)
        else:
            command = self._desk.correct(order, more)
        if isinstance(command, CancelOrder):
            del self._desk.orders[key]
        self._batch.append((command, None))

    # -- causes -------------------------------------------------------------------------------

    def _cause(self, step: Aggress, engine: tuple[Fill, ...]) -> Cause:
        keys = {fill.key for fill in (*step.fills, *engine) if fill.key is not None}
        if any(fill.key is None for fill in engine):
            return Cause.OWN_ORDERS
        if Counter(step.fills) == Counter(engine):
            return Cause.FILL_ORDER
        if step.is_cold:
            return Cause.COLD_START
        if keys & self._planner.refreshed:
            return Cause.ICEBERG_REFRESH
        if keys & self._resynced:
            return Cause.RESYNCED
        if keys & self._planner.from_snapshot:
            return Cause.SNAPSHOT_QUEUE
        return Cause.UNEXPLAINED

    def _judge(self, heard: int) -> None:
        waiting = []
        for sequence, difference in self._open:
            if sequence > heard:
                waiting.append((sequence, difference))
                continue
            self._report.differ(self._with_others(difference))
        self._open = waiting

    def _with_others(self, difference: Difference) -> Difference:
        """Where others' orders are the cause they are named, and the makers that were filled more
        or less than recorded because of them are from then on no longer as recorded, either."""
        both = {fill.key for fill in (*difference.recorded, *difference.engine)}
        if difference.cause is not Cause.OWN_ORDERS and not both & self._lost:
            return difference
        recorded, engine = _by_key(difference.recorded), _by_key(difference.engine)
        self._lost |= {
            key for key in recorded.keys() | engine.keys() if recorded.get(key) != engine.get(key)
        }
        return difference._replace(cause=Cause.OWN_ORDERS)

    async def _judge_the_rest(self) -> None:
        deadline = time.monotonic() + FEED_WAIT_S
        while self._open and self._open[-1][0] > self._heard and time.monotonic() < deadline:
            await asyncio.sleep(RETRY_S / 10)
            self._judge(self._heard)
        if self._open:
            self._judge(self._open[-1][0])


def _by_key(fills: tuple[Fill, ...]) -> dict[Key, int]:
    sizes: dict[Key, int] = {}
    for fill in fills:
        if fill.key is not None:
            sizes[fill.key] = sizes.get(fill.key, 0) + fill.size
    return sizes
