"""Every kind of order through every phase, band, fee and bust, at random but from a seed.

Invariants hold after each command, no trade is outside the bands, and an engine restored anywhere
goes on as the original does.
"""

import random

import pytest

from orderbook.core import timekeeper, triggers, uncross
from orderbook.core.bands import both, within
from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    BustTrade,
    CancelOrder,
    Command,
    PlaceOrder,
    PlaceOrderList,
    SetFeeSchedule,
    SetPhase,
    SetReferencePrice,
    SetSchedule,
)
from orderbook.core.engine import Engine
from orderbook.core.events import Event, Trade
from orderbook.core.invariants import check
from orderbook.core.snapshot import restore, snapshot
from orderbook.core.terms import FeeTier, OrderOptions
from orderbook.core.units import (
    DAY_NS,
    InstrumentStatus,
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.unit.core.venue import SETUP, SYMBOL, instrument

T = TimeInForce
STOPS = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT_MARKET,
    OrderType.TAKE_PROFIT_LIMIT,
)
FEES = ((), (FeeTier(0, 500, 900), FeeTier(10**6, -300, 400)), (FeeTier(0, -100, 100),))
RULES: tuple[dict[str, int], ...] = (
    {},
    {"dynamic_band_ppm": 40_000, "pause_ns": DAY_NS // 50},
    {"dynamic_band_ppm": 30_000},
    {"static_band_ppm": 120_000, "dynamic_band_ppm": 60_000, "pause_ns": 1},
    {"static_band_ppm": 80_000, "maker_fee_ppm": 300, "taker_fee_ppm": 700},
)
SCHEDULES = (
    (),
    ((DAY_NS // 3, InstrumentStatus.OPENING_AUCTION), (DAY_NS // 2, InstrumentStatus.TRADING)),
    ((0, InstrumentStatus.CLOSED), (DAY_NS // 4, InstrumentStatus.TRADING)),
)


def _order(rng: random.Random, price_ticks: int) -> PlaceOrder:
    account_id, side = rng.choice((1, 2, 3)), rng.choice(tuple(Side))
    lots = rng.randint(1, 40)
    draw = rng.random()
    if draw < 0.5:
        tif = rng.choice((T.GTC, T.GTC, T.GTC, T.DAY, T.IOC, T.FOK))
        return PlaceOrder(account_id, SYMBOL, side, OrderType.LIMIT, tif, price_ticks, lots)
    if draw < 0.6:
        return PlaceOrder(account_id, SYMBOL, side, OrderType.MARKET, T.IOC, 0, lots)
    if draw < 0.8:
        options = OrderOptions(
            display_lots=rng.choice((0, max(1, lots // 4))),
            post_only=rng.choice(tuple(PostOnly)),
            self_trade=rng.choice((None, *SelfTradePrevention)),
        )
        return PlaceOrder(
            account_id, SYMBOL, side, OrderType.LIMIT, T.GTC, price_ticks, lots, "", options
        )
    if draw < 0.85:
        options = OrderOptions(trail_ticks=rng.randint(1, 6))
        kind = OrderType.TRAILING_STOP
        return PlaceOrder(account_id, SYMBOL, side, kind, T.GTC, 0, lots, "", options)
    kind = rng.choice(STOPS)
    limit_ticks = price_ticks if kind in (STOPS[1], STOPS[3]) else 0
    options = OrderOptions(stop_ticks=rng.randint(85, 115))
    tif = rng.choice((T.GTC, T.DAY))
    return PlaceOrder(account_id, SYMBOL, side, kind, tif, limit_ticks, lots, "", options)


def _list(rng: random.Random) -> PlaceOrderList:
    account_id, side, lots = rng.choice((1, 2, 3)), rng.choice(tuple(Side)), rng.randint(1, 20)
    other = Side.SELL if side is Side.BUY else Side.BUY
    away = 8 if side is Side.BUY else -8
    entry = PlaceOrder(account_id, SYMBOL, side, OrderType.LIMIT, T.GTC, 100, lots)
    profit = PlaceOrder(account_id, SYMBOL, other, OrderType.LIMIT, T.GTC, 100 + away, lots)
    stop = PlaceOrder(
        account_id, SYMBOL, other, OrderType.STOP_MARKET, rng.choice((T.GTC, T.DAY)), 0, lots, "",
        OrderOptions(stop_ticks=100 - away),
    )  # fmt: skip
    if rng.random() < 0.5:
        return PlaceOrderList(OrderListKind.OCO, (profit, stop))
    return PlaceOrderList(OrderListKind.BRACKET, (entry, profit, stop))


def _command(rng: random.Random, engine: Engine, made: list[Trade]) -> Command:
    draw = rng.random()
    if draw < 0.62:
        return _order(rng, rng.randint(90, 110))
    if draw < 0.68:
        return _list(rng)
    account_id = rng.choice((1, 2, 3))
    order_id = rng.choice(list(engine.accounts[account_id].orders) or [1])
    if draw < 0.80:
        return CancelOrder(account_id, order_id)
    if draw < 0.86:
        return AmendOrder(account_id, order_id, price_ticks=rng.choice((0, rng.randint(90, 110))),
                          quantity_lots=rng.randint(0, 40))  # fmt: skip
    if draw < 0.90 and made:
        return BustTrade(rng.choice(made[-20:]))
    return rng.choice(
        (
            SetPhase(SYMBOL, rng.choice(tuple(InstrumentStatus))),
            SetPhase(SYMBOL, InstrumentStatus.TRADING),
            SetPhase(SYMBOL, InstrumentStatus.TRADING),
            SetReferencePrice(SYMBOL, rng.randint(95, 105)),
            SetFeeSchedule(SYMBOL, rng.choice(FEES)),
            SetSchedule(SYMBOL, rng.choice(SCHEDULES)),
            instrument(**rng.choice(RULES)),
        )
    )


class Run:
    """One engine, what it was told and what it answered."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.steps: list[tuple[Command, int, list[Event]]] = []

    def do(self, command: Command, time_ns: int) -> list[Event]:
        bounds = {
            book.instrument.symbol: both(book.bands.static(book), book.bands.dynamic(book))
            for book in self.engine.books.values()
            if book.bands is not None
        }
        events = self.engine.apply(command, time_ns)
        check(self.engine)
        if isinstance(command, PlaceOrder) and SYMBOL in bounds:
            for event in events:
                if isinstance(event, Trade) and event.taker_order_id == events[0].order_id:  # type: ignore[union-attr]
                    assert within(bounds[SYMBOL], event.price_ticks)
        self.steps.append((command, time_ns, events))
        return events


def run(seed: int, count: int) -> Run:
    rng = random.Random(seed)
    whole, now = Run(), 0
    made: list[Trade] = []
    for command in SETUP:
        now += 1
        whole.do(command, now)
    while len(whole.steps) < count:
        now += rng.choice((1, 1, 10**9, DAY_NS // 200))
        while whole.engine.next_due_ns <= now:
            due_ns = max(whole.engine.next_due_ns, whole.engine.time_ns)
            made += [e for e in whole.do(AdvanceTime(), due_ns) if isinstance(e, Trade)]
        command = _command(rng, whole.engine, made)
        made += [e for e in whole.do(command, now) if isinstance(e, Trade)]
    return whole


@pytest.mark.parametrize("seed", range(6))
def test_every_rule_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncross, "MAX_FILLS", 3)
    monkeypatch.setattr(timekeeper, "MAX_TIMERS", 2)
    monkeypatch.setattr(triggers, "MAX_TRIGGERS", 2)
    whole = run(seed, 900)
    engine = Engine()
    for place, (command, time_ns, events) in enumerate(whole.steps):
        assert engine.apply(command, time_ns) == events
        if place % 37 == 0:
            engine = restore(snapshot(engine))
    assert snapshot(engine) == snapshot(whole.engine)
    assert sum(isinstance(e, Trade) for *_, events in whole.steps for e in events) > 50
