"""The rules of the market, checked from the journal's events alone.

Uses nothing of the engine: its own balances and books are dictionaries that are searched in full,
so that an engine that is wrong in the same way every time is found as well.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from orderbook.core import events as happened
from orderbook.core.commands import AdvanceTime, Command, OpenEpoch
from orderbook.core.events import (
    BatchExecuted,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderListAccepted,
    OrderTriggered,
    SelfTradePrevented,
    StopMoved,
    Trade,
)
from orderbook.core.units import CancelReason, InstrumentStatus, SelfTradePrevention, Side
from tests.simulation.errors import Violation, require
from tests.simulation.market_audit import MarketAudit
from tests.simulation.money_audit import MoneyAudit
from tests.simulation.open_orders import OpenOrder, OpenOrders

_CONTINUOUS = (InstrumentStatus.TRADING, InstrumentStatus.POST_ONLY)
_REFUSALS = (
    happened.OrderRejected,
    happened.AmendRejected,
    happened.CancelRejected,
    happened.BatchRejected,
    happened.CommandRejected,
)
_TOLD_ONLY = (
    happened.EpochOpened,
    happened.AssetDefined,
    happened.ScheduleSet,
    happened.FeeScheduleSet,
    happened.AuctionIndicated,
    *_REFUSALS,
)
"""Events that change neither orders nor money, nor what is allowed."""


class EventAudit:
    """``take`` raises Violation for the first command whose events break a rule."""

    def __init__(self) -> None:
        self._orders = OpenOrders()
        self._money = money = MoneyAudit()
        self._markets = markets = MarketAudit()
        self._client_order_ids: set[tuple[int, str]] = set()
        self._time_ns = 0
        self._cases: dict[type[Any], Callable[[Any, str], None]] = {
            OrderAccepted: self._accept,
            OrderListAccepted: self._orders.accept_list,
            OrderArmed: self._orders.arm,
            OrderTriggered: self._trigger,
            StopMoved: self._orders.move_stop,
            OrderAmended: self._amend,
            OrderCanceled: self._end,
            happened.IcebergRefreshed: self._orders.refresh,
            SelfTradePrevented: self._orders.prevent,
            Trade: self._trade,
            BatchExecuted: self._begin_batch,
            happened.TradeBusted: money.bust,
            happened.BalanceChanged: money.balance,
            happened.Deposited: lambda event, where: money.deposit(event),
            happened.Withdrawn: lambda event, where: money.withdraw(event),
            happened.InstrumentDefined: markets.define,
            happened.PhaseChanged: markets.change_phase,
            happened.ReferencePriceSet: markets.set_reference,
            happened.AuctionUncrossed: self._uncross,
            happened.AccountLimitsSet: markets.set_limits,
            happened.AccountStatusSet: markets.set_status,
            happened.KillSwitchSet: markets.set_kill_switch,
            happened.CancelAllAfterSet: markets.set_dead_man,
            happened.CancelAllAfterFired: self._fire_dead_man,
            **dict.fromkeys(_TOLD_ONLY, _note),
        }

    def take(self, sequence: int, time_ns: int, command: Command, events: Sequence[Event]) -> None:
        """The events of one command."""
        where = f"sequence {sequence}"
        self._time_ns = time_ns
        self._markets.begin_command()
        for step in _steps(events):
            refused = any(isinstance(event, _REFUSALS) for event in step)
            require(
                not refused or len(step) == 1,
                "rules",
                f"{where}: more than a refusal happened: {step}",
            )
            for event in step:
                case = self._cases.get(type(event))
                if case is None:
                    raise Violation("rules", f"{where}: no rule is known for {event}")
                case(event, where)
            self._orders.enter_all()
            self._markets.begin_step()
        from_client = not isinstance(command, AdvanceTime | OpenEpoch)
        self._check_open_orders(time_ns if from_client else 0, where)
        self._orders.check_lists(where)
        self._money.check(where)
        self._markets.check(time_ns, from_client=from_client, where=where)

    # -- cases --------------------------------------------------------------------------------

    def _accept(self, event: OrderAccepted, where: str) -> None:
        key = (event.account_id, event.client_order_id)
        if event.client_order_id:
            require(
                key not in self._client_order_ids,
                "I3",
                f"{where}: client order id {key} was accepted twice",
            )
            self._client_order_ids.add(key)
        self._markets.accept(event, where)
        self._orders.accept(event)

    def _begin_batch(self, event: BatchExecuted, where: str) -> None:
        """Its commands' events follow."""

    def _trigger(self, event: OrderTriggered, where: str) -> None:
        order = self._orders.by_id.get(event.order_id)
        market = self._markets.markets[event.symbol]
        require(
            order is not None
            and event.last_ticks in {market.last_ticks, *market.traded_ticks}
            and order.is_set_off_by(event.last_ticks),
            "rules",
            f"{where}: {event} after a last trade at {market.last_ticks} is too early for {order}",
        )
        self._orders.trigger(event)

    def _amend(self, event: OrderAmended, where: str) -> None:
        self._markets.begin_step()
        self._orders.amend(event)

    def _fire_dead_man(self, event: happened.CancelAllAfterFired, where: str) -> None:
        self._markets.fire_dead_man(event, self._time_ns, where)

    def _uncross(self, event: happened.AuctionUncrossed, where: str) -> None:
        self._orders.enter_all()
        self._markets.begin_uncross(event, where)

    def _end(self, event: OrderCanceled, where: str) -> None:
        order = self._orders.end(event.order_id)
        require(
            order is not None and order.remaining_lots == event.remaining_lots,
            "I7",
            f"{where}: {event} does not fit what is left of the order, {order}",
        )
        assert order is not None
        closed = self._markets.markets[event.symbol].phase is InstrumentStatus.CLOSED
        require(
            event.reason is not CancelReason.EXPIRED or closed or order.has_ended(self._time_ns),
            "rules",
            f"{where}: {event} comes before the order's end",
        )

    def _trade(self, event: Trade, where: str) -> None:
        taker, maker = self._orders.parties(event)
        require(
            maker is not None and taker is not None and maker.stands and taker.stands,
            "I7",
            f"{where}: trade {event.trade_id} is of an order that is not open",
        )
        assert maker is not None
        assert taker is not None
        self._check_priority(event, maker, where)
        if event.in_auction:
            self._check_priority(event, taker, where)
        else:
            require(
                event.price_ticks == maker.price_ticks,
                "I7",
                f"{where}: trade {event.trade_id} prints at {event.price_ticks}, its maker rests "
                f"at {maker.price_ticks}",
            )
            self._check_self_trade(event, maker, taker, where)
        for order in (maker, taker):
            _check_limit(event, order, where)
        self._markets.trade(event, where)
        self._money.trade(event, where)
        for order in (maker, taker):
            self._orders.fill(order, event.quantity_lots, where)

    def _check_priority(self, event: Trade, order: OpenOrder, where: str) -> None:
        first = self._orders.first_of(event.symbol, order.accepted.side)
        require(
            first is order,
            "I7",
            f"{where}: order {order.accepted.order_id} trades before order "
            f"{first.accepted.order_id}, which has priority",
        )

    def _check_self_trade(
        self, event: Trade, maker: OpenOrder, taker: OpenOrder, where: str
    ) -> None:
        account_id, options = taker.accepted.account_id, taker.accepted.options
        rule = options.self_trade if options else self._markets.self_trade.get(account_id)
        require(
            rule in (None, SelfTradePrevention.NONE) or maker.accepted.account_id != account_id,
            "I8",
            f"{where}: account {event.maker_account_id} trades with itself, which its order "
            f"{event.taker_order_id} rules out by {rule}",
        )

    # -- after each command -------------------------------------------------------------------

    def _check_open_orders(self, time_ns: int, where: str) -> None:
        """``time_ns``: of a client's command, before which all that was due has been done."""
        bids: dict[str, int] = {}
        asks: dict[str, int] = {}
        for order in self._orders.by_id.values():
            accepted, price = order.accepted, order.price_ticks
            market = self._markets.markets[accepted.symbol]
            require(
                self._markets.may_have_orders(accepted.account_id) and not order.has_ended(time_ns),
                "rules",
                f"{where}: {accepted} is still open",
            )
            if not order.stands:
                waits = not order.is_armed or market.phase is not InstrumentStatus.TRADING
                require(
                    waits or not order.is_set_off_by(market.last_ticks),
                    "rules",
                    f"{where}: {order} still waits after a trade at {market.last_ticks}",
                )
            elif market.phase in _CONTINUOUS and accepted.side is Side.BUY:
                bids[accepted.symbol] = max(price, bids.get(accepted.symbol, price))
            elif market.phase in _CONTINUOUS:
                asks[accepted.symbol] = min(price, asks.get(accepted.symbol, price))
        for symbol in sorted(bids.keys() & asks.keys()):
            require(
                bids[symbol] < asks[symbol],
                "I6",
                f"{where}: {symbol} is crossed or locked, {bids[symbol]} against {asks[symbol]}",
            )


def _note(event: Event, where: str) -> None:
    """An event from which nothing follows here."""


def _steps(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """A batch's commands one by one, what comes after them last; else the whole."""
    if not events or not isinstance(events[0], BatchExecuted):
        yield events
        return
    yield events[:1]
    place = 1
    for count in events[0].event_counts:
        yield events[place : place + count]
        place += count
    yield events[place:]


def _check_limit(event: Trade, order: OpenOrder, where: str) -> None:
    beyond = event.price_ticks - order.price_ticks
    require(
        not order.price_ticks or (beyond <= 0 if order.accepted.side is Side.BUY else beyond >= 0),
        "I8",
        f"{where}: order {order.accepted.order_id} with limit {order.price_ticks} trades at "
        f"{event.price_ticks}",
    )
