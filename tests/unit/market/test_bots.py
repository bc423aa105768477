"""Bots against a real engine: they keep a market, bear every failure, and never run hot."""

import asyncio
import random

import pytest

from market.bots import runner
from market.bots.runner import Bot, BotFloor, Maker, Taker, run_bots
from market.bots.strategy import (
    LEVELS,
    Cancel,
    MarketMaker,
    NoiseTaker,
    Place,
    Purse,
    ReferencePrice,
    lots_for,
)
from orderbook.core.commands import CancelAllOrders, PlaceOrder, SetPhase
from orderbook.core.events import BalanceChanged, OrderRejected, Trade
from orderbook.core.units import InstrumentStatus, OrderType, Side, TimeInForce
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from tests.unit.market.builders import SYMBOL, FakeFeed, eventually, instrument
from tests.unit.market.venue import MAKER, STRANGER, TAKER, EngineGateway

START = 6_500_000


class Market:
    """A maker and a taker in one symbol, turned by hand or run as tasks."""

    def __init__(self, seed: int = 1) -> None:
        self.feed = FakeFeed()
        self.gateway = EngineGateway(self.feed)
        self.gateway.prepare(MAKER, TAKER, STRANGER)
        self.floor = BotFloor()
        self.feed.subscribe(self.floor)
        rules = instrument()
        self.maker = Maker(
            MAKER, SYMBOL, MarketMaker(rules, start_ticks=START, anchor_ticks=START, seed=seed)
        )
        self.taker = Taker(TAKER, SYMBOL, NoiseTaker(rules, last_ticks=START, seed=seed))
        self.floor.add(self.maker)
        self.floor.add(self.taker)
        self.bots = [self.bot(self.maker), self.bot(self.taker)]

    def bot(self, participant: Maker | Taker) -> Bot:
        return Bot(self.gateway, self.floor, participant, turns_per_s=1_000, seed=1)

    async def turns(self, count: int) -> None:
        for _ in range(count):
            for bot in self.bots:
                await bot._take_turn()

    def open_ids(self) -> set[int]:
        return set(self.gateway.engine.accounts[MAKER].orders)

    def trades(self) -> list[Trade]:
        return [event for event in self.gateway.events if isinstance(event, Trade)]


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "REJECTED_PAUSE_S", 0)


@pytest.mark.parametrize("seed", range(5))
async def test_the_maker_keeps_both_sides_full_and_uncrossed(seed):
    market = Market(seed)
    await market.turns(200)
    orders = market.maker.strategy.orders.values()
    bids = [order.price_ticks for order in orders if order.side is Side.BUY]
    asks = [order.price_ticks for order in orders if order.side is Side.SELL]
    assert LEVELS - 3 <= len(bids) <= LEVELS + 1
    assert LEVELS - 3 <= len(asks) <= LEVELS + 1
    assert max(bids) < min(asks)
    assert len(market.trades()) > 50
    parties = {(trade.maker_account_id, trade.taker_account_id) for trade in market.trades()}
    assert parties == {(MAKER, TAKER)}, "the maker does not trade with itself"


async def test_the_maker_knows_its_open_orders_exactly():
    market = Market()
    await market.turns(300)
    assert set(market.maker.strategy.orders) == market.open_ids()


async def test_few_orders_are_refused():
    market = Market()
    await market.turns(300)
    refused = [event for event in market.gateway.events if isinstance(event, OrderRejected)]
    placed = [command for command in market.gateway.commands if isinstance(command, PlaceOrder)]
    assert len(refused) < len(placed) // 20


async def test_after_a_gap_a_bot_cancels_everything_and_begins_anew():
    market = Market()
    await market.turns(50)
    before = market.open_ids()
    market.feed.lose()
    await market.bots[0]._take_turn()
    assert market.gateway.commands[-1] == CancelAllOrders(MAKER, SYMBOL)
    assert market.open_ids() == set()
    await market.turns(20)
    assert market.open_ids()
    assert not market.open_ids() & before


async def test_a_restarted_bot_cancels_what_its_forerunner_left():
    market = Market()
    await market.turns(50)
    left = market.open_ids()
    market.maker.forget()
    market.bots[0] = market.bot(market.maker)
    await market.turns(50)
    assert left
    assert not market.open_ids() & left
    assert set(market.maker.strategy.orders) == market.open_ids()


