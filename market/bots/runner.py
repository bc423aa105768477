"""Runs strategies against the venue: the same gateway as every other participant, no short cuts.

A bot believes only the feed. After each order it waits until the feed has brought what came of it,
so that it never acts on what it does not know yet. Whenever it may have missed something (a gap, an
unanswered command) it cancels all of its orders in the symbol and begins anew.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable
from typing import Protocol

from market.bots.strategy import Action, Cancel, MarketMaker, NoiseTaker, OpenOrder
from orderbook.core.commands import CancelAllOrders, CancelOrder, Command, PlaceOrder
from orderbook.core.events import (
    BalanceChanged,
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    Trade,
)
from orderbook.core.units import TimeInForce
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway.feed import Feed
from orderbook.gateway.protocol import Answer, PublishedBatch

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 20.0
REACH_TIMEOUT_S = 3.0
"""Longest wait for the feed to bring what the engine has answered."""
JITTER_PERCENT = 50
REJECTED_PAUSE_S = 2.0
"""Rest after a rejected order: a halt or an empty purse does not pass at once."""


class Submitter(Protocol):
    """What a bot needs of the gateway."""

    def submit(self, command: Command) -> Awaitable[Answer]: ...


class FeedBehind(Exception):
    """The feed did not bring an answered command in time."""


class Participant(Protocol):
    """A strategy that the floor informs."""

    account_id: int
    symbol: str

    def see(self, event: Event) -> None:
        """An event about the account in the symbol, or a balance of the account."""

    def see_trade(self, price_ticks: int) -> None:
        """Anyone's trade in the symbol."""

    def turn(self) -> list[Action]: ...

    def forget(self) -> None:
        """What it knows about its open orders is void: they have all been canceled."""


class Maker:
    """Tells a MarketMaker what happens to its orders."""

    def __init__(self, account_id: int, symbol: str, strategy: MarketMaker) -> None:
        self.account_id = account_id
        self.symbol = symbol
        self.strategy = strategy
        self._remaining: dict[int, int] = {}

    def see(self, event: Event) -> None:
        match event:
            case OrderAccepted() if event.time_in_force is TimeInForce.GTC:
                order = OpenOrder(event.order_id, event.side, event.price_ticks)
                self.strategy.orders[event.order_id] = order
                self._remaining[event.order_id] = event.quantity_lots
            case OrderCanceled():
                self._drop(event.order_id)
            case Trade():
                if event.maker_account_id == self.account_id:
                    self._filled(event.maker_order_id, event.quantity_lots)
                if event.taker_account_id == self.account_id:
                    self._filled(event.taker_order_id, event.quantity_lots)
            case BalanceChanged():
                self.strategy.purse.set(event.asset, event.available_minor)

    def see_trade(self, price_ticks: int) -> None:
        """The maker sets its own price."""

    def turn(self) -> list[Action]:
        return self.strategy.turn()

    def forget(self) -> None:
        self.strategy.orders.clear()
        self._remaining.clear()

    def _filled(self, order_id: int, quantity_lots: int) -> None:
        order = self.strategy.orders.get(order_id)
        if order is None:
            return
        self.strategy.filled(order.side)
        self._remaining[order_id] -= quantity_lots
        if self._remaining[order_id] <= 0:
            self._drop(order_id)

    def _drop(self, order_id: int) -> None:
        self.strategy.orders.pop(order_id, None)
        self._remaining.pop(order_id, None)


class Taker:
    """Tells a NoiseTaker what it got and where the market is."""

    def __init__(self, account_id: int, symbol: str, strategy: NoiseTaker) -> None:
        self.account_id = account_id
        self.symbol = symbol
        self.strategy = strategy

    def see(self, event: Event) -> None:
        match event:
            case Trade() if event.taker_account_id == self.account_id:
                self.strategy.filled(event.taker_side, event.quantity_lots)
            case BalanceChanged():
                self.strategy.purse.set(event.asset, event.available_minor)

    def see_trade(self, price_ticks: int) -> None:
        self.strategy.last_ticks = price_ticks

    def turn(self) -> list[Action]:
        return self.strategy.turn()

    def forget(self) -> None:
        """Its orders never rest."""


