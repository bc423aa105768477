"""Amends: an open order gets another price, quantity or stop price, and keeps its id.

It must pass the rules of a new order that is as it would be then. For money, what it holds already
counts as available. A smaller quantity leaves it where it stands; any other change of a resting
order takes it out of the book and sends it in anew, so that it may trade. It stays among its
account's orders meanwhile, and so stays in order of age there.
"""

from msgspec.structs import replace

from orderbook.core.commands import AmendOrder, PlaceOrder
from orderbook.core.entry import OrderEntry
from orderbook.core.events import Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order, Special, Stage
from orderbook.core.refusals import amend_rejected
from orderbook.core.rehearsal import Rehearsal
from orderbook.core.rejects import RejectReason
from orderbook.core.risk import refuse_order
from orderbook.core.special import SpecialEntry, amended, passive_price_ticks, reprices
from orderbook.core.terms import OrderOptions
from orderbook.core.units import OrderType, Side, TimeInForce
from orderbook.core.venue import Venue


class Amends:
    __slots__ = ("_entry", "_lifecycle", "_special", "_venue")

    def __init__(
        self, venue: Venue, lifecycle: Lifecycle, entry: OrderEntry, special: SpecialEntry
    ) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._entry = entry
        self._special = special

    def amend(self, command: AmendOrder, events: list[Event]) -> None:
        found = self._find(command)
        if isinstance(found, RejectReason):
            events.append(amend_rejected(command, found))
            return
        order = found
        price_ticks = command.price_ticks or order.price_ticks
        quantity_lots = command.quantity_lots or order.quantity_lots
        special = order.special
        stop_ticks = command.stop_ticks or (special.stop_ticks if special is not None else 0)
        reason = _refuse_change(order, price_ticks, quantity_lots, stop_ticks)
        if reason is None:
            reason = self._refuse_as_new(order, price_ticks, quantity_lots, stop_ticks)
        if reason is not None:
            events.append(amend_rejected(command, reason))
            return
        if special is not None and special.stage is Stage.WAITING:
            self._amend_waiting(order, special, price_ticks, quantity_lots, stop_ticks)
            events.append(amended(order, kept_priority=True))
        elif price_ticks == order.price_ticks and quantity_lots < order.quantity_lots:
            self._lifecycle.shrink(order, order.quantity_lots - quantity_lots)
            events.append(amended(order, kept_priority=True))
        else:
            self._send_anew(order, price_ticks, quantity_lots, events)

    def _find(self, command: AmendOrder) -> Order | RejectReason:
        venue = self._venue
        account = venue.registry.by_id.get(command.account_id)
        if account is None:
            return RejectReason.UNKNOWN_ACCOUNT
        if account.limits is not None:
            refused = account.limits.take(1, 0, venue.time_ns)
            if refused is not None:
                return refused
        order = account.find_order(command.order_id, command.client_order_id)
        return order if order is not None else RejectReason.UNKNOWN_ORDER

    def _refuse_as_new(
        self, order: Order, price_ticks: int, quantity_lots: int, stop_ticks: int
    ) -> RejectReason | None:
        """Whether a new order like this, in place of this one, would be refused."""
        command = _like_new(order, price_ticks, quantity_lots, stop_ticks)
        rehearsal = Rehearsal(order.account)
        rehearsal.end(order)
        if order.special is not None:
            rehearsal.lend(order.funds, order.special.covered_minor)
        filled_lots = order.quantity_lots - order.open_lots()
        if filled_lots:
            rehearsal.lend(order.funds, filled_lots * _asked_per_lot_minor(order, command))
        reason = refuse_order(command, order.book, order.account, self._venue)
        rehearsal.undo()
        return reason

    def _amend_waiting(
        self,
        order: Order,
        special: Special,
        price_ticks: int,
        quantity_lots: int,
        stop_ticks: int,
    ) -> None:
        """Changes an order that waits for its stop price, and what it holds."""
        waiting, ledger = order.book.waiting, self._venue.ledger
        assert waiting is not None
        held_minor = order.held_minor()
        waiting.remove(order)
        order.reprice(price_ticks)
        order.remaining_lots += quantity_lots - order.quantity_lots
        order.quantity_lots = quantity_lots
        special.stop_ticks = stop_ticks
        waiting.add(order)
        more_minor = order.held_minor() - held_minor
        if more_minor > 0:
            ledger.hold(order.funds, more_minor)
        elif more_minor:
            ledger.release(order.funds, -more_minor)

    def _send_anew(
        self, order: Order, price_ticks: int, quantity_lots: int, events: list[Event]
    ) -> None:
        """Takes a resting order out of the book and executes it as it is from now on."""
        account, special = order.account, order.special
        held_minor = order.held_minor()
        open_lots = order.open_lots() + quantity_lots - order.quantity_lots
        order.book.remove(order)
        self._venue.ledger.release(order.funds, held_minor)
        order.reprice(price_ticks)
        order.quantity_lots = quantity_lots
        order.remaining_lots = open_lots
        if special is not None:
            special.reserve_lots = 0
            special.stage = Stage.TAKING
        events.append(amended(order, kept_priority=False))
        if special is None:
            self._entry.execute(order, OrderType.LIMIT, TimeInForce.GTC, account.self_trade, events)
        else:
            self._special.execute(order, events)
        if order.level is None:
            del account.orders[order.order_id]


