"""Cancels, amends, replacements and batches."""

from msgspec.structs import replace

from orderbook.core.commands import (
    AmendOrder,
    Batch,
    CancelAllOrders,
    CancelOrder,
    PlaceOrder,
    ReplaceOrder,
)
from orderbook.core.events import BatchExecuted
from orderbook.core.rejects import RejectReason as R
from orderbook.core.units import CancelReason, OrderType, PostOnly, Side, TimeInForce
from tests.property.reference.entry import AT_ONCE
from tests.property.reference.phases import CONTINUOUS
from tests.property.reference.refusals import refusal
from tests.property.reference.state import Order, Refused, Stage, need
from tests.property.reference.triggers import Triggers


class RefusedBatch(Exception):
    """Nothing of a batch is executed because of one of its commands."""

    def __init__(self, index: int, reason: R) -> None:
        self.index = index
        self.reason = reason


class UnknownOld(Exception):
    """The order that was to be replaced is none; the cancel is what is refused."""

    def __init__(self, reason: R) -> None:
        self.reason = reason


def cross(one: PlaceOrder, other: PlaceOrder) -> bool:
    if one.symbol != other.symbol or one.side is other.side:
        return False
    bid, ask = (one, other) if one.side is Side.BUY else (other, one)
    return bid.price_ticks >= ask.price_ticks


