"""One book in the plainest way, which fails at the first record that cannot be right."""

from dataclasses import dataclass, field

from market.feeds.dbn.records import FLAG_LAST, FLAG_SNAPSHOT, NO_PRICE

Queue = dict[int, int]


@dataclass
class NaiveBook:
    sides: dict[str, dict[int, Queue]] = field(default_factory=lambda: {"B": {}, "A": {}})
    """Price to order id to size, in the order of arrival."""
    places: dict[int, tuple[str, int]] = field(default_factory=dict)
    fills: list[tuple[int, int, int]] = field(default_factory=list)
    """Order id, price and size of fills whose C or M has not come yet."""
    trades: list[int] = field(default_factory=list)
    """Sizes of the trades whose fills are being read."""
    in_snapshot: bool = False
    is_open: bool = False
    most_orders: int = 0

    def apply(self, record) -> None:
        action, side = chr(record["action"]), chr(record["side"])
        order_id, price, size = (int(record[name]) for name in ("order_id", "price", "size"))
        is_snapshot = bool(record["flags"] & FLAG_SNAPSHOT)
        if action == "A" and is_snapshot and not self.in_snapshot:
            self.clear()
        if action in "ACMR":
            self.in_snapshot = is_snapshot or action == "R"
        getattr(
            self,
            {"A": "add", "C": "cancel", "M": "modify", "T": "trade", "F": "fill"}.get(
                action, "reset"
            ),
        )(side, order_id, price, size)
        self.most_orders = max(self.most_orders, len(self.places))
        if record["flags"] & FLAG_LAST:
            self.end()

    def clear(self) -> None:
        self.sides = {"B": {}, "A": {}}
        self.places = {}

    def reset(self, side: str, order_id: int, price: int, size: int) -> None:
        assert (side, order_id, price, size) == ("N", 0, NO_PRICE, 0)
        self.is_open = True
        self.clear()

    def add(self, side: str, order_id: int, price: int, size: int) -> None:
        assert order_id not in self.places
        assert order_id > 0
        assert 0 < size < 2**32 - 1
        self.places[order_id] = side, price
        self.sides[side].setdefault(price, {})[order_id] = size

    def remove(self, order_id: int) -> None:
        side, price = self.places.pop(order_id)
        queue = self.sides[side][price]
        del queue[order_id]
        if not queue:
            del self.sides[side][price]

    def cancel(self, side: str, order_id: int, price: int, size: int) -> None:
        assert self.places[order_id] == (side, price)
        queue = self.sides[side][price]
        assert 0 < size <= queue[order_id]
        if self.fills:
            assert self.fills.pop(0) == (order_id, price, size)
        queue[order_id] -= size
        if not queue[order_id]:
            self.remove(order_id)

    def modify(self, side: str, order_id: int, price: int, size: int) -> None:
        known_side, known_price = self.places[order_id]
        assert known_side == side
        known_size = self.sides[side][known_price][order_id]
        if self.fills:
            assert self.fills.pop(0) == (order_id, price, known_size - size)
        if price == known_price and size <= known_size:
            self.sides[side][price][order_id] = size
        else:
            self.remove(order_id)
            self.add(side, order_id, price, size)

    def trade(self, side: str, order_id: int, price: int, size: int) -> None:
        assert not any(self.trades)
        other = self.sides["A" if side == "B" else "B"]
        assert price == (min(other) if side == "B" else max(other))
        self.trades.append(size)

    def fill(self, side: str, order_id: int, price: int, size: int) -> None:
        assert self.places[order_id] == (side, price)
        queue = self.sides[side][price]
        assert list(queue)[len(self.fills)] == order_id
        assert all(queue[maker] == filled for maker, _price, filled in self.fills)
        assert 0 < size <= queue[order_id]
        self.trades[-1] -= size
        self.fills.append((order_id, price, size))

    def end(self) -> None:
        assert not self.fills
        assert not any(self.trades)
        self.trades = []
        assert self.is_open
        if all(self.sides.values()):
            assert max(self.sides["B"]) < min(self.sides["A"])
