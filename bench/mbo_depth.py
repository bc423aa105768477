"""What a recorded order flow leaves in the book, in so few lines that they are plainly right.

The replay compares the venue with this; so it shares nothing with the replay's own bookkeeping.
Only A, C, M and R change a book (add, cancel, modify, clear); trades and fills never do.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from bench.mbo_file import NO_PRICE, SNAPSHOT, TOP_OF_BOOK, Record

Levels = dict[int, tuple[int, int]]
"""price: (size, number of orders)."""


class Depth(NamedTuple):
    bids: Levels
    asks: Levels
    unknown_ids: int
    """Cancels (which are skipped) and modifies (which count as adds) of orders never added."""


def expected_depth(records: Iterable[Record]) -> Depth:
    orders: dict[int | str, tuple[str, int, int]] = {}  # id: side, price, size
    unknown_ids = 0
    in_snapshot = False
    for record in records:
        is_snapshot = bool(record.flags & SNAPSHOT)
        if record.action == "R" or (is_snapshot and not in_snapshot):
            orders.clear()
        in_snapshot = is_snapshot
        if record.action == "A" and record.flags & TOP_OF_BOOK:  # replaces its side
            orders = {key: order for key, order in orders.items() if order[0] != record.side}
            if record.price != NO_PRICE:
                orders[f"top {record.side}"] = (record.side, record.price, record.size)
        elif record.action in ("A", "M"):
            unknown_ids += record.action == "M" and record.order_id not in orders
            orders[record.order_id] = (record.side, record.price, record.size)
        elif record.action == "C" and record.order_id in orders:
            side, price, size = orders[record.order_id]
            orders[record.order_id] = (side, price, size - record.size)
            if size <= record.size:
                del orders[record.order_id]
        elif record.action == "C":
            unknown_ids += 1
    return Depth(_levels(orders.values(), "B"), _levels(orders.values(), "A"), unknown_ids)


def _levels(orders: Iterable[tuple[str, int, int]], side: str) -> Levels:
    sizes: dict[int, list[int]] = defaultdict(list)
    for order_side, price, size in orders:
        if order_side == side:
            sizes[price].append(size)
    return {price: (sum(of_level), len(of_level)) for price, of_level in sizes.items()}


def differences(
    expected: Levels, found: Levels
) -> list[tuple[int, tuple[int, int] | None, tuple[int, int] | None]]:
    """(price, expected level, level found) wherever the two are not the same, by price."""
    return [
        (price, expected.get(price), found.get(price))
        for price in sorted(expected.keys() | found.keys())
        if expected.get(price) != found.get(price)
    ]
