"""How orders end: by their last fill, or canceled for a reason."""

from orderbook.core.events import OrderCanceled, Trade
from orderbook.core.units import (
    INDICATION_INTERVAL_NS,
    CancelReason,
    InstrumentStatus,
    OrderListKind,
    Side,
)
from tests.property.reference.state import Group, Order, Stage, State

AUCTIONS = (InstrumentStatus.OPENING_AUCTION, InstrumentStatus.CLOSING_AUCTION)


class Endings(State):
    def cancel(self, order: Order, reason: CancelReason) -> None:
        """Ends an open order, wherever it stands."""
        self.involved.add(self.funds(order))
        if order in self.agenda:
            self.agenda.remove(order)
        self.orders_changed(order.symbol)
        self.end(order, reason)

    def end(self, order: Order, reason: CancelReason) -> None:
        self.events.append(
            OrderCanceled(
                order.id, order.account, order.symbol, order.client_id, order.left, reason
            )
        )
        self.finish(order)

    def finish(self, order: Order) -> None:
        """The order is done, filled or canceled."""
        self.involved.add(self.funds(order))
        if order in self.orders:
            self.orders.remove(order)
        if order.client_id:
            self.done_client_ids.append((order.account, order.client_id))
            self.done_client_ids = self.done_client_ids[-self.bounds.client_ids :]
        group, order.group = order.group, None
        if group is not None:
            group.orders.remove(order)
            self.touch(group, order)

    def touch(self, group: Group, order: Order) -> None:
        self.touched.append(group)
        self.traded.append(order.symbol)

    def orders_changed(self, symbol: str) -> None:
        """A collecting auction will publish what it would do now."""
        market = self.markets[symbol]
        collecting = market.status in AUCTIONS and market.uncrossing is None
        if collecting and market.indicate_ns is None:
            market.indicate_ns = self.now + INDICATION_INTERVAL_NS

    def shrink(self, order: Order, lots: int) -> None:
        """Makes an open order smaller, hidden lots first; it keeps its place."""
        self.involved.add(self.funds(order))
        self.take_off(order, lots)
        order.quantity -= lots
        self.orders_changed(order.symbol)

    def take_off(self, order: Order, lots: int) -> None:
        order.left -= lots
        order.shown = min(order.shown, order.left)

    def note_fill(self, order: Order, trade: Trade) -> None:
        """Tells the group of an order that it traded."""
        group = order.group
        if group is None:
            return
        if group.kind is OrderListKind.OCO:
            self.note_act(order)
            return
        group.filled += trade.quantity_lots
        if order.side is Side.BUY:
            maker = order.id == trade.maker_order_id
            fee = trade.maker_fee_minor if maker else trade.taker_fee_minor
            group.received += trade.base_minor - fee

    def note_act(self, order: Order) -> None:
        """An order of an OCO traded, so the other one has to go."""
        group = order.group
        if group is not None and group.kind is OrderListKind.OCO:
            group.acted = order
            self.touch(group, order)

    def rest(self, order: Order) -> None:
        """To the back of its price's queue; an iceberg shows its first part."""
        display = order.asked.display_lots
        order.shown = min(order.left, display) if display else order.left
        order.stage = Stage.RESTING
        self.to_the_back(order)
        self.involved.add(self.funds(order))
        if order not in self.orders:
            self.orders.append(order)

    def to_the_back(self, order: Order) -> None:
        self.places_so_far += 1
        order.place = self.places_so_far