@pytest.mark.parametrize("error", [EngineUnavailable(), OutcomeUnknown(), RuntimeError("bug")])
async def test_a_failure_is_survived_and_followed_by_a_new_beginning(error, monkeypatch):
    monkeypatch.setattr(runner, "FIRST_BACKOFF_S", 0.001)
    market = Market()
    await market.turns(10)
    market.gateway.failures = [error, error]
    count = len(market.gateway.commands)
    task = asyncio.create_task(market.bots[0].run())
    await eventually(lambda: len(market.gateway.commands) > count + 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert market.gateway.commands[count] == CancelAllOrders(MAKER, SYMBOL)


async def test_a_bot_that_hears_nothing_back_does_not_go_on(monkeypatch):
    monkeypatch.setattr(runner, "REACH_TIMEOUT_S", 0.01)
    market = Market()
    await market.turns(10)
    market.gateway.silent = True
    count = len(market.gateway.commands)
    market.maker.strategy.orders.clear()  # so that it has something to do
    with pytest.raises(runner.FeedBehind):
        await market.bots[0]._take_turn()
    assert len(market.gateway.commands) == count + 1


async def test_failures_are_not_repeated_without_a_pause(monkeypatch):
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("asyncio.sleep", noted)
    market = Market()
    market.gateway.failures = [EngineUnavailable() for _ in range(8)]
    task = asyncio.create_task(market.bots[0].run())
    while market.gateway.failures:
        await sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    backoffs = [seconds for seconds in pauses if seconds >= runner.FIRST_BACKOFF_S]
    assert backoffs[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]


async def test_bots_stop_when_they_are_canceled():
    market = Market()
    market.feed.unsubscribe(market.floor)
    task = asyncio.create_task(run_bots(market.feed, market.floor, market.bots))  # type: ignore[arg-type]
    await eventually(lambda: len(market.trades()) > 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert market.feed.listeners == []


async def test_a_halted_market_is_not_flooded(monkeypatch):
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(runner, "REJECTED_PAUSE_S", 77.0)
    monkeypatch.setattr("asyncio.sleep", noted)
    market = Market()
    await market.turns(1)
    market.gateway.submit_blocking(SetPhase(SYMBOL, InstrumentStatus.HALTED))
    count = len(market.gateway.commands)
    await market.bots[0]._take_turn()
    assert len(market.gateway.commands) == count + 1
    assert pauses == [77.0]


# -- strategy --------------------------------------------------------------------------------------


def test_the_reference_price_stays_near_its_anchor_and_above_zero():
    price = ReferencePrice(random.Random(3), 3_000, 3_000)
    seen = set()
    for _ in range(20_000):
        price.drift()
        seen.add(price.ticks)
    assert 2_700 < min(seen) < max(seen) < 3_300
    assert len(seen) > 10
    small = ReferencePrice(random.Random(3), 1, 1)
    for _ in range(1_000):
        small.push(-500_000)
    assert small.ticks == 1


def test_a_price_far_from_the_anchor_comes_back_slowly():
    price = ReferencePrice(random.Random(3), 4_000, 3_000)
    price.drift()
    assert price.ticks > 3_990
    for _ in range(20_000):
        price.drift()
    assert price.ticks < 3_300


def test_the_same_seed_gives_the_same_market():
    def actions(seed: int) -> list[list[Place | Cancel]]:
        maker = MarketMaker(instrument(), start_ticks=START, anchor_ticks=START, seed=seed)
        return [maker.turn() for _ in range(50)]

    assert actions(4) == actions(4)
    assert actions(4) != actions(5)


def test_quotes_that_have_become_too_good_are_canceled_first():
    from market.bots.strategy import OpenOrder

    maker = MarketMaker(instrument(), start_ticks=START, anchor_ticks=START, seed=1)
    maker.orders = {
        1: OpenOrder(1, Side.SELL, START - 5_000),
        2: OpenOrder(2, Side.BUY, START + 9_000),
        3: OpenOrder(3, Side.BUY, START - 3_000),
    }
    assert maker.turn() == [Cancel(2), Cancel(1)]


def test_an_empty_purse_places_no_quotes():
    maker = MarketMaker(instrument(), start_ticks=START, anchor_ticks=START, seed=1)
    maker.purse.set("USDT", 0)
    actions = [action for _ in range(20) for action in maker.turn()]
    assert {action.side for action in actions if isinstance(action, Place)} == {Side.SELL}
    maker.purse.set("BTC", 0)
    assert maker.turn() == []


def test_a_purse_that_is_not_known_is_assumed_to_suffice():
    purse = Purse(instrument())
    assert purse.covers(Side.BUY, 100, 1)
    purse.set("USDT", 999)
    assert not purse.covers(Side.BUY, 100, 1)
    purse.set("USDT", 1_000)
    assert purse.covers(Side.BUY, 100, 1)


def test_a_taker_without_money_sells_and_without_anything_rests():
    taker = NoiseTaker(instrument(), last_ticks=START, seed=1)
    taker.purse.set("USDT", 0)
    assert {action.side for _ in range(30) for action in taker.turn()} == {Side.SELL}
    taker.purse.set("BTC", 0)
    assert taker.turn() == []


def test_a_taker_leans_against_its_position():
    taker = NoiseTaker(instrument(), last_ticks=START, seed=1)
    taker.filled(Side.BUY, 10**9)
    sides = [action.side for _ in range(400) for action in taker.turn()]
    assert sides.count(Side.SELL) > 2 * sides.count(Side.BUY)


def test_the_takers_orders_are_market_or_immediate_and_worth_the_minimum():
    taker = NoiseTaker(instrument(), last_ticks=START, seed=1)
    actions = [action for _ in range(300) for action in taker.turn()]
    assert {action.type for action in actions} == {OrderType.MARKET, OrderType.LIMIT}
    assert {action.time_in_force for action in actions} == {TimeInForce.IOC}
    assert all(action.quantity_lots * START * 10 >= 5 * 10**8 for action in actions)


def test_lots_are_rounded_up_to_the_notional_and_kept_below_the_maximum():
    rules = instrument(max_quantity_lots=50)
    assert lots_for(rules, 100, 1_001) == 2
    assert lots_for(rules, 100, 1_000) == 1
    assert lots_for(rules, 100, 10**9) == 50


def test_the_floor_hands_events_only_to_those_they_are_about():
    floor = BotFloor()
    taker = Taker(TAKER, SYMBOL, NoiseTaker(instrument(), last_ticks=START, seed=1))
    floor.add(taker)
    floor._hand_out(BalanceChanged(MAKER, "USDT", 0, 0))
    assert taker.strategy.purse.covers(Side.BUY, 100, 1)
    floor._hand_out(BalanceChanged(TAKER, "USDT", 0, 0))
    assert not taker.strategy.purse.covers(Side.BUY, 100, 1)
