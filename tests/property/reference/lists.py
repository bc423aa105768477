"""Orders that depend on one another: OCO and brackets."""

from orderbook.core.commands import PlaceOrder, PlaceOrderList
from orderbook.core.events import OrderArmed, OrderListAccepted, StopMoved, Trade
from orderbook.core.rejects import RejectReason as R
from orderbook.core.units import (
    CancelReason,
    OrderListKind,
    OrderType,
    Side,
    TimeInForce,
)
from tests.property.reference.entry import AT_ONCE, TAKE_PROFITS
from tests.property.reference.rules import Rules
from tests.property.reference.state import Group, Order, Refused, Stage, need

STOP_LEGS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
NOBODY = PlaceOrder(0, "", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 0, 0)


class RefusedOrder(Exception):
    """One order of a list is the reason for which all of it is refused."""

    def __init__(self, order: PlaceOrder, reason: R) -> None:
        self.order = order
        self.reason = reason


def is_leg(order: PlaceOrder) -> bool:
    return order.type is not OrderType.MARKET and order.time_in_force not in AT_ONCE


def goal(order: PlaceOrder) -> int:
    """The price at which an exit of a bracket is meant to happen."""
    if order.type is OrderType.LIMIT:
        return order.price_ticks
    return order.options.stop_ticks if order.options else 0


def is_oco(orders: tuple[PlaceOrder, ...]) -> bool:
    if len(orders) != 2:
        return False
    one, other = orders
    both_limits = one.type is OrderType.LIMIT and other.type is OrderType.LIMIT
    return one.side is other.side and not both_limits and is_leg(one) and is_leg(other)


def is_bracket(orders: tuple[PlaceOrder, ...]) -> bool:
    if len(orders) != 3:
        return False
    entry, profit, stop = orders
    if entry.type not in (OrderType.LIMIT, OrderType.MARKET):
        return False
    if profit.side is entry.side or stop.side is entry.side:
        return False
    if profit.type not in (OrderType.LIMIT, *TAKE_PROFITS) or stop.type not in STOP_LEGS:
        return False
    if not is_leg(profit) or not is_leg(stop):
        return False
    if stop.type is OrderType.TRAILING_STOP:
        return True
    above = goal(profit) > goal(stop)
    below = goal(profit) < goal(stop)
    return above if stop.side is Side.SELL else below


