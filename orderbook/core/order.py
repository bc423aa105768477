"""One order: a taker on its way through a book, or an open order that rests or waits.

Most orders are plain: a limit at one price, good till canceled. What only other kinds need is in
``Special``, so that plain ones stay small and quick.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from orderbook.core.accounts import Account
from orderbook.core.balances import Balance
from orderbook.core.terms import OrderOptions
from orderbook.core.units import OrderListKind, OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from orderbook.core.book import Book, Level

_BUY: Final = Side.BUY  # reading an enumeration's member costs ten times as much as a constant


class Stage(Enum):
    """Where an order that is not plain stands."""

    TAKING = "taking"
    """On its way through the book."""
    RESTING = "resting"
    WAITING = "waiting"
    """For its stop price."""
    SET_OFF = "set_off"
    """On the venue's agenda, to go to the book."""
    PENDING = "pending"
    """An exit of a bracket whose entry is not done. Holds nothing."""


class OrderList:
    """Orders that depend on one another.

    A bracket whose exits were armed is an OCO from then on; an OCO of which one order was set off
    or filled in part is no list any more.
    """

    __slots__ = ("acted", "filled_lots", "list_id", "list_kind", "orders", "received_minor")

    def __init__(self, list_id: int, list_kind: OrderListKind) -> None:
        self.list_id = list_id
        self.list_kind = list_kind
        self.orders: list[Order] = []
        """Those that are open; of a bracket the entry first, as long as it is."""
        self.filled_lots = 0
        """Brackets: what the entry has bought or sold."""
        self.received_minor = 0
        """Brackets: what the entry has received for it, less fees, in the asset received."""
        self.acted: Order | None = None
        """The order of an OCO that traded or was set off in the running command."""

    def entry(self) -> Order | None:
        """The entry of a bracket, while it is open."""
        first = self.orders[0] if self.orders else None
        return first if first is not None and first.order_id == self.list_id else None


class Special:
    """What an order has beyond the plain ones."""

    __slots__ = (
        "best_ticks",
        "covered_minor",
        "options",
        "order_list",
        "reserve_lots",
        "stage",
        "stop_ticks",
        "time_in_force",
        "type",
    )

    def __init__(self, type: OrderType, time_in_force: TimeInForce, options: OrderOptions) -> None:
        self.type = type
        self.time_in_force = time_in_force
        self.options = options
        """As in its ``OrderAccepted``: defaults resolved."""
        self.stage = Stage.TAKING
        self.reserve_lots = 0
        """An iceberg's quantity that does not show; on top of the order's ``remaining_lots``."""
        self.stop_ticks = options.stop_ticks
        self.best_ticks = 0
        """Trailing stops: the best last-trade price since entry."""
        self.covered_minor = 0
        """What the other order of its list holds for it, so that one hold serves both."""
        self.order_list: OrderList | None = None


class Order:
    __slots__ = (
        "account",
        "book",
        "client_order_id",
        "following",
        "funds",
        "held_per_lot_minor",
        "level",
        "order_id",
        "preceding",
        "price_ticks",
        "priority",
        "quantity_lots",
        "remaining_lots",
        "side",
        "special",
    )

    order_id: int
    account: Account
    book: Book
    funds: Balance
    """The balance that it pays from: quote for a buy, base for a sell."""
    held_per_lot_minor: int
    """What it holds of ``funds`` for each lot while it is open. Nothing where a buy has no limit:
    such an order pays from what is available when it trades."""
    side: Side
    price_ticks: int
    quantity_lots: int
    """In all, filled or not."""
    remaining_lots: int
    """What can be matched now; an iceberg's reserve is not in it."""
    client_order_id: str
    special: Special | None
    level: Level | None
    """Where it stands in the book, if it does."""
    priority: int
    """Its place in time: grows along each level's queue."""
    # Only of an order that stands in a level:
    preceding: Order | None
    following: Order | None

    def reprice(self, price_ticks: int) -> None:
        """Gives an order that stands nowhere another limit."""
        self.price_ticks = price_ticks
        if self.side is _BUY:
            self.held_per_lot_minor = price_ticks * self.book.tick_lot_minor

    def open_lots(self) -> int:
        """What is not filled, shown or not."""
        special = self.special
        if special is None:
            return self.remaining_lots
        return self.remaining_lots + special.reserve_lots

    def held_minor(self) -> int:
        """What it holds of ``funds`` while it is open."""
        special = self.special
        if special is None:
            return self.remaining_lots * self.held_per_lot_minor
        if special.stage is Stage.PENDING:
            return 0
        needed_minor = (self.remaining_lots + special.reserve_lots) * self.held_per_lot_minor
        return max(0, needed_minor - special.covered_minor)


def held_per_lot_minor(book: Book, side: Side, price_ticks: int) -> int:
    """What an order holds for each of its lots: quote for a buy, base for a sell."""
    return price_ticks * book.tick_lot_minor if side is _BUY else book.lot_minor


def new_order(
    order_id: int,
    account: Account,
    book: Book,
    funds: Balance,
    held_per_lot_minor: int,
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    client_order_id: str,
) -> Order:
    """A plain order that stands nowhere yet.

    Not a constructor, because CPython 3.11 takes twice as long for one.
    """
    order = Order()
    order.order_id = order_id
    order.account = account
    order.book = book
    order.funds = funds
    order.held_per_lot_minor = held_per_lot_minor
    order.side = side
    order.price_ticks = price_ticks
    order.quantity_lots = quantity_lots
    order.remaining_lots = quantity_lots
    order.client_order_id = client_order_id
    order.special = None
    order.level = None
    order.priority = 0
    return order
