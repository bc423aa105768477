"""A seeded flow of every kind of order in a narrow market, so that stops set off one another."""

import random

from msgspec.structs import replace

from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    CancelAllOrders,
    CancelOrder,
    Command,
    Deposit,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetPhase,
)
from orderbook.core.engine import Engine
from orderbook.core.events import Event
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    InstrumentStatus,
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.unit.core.venue import ALICE, BOB, CAROL, SETUP, SYMBOL, instrument

_STOPS = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT_MARKET,
    OrderType.TAKE_PROFIT_LIMIT,
)
_LIMITS = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
_RESTING = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)


class SpecialFlow:
    """Draws commands for an engine that executes them; time goes on with each."""

    def __init__(self, seed: int, funds_minor: int) -> None:
        """``funds_minor``: what each account has of each asset; 50,000 is enough for few orders."""
        self._rng = random.Random(seed)
        self.time_ns = 0
        self.commands: list[tuple[Command, int]] = []
        self._setup: list[Command] = [
            replace(command, amount_minor=funds_minor) if isinstance(command, Deposit) else command
            for command in SETUP
        ]
        self._setup.append(instrument(maker_fee_ppm=20_000, taker_fee_ppm=30_000))

    def next(self, engine: Engine) -> tuple[Command, int]:
        """The next command and its time."""
        self.time_ns += 1
        command: Command
        if self._setup:
            command = self._setup.pop(0)
        elif engine.next_due_ns <= self.time_ns:
            command = AdvanceTime()
        else:
            command = self._draw(engine)
        self.commands.append((command, self.time_ns))
        return command, self.time_ns

    def step(self, engine: Engine) -> list[Event]:
        command, time_ns = self.next(engine)
        return engine.apply(command, time_ns)

    def _draw(self, engine: Engine) -> Command:
        rng = self._rng
        account_id = rng.choice((ALICE, BOB, CAROL))
        open_ids = list(engine.accounts[account_id].orders) or [0]
        draw = rng.random()
        if draw < 0.66:
            return self._order(account_id)
        if draw < 0.80:
            return self._list(account_id)
        if draw < 0.86:
            return CancelOrder(account_id, rng.choice(open_ids))
        if draw < 0.90:
            return AmendOrder(
                account_id,
                rng.choice(open_ids),
                "",
                rng.choice((0, 0, rng.randint(95, 105))),
                rng.choice((0, rng.randint(1, 20))),
                rng.choice((0, 0, rng.randint(95, 105))),
            )
        if draw < 0.93:
            return ReplaceOrder(rng.choice(open_ids), self._order(account_id))
        if draw < 0.97:
            return Batch(
                account_id,
                (
                    self._order(account_id),
                    CancelOrder(account_id, rng.choice(open_ids)),
                    self._order(account_id),
                ),
            )
        if draw < 0.98:
            return CancelAllOrders(account_id)
        status = rng.choice(list(InstrumentStatus) + [InstrumentStatus.TRADING] * 8)
        return SetPhase(SYMBOL, status)

    def _order(self, account_id: int) -> PlaceOrder:
        rng = self._rng
        type = rng.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, *OrderType))
        return self._of_type(account_id, type, rng.choice(list(Side)), rng.randint(1, 20))

    def _of_type(self, account_id: int, type: OrderType, side: Side, lots: int) -> PlaceOrder:
        rng = self._rng
        quote_minor = 0
        time_in_force = rng.choice(_RESTING)
        price_ticks = rng.randint(95, 105)
        if type is OrderType.MARKET:
            time_in_force = TimeInForce.IOC
            if rng.random() < 0.3:
                quote_minor, lots = rng.randint(1, 20_000), 0
        elif type is OrderType.LIMIT and rng.random() < 0.2:
            time_in_force = rng.choice((TimeInForce.IOC, TimeInForce.FOK))
        if type not in _LIMITS:
            price_ticks = rng.choice((0, 0, price_ticks))
        may_rest = type in _LIMITS and time_in_force in _RESTING
        options = OrderOptions(
            quote_minor=quote_minor,
            stop_ticks=rng.randint(95, 105) if type in _STOPS else 0,
            trail_ticks=rng.randint(1, 4) if type is OrderType.TRAILING_STOP else 0,
            display_lots=rng.choice((0, rng.randint(1, lots))) if may_rest else 0,
            post_only=rng.choice((*PostOnly, PostOnly.OFF)) if may_rest else PostOnly.OFF,
            self_trade=rng.choice((None, *SelfTradePrevention)),
            expire_time_ns=(
                self.time_ns + rng.randint(1, 60) if time_in_force is TimeInForce.GTD else 0
            ),
        )
        return PlaceOrder(
            account_id, SYMBOL, side, type, time_in_force, price_ticks, lots, "", options
        )

    def _list(self, account_id: int) -> PlaceOrderList:
        rng = self._rng
        side, lots = rng.choice(list(Side)), rng.randint(1, 20)
        stop = rng.choice((OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP))
        profit = rng.choice(
            (OrderType.LIMIT, OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
        )
        kind = rng.choice(list(OrderListKind))
        types = [profit, stop]
        exit_side = side
        orders: list[PlaceOrder] = []
        if kind is OrderListKind.BRACKET:
            entry = rng.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET))
            orders.append(self._of_type(account_id, entry, side, lots))
            exit_side = Side.SELL if side is Side.BUY else Side.BUY
        elif rng.random() < 0.5:
            types.reverse()
        orders += [self._of_type(account_id, type, exit_side, lots) for type in types]
        return PlaceOrderList(kind, tuple(orders))