class Changes(Triggers):
    def place(self, command: PlaceOrder) -> None:
        self.take_rate(command.account_id, 1, 1)
        self.check(command)
        self.start(command)

    # Cancels

    def cancel_one(self, command: CancelOrder) -> None:
        need(command.account_id in self.accounts, R.UNKNOWN_ACCOUNT)
        if not command.by_operator:
            self.take_rate(command.account_id, 1, 0)
        self.cancel_found(command)

    def cancel_found(self, command: CancelOrder) -> None:
        order = self.find(command.account_id, command.order_id, command.client_order_id)
        if order is None:
            raise Refused(R.UNKNOWN_ORDER)
        self.cancel(order, CancelReason.OPERATOR if command.by_operator else CancelReason.USER)

    def cancel_all(self, command: CancelAllOrders) -> None:
        account, symbol = command.account_id, command.symbol
        everybody = account == 0 and command.by_operator
        known = symbol in self.markets or (symbol == "" and not everybody)
        need(known, R.UNKNOWN_SYMBOL)
        need(everybody or account in self.accounts, R.UNKNOWN_ACCOUNT)
        reason = CancelReason.USER
        if command.on_disconnect:
            reason = CancelReason.DISCONNECTED
        if command.by_operator:
            reason = CancelReason.OPERATOR
        self.cancel_many(
            [
                order
                for order in self.orders
                if (everybody or order.account == account)
                and symbol in ("", order.symbol)
                and command.side in (None, order.side)
            ],
            reason,
        )

    def cancel_many(self, orders: list[Order], reason: CancelReason) -> None:
        for order in sorted(orders, key=lambda order: order.id):
            self.cancel(order, reason)

    def limit_to_pay(self, order: PlaceOrder) -> int:
        """The limit of an order, or where it would be moved to if it came now."""
        moves = order.options is not None and order.options.post_only is PostOnly.REPRICE
        moves = moves and order.type is OrderType.LIMIT
        if moves and self.markets[order.symbol].status in CONTINUOUS:
            return self.passive_price(order.symbol, order.side, order.price_ticks)
        return order.price_ticks

    # Amends

    def amend(self, command: AmendOrder) -> None:
        need(command.account_id in self.accounts, R.UNKNOWN_ACCOUNT)
        self.take_rate(command.account_id, 1, 0)
        order = self.find(command.account_id, command.order_id, command.client_order_id)
        if order is None:
            raise Refused(R.UNKNOWN_ORDER)
        price = command.price_ticks or order.price
        quantity = command.quantity_lots or order.quantity
        stop = command.stop_ticks or order.stop
        self.check_change(order, price, quantity, stop)
        filled = order.quantity - order.left
        # As if a new order came in its place, of which so much was filled and paid already.
        new = self.as_new(order, price, quantity, stop)
        judged = self.limit_to_pay(new)
        self.supposed[self.funds(order)] += self.held_by(order) + order.covered
        self.supposed[self.funds(order)] += filled * self.lot_cost(order.symbol, order.side, judged)
        self.supposed_places += 1
        self.check(new)
        self.forget_supposed()
        self.involved.add(self.funds(order))
        if order.stage is Stage.WAITING:
            order.price, order.stop = price, stop
            order.quantity = order.left = quantity
            self.report(order, kept=True)
        elif price == order.price and quantity < order.quantity:
            self.shrink(order, order.quantity - quantity)
            self.report(order, kept=True)
        else:
            order.stage = Stage.TAKING
            order.price, order.quantity, order.left = price, quantity, quantity - filled
            self.report(order, kept=False)
            self.send(order)

    def check_change(self, order: Order, price: int, quantity: int, stop: int) -> None:
        """What an order of this kind, at this stage, cannot have changed."""
        new_price, new_quantity = price != order.price, quantity != order.quantity
        new_stop = stop != order.stop
        need(new_price or new_quantity or new_stop, R.INVALID_ORDER)
        need(order.stage in (Stage.WAITING, Stage.RESTING), R.AMEND_NOT_ALLOWED)
        need(order.group is None or not (new_price or new_quantity), R.AMEND_NOT_ALLOWED)
        if order.stage is Stage.WAITING:
            need(order.price != 0 or not new_price, R.AMEND_NOT_ALLOWED)
            trailing = order.type is OrderType.TRAILING_STOP
            need(not (trailing and new_stop), R.AMEND_NOT_ALLOWED)
        else:
            need(not new_stop, R.AMEND_NOT_ALLOWED)
        below = 0 < quantity <= order.quantity - order.left
        need(not (new_quantity and below), R.QUANTITY_BELOW_FILLED)

    def as_new(self, order: Order, price: int, quantity: int, stop: int) -> PlaceOrder:
        """What has been set off is a limit order; a trailing stop is judged by where it is."""
        type, options = OrderType.LIMIT, order.options
        if order.stage is Stage.WAITING:
            type = order.type
            if type is OrderType.TRAILING_STOP:
                type = OrderType.STOP_MARKET
        if options is not None:
            gtd = order.time_in_force is TimeInForce.GTD
            options = replace(
                options,
                stop_ticks=stop if order.stage is Stage.WAITING else 0,
                trail_ticks=0,
                display_lots=min(options.display_lots, quantity),
                expire_time_ns=options.expire_time_ns if gtd else 0,
            )
        return PlaceOrder(
            order.account,
            order.symbol,
            order.side,
            type,
            order.time_in_force,
            price,
            quantity,
            "",
            options,
        )

    # Replacements

    def replace(self, command: ReplaceOrder) -> None:
        new = command.order
        if new.account_id not in self.accounts:
            raise UnknownOld(R.UNKNOWN_ACCOUNT)
        self.take_rate(new.account_id, 1, 1)
        old = self.find(new.account_id, command.order_id, command.cancel_client_order_id)
        if old is None:
            raise UnknownOld(R.UNKNOWN_ORDER)
        alike = new.symbol == old.symbol and new.side is old.side
        need(new.symbol not in self.markets or alike, R.INVALID_ORDER)
        self.suppose_gone(old)
        self.check(new)
        self.forget_supposed()
        self.cancel(old, CancelReason.REPLACED)
        self.start(new)

    def suppose_gone(self, order: Order) -> None:
        self.supposed_gone.append(order)
        self.supposed[self.funds(order)] += self.held_by(order)
        self.supposed_places += 1

    def forget_supposed(self) -> None:
        self.supposed.clear()
        self.supposed_places = 0
        self.supposed_gone = []
        self.supposed_ids = []

    # Batches

    def batch(self, command: Batch) -> None:
        size = len(command.commands)
        if not 1 <= size <= self.bounds.batch:
            raise RefusedBatch(0, R.INVALID_BATCH)
        for index, item in enumerate(command.commands):
            if item.account_id != command.account_id:
                raise RefusedBatch(index, R.INVALID_BATCH)
        if command.all_or_nothing:
            self.rehearse(command)
        self.last_trade = self.trades_so_far + self.bounds.command_trades
        counts = []
        for item in command.commands:
            before = len(self.events)
            if command.all_or_nothing:
                self.execute_known(item)
            else:
                self.execute_alone(item)
            counts.append(len(self.events) - before)
        self.last_trade = None
        self.events.insert(0, BatchExecuted(command.account_id, tuple(counts)))

    def execute_known(self, item: PlaceOrder | AmendOrder | CancelOrder) -> None:
        if isinstance(item, PlaceOrder):
            self.start(item)
        else:
            assert isinstance(item, CancelOrder)
            self.cancel_found(item)

    def execute_alone(self, item: PlaceOrder | AmendOrder | CancelOrder) -> None:
        """As if it had come alone."""
        try:
            if isinstance(item, PlaceOrder):
                self.place(item)
            elif isinstance(item, CancelOrder):
                self.cancel_one(item)
            else:
                self.amend(item)
        except Refused as refused:
            self.forget_supposed()
            self.events.append(refusal(item, refused.reason))
        if self.traded or self.agenda:
            self.run_agenda()

    def rehearse(self, command: Batch) -> None:
        """Raises where one of the commands would be refused."""
        if command.account_id not in self.accounts:
            raise RefusedBatch(0, R.UNKNOWN_ACCOUNT)
        orders = sum(isinstance(item, PlaceOrder) for item in command.commands)
        index, gone = 0, list[Order]()
        try:
            self.take_rate(command.account_id, len(command.commands), orders)
            for index, item in enumerate(command.commands):
                self.rehearse_one(item, command.commands[:index], gone)
        except Refused as refused:
            self.forget_supposed()
            raise RefusedBatch(index, refused.reason) from None
        self.forget_supposed()

    def rehearse_one(
        self,
        item: PlaceOrder | AmendOrder | CancelOrder,
        earlier: tuple[PlaceOrder | AmendOrder | CancelOrder, ...],
        gone: list[Order],
    ) -> None:
        need(not isinstance(item, AmendOrder), R.INVALID_BATCH)
        placed = [other for other in earlier if isinstance(other, PlaceOrder)]
        if isinstance(item, CancelOrder):
            need(not placed, R.INVALID_BATCH)
            order = self.find(item.account_id, item.order_id, item.client_order_id)
            if order is None or order in gone:
                raise Refused(R.UNKNOWN_ORDER)
            gone.append(order)
            self.suppose_gone(order)
            return
        assert isinstance(item, PlaceOrder)
        rests = item.type is OrderType.LIMIT and item.time_in_force not in AT_ONCE
        need(rests, R.INVALID_BATCH)
        need(item.symbol in self.markets, R.UNKNOWN_SYMBOL)
        rules = self.markets[item.symbol].rules
        asset = rules.quote if item.side is Side.BUY else rules.base
        cost = item.quantity_lots * self.lot_cost(item.symbol, item.side, item.price_ticks)
        # One that would be moved needs what it asks for: by its turn it may be moved less far.
        judged = self.lot_cost(item.symbol, item.side, self.limit_to_pay(item))
        more = cost - item.quantity_lots * judged
        self.supposed[item.account_id, asset] -= more
        self.check(item)
        self.supposed[item.account_id, asset] += more
        need(not any(cross(item, other) for other in placed), R.BATCH_CROSSES_ITSELF)
        self.supposed[item.account_id, asset] -= cost
        self.supposed_places -= 1
        if item.client_order_id:
            self.supposed_ids.append(item.client_order_id)
