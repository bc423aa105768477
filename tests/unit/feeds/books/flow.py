"""Records written as short lines: ``A B 1 100 5 +snapshot`` is an add of order 1, 5 at 100, bid.

Prices are in whole units; ``-`` is no price, or no size. ``+last`` is set unless ``.`` ends the
line; ``+tob``, ``+snapshot``; ``i=`` instrument, ``p=`` publisher, ``t=`` seconds of ts_recv,
``q=`` sequence.
"""

import numpy as np

from market.feeds.books.contract import BookKey
from market.feeds.dbn.records import (
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOB,
    MBO_DTYPE,
    MBO_RTYPE,
    NO_PRICE,
    NO_SIZE,
    PRICE_UNITS,
    Records,
)

START_NS = 1_700_000_000 * 10**9
KEY = BookKey(1, 7)
_FLAGS = {"+tob": FLAG_TOB, "+snapshot": FLAG_SNAPSHOT, "+last": FLAG_LAST}
_FIELDS = {"i": "instrument_id", "p": "publisher_id", "q": "sequence"}


def flow(*lines: str) -> Records:
    """One record a line; the time grows by a second with each."""
    records = np.zeros(len(lines), MBO_DTYPE)
    for number, line in enumerate(lines):
        _fill(records[number], number, line.split())
    return records


def _fill(record, number: int, words: list[str]) -> None:
    action, side, order_id, price, size, *options = words
    record["length"], record["rtype"] = 14, MBO_RTYPE
    record["publisher_id"], record["instrument_id"] = KEY
    record["action"], record["side"] = ord(action), ord(side)
    record["order_id"] = int(order_id)
    record["price"] = _price(price)
    record["size"] = NO_SIZE if size == "-" else int(size)
    record["ts_recv"] = START_NS + number * 10**9
    record["sequence"] = number
    flags = 0 if "." in options else FLAG_LAST
    for option in options:
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option.startswith("t="):
            record["ts_recv"] = START_NS + int(float(option[2:]) * 10**9)
        elif "=" in option:
            name, value = option.split("=")
            record[_FIELDS[name]] = int(value)
    record["flags"] = flags
    record["ts_event"] = record["ts_recv"] - 500


def _price(text: str) -> int:
    return NO_PRICE if text == "-" else int(text) * PRICE_UNITS


def sides(books, key: BookKey = KEY) -> tuple[list, list]:
    """``(price in whole units, [(order id, size)])`` of each level of the bids and of the asks."""
    image = books.image(key)
    return _levels(image.bids), _levels(image.asks)


def _levels(orders) -> list:
    levels: dict[int, list[tuple[int, int]]] = {}
    for order_id, price, size, _ in orders.tolist():
        levels.setdefault(price // PRICE_UNITS, []).append((order_id, size))
    return list(levels.items())
