"""What a snapshot keeps of an order: of a plain one, of the others, and of lists."""

from collections.abc import Iterable

from msgspec import Struct

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.order import Order, OrderList, Special, Stage, held_per_lot_minor, new_order
from orderbook.core.terms import OrderOptions
from orderbook.core.units import OrderListKind, OrderType, Side, TimeInForce


class PackedSpecial(Struct, frozen=True, array_like=True):
    type: OrderType
    time_in_force: TimeInForce
    options: OrderOptions
    stage: Stage
    reserve_lots: int
    stop_ticks: int
    best_ticks: int
    covered_minor: int


class PackedOrder(Struct, frozen=True, array_like=True):
    order_id: int
    account_id: int
    side: Side
    price_ticks: int
    quantity_lots: int
    remaining_lots: int
    priority: int
    client_order_id: str
    special: PackedSpecial | None


class PackedList(Struct, frozen=True, array_like=True):
    list_id: int
    list_kind: OrderListKind
    filled_lots: int
    received_minor: int
    order_ids: list[int]


def pack_order(order: Order) -> PackedOrder:
    special = order.special
    return PackedOrder(
        order.order_id,
        order.account.account_id,
        order.side,
        order.price_ticks,
        order.quantity_lots,
        order.remaining_lots,
        order.priority,
        order.client_order_id,
        None if special is None else _pack_special(special),
    )


def _pack_special(special: Special) -> PackedSpecial:
    return PackedSpecial(
        special.type,
        special.time_in_force,
        special.options,
        special.stage,
        special.reserve_lots,
        special.stop_ticks,
        special.best_ticks,
        special.covered_minor,
    )


def unpack_order(packed: PackedOrder, account: Account, book: Book) -> Order:
    instrument = book.instrument
    order = new_order(
        packed.order_id,
        account,
        book,
        account.balances[instrument.quote if packed.side is Side.BUY else instrument.base],
        held_per_lot_minor(book, packed.side, packed.price_ticks),
        packed.side,
        packed.price_ticks,
        packed.quantity_lots,
        packed.client_order_id,
    )
    order.remaining_lots = packed.remaining_lots
    if packed.special is not None:
        order.special = _unpack_special(packed.special)
    return order


def _unpack_special(packed: PackedSpecial) -> Special:
    special = Special(packed.type, packed.time_in_force, packed.options)
    special.stage = packed.stage
    special.reserve_lots = packed.reserve_lots
    special.stop_ticks = packed.stop_ticks
    special.best_ticks = packed.best_ticks
    special.covered_minor = packed.covered_minor
    return special


def pack_lists(orders: Iterable[Order]) -> list[PackedList]:
    """By id. ``orders``: every open order."""
    lists = {
        order.special.order_list.list_id: order.special.order_list
        for order in orders
        if order.special is not None and order.special.order_list is not None
    }
    return [
        PackedList(
            list_id,
            order_list.list_kind,
            order_list.filled_lots,
            order_list.received_minor,
            [order.order_id for order in order_list.orders],
        )
        for list_id, order_list in sorted(lists.items())
    ]


def restore_lists(packed_lists: list[PackedList], orders: dict[int, Order]) -> dict[int, OrderList]:
    """The lists by id; ``orders``: every open order by id, which learn of their lists."""
    lists: dict[int, OrderList] = {}
    for packed in packed_lists:
        order_list = lists[packed.list_id] = OrderList(packed.list_id, packed.list_kind)
        order_list.filled_lots = packed.filled_lots
        order_list.received_minor = packed.received_minor
        for order_id in packed.order_ids:
            special = orders[order_id].special
            assert special is not None
            special.order_list = order_list
            order_list.orders.append(orders[order_id])
    return lists