class BotFloor:
    """The feed's one listener for all bots of the process: hands each what concerns it."""

    def __init__(self) -> None:
        self.sequence = 0
        self.gaps = 0
        """Counts gaps; a bot that has seen another count begins anew."""
        self._participants: list[Participant] = []
        self._moved = asyncio.Event()

    def add(self, participant: Participant) -> None:
        self._participants.append(participant)

    def on_batch(self, batch: PublishedBatch) -> None:
        for _, _, events in batch.entries:
            for event in events:
                self._hand_out(event)
        self.sequence = batch.last_sequence
        self._moved.set()
        self._moved = asyncio.Event()

    def on_gap(self) -> None:
        self.gaps += 1

    async def reach(self, sequence: int) -> None:
        """Waits until the feed has brought ``sequence``. Raises FeedBehind."""
        try:
            async with asyncio.timeout(REACH_TIMEOUT_S):
                while self.sequence < sequence:
                    await self._moved.wait()
        except TimeoutError as error:
            raise FeedBehind from error

    def _hand_out(self, event: Event) -> None:
        match event:
            case Trade():
                parties = {event.maker_account_id, event.taker_account_id}
                for participant in self._participants:
                    if participant.symbol != event.symbol:
                        continue
                    participant.see_trade(event.price_ticks)
                    if participant.account_id in parties:
                        participant.see(event)
            case OrderAccepted() | OrderCanceled():
                for participant in self._participants:
                    if (participant.account_id, participant.symbol) == (
                        event.account_id,
                        event.symbol,
                    ):
                        participant.see(event)
            case BalanceChanged():
                for participant in self._participants:
                    if participant.account_id == event.account_id:
                        participant.see(event)


class Bot:
    """One participant in one symbol, taking ``turns_per_s`` turns a second on average."""

    def __init__(
        self,
        gateway: Submitter,
        floor: BotFloor,
        participant: Participant,
        *,
        turns_per_s: float,
        seed: int,
    ) -> None:
        self._gateway = gateway
        self._floor = floor
        self._participant = participant
        self._pause_ms = max(1, int(1_000 / turns_per_s))
        self._chance = random.Random(seed)
        self._synced_gaps = -1

    async def run(self) -> None:
        """Until it is canceled."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._pause()
                await self._take_turn()
                backoff_s = FIRST_BACKOFF_S
            except Exception as error:
                self._synced_gaps = -1
                known = isinstance(error, EngineUnavailable | OutcomeUnknown | FeedBehind)
                logger.log(
                    logging.INFO if known else logging.ERROR,
                    "bot %s in %s pauses for %.1f s: %r",
                    self._participant.account_id,
                    self._participant.symbol,
                    backoff_s,
                    error,
                    exc_info=not known,
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)

    async def _pause(self) -> None:
        percent = 100 + self._chance.randint(-JITTER_PERCENT, JITTER_PERCENT)
        await asyncio.sleep(self._pause_ms * percent / 100_000)

    async def _take_turn(self) -> None:
        if self._synced_gaps != self._floor.gaps:
            await self._begin_anew()
            return
        for action in self._participant.turn():
            answer = await self._gateway.submit(self._command(action))
            await self._floor.reach(answer.sequence)
            if answer.events and isinstance(answer.events[0], OrderRejected):
                await asyncio.sleep(REJECTED_PAUSE_S)
                return

    async def _begin_anew(self) -> None:
        gaps = self._floor.gaps
        me = self._participant
        answer = await self._gateway.submit(CancelAllOrders(me.account_id, me.symbol))
        await self._floor.reach(answer.sequence)
        me.forget()
        self._synced_gaps = gaps

    def _command(self, action: Action) -> Command:
        me = self._participant
        if isinstance(action, Cancel):
            return CancelOrder(me.account_id, action.order_id)
        return PlaceOrder(
            me.account_id,
            me.symbol,
            action.side,
            action.type,
            action.time_in_force,
            action.price_ticks,
            action.quantity_lots,
        )


async def run_bots(feed: Feed, floor: BotFloor, bots: list[Bot]) -> None:
    """All bots until canceled."""
    feed.subscribe(floor)
    try:
        async with asyncio.TaskGroup() as group:
            for bot in bots:
                group.create_task(bot.run())
    finally:
        feed.unsubscribe(floor)
