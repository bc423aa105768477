"""Orders and what their owners do with them, drawn at random."""

import random
from collections.abc import Callable
from typing import NamedTuple

from orderbook.core.commands import (
    AmendOrder,
    Batch,
    CancelAllOrders,
    CancelOrder,
    Command,
    Deposit,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    Withdraw,
)
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.simulation.loop import Clock

ACCOUNTS = (1, 2, 3, 4)
POOR_ACCOUNT = 3
ASSETS = ("BTC", "ETH", "USDT")
SYMBOL, OTHER_SYMBOL = "BTC-USDT", "ETH-USDT"
PRICES = (97, 103)
MIDDLE_TICKS = 100
_WAIT = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
_PROFITS = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
_MARKETS = (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)
_SELF_TRADE = (
    SelfTradePrevention.CANCEL_NEWEST,
    SelfTradePrevention.CANCEL_OLDEST,
    SelfTradePrevention.CANCEL_BOTH,
    SelfTradePrevention.DECREMENT,
)
_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class Placed(NamedTuple):
    """An order that later commands may refer to."""

    account_id: int
    client_order_id: str
    symbol: str
    side: Side


class Draw:
    """Draws commands, and remembers what later ones may refer to."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.follow_ups: list[tuple[int, Command]] = []
        """What is sent as the command of a number or soon after, in order."""
        self._at_ms = 0
        self._ids = 0
        self._placed: list[Placed] = []
        self._kinds: tuple[tuple[int, Callable[[], Command]], ...] = (
            (34, self._limit),
            (6, self._own_account),
            (4, self._iceberg),
            (4, self._post_only),
            (6, self._market),
            (2, self._market_by_amount),
            (10, self._stop),
            (3, self._costly_stop),
            (3, self._stops_together),
            (4, self._trailing),
            (4, self._oco),
            (5, self._bracket),
            (6, self._amend),
            (3, self._replace),
            (5, self._batch),
            (3, self._again),
            (12, self._cancel),
            (3, self._cancel_all),
            (1, self._deposit),
            (2, self._withdraw),
        )

    def begin(self, number: int, at_ms: int) -> None:
        """What is drawn next is sent at this time."""
        self.number, self._at_ms = number, at_ms

    def command(self) -> Command:
        weights, kinds = zip(*self._kinds, strict=True)
        return self.rng.choices(kinds, weights)[0]()

    def later(self, commands: list[Command]) -> None:
        """Has each of them sent a few commands after the one before."""
        number = max([self.number, *(one for one, _ in self.follow_ups)])
        for command in commands:
            number += self.rng.randint(1, 7)
            self.follow_ups.append((number, command))

    def symbol(self) -> str:
        return self.rng.choices((SYMBOL, OTHER_SYMBOL), (3, 2))[0]

    def time_ns(self, after_ms: int) -> int:
        """The time at which the command is sent, and so much later."""
        return Clock.EPOCH_NS + (self._at_ms + after_ms) * 10**6

    # -- parts of orders ----------------------------------------------------------------------

    def _order(
        self,
        type_: OrderType,
        time_in_force: TimeInForce,
        price_ticks: int,
        *,
        side: Side | None = None,
        lots: int = 0,
        account_id: int = 0,
        symbol: str = "",
        **options: object,
    ) -> PlaceOrder:
        """What is not given is drawn."""
        rng = self.rng
        if time_in_force is TimeInForce.GTD:
            options["expire_time_ns"] = self.time_ns(rng.randint(100, 3_000))
        self._ids += 1
        placed = Placed(
            account_id or rng.choices(ACCOUNTS, (3, 3, 1, 3))[0],
            f"c{self._ids}",
            symbol or self.symbol(),
            side or rng.choice((Side.BUY, Side.SELL)),
        )
        self._placed.append(placed)
        return PlaceOrder(
            placed.account_id,
            placed.symbol,
            placed.side,
            type_,
            time_in_force,
            price_ticks,
            lots or rng.randint(1, 30),
            placed.client_order_id,
            OrderOptions(**options) if options else None,  # type: ignore[arg-type]
        )

    def _price(self) -> int:
        return self.rng.randint(*PRICES)

    def _waits(self) -> TimeInForce:
        return self.rng.choices(_WAIT, (4, 1, 1))[0]

    def _waiting(self, types: tuple[OrderType, OrderType], side: Side, **more: object) -> Command:
        """A stop or take-profit order, its stop price where the last trade is likely to come."""
        rng = self.rng
        rises = (side is Side.BUY) == (types[0] in _STOPS)
        stop_ticks = MIDDLE_TICKS + rng.randint(1, 2) * (1 if rises else -1)
        type_ = rng.choice(types)
        price_ticks = stop_ticks + rng.randint(-1, 2) * (1 if side is Side.BUY else -1)
        if type_ in _MARKETS and rng.random() < 0.6:
            price_ticks = 0
        more["stop_ticks"] = stop_ticks
        return self._order(type_, self._waits(), price_ticks, side=side, **more)  # type: ignore

    # -- orders -------------------------------------------------------------------------------

    def _limit(self) -> PlaceOrder:
        times = (*_WAIT, TimeInForce.IOC, TimeInForce.FOK)
        return self._order(
            OrderType.LIMIT, self.rng.choices(times, (8, 1, 1, 1, 1))[0], self._price()
        )

    def _own_account(self) -> Command:
        """An order that must not trade with its own account."""
        rule = self.rng.choice(_SELF_TRADE)
        return self._order(OrderType.LIMIT, TimeInForce.GTC, self._price(), self_trade=rule)

    def _iceberg(self) -> Command:
        shown = self.rng.randint(1, 5)
        return self._order(OrderType.LIMIT, TimeInForce.GTC, self._price(), display_lots=shown)

    def _post_only(self) -> Command:
        rule = self.rng.choice((PostOnly.REJECT, PostOnly.REPRICE))
        return self._order(OrderType.LIMIT, TimeInForce.GTC, self._price(), post_only=rule)

    def _market(self) -> Command:
        """With a worst price or without."""
        price_ticks = self.rng.choice((0, 0, self._price()))
        time_in_force = self.rng.choice((TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK))
        return self._order(OrderType.MARKET, time_in_force, price_ticks)

    def _market_by_amount(self) -> Command:
        amount = self.rng.randint(500, 30_000)
        order = self._order(OrderType.MARKET, TimeInForce.IOC, 0, quote_minor=amount)
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        return PlaceOrder(**(fields | {"quantity_lots": 0}))

    def _stop(self) -> Command:
        """A limit type may be post-only; it is likely to trade all the same as it is set off."""
        rng = self.rng
        types, side = rng.choice((_STOPS, _PROFITS)), rng.choice((Side.BUY, Side.SELL))
        if rng.random() < 0.7:
            return self._waiting(types, side)
        rule = rng.choice((PostOnly.REJECT, PostOnly.REJECT, PostOnly.REPRICE))
        return self._waiting((types[1], types[1]), side, post_only=rule)

    def _costly_stop(self) -> Command:
        """Holds nothing, and is likely to cost more than its account has when it is set off."""
        return self._order(
            OrderType.STOP_MARKET,
            self._waits(),
            0,
            side=Side.BUY,
            account_id=POOR_ACCOUNT,
            stop_ticks=MIDDLE_TICKS + self.rng.randint(1, 2),
        )

    def _stops_together(self) -> Command:
        """Large ones that one trade sets off, so that the first of them may begin an auction which
        does not take the others."""
        rng = self.rng
        account_id, side = rng.choice((1, 2, 4)), rng.choice((Side.BUY, Side.SELL))
        stop_ticks = MIDDLE_TICKS + (1 if side is Side.BUY else -1)
        orders = [
            self._order(
                OrderType.STOP_MARKET,
                TimeInForce.GTC,
                0,
                side=side,
                lots=rng.randint(20, 60),
                account_id=account_id,
                symbol=SYMBOL,
                stop_ticks=stop_ticks,
            )
            for _ in range(3)
        ]
        return Batch(account_id, tuple(orders))

    def _trailing(self) -> Command:
        return self._order(
            OrderType.TRAILING_STOP, self._waits(), 0, trail_ticks=self.rng.randint(1, 3)
        )

    def _oco(self) -> Command:
        """One side, one quantity: a limit or take-profit order, and a stop."""
        rng = self.rng
        side = rng.choice((Side.BUY, Side.SELL))
        same = self._same(side)
        stop = self._waiting(_STOPS, side, **same)
        if rng.random() < 0.7:
            other: Command = self._order(
                OrderType.LIMIT,
                self._waits(),
                MIDDLE_TICKS + rng.randint(0, 3) * (-1 if side is Side.BUY else 1),
                **same,  # type: ignore[arg-type]
            )
        else:
            other = self._waiting(_PROFITS, side, **same)
        orders = [other, stop]
        rng.shuffle(orders)
        return PlaceOrderList(OrderListKind.OCO, tuple(orders))  # type: ignore[arg-type]

    def _same(self, side: Side) -> dict[str, object]:
        """What the orders of a list have in common."""
        rng = self.rng
        return {
            "lots": rng.choice((1, 2, rng.randint(1, 30))),
            "account_id": rng.choice(ACCOUNTS),
            "symbol": self.symbol(),
        }

    def _bracket(self) -> Command:
        rng = self.rng
        side = rng.choice((Side.BUY, Side.SELL))
        exit_side, better = _OPPOSITE[side], 1 if side is Side.BUY else -1
        same: dict[str, object] = self._same(side)
        profit_ticks = MIDDLE_TICKS + better * rng.randint(1, 3)
        stop_ticks = MIDDLE_TICKS - better * rng.randint(1, 3)
        exits: dict[str, object] = {**same, "side": exit_side}
        exits_as: list[tuple[OrderType, int, dict[str, int]]]
        is_limit, is_market = rng.random() < 0.7, rng.random() < 0.3
        entry_price = 0 if is_market else MIDDLE_TICKS + better * rng.randint(-1, 2)
        time_in_force = TimeInForce.IOC if is_market else rng.choice((*_WAIT, TimeInForce.IOC))
        entry_type = OrderType.MARKET if is_market else OrderType.LIMIT
        entry = self._order(entry_type, time_in_force, entry_price, side=side, **same)  # type: ignore[arg-type]
        if is_limit:
            exits_as = [(OrderType.LIMIT, profit_ticks, {})]
        else:
            exits_as = [(OrderType.TAKE_PROFIT_MARKET, 0, {"stop_ticks": profit_ticks})]
        if rng.random() < 0.3:
            exits_as.append((OrderType.TRAILING_STOP, 0, {"trail_ticks": rng.randint(1, 3)}))
        else:
            exits_as.append((OrderType.STOP_MARKET, 0, {"stop_ticks": stop_ticks}))
        profit, stop = (
            self._order(type_, self._waits(), price_ticks, **options, **exits)  # type: ignore[arg-type]
            for type_, price_ticks, options in exits_as
        )
        return PlaceOrderList(OrderListKind.BRACKET, (entry, profit, stop))

    # -- what becomes of them -----------------------------------------------------------------

    def _again(self) -> Command:
        """An order under a client order id that was used before, as after an unknown outcome."""
        placed = self._earlier()
        return PlaceOrder(
            placed.account_id,
            placed.symbol,
            Side.BUY,
            OrderType.LIMIT,
            TimeInForce.GTC,
            PRICES[0] + 1,
            1,
            placed.client_order_id,
        )

    def _amend(self) -> Command:
        return self._amendment(self._earlier())

    def _amendment(self, placed: Placed) -> AmendOrder:
        rng = self.rng
        price_ticks, lots, stop_ticks = rng.choice(
            ((self._price(), 0, 0), (0, rng.randint(1, 30), 0), (0, 0, self._price()))
        )
        return AmendOrder(
            placed.account_id, 0, placed.client_order_id, price_ticks, lots, stop_ticks
        )

    def _replace(self) -> Command:
        placed = self._earlier()
        order = self._order(
            OrderType.LIMIT,
            self._waits(),
            self._price(),
            side=placed.side,
            account_id=placed.account_id,
            symbol=placed.symbol,
        )
        return ReplaceOrder(0, order, placed.client_order_id)

    def _batch(self) -> Command:
        rng = self.rng
        account_id = rng.choice(ACCOUNTS)
        own = [one for one in self._placed[-20:] if one.account_id == account_id]
        all_or_nothing = rng.random() < 0.5
        commands: list[PlaceOrder | AmendOrder | CancelOrder] = [
            CancelOrder(account_id, 0, placed.client_order_id)
            for placed in own[-1:]
            if rng.random() < 0.3
        ]
        for _ in range(rng.randint(1, 4)):
            if not all_or_nothing and own and rng.random() < 0.3:
                commands.append(self._amendment(rng.choice(own)))
                continue
            time_in_force = self._waits() if all_or_nothing else TimeInForce.IOC
            time_in_force = rng.choice((TimeInForce.GTC, time_in_force))
            commands.append(
                self._order(OrderType.LIMIT, time_in_force, self._price(), account_id=account_id)
            )
        return Batch(account_id, tuple(commands), all_or_nothing)

    def _cancel(self) -> Command:
        placed = self._earlier()
        return CancelOrder(placed.account_id, 0, placed.client_order_id)

    def _cancel_all(self) -> Command:
        """By the owner, of one side perhaps, or as its connection is lost, or by an operator."""
        rng = self.rng
        account_id, symbol = rng.choice(ACCOUNTS), rng.choice(("", self.symbol()))
        side = rng.choice((None, None, Side.BUY, Side.SELL))
        by_operator, on_disconnect = rng.choice(((False, False), (False, True), (True, False)))
        if by_operator and rng.random() < 0.5:
            account_id, symbol = 0, self.symbol()
        return CancelAllOrders(account_id, symbol, by_operator, side, on_disconnect)

    def _deposit(self) -> Command:
        rng = self.rng
        return Deposit(
            rng.choice(ACCOUNTS), rng.choice(ASSETS), rng.randint(1, 10**4), f"d{self.number}"
        )

    def _withdraw(self) -> Command:
        rng = self.rng
        return Withdraw(
            rng.choice(ACCOUNTS), rng.choice(ASSETS), rng.randint(1, 10**8), f"w{self.number}"
        )

    def _earlier(self) -> Placed:
        """One of the last orders, so that many of them still rest."""
        if not self._placed:
            return Placed(1, "never", SYMBOL, Side.BUY)
        return self.rng.choice(self._placed[-12:])
