"""Market-by-order records as they lie in a DBN file: 56 little-endian bytes in versions 1 to 3.

Prices are integers in units of 1e-9, sizes unsigned, times nanoseconds since the epoch, UTC.
Source: Databento's DBN specification.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

RECORD_SIZE: Final = 56
MBO_RTYPE: Final = 160
PRICE_UNITS: Final = 10**9
"""A price of 1 in the record is a thousand-millionth."""
NO_PRICE: Final = 2**63 - 1
NO_SIZE: Final = 2**32 - 1

FLAG_LAST: Final = 128
"""The last record of an event: the book may be read after it."""
FLAG_TOB: Final = 64
"""An add that replaces its whole side."""
FLAG_SNAPSHOT: Final = 32
FLAG_MBP: Final = 16
FLAG_BAD_TS_RECV: Final = 8
FLAG_MAYBE_BAD_BOOK: Final = 4

ADD: Final = ord("A")
CANCEL: Final = ord("C")
MODIFY: Final = ord("M")
CLEAR: Final = ord("R")
TRADE: Final = ord("T")
FILL: Final = ord("F")
NONE: Final = ord("N")
"""As an action: nothing. As a side: neither."""
BID: Final = ord("B")
ASK: Final = ord("A")

MBO_DTYPE: Final = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),
        ("side", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)
assert MBO_DTYPE.itemsize == RECORD_SIZE

Records = NDArray[np.void]
"""One-dimensional, contiguous, of ``MBO_DTYPE``."""


def price_text(price: int) -> str:
    """Decimal text without trailing zeros: 1_250_000_000 -> "1.25", -500_000_000 -> "-0.5"."""
    sign, magnitude = ("-", -price) if price < 0 else ("", price)
    whole, fraction = divmod(magnitude, PRICE_UNITS)
    text = f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
    return sign + text
