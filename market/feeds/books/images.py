"""Images of books as the records that bring them about."""

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookImage
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CLEAR,
    FLAG_TOB,
    MBO_DTYPE,
    MBO_RTYPE,
    NO_PRICE,
    NO_SIZE,
    NONE,
    RECORD_SIZE,
    Records,
)


def as_records(image: BookImage) -> Records:
    """An R, then an A for each order. Raises ValueError for what no book can be.

    An anonymous order comes first: with it its side was empty, and whatever joined its level did so
    behind it.
    """
    _check(image)
    records = np.zeros(1 + len(image.bids) + len(image.asks), MBO_DTYPE)
    records["length"], records["rtype"] = RECORD_SIZE // 4, MBO_RTYPE
    records["publisher_id"] = image.key.publisher_id
    records["instrument_id"] = image.key.instrument_id
    records[0]["action"], records[0]["side"], records[0]["price"] = CLEAR, NONE, NO_PRICE
    start = 1
    for side, queue in ((BID, image.bids), (ASK, image.asks)):
        ordered = queue[np.argsort(queue["anonymous"] == 0, kind="stable")]
        part = records[start : start + len(queue)]
        part["action"], part["side"] = ADD, side
        for name in ("order_id", "price", "size"):
            part[name] = ordered[name]
        part["flags"] = np.where(ordered["anonymous"] != 0, FLAG_TOB, 0)
        start += len(queue)
    return records


def _check(image: BookImage) -> None:
    for queue, descending in ((image.bids, True), (image.asks, False)):
        _check_side(queue, descending)
    orders = np.concatenate([image.bids, image.asks])
    named = orders["order_id"][orders["anonymous"] == 0]
    if len(np.unique(named)) != len(named):
        raise ValueError("The image has an order id twice.")


def _check_side(queue: NDArray[np.void], descending: bool) -> None:
    prices = queue["price"]
    if np.isin(queue["size"], (0, NO_SIZE)).any() or (prices == NO_PRICE).any():
        raise ValueError("The image has an order without a size or price.")
    before, after = (prices[1:], prices[:-1]) if descending else (prices[:-1], prices[1:])
    if (before > after).any():
        raise ValueError("The image's levels are out of order.")
    anonymous = np.flatnonzero(queue["anonymous"])
    if len(anonymous) > 1:
        raise ValueError("The image has two anonymous orders on one side.")
    if len(anonymous) and anonymous[0] and prices[anonymous[0] - 1] == prices[anonymous[0]]:
        raise ValueError("The image's anonymous order is not the first of its level.")
