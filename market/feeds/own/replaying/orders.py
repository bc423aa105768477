"""The recorded book as a plan sees it: orders by key, and how many stand at each price."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from market.feeds.own.replaying.steps import ASK, BID, OTHER, Key


class OpenOrder:
    __slots__ = (
        "counted_at",
        "filled",
        "key",
        "pending",
        "price",
        "side",
        "size",
        "total",
    )

    def __init__(self, key: Key, side: str, price: int, size: int) -> None:
        self.key = key
        self.side = side
        self.price = price
        self.size = size
        """As the recorded book has it."""
        self.pending = 0
        """Recorded as filled, while the recorded book does not show it yet."""
        self.total = 0
        """Of the order that was placed for it, what is filled included."""
        self.filled = 0
        """Of that order, according to the recording."""
        self.counted_at: int | None = None
        """Price at which ``OpenOrders`` counts it, as long as something of it is left."""

    @property
    def left(self) -> int:
        return self.size - self.pending


class OpenOrders:
    def __init__(self) -> None:
        self._orders: dict[Key, OpenOrder] = {}
        self._counts: dict[str, SortedDict[int, int]] = {BID: SortedDict(), ASK: SortedDict()}
        """Orders of which something is left, by side and price."""

    def __contains__(self, key: Key) -> bool:
        return key in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[OpenOrder]:
        return iter(self._orders.values())

    def get(self, key: Key) -> OpenOrder | None:
        return self._orders.get(key)

    def of_side(self, side: str) -> list[OpenOrder]:
        return [order for order in self._orders.values() if order.side == side]

    def add(self, key: Key, side: str, price: int, size: int) -> OpenOrder:
        order = self._orders[key] = OpenOrder(key, side, price, size)
        self._recount(order)
        return order

    def remove(self, order: OpenOrder) -> None:
        del self._orders[order.key]
        order.size = order.pending = 0
        self._recount(order)

    def change(self, order: OpenOrder, price: int, size: int) -> None:
        """Sets price and size; call it after a change of ``pending``."""
        order.price, order.size = price, size
        self._recount(order)

    def fill(self, order: OpenOrder, size: int) -> int:
        """Notes a fill; gives how much of it the order can have had."""
        size = min(size, order.left)
        order.pending += size
        order.filled += size
        self._recount(order)
        return size

    def clear(self) -> None:
        self._orders.clear()
        for counts in self._counts.values():
            counts.clear()

    def crosses(self, order: OpenOrder) -> bool:
        """Whether it would trade with the other side."""
        other = self._counts[OTHER[order.side]]
        if not other or not order.left:
            return False
        if order.side == BID:
            return bool(order.price >= other.peekitem(0)[0])
        return bool(order.price <= other.peekitem(-1)[0])

    def is_crossed(self) -> bool:
        bids, asks = self._counts[BID], self._counts[ASK]
        return bool(bids and asks and bids.peekitem(-1)[0] >= asks.peekitem(0)[0])

    def _recount(self, order: OpenOrder) -> None:
        counts = self._counts[order.side]
        price = order.price if order.left > 0 else None
        if price == order.counted_at:
            return
        if order.counted_at is not None:
            counts[order.counted_at] -= 1
            if not counts[order.counted_at]:
                del counts[order.counted_at]
        if price is not None:
            counts[price] = counts.get(price, 0) + 1
        order.counted_at = price
