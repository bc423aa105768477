"""How the fast books lie in memory: flat arrays of records that point to each other by index.

Index 0 of orders and nodes belongs to nobody and stands for "none", so arrays start out as zeros,
and links may be written through it without asking first.

- ``orders``: a level's queue is a doubly linked list of its orders. ``order_buckets`` and the
  orders' ``chained`` are a chained hash table by (book, order id).
- ``nodes``: a side is a skip list of its levels, best first, doubly linked on every lane. The
  lowest node of a tower is the level; ``node_buckets`` and ``chained`` find it by (side, rank).
  A rank is the price of an ask and the complement of that of a bid: the lower, the better.
- ``books`` and ``sides``: side 2n is the bids of book n, side 2n + 1 its asks. ``book_table`` finds
  a book by its key, with open addressing: books are never removed.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ORDER_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("book", "<u4"),  # UNHASHED: not in the hash table
        ("size", "<u4"),
        ("next", "<u4"),  # of the queue, or of the list of free orders
        ("previous", "<u4"),
        ("level", "<u4"),
        ("chained", "<u4"),
    ]
)
NODE_DTYPE = np.dtype(
    [
        ("rank", "<i8"),
        ("size", "<u8"),
        ("next", "<u4"),  # of the lane, or of the list of free nodes
        ("previous", "<u4"),
        ("above", "<u4"),
        ("below", "<u4"),
        ("first", "<u4"),
        ("last", "<u4"),
        ("count", "<u4"),  # 0 for all but the lowest node of a tower
        ("side", "<u4"),
        ("chained", "<u4"),
        ("unused", "<u4"),  # as long as a cache line
        ("next_rank", "<i8"),  # spares the sight of a node behind what is looked for
    ]
)
BOOK_DTYPE = np.dtype(
    [
        ("key", "<u8"),  # publisher id << 32 | instrument id
        ("ts_recv", "<u8"),
        ("ts_event", "<u8"),
        ("sequence", "<u4"),
        ("flags", "u1"),
        ("in_snapshot", "u1"),
        ("changed", "u1"),
        ("unused", "u1"),
    ]
)
SIDE_DTYPE = np.dtype(
    [
        ("bound", "<i8"),  # what happens at a higher rank does not touch the top
        ("stale", "<u4"),  # the top may differ from the last row
        ("entry", "<u4"),  # the node before the best level, 0 until there is need of it
        ("level_count", "<u4"),
        ("unused", "<u4"),
    ]
)
COMING_DTYPE = np.dtype(
    [
        ("of_order", "<u4"),  # the bucket
        ("of_level", "<u4"),
        ("order", "<u4"),  # what a C or M is probably about
        ("unused", "<u4"),
    ]
)

ROW_HEAD_DTYPE = np.dtype(
    [
        ("record", "<u4"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_recv", "<u8"),
        ("ts_event", "<u8"),
        ("sequence", "<u4"),
        ("flags", "u1"),
    ]
)
"""What rows of every depth begin with."""

UNHASHED = 2**32 - 1
LAST_RANK = 2**63 - 1
CACHE_LINE_BYTES = 64
"""Orders and nodes begin where one begins: a node is one, and two orders."""
MOST_ROWS = 2**32
"""Of a table: indices are 32 bits wide."""
MAX_HEIGHT = 12
"""A quarter of the levels is on each next lane: enough for 4**11 levels a side."""
COMING_RECORDS = 64
"""A power of two."""
LARGE = 1 << 16
"""Orders and nodes, together, from which on looking ahead gains more than it costs."""
SPARE_NODES = 2 * MAX_HEIGHT + 1
"""What one record may take: a tower, and the entries of as many lanes."""
# Indices in ``control``.
ORDERS_USED, ORDERS_FREE, NODES_USED, NODES_FREE, BOOKS_USED, RANDOM, SEED, LOOK_FROM = range(8)
CONTROL_SIZE = 8


class Rows(NamedTuple):
    """Rows of the top of a book, of any depth, as arrays of the same types."""

    heads: NDArray[np.void]
    prices: NDArray[np.int64]
    """Row, side, level."""
    sizes: NDArray[np.uint64]
    counts: NDArray[np.uint32]


class Tables(NamedTuple):
    """Everything that the kernels work on. Replaced as a whole where one of them grows."""

    orders: Any
    order_buckets: Any
    nodes: Any
    node_buckets: Any
    books: Any
    sides: Any
    book_table: Any
    control: NDArray[np.int64]
    counters: NDArray[np.int64]
    coming: Any
    """By the last bits of the number of a record that is looked at ahead of its turn."""