class Lists(Rules):
    # Acceptance

    def place_list(self, command: PlaceOrderList) -> None:
        try:
            self.check_list(command)
        except Refused as refused:
            first = command.orders[0] if command.orders else NOBODY
            raise RefusedOrder(first, refused.reason) from None
        first = command.orders[0]
        group = Group(self.orders_so_far + 1, command.list_kind)
        ids = tuple(group.id + n for n in range(len(command.orders)))
        self.events.append(
            OrderListAccepted(group.id, first.account_id, first.symbol, group.kind, ids)
        )
        for item in command.orders:
            order = self.accept(item, group.id)
            order.group = group
            order.stage = Stage.PENDING
            group.orders.append(order)
            self.orders.append(order)
        if group.kind is OrderListKind.OCO:
            self.start_oco(group)
        else:
            self.send_of_list(group.orders[0])

    def check_list(self, command: PlaceOrderList) -> None:
        orders, oco = command.orders, command.list_kind is OrderListKind.OCO
        need(is_oco(orders) if oco else is_bracket(orders), R.INVALID_LIST)
        first = orders[0]
        alike = {(one.account_id, one.symbol, one.quantity_lots) for one in orders}
        quotes = any(one.options and one.options.quote_minor for one in orders)
        need(len(alike) == 1 and not quotes, R.INVALID_LIST)
        self.take_rate(first.account_id, len(orders), len(orders))
        for number, order in enumerate(orders):
            try:
                if number and not oco:
                    self.check_exit(order)
                else:
                    self.check(order)
                used = [one.client_order_id for one in orders[:number]]
                fresh = not order.client_order_id or order.client_order_id not in used
                need(fresh, R.DUPLICATE_CLIENT_ORDER_ID)
            except Refused as refused:
                raise RefusedOrder(order, refused.reason) from None
        self.check_open_orders(first.account_id, len(orders))
        trailing = sum(order.type is OrderType.TRAILING_STOP for order in orders)
        room = self.trailing_stops(first.symbol) + trailing <= self.bounds.trailing
        need(not trailing or room, R.TOO_MANY_TRAILING_STOPS)

    def check_exit(self, order: PlaceOrder) -> None:
        """What an exit asks for; not against the market or the balance, which may change."""
        self.check_client_id(order.account_id, order.client_order_id)
        self.check_form(order)
        rules = self.markets[order.symbol].rules
        notional = order.price_ticks * order.quantity_lots * rules.tick_lot_minor
        need(notional <= (rules.max_notional_minor or self.bounds.supply), R.NOTIONAL_TOO_LARGE)

    # On their way

    def start_oco(self, group: Group) -> None:
        """The limit order goes to the book, the others wait. One hold serves both."""
        first, second = sorted(group.orders, key=lambda order: order.type is not OrderType.LIMIT)
        if first.type is OrderType.LIMIT:
            lots = first.left
            self.send_of_list(first)
            if first not in self.orders:
                return
            if first.left < lots:
                self.note_act(first)
                return
        else:
            self.wait(first)
        second.covered = self.held_by(first)
        self.wait(second)

    def send_of_list(self, order: Order) -> None:
        order.stage = Stage.TAKING
        group, before = order.group, len(self.events)
        self.send(order)
        for event in self.events[before:]:
            is_entry = group is not None and group.kind is OrderListKind.BRACKET
            if is_entry and isinstance(event, Trade) and event.taker_order_id == order.id:
                order.group = group
                self.note_fill(order, event)
        if order not in self.orders:
            order.group = None

    # What follows

    def settle(self) -> None:
        """Lets go of what goes with an order that traded or ended; exits to be armed are next."""
        armed: list[Order | Group] = []
        while self.touched:
            group = self.touched.pop(0)
            entry_open = any(order.id == group.id for order in group.orders)
            bracket = group.kind is OrderListKind.BRACKET
            if bracket and group.filled and len(group.orders) == 2 and not entry_open:
                armed.append(group)
            else:
                self.let_go(group, group.acted)
        self.agenda = armed + self.agenda

    def let_go(self, group: Group, survivor: Order | None) -> None:
        orders = self.dissolve(group)
        for order in orders:
            if order is not survivor:
                self.cancel(order, CancelReason.OTHER_LEG)
        if survivor is not None and survivor in orders:
            survivor.covered = 0
            self.involved.add(self.funds(survivor))

    def dissolve(self, group: Group) -> list[Order]:
        if group in self.agenda:
            self.agenda.remove(group)
        orders, group.orders = group.orders, []
        for order in orders:
            order.group = None
        return orders

    def arm(self, group: Group) -> None:
        """The exits become an OCO for what the entry filled."""
        exits = list(group.orders)
        first = exits[0]
        lots = group.filled
        if first.side is Side.SELL:
            lots = group.received // self.markets[first.symbol].rules.lot_minor
        needed = lots * max(self.lot_cost(one.symbol, one.side, one.price) for one in exits)
        reason = None
        if lots == 0:
            reason = CancelReason.UNTRADEABLE
        elif self.available(*self.funds(first)) < needed:
            reason = CancelReason.INSUFFICIENT_BALANCE
        if reason is not None:
            for order in self.dissolve(group):
                self.cancel(order, reason)
            return
        group.kind = OrderListKind.OCO
        for order in exits:
            order.quantity = order.left = lots
            self.events.append(OrderArmed(order.id, order.account, order.symbol, lots))
        self.traded.append(first.symbol)
        self.start_oco(group)
        for order in exits:
            if order.stage is Stage.WAITING and order.type is OrderType.TRAILING_STOP:
                self.events.append(StopMoved(order.id, order.account, order.symbol, order.stop))