def _refuse_change(
    order: Order, price_ticks: int, quantity_lots: int, stop_ticks: int
) -> RejectReason | None:
    """What an order of this kind, at this stage, cannot have changed."""
    special = order.special
    new_price = price_ticks != order.price_ticks
    new_quantity = quantity_lots != order.quantity_lots
    new_stop = stop_ticks != (special.stop_ticks if special is not None else 0)
    if not new_price and not new_quantity and not new_stop:
        return RejectReason.INVALID_ORDER
    if special is None:
        allowed = not new_stop
    elif special.order_list is not None and (new_price or new_quantity):
        allowed = False
    elif special.stage is Stage.WAITING:
        allowed = not (new_price and not order.price_ticks) and not (
            new_stop and special.type is OrderType.TRAILING_STOP
        )
    else:
        allowed = special.stage is Stage.RESTING and not new_stop
    if not allowed:
        return RejectReason.AMEND_NOT_ALLOWED
    if new_quantity and 0 < quantity_lots <= order.quantity_lots - order.open_lots():
        return RejectReason.QUANTITY_BELOW_FILLED
    return None


def _like_new(order: Order, price_ticks: int, quantity_lots: int, stop_ticks: int) -> PlaceOrder:
    """The command for a new order that is as this one would be.

    What has been set off is a plain limit by now, and a trailing stop is judged by where it is.
    """
    type, time_in_force = OrderType.LIMIT, TimeInForce.GTC
    options: OrderOptions | None = None
    special = order.special
    if special is not None:
        options, time_in_force = special.options, special.time_in_force
        display_lots = min(options.display_lots, quantity_lots)
        if special.stage is Stage.WAITING:
            type = special.type
            if type is OrderType.TRAILING_STOP:
                type = OrderType.STOP_MARKET
        else:
            stop_ticks = 0
        if time_in_force is not TimeInForce.GTD:
            options = replace(options, expire_time_ns=0)
        options = replace(options, stop_ticks=stop_ticks, trail_ticks=0, display_lots=display_lots)
    instrument = order.book.instrument
    return PlaceOrder(
        order.account.account_id,
        instrument.symbol,
        order.side,
        type,
        time_in_force,
        price_ticks,
        quantity_lots,
        "",
        options,
    )


def _asked_per_lot_minor(order: Order, command: PlaceOrder) -> int:
    """What the rules ask a new order like this to have for each lot.

    Lending more for the filled lots than that would pay for others, too: one that is to be repriced
    is judged by the price to which it moves.
    """
    if order.side is not Side.BUY:
        return order.held_per_lot_minor
    price_ticks = command.price_ticks
    if command.type is OrderType.LIMIT and reprices(command, order.book):
        price_ticks = passive_price_ticks(order.book, order.side, price_ticks)
    return price_ticks * order.book.instrument.tick_lot_minor
