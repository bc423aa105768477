"""What a recorder knows of a market's open orders: those that its records show, and the others."""

from orderbook.core.order import Order
from orderbook.core.units import Side


class Standing:
    """An order as the records say that it stands in the book."""

    __slots__ = (
        "account_id",
        "order_id",
        "place",
        "price_ticks",
        "priority",
        "reserve_lots",
        "shown_lots",
        "side",
    )

    def __init__(
        self,
        order_id: int,
        account_id: int,
        side: Side,
        price_ticks: int,
        shown_lots: int,
        reserve_lots: int,
    ) -> None:
        self.order_id = order_id
        self.account_id = account_id
        self.side = side
        self.price_ticks = price_ticks
        self.shown_lots = shown_lots
        self.reserve_lots = reserve_lots
        """An iceberg's quantity that no record shows."""
        self.priority = 0
        """As in the engine's book; 0 from when it is recorded until its command is over."""
        self.place = 0
        """Of those recorded in the running command: which one it is."""

    def hide(self, lots: int) -> int:
        """Takes lots off, hidden ones first; gives how many come off what shows."""
        hidden_lots = min(lots, self.reserve_lots)
        self.reserve_lots -= hidden_lots
        return lots - hidden_lots


class Away:
    """An open order that stands in no level: on its way, waiting for its stop, or pending."""

    __slots__ = ("account_id", "display_lots", "open_lots", "price_ticks", "side")

    def __init__(
        self, account_id: int, side: Side, price_ticks: int, open_lots: int, display_lots: int
    ) -> None:
        self.account_id = account_id
        self.side = side
        self.price_ticks = price_ticks
        self.open_lots = open_lots
        self.display_lots = display_lots
        """What shows at most; 0: everything."""

    def standing(self, order_id: int) -> Standing:
        """As it is once it rests."""
        shown_lots = min(self.open_lots, self.display_lots or self.open_lots)
        return Standing(
            order_id,
            self.account_id,
            self.side,
            self.price_ticks,
            shown_lots,
            self.open_lots - shown_lots,
        )


def standing_of(order: Order) -> Standing:
    """An order that rests in the engine's book."""
    special = order.special
    standing = Standing(
        order.order_id,
        order.account.account_id,
        order.side,
        order.price_ticks,
        order.remaining_lots,
        special.reserve_lots if special is not None else 0,
    )
    standing.priority = order.priority
    return standing


def away_of(order: Order) -> Away:
    """An open order that does not rest."""
    special = order.special
    return Away(
        order.account.account_id,
        order.side,
        order.price_ticks,
        order.open_lots(),
        special.options.display_lots if special is not None else 0,
    )
