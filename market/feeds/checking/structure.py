"""Whether the levels that a book shows are those of its orders."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookKey, Books, Level
from market.feeds.checking.report import Kind

Found = Callable[..., None]
"""Takes a kind, and as keywords what says where."""


def check_structure(books: Books, key: BookKey, found: Found) -> None:
    """Compares every level of a book with its orders."""
    image = books.image(key)
    depth = max(len(image.bids), len(image.asks)) + 1
    for side, orders, levels in zip(
        ("B", "A"), (image.bids, image.asks), books.levels(key, depth), strict=True
    ):
        for kind, price in _faults(orders, levels, descends=side == "B"):
            found(kind, side=side, price=price)


def _faults(
    orders: NDArray[np.void], levels: list[Level], *, descends: bool
) -> list[tuple[Kind, int]]:
    sizes: dict[int, int] = {}
    counts: dict[int, int] = {}
    faults: list[tuple[Kind, int]] = []
    for price, size in zip(orders["price"].tolist(), orders["size"].tolist(), strict=True):
        sizes[price] = sizes.get(price, 0) + size
        counts[price] = counts.get(price, 0) + 1
        if size == 0:
            faults.append((Kind.ORDER_SIZE, price))
    prices = [level.price for level in levels]
    if prices != sorted(set(prices), reverse=descends):
        faults.append((Kind.LEVEL_ORDER, prices[0]))
    if list(dict.fromkeys(orders["price"].tolist())) != sorted(counts, reverse=descends):
        faults.append((Kind.LEVEL_ORDER, int(orders["price"][0])))
    for price in counts.keys() ^ set(prices):
        faults.append((Kind.LEVEL_SET, price))
    for level in levels:
        if level.order_count == 0 or level.size == 0:
            faults.append((Kind.EMPTY_LEVEL, level.price))
        if level.size != sizes.get(level.price, 0):
            faults.append((Kind.LEVEL_SIZE, level.price))
        if level.order_count != counts.get(level.price, 0):
            faults.append((Kind.LEVEL_COUNT, level.price))
    return faults
