"""The rules of the market, checked from the journal's events alone.

Uses nothing of the engine: its own balances and books are dictionaries that are searched in full,
so that an engine that is wrong in the same way every time is found as well.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from orderbook.core.events import (
    AuctionUncrossed,
    BalanceChanged,
    Deposited,
    Event,
    IcebergRefreshed,
    InstrumentDefined,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderListAccepted,
    OrderTriggered,
    PhaseChanged,
    ReferencePriceSet,
    SelfTradePrevented,
    Trade,
    Withdrawn,
)
from orderbook.core.units import (
    PPM,
    InstrumentStatus,
    OrderListKind,
    OrderType,
    SelfTradePrevention,
    Side,
)
from tests.simulation.errors import require

_ON_THE_BOOK = (OrderType.LIMIT, OrderType.MARKET)
_CONTINUOUS = (InstrumentStatus.TRADING, InstrumentStatus.POST_ONLY)


class _Open(NamedTuple):
    """An order as its events tell; those at one price stand by their place in the queue."""

    place: int
    accepted: OrderAccepted
    price_ticks: int
    remaining_lots: int
    stands: bool
    """False while a stop or an exit of a bracket waits."""


class EventAudit:
    """``take`` raises Violation for the first command whose events break a rule."""

    def __init__(self) -> None:
        self._balances: dict[tuple[int, str], tuple[int, int]] = {}
        self._supply: Counter[str] = Counter()
        self._orders: dict[int, _Open] = {}
        self._unarmed: set[int] = set()
        self._client_order_ids: set[tuple[int, str]] = set()
        self._instruments: dict[str, InstrumentDefined] = {}
        self._phases: dict[str, InstrumentStatus] = {}
        self._references: dict[str, int] = {}
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
                    self._end(event, where)
                case Deposited():
                    self._supply[event.asset] += event.amount_minor
                case Withdrawn():
                    self._supply[event.asset] -= event.amount_minor
                case BalanceChanged():
                    self._balance(event, where)
                case _:
                    self._change(event)
        self._check_supply(where)
        self._check_crossed(where)

    def _change(self, event: Event) -> None:
        """What moves an order, or the rules that hold for it."""
        match event:
            case InstrumentDefined():
                self._instruments[event.symbol] = event
                self._phases[event.symbol] = event.status
            case PhaseChanged():
                self._phases[event.symbol] = event.status
            case ReferencePriceSet():
                self._references[event.symbol] = event.price_ticks
            case AuctionUncrossed() if event.price_ticks:
                self._references[event.symbol] = event.price_ticks
            case OrderListAccepted() if event.list_kind is OrderListKind.BRACKET:
                self._unarmed.update(event.order_ids[1:])
            case OrderArmed():
                order = self._orders[event.order_id]
                stands = order.accepted.type in _ON_THE_BOOK
                self._move(event.order_id, remaining_lots=event.quantity_lots, stands=stands)
            case OrderTriggered():
                self._move(event.order_id, stands=True)
            case IcebergRefreshed():
                self._move(event.order_id)
            case OrderAmended():
                price, left = event.price_ticks, event.remaining_lots
                if event.kept_priority:
                    order = self._orders[event.order_id]
                    self._orders[event.order_id] = order._replace(
                        price_ticks=price, remaining_lots=left
                    )
                else:
                    self._move(event.order_id, price_ticks=price, remaining_lots=left)
            case SelfTradePrevented():
                for order_id in (event.maker_order_id, event.taker_order_id):
                    order = self._orders[order_id]
                    left = order.remaining_lots - event.decremented_lots
                    self._orders[order_id] = order._replace(remaining_lots=left)

    def _move(self, order_id: int, **changes: Any) -> None:
        """To the back of its price's queue."""
        self._place += 1
        self._orders[order_id] = self._orders[order_id]._replace(place=self._place, **changes)

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
        stands = event.type in _ON_THE_BOOK and event.order_id not in self._unarmed
        self._orders[event.order_id] = _Open(
            self._place, event, event.price_ticks, event.quantity_lots, stands
        )

    def _end(self, event: OrderCanceled, where: str) -> None:
        order = self._orders.pop(event.order_id, None)
        require(
            order is not None and order.remaining_lots == event.remaining_lots,
            "I7",
            f"{where}: {event} does not fit what is left of the order, {order}",
        )

    def _trade(self, event: Trade, where: str) -> None:
        maker = self._orders.get(event.maker_order_id)
        taker = self._orders.get(event.taker_order_id)
        require(
            maker is not None and taker is not None and maker.stands and taker.stands,
            "I7",
            f"{where}: trade {event.trade_id} is of an order that is not open",
        )
        assert maker is not None
        assert taker is not None
        if not event.in_auction:
            self._check_priority(event, maker, where)
            self._check_self_trade(event, maker, taker, where)
        self._check_limits(event, maker, taker, where)
        self._check_band(event, where)
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
            event.price_ticks == maker.price_ticks,
            "I7",
            f"{where}: trade {event.trade_id} prints at {event.price_ticks}, its maker rests at "
            f"{maker.price_ticks}",
        )
        sign = -1 if maker.accepted.side is Side.BUY else 1
        first = min(
            (
                other
                for other in self._orders.values()
                if other.stands
                and other.accepted.symbol == event.symbol
                and other.accepted.side is maker.accepted.side
            ),
            key=lambda other: (sign * other.price_ticks, other.place),
        )
        require(
            first is maker,
            "I7",
            f"{where}: order {event.maker_order_id} trades before order "
            f"{first.accepted.order_id}, which has priority",
        )

    def _check_limits(self, event: Trade, maker: _Open, taker: _Open, where: str) -> None:
        for order in (maker, taker):
            if not order.price_ticks:
                continue
            beyond = event.price_ticks - order.price_ticks
            require(
                beyond <= 0 if order.accepted.side is Side.BUY else beyond >= 0,
                "I8",
                f"{where}: order {order.accepted.order_id} with limit {order.price_ticks} trades "
                f"at {event.price_ticks}",
            )

    def _check_self_trade(self, event: Trade, maker: _Open, taker: _Open, where: str) -> None:
        options = taker.accepted.options
        rule = options.self_trade if options else None
        require(
            rule in (None, SelfTradePrevention.NONE)
            or maker.accepted.account_id != taker.accepted.account_id,
            "I8",
            f"{where}: account {event.maker_account_id} trades with itself, which its order "
            f"{event.taker_order_id} rules out by {rule}",
        )

    def _check_band(self, event: Trade, where: str) -> None:
        reference = self._references.get(event.symbol, 0)
        band_ppm = self._instruments[event.symbol].static_band_ppm
        if not reference or not band_ppm:
            return
        distance = abs(event.price_ticks - reference)
        require(
            distance * PPM <= reference * band_ppm,
            "I8",
            f"{where}: trade {event.trade_id} at {event.price_ticks} is outside of the band of "
            f"{band_ppm} ppm around {reference}",
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
            symbol, price = order.accepted.symbol, order.price_ticks
            if not order.stands or self._phases[symbol] not in _CONTINUOUS:
                continue
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
