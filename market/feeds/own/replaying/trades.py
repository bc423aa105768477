"""Recorded trades: which fills belong to one aggressor."""

from collections import Counter

from market.feeds.own.replaying.orders import OpenOrder, OpenOrders
from market.feeds.own.replaying.steps import BID, OTHER, Aggress, Fill, Key


class Trades:
    def __init__(self, orders: OpenOrders, counts: Counter[str]) -> None:
        self._orders = orders
        self._counts = counts
        self.collecting = False
        """The recorded book is crossed: what is recorded as filled belongs to an uncross."""
        self._collected: dict[Key, int] = {}
        self._aggressor: tuple[str, int] | None = None
        """Side and order id of the trade that fills are read for."""
        self._fills: list[tuple[OpenOrder, Fill]] = []
        self._is_cold = False

    def begin(self, side: str, order_id: int, size: int) -> list[Aggress]:
        """A T. One of another aggressor ends the trade before it."""
        self._counts["trade_records"] += 1
        self._counts["traded_size"] += size
        if self._aggressor == (side, order_id):
            return []
        ended = self.end()
        self._aggressor = (side, order_id)
        return ended

    def fill(self, order_id: int, price: int, size: int) -> None:
        """An F. That of the aggressor's own resting order (an aggressive modify) tells nothing."""
        order = self._orders.get(order_id)
        side = self._aggressor[0] if self._aggressor is not None else "N"
        if order is None:
            self._counts["unknown_fill"] += 1
            self._is_cold = True
        elif self.collecting:
            taken = self._orders.fill(order, size)
            self._collected[order_id] = self._collected.get(order_id, 0) + taken
        elif order.side != side:
            self._fills.append((order, Fill(order_id, price, size)))

    def end(self) -> list[Aggress]:
        """The order that the aggressor becomes; nothing where no maker of it is known."""
        if self._aggressor is None:
            return []
        side, fills, is_cold = self._aggressor[0], self._fills, self._is_cold
        self._aggressor, self._fills, self._is_cold = None, [], False
        sides = {order.side for order, _ in fills}
        if side not in OTHER and len(sides) == 1:
            side = OTHER[sides.pop()]
        if not fills:
            self._counts["trades_without_makers"] += not self.collecting
            return []
        if side not in OTHER:
            self._counts["trades_without_aggressor"] += 1
            return []
        return self._aggress(side, fills, is_cold)

    def _aggress(
        self, side: str, fills: list[tuple[OpenOrder, Fill]], is_cold: bool
    ) -> list[Aggress]:
        expected: list[Fill] = []
        for order, fill in fills:
            taken = self._orders.fill(order, fill.size)
            self._counts["hidden_size"] += fill.size - taken
            if taken:
                expected.append(fill._replace(size=taken))
        if not expected:
            return []
        prices = [order.price for order, _ in fills]
        worst = max(prices) if side == BID else min(prices)
        size = sum(fill.size for fill in expected)
        return [Aggress(side, worst, size, tuple(merged(expected)), is_cold)]

    def take_collected(self) -> dict[Key, int]:
        collected, self._collected = self._collected, {}
        return collected


def merged(fills: list[Fill]) -> list[Fill]:
    """Fills of one maker at one price that follow each other as one."""
    together: list[Fill] = []
    for fill in fills:
        if together and together[-1][:2] == fill[:2]:
            together[-1] = fill._replace(size=together[-1].size + fill.size)
        else:
            together.append(fill)
    return together
