"""The rules of the market, checked from the journal's events alone.

Uses nothing of the engine: its own balances and books are dictionaries that are searched in full,
so that an engine that is wrong in the same way every time is found as well.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from orderbook.core.events import (
    BalanceChanged,
    Deposited,
    Event,
    OrderAccepted,
    OrderCanceled,
    Trade,
    Withdrawn,
)
from orderbook.core.units import OrderType, Side
from tests.simulation.errors import require


class _Open(NamedTuple):
    """An order as its events tell; those at one price stand by their place in the queue."""

    place: int
    accepted: OrderAccepted
    remaining_lots: int


class EventAudit:
    """``take`` raises Violation for the first command whose events break a rule."""

    def __init__(self) -> None:
        self._balances: dict[tuple[int, str], tuple[int, int]] = {}
        self._supply: Counter[str] = Counter()
        self._orders: dict[int, _Open] = {}
        self._client_order_ids: set[tuple[int, str]] = set()
        self._place = 0

    def take(self, sequence: int, events: Sequence[Event]) -> None:
        """The events of one command."""
        where = f"sequence {sequence}"
        for event in events:
            match event:
                case OrderAccepted():
                    self._accept(event, where)
                case Trade():
                    self._trade(event, where)
                case OrderCanceled():
                    order = self._orders.pop(event.order_id, None)
                    require(
                        order is not None and order.remaining_lots == event.remaining_lots,
                        "I7",
                        f"{where}: {event} does not fit what is left of the order",
                    )
                case Deposited():
                    self._supply[event.asset] += event.amount_minor
                case Withdrawn():
                    self._supply[event.asset] -= event.amount_minor
                case BalanceChanged():
                    self._balance(event, where)
        self._check_supply(where)
        self._check_crossed(where)

    def _accept(self, event: OrderAccepted, where: str) -> None:
        key = (event.account_id, event.client_order_id)
        if event.client_order_id:
            require(
                key not in self._client_order_ids,
                "I3",
                f"{where}: client order id {key} was accepted twice",
            )
            self._client_order_ids.add(key)
        self._place += 1
        self._orders[event.order_id] = _Open(self._place, event, event.quantity_lots)

    def _trade(self, event: Trade, where: str) -> None:
        maker = self._orders.get(event.maker_order_id)
        taker = self._orders.get(event.taker_order_id)
        require(
            maker is not None and taker is not None,
            "I7",
            f"{where}: trade {event.trade_id} is of an order that is not open",
        )
        assert maker is not None
        assert taker is not None
        self._check_priority(event, maker, where)
        self._check_limits(event, maker, taker, where)
        for order in (maker, taker):
            left = order.remaining_lots - event.quantity_lots
            order_id = order.accepted.order_id
            require(left >= 0, "I7", f"{where}: order {order_id} is filled beyond its quantity")
            if left:
                self._orders[order_id] = order._replace(remaining_lots=left)
            else:
                del self._orders[order_id]

    def _check_priority(self, event: Trade, maker: _Open, where: str) -> None:
        require(
            event.price_ticks == maker.accepted.price_ticks,
            "I7",
            f"{where}: trade {event.trade_id} prints at {event.price_ticks}, its maker rests at "
            f"{maker.accepted.price_ticks}",
        )
        sign = -1 if maker.accepted.side is Side.BUY else 1
        first = min(
            (
                other
                for other in self._orders.values()
                if other.accepted.symbol == event.symbol
                and other.accepted.side is maker.accepted.side
                and other.accepted.order_id != event.taker_order_id
            ),
            key=lambda other: (sign * other.accepted.price_ticks, other.place),
        )
        require(
            first is maker,
            "I7",
            f"{where}: order {event.maker_order_id} trades before order "
            f"{first.accepted.order_id}, which has priority",
        )

    def _check_limits(self, event: Trade, maker: _Open, taker: _Open, where: str) -> None:
        for order in (maker, taker):
            accepted = order.accepted
            if accepted.type is not OrderType.LIMIT:
                continue
            beyond = event.price_ticks - accepted.price_ticks
            require(
                beyond <= 0 if accepted.side is Side.BUY else beyond >= 0,
                "I8",
                f"{where}: order {accepted.order_id} with limit {accepted.price_ticks} trades at "
                f"{event.price_ticks}",
            )

    def _balance(self, event: BalanceChanged, where: str) -> None:
        require(
            event.available_minor >= 0 and event.held_minor >= 0,
            "I2",
            f"{where}: {event} is negative",
        )
        key = (event.account_id, event.asset)
        self._balances[key] = (event.available_minor, event.held_minor)

    def _check_supply(self, where: str) -> None:
        totals: Counter[str] = Counter()
        for (_, asset), amounts in self._balances.items():
            totals[asset] += sum(amounts)
        for asset in sorted({*totals, *self._supply}):
            require(
                totals[asset] == self._supply[asset],
                "I1",
                f"{where}: accounts have {totals[asset]} {asset}, deposits less withdrawals are "
                f"{self._supply[asset]}",
            )

    def _check_crossed(self, where: str) -> None:
        bids: dict[str, int] = {}
        asks: dict[str, int] = {}
        for order in self._orders.values():
            symbol, price = order.accepted.symbol, order.accepted.price_ticks
            if order.accepted.side is Side.BUY:
                bids[symbol] = max(price, bids.get(symbol, price))
            else:
                asks[symbol] = min(price, asks.get(symbol, price))
        for symbol in sorted(bids.keys() & asks.keys()):
            require(
                bids[symbol] < asks[symbol],
                "I6",
                f"{where}: {symbol} is crossed or locked, {bids[symbol]} against {asks[symbol]}",
            )
