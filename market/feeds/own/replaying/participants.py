"""The engine's orders of a replay's participants: who placed them, and what became of them."""

from typing import NamedTuple

from market.feeds.own.replaying.steps import BID, Aggress, Amend, Key, Place
from orderbook.core.commands import AmendOrder, CancelAllOrders, CancelOrder, PlaceOrder
from orderbook.core.units import OrderType, Side, TimeInForce


class Participants(NamedTuple):
    """Accounts. None of them ever trades with itself: bids and asks meet takers only, and takers
    never rest."""

    bids: int
    asks: int
    takers: int

    def of_side(self, side: str) -> int:
        return self.bids if side == BID else self.asks


class SentOrder:
    """The engine's order for a recorded one."""

    __slots__ = (
        "account_id",
        "client_order_id",
        "filled",
        "lost",
        "offset",
        "side",
        "ticks",
        "total",
    )

    def __init__(
        self, account_id: int, client_order_id: str, side: str, ticks: int, total: int
    ) -> None:
        self.account_id = account_id
        self.client_order_id = client_order_id
        self.side = side
        self.ticks = ticks
        self.total = total
        """According to the plan; the engine's order has ``offset`` more."""
        self.filled = 0
        """By the replay's takers, in the engine."""
        self.lost = 0
        """Filled otherwise: by orders that are none of the recording's. Nothing is put right for
        that; the order just has so much less."""
        self.offset = 0
        """What the engine filled more (or, below 0, less) of it than was recorded, and what was
        put right for that."""

    @property
    def left(self) -> int:
        """In the engine, as far as is known."""
        return self.engine_total - self.filled - self.lost

    @property
    def engine_total(self) -> int:
        return self.total + self.offset


class Desk:
    """Turns steps into commands of the participants, and knows the engine's orders by key."""

    def __init__(self, symbol: str, participants: Participants, tick: int, tag: str) -> None:
        """``tick``: of the instrument, in the recording's units. ``tag`` begins every client order
        id, so that those of another replay never come in the way."""
        self.symbol = symbol
        self.participants = participants
        self._tick = tick
        self._tag = tag
        self._count = 0
        self.orders: dict[Key, SentOrder] = {}
        self.key_of: dict[int, Key] = {}
        """By the engine's order id."""
        self.sent_by_client_id: dict[str, Key] = {}
        """Orders whose engine id is not known yet."""

    def place(self, step: Place) -> PlaceOrder:
        return self._place(step.key, step.side, step.price // self._tick, step.size, step.size)

    def place_again(self, key: Key, order: SentOrder, lots: int) -> PlaceOrder:
        """The rest of an order that the engine filled although the recording did not."""
        command = self._place(key, order.side, order.ticks, lots, order.total)
        self.orders[key].offset = lots - order.total
        return command

    def amend(self, step: Amend) -> AmendOrder | CancelOrder | None:
        order = self.orders.get(step.key)
        if order is None:
            return None
        order.total = step.total
        if step.price:
            order.ticks = step.price // self._tick
        if order.engine_total <= 0:
            return self.cancel(step.key)
        return self._amend(order, order.ticks if step.price else 0)

    def correct(self, order: SentOrder, more: int) -> AmendOrder | CancelOrder:
        """Makes an open order larger or smaller than the plan has it."""
        order.offset += more
        if order.left <= 0:
            return self._cancel(order)
        return self._amend(order, 0)

    def cancel(self, key: Key) -> CancelOrder | None:
        order = self.orders.pop(key, None)
        return self._cancel(order) if order is not None else None

    def cancel_side(self, side: str) -> CancelAllOrders:
        for key in [key for key, order in self.orders.items() if order.side == side]:
            del self.orders[key]
        return CancelAllOrders(self.participants.of_side(side), self.symbol)

    def aggress(self, step: Aggress) -> PlaceOrder:
        self._count += 1
        return PlaceOrder(
            self.participants.takers,
            self.symbol,
            Side.BUY if step.side == BID else Side.SELL,
            OrderType.LIMIT,
            TimeInForce.IOC,
            step.price // self._tick,
            step.size,
            f"{self._tag}-{self._count}",
        )

    def price(self, ticks: int) -> int:
        """In the recording's units."""
        return ticks * self._tick

    def is_ours(self, account_id: int) -> bool:
        return account_id in self.participants

    def learn(self, client_order_id: str, order_id: int) -> None:
        """The engine accepted an order."""
        key = self.sent_by_client_id.pop(client_order_id, None)
        if key is not None:
            self.key_of[order_id] = key

    def _place(self, key: Key, side: str, ticks: int, lots: int, total: int) -> PlaceOrder:
        self._count += 1
        client_order_id = f"{self._tag}-{self._count}"
        account_id = self.participants.of_side(side)
        self.orders[key] = SentOrder(account_id, client_order_id, side, ticks, total)
        self.sent_by_client_id[client_order_id] = key
        return PlaceOrder(
            account_id,
            self.symbol,
            Side.BUY if side == BID else Side.SELL,
            OrderType.LIMIT,
            TimeInForce.GTC,
            ticks,
            lots,
            client_order_id,
        )

    def _amend(self, order: SentOrder, ticks: int) -> AmendOrder:
        return AmendOrder(order.account_id, 0, order.client_order_id, ticks, order.engine_total)

    def _cancel(self, order: SentOrder) -> CancelOrder:
        return CancelOrder(order.account_id, 0, order.client_order_id)
