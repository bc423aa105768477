"""What the simulation of synthetic books keeps in memory: arrays of fixed layouts."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RULES_DTYPE: Final = np.dtype(
    [
        ("is_cme", "?"),
        ("modify_share", "f8"),
        ("cancel_share", "f8"),
        ("trade_share", "f8"),
        ("partial_share", "f8"),
        ("clear_share", "f8"),
        ("depth", "f8"),
        ("mean_size", "f8"),
        ("large_share", "f8"),
        ("gap_ns", "f8"),
        ("opening_orders", "i8"),
        ("id_base", "u8"),
    ]
)
"""Of the whole simulation. ``clear_share`` is of all events, the others of the rest, together with
those of adds 1; ``partial_share`` is of trades whose last maker is not used up, and of cancels that
leave something (itch). ``depth`` is the mean distance, in levels, of a new order from the best of
the other side; ``gap_ns`` the mean time from a record to the next."""

STATE_DTYPE: Final = np.dtype(
    [
        ("ts_event", "i8"),
        ("ts_recv", "i8"),
        ("ts_in_delta", "i8"),
        ("sequence", "i8"),
        ("last_order", "i8"),
        ("opened_books", "i8"),
    ]
)
BOOK_DTYPE: Final = np.dtype(
    [
        ("bid", "i8"),
        ("ask", "i8"),
        ("live", "i8"),
        ("publisher", "i8"),
        ("instrument_id", "u4"),
        ("in_snapshot", "?"),
    ]
)
"""``bid`` and ``ask`` are the best levels: -1, or the number of levels, where there is none.
``in_snapshot``: nothing but clears and snapshots came since the last of them."""

LEVEL_DTYPE: Final = np.dtype([("price", "i8"), ("first", "i4"), ("last", "i4")])
"""By book and level, prices rising. ``first`` and ``last`` are the ends of the level's queue."""

ORDER_DTYPE: Final = np.dtype(
    [
        ("order", "i8"),
        ("size", "i8"),
        ("level", "i4"),
        ("after", "i4"),
        ("before", "i4"),
        ("slot", "i4"),
        ("place", "i4"),
        ("is_ask", "?"),
    ]
)
"""By book and slot. ``slot``, by place, lists the slots of live orders and behind them free ones;
``place`` is where a slot is in that list."""


class World(NamedTuple):
    """All that is simulated."""

    books: NDArray[np.void]
    """Of ``BOOK_DTYPE``."""
    levels: NDArray[np.void]
    orders: NDArray[np.void]
    sequences: NDArray[np.int64]
    """Last sequence number by publisher."""
    state: NDArray[np.void]
    """One of ``STATE_DTYPE``."""
