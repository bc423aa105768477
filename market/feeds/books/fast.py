"""The books in compiled code, over flat arrays: exact, for any ladder and any number of books.

The first use of a kernel on a machine compiles it, which takes a while; ``warm_up`` does so with
progress. Nothing here is imported by processes that serve the web.
"""

from collections.abc import Callable
from secrets import randbits
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books import compiling, images, kernels, layout, tops
from market.feeds.books.contract import (
    ANOMALIES,
    QUEUE_DTYPE,
    Anomaly,
    BookHead,
    BookImage,
    BookKey,
    Level,
    Top,
    top_dtype,
)
from market.feeds.dbn.records import ADD, BID, MBO_DTYPE, NO_PRICE, Records


class Warmth(NamedTuple):
    """Progress of ``warm_up``."""

    kernel: str
    position: int
    """From 1."""
    total: int
    loaded: bool | None
    """None: it begins. True: found compiled. False: was compiled now."""


PAGE_BOOKS = 64
"""As many tops are written in one go."""


class _Page:
    """Where tops of a depth are written."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        size = PAGE_BOOKS * (tops.HEAD_BYTES + 2 * max(depth, 0) * tops.LEVEL_BYTES)
        self.text = np.zeros(size, np.uint8)
        self.view = self.text.data
        self.places = tops.Places(
            np.zeros(PAGE_BOOKS, np.int64),
            np.zeros(PAGE_BOOKS, np.int64),
            np.zeros(PAGE_BOOKS, np.uint8),
        )


class FastBooks:
    """Every book of a feed; satisfies ``contract.Books``. Grows by itself.

    ``apply`` and ``apply_with_top`` release the global lock. A resting order takes 36 to 72 bytes,
    a level 90 to 180. Raises MemoryError, with the records before it applied, where there is no
    room for the next one.
    """

    def __init__(self, order_capacity: int = 1 << 16) -> None:
        """``order_capacity``: resting orders for which there is room from the start."""
        length = 1 << max(order_capacity, 2).bit_length()
        node_length = max(length // 4, 4 * layout.SPARE_NODES)
        control = np.zeros(layout.CONTROL_SIZE, np.int64)
        control[[layout.ORDERS_USED, layout.NODES_USED]] = 1
        control[[layout.RANDOM, layout.SEED]] = randbits(62) | 1, randbits(63)
        control[layout.LOOK_FROM] = layout.LARGE
        self._tables = layout.Tables(
            orders=_zeros(length, layout.ORDER_DTYPE),
            order_buckets=_buckets(length),
            nodes=_zeros(node_length, layout.NODE_DTYPE),
            node_buckets=_buckets(node_length),
            books=np.zeros(8, layout.BOOK_DTYPE),
            sides=np.zeros(16, layout.SIDE_DTYPE),
            book_table=_buckets(16),
            control=control,
            counters=np.zeros(len(ANOMALIES), np.int64),
            coming=np.zeros(layout.COMING_RECORDS, layout.COMING_DTYPE),
        )
        self._index: dict[BookKey, int] = {}
        self._keys: list[BookKey] = []
        self._record_count = 0
        self._lines = {0: _empty_lines(0, 0)}
        """By depth, each side's part of the last row: prices, sizes, counts."""
        self._followed_depth = 0
        self._page = _Page(0)

    def apply(self, records: Records) -> None:
        self._run(_readable(records), 0, _NO_ROWS)

    def apply_with_top(self, records: Records, depth: int, out: NDArray[np.void]) -> int:
        """``out`` has to be contiguous."""
        if depth < 1 or out.dtype != top_dtype(depth):
            raise ValueError("The rows are not of the type for this depth of at least 1.")
        if len(out) < len(records):
            raise ValueError("There may be more rows than there is room for.")
        records = _readable(records)
        if not len(records):
            return 0
        self._follow(depth)
        if len(out) > 1:
            return self._run(records, depth, _rows(out, depth))
        # Views of a single row count as contiguous: another type, compiled for anew.
        pair = np.zeros(2, out.dtype)
        count = self._run(records, depth, _rows(pair, depth))
        out[:] = pair[:1]
        return count

    def clear(self) -> None:
        tables = self._tables
        control = tables.control
        control[[layout.ORDERS_USED, layout.NODES_USED]] = 1
        control[[layout.ORDERS_FREE, layout.NODES_FREE]] = 0
        tables.order_buckets[:] = 0
        tables.node_buckets[:] = 0
        tables.sides["entry"] = 0
        tables.sides["level_count"] = 0
        tables.sides["stale"] = 1
        for name in ("in_snapshot", "changed"):
            tables.books[name][: control[layout.BOOKS_USED]] = 1

    def keys(self) -> list[BookKey]:
        return sorted(self._known())

    def changed(self) -> list[BookKey]:
        flags = self._tables.books["changed"]
        changed = np.flatnonzero(flags)
        keys = self._tables.books["key"][changed].tolist()
        flags[changed] = 0
        return sorted(_book_key(key) for key in keys)

    def take_tops(self, depth: int) -> list[Top]:
        """Of the books that ``changed`` would give, which are unchanged then; in no order."""
        if self._page.depth != depth:
            self._page = _Page(depth)
        page, written, found = self._page, PAGE_BOOKS, []
        while written == PAGE_BOOKS:
            written = tops.write_tops(
                self._tables, depth, page.text, page.places, tops.WORDS, tops.WORD_ENDS
            )
            found += self._read_tops(page, written)
        return found

    def _read_tops(self, page: "_Page", count: int) -> list[Top]:
        self._known()
        places, begin, found = page.places, 0, []
        rows = (column[:count].tolist() for column in places)
        for book, end, crossed in zip(*rows, strict=True):
            found.append(Top(self._keys[book], page.view[begin:end].tobytes(), bool(crossed)))
            begin = end
        return found

    def head(self, key: BookKey) -> BookHead:
        book = self._tables.books[self._find(key)]
        return BookHead(
            int(book["ts_recv"]), int(book["ts_event"]), int(book["sequence"]), int(book["flags"])
        )

    def levels(self, key: BookKey, depth: int) -> tuple[list[Level], list[Level]]:
        book = self._find(key)
        return self._levels(2 * book, depth), self._levels(2 * book + 1, depth)

    def top(self, key: BookKey, depth: int) -> tuple[NDArray[Any], ...]:
        """Prices (i8), sizes (u8) and order counts (u4) of ``depth`` bids, then of asks.

        Where there is no level: ``NO_PRICE``, 0 and 0.
        """
        book = self._find(key)
        return (*self._columns(2 * book, depth)[0], *self._columns(2 * book + 1, depth)[0])

    def is_crossed(self, key: BookKey) -> bool:
        bids, _, _, asks, _, _ = self.top(key, 1)
        return bool(asks[0] != NO_PRICE and bids[0] != NO_PRICE and bids[0] >= asks[0])

    def image(self, key: BookKey) -> BookImage:
        book = self._find(key)
        in_snapshot = bool(self._tables.books[book]["in_snapshot"])
        bids, asks = self._orders(2 * book), self._orders(2 * book + 1)
        return BookImage(key, self.head(key), in_snapshot, bids, asks)

    def load(self, image: BookImage) -> None:
        records = images.as_records(image)
        counters, count = self._tables.counters.copy(), self._record_count
        self.apply(records)
        self._tables.counters[:], self._record_count = counters, count
        book = self._tables.books[self._find(image.key)]
        for name, value in image.head._asdict().items():
            book[name] = value
        book["in_snapshot"] = image.in_snapshot

    def counters(self) -> dict[Anomaly, int]:
        return dict(zip(ANOMALIES, self._tables.counters.tolist(), strict=True))

    @property
    def record_count(self) -> int:
        return self._record_count

    @property
    def memory_bytes(self) -> int:
        """Of all tables, used or not."""
        tables = sum(table.nbytes for table in self._tables)
        return int(tables + sum(lines.nbytes for lines in self._lines.values()))

    def _run(self, records: Records, depth: int, rows: layout.Rows) -> int:
        """How many rows were written: none with a depth of 0."""
        start = count = 0
        while True:
            start, count, missing = kernels.apply_records(
                self._tables, records, start, self._lines[depth], rows, count
            )
            if missing == kernels.DONE:
                self._record_count += len(records)
                return count
            self._grow(missing)

    def _grow(self, missing: int) -> None:
        tables = self._tables
        if missing == kernels.MORE_ORDERS:
            orders = _doubled(tables.orders)
            tables = tables._replace(orders=orders, order_buckets=_buckets(len(orders)))
        elif missing == kernels.MORE_NODES:
            nodes = _doubled(tables.nodes)
            tables = tables._replace(nodes=nodes, node_buckets=_buckets(len(nodes)))
        elif missing == kernels.MORE_BOOKS:
            books, sides = _doubled(tables.books), _doubled(tables.sides)
            tables = tables._replace(books=books, sides=sides, book_table=_buckets(2 * len(books)))
            for depth, lines in self._lines.items():
                if depth:
                    self._lines[depth] = np.concatenate([lines, _empty_lines(len(lines), depth)])
        self._tables = tables
        kernels.rebuild(
            tables,
            missing == kernels.MORE_ORDERS,
            missing == kernels.MORE_NODES,
            missing == kernels.MORE_BOOKS,
        )

    def _follow(self, depth: int) -> None:
        """From now on the tops of this depth are those that are looked at."""
        sides = self._tables.sides
        if depth not in self._lines:
            self._lines[depth] = _empty_lines(len(sides), depth)
        if depth != self._followed_depth:
            sides["stale"] = 1
            self._followed_depth = depth

    def _known(self) -> dict[BookKey, int]:
        used = int(self._tables.control[layout.BOOKS_USED])
        if used > len(self._index):
            keys = self._tables.books["key"][len(self._index) : used].tolist()
            self._keys += map(_book_key, keys)
            self._index = {key: index for index, key in enumerate(self._keys)}
        return self._index

    def _find(self, key: BookKey) -> int:
        return self._known()[key]

    def _columns(self, side: int, depth: int) -> tuple[tuple[NDArray[Any], ...], int]:
        """Prices, sizes and counts, and how many levels there are."""
        prices = np.full(max(depth, 0), NO_PRICE, np.int64)
        sizes, counts = np.zeros(len(prices), np.uint64), np.zeros(len(prices), np.uint32)
        length = kernels.read_levels(self._tables, side, prices, sizes, counts)
        return (prices, sizes, counts), length

    def _levels(self, side: int, depth: int) -> list[Level]:
        depth = min(depth, int(self._tables.sides[side]["level_count"]))
        columns, _ = self._columns(side, depth)
        return [Level(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def _orders(self, side: int) -> NDArray[np.void]:
        (_, _, counts), _ = self._columns(side, int(self._tables.sides[side]["level_count"]))
        rows = np.zeros(int(counts.sum(dtype=np.int64)), QUEUE_DTYPE)
        kernels.read_orders(self._tables, side, rows)
        return rows


def warm_up(progress: Callable[[Warmth], None] = lambda _: None) -> None:
    """Compiles every kernel, or finds it compiled. ``progress`` is told before and after each."""
    books = FastBooks(order_capacity=2)
    records = np.zeros(1, MBO_DTYPE)
    records["action"], records["side"], records["price"], records["size"] = ADD, BID, 1, 1
    key = BookKey(0, 0)
    steps: list[tuple[str, Callable[..., Any], Callable[[], object]]] = [
        ("apply_records", kernels.apply_records, lambda: books.apply(records)),
        ("rebuild", kernels.rebuild, lambda: books._grow(kernels.MORE_ORDERS)),
        ("read_levels", kernels.read_levels, lambda: books.levels(key, 1)),
        ("read_orders", kernels.read_orders, lambda: books.image(key)),
        ("write_tops", tops.write_tops, lambda: books.take_tops(1)),
    ]
    for position, (name, kernel, run) in enumerate(steps, 1):
        progress(Warmth(name, position, len(steps), None))
        run()
        progress(Warmth(name, position, len(steps), compiling.was_loaded(kernel)))


def _readable(records: Records) -> Records:
    """Contiguous, and of one type for the kernels whether it may be written to or not."""
    if records.dtype != MBO_DTYPE or records.ndim != 1:
        raise ValueError("These are not market-by-order records.")
    view = np.ascontiguousarray(records).view()
    view.flags.writeable = False
    return view


def _buckets(length: int) -> NDArray[np.uint32]:
    """At least ``length``: a power of two."""
    return np.zeros(1 << (length - 1).bit_length(), np.uint32)


def _zeros(length: int, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """From the beginning of a cache line on, so that no row of that length is on two."""
    line = layout.CACHE_LINE_BYTES
    room = np.zeros(length * dtype.itemsize + line, np.uint8)
    start = -room.ctypes.data % line
    return room[start : start + length * dtype.itemsize].view(dtype)


def _doubled(table: NDArray[np.void]) -> NDArray[np.void]:
    if 2 * len(table) > layout.MOST_ROWS:
        raise MemoryError("The books have as many orders or levels as can be told apart.")
    larger = _zeros(2 * len(table), table.dtype)
    larger[: len(table)] = table
    return larger


def _empty_lines(length: int, depth: int) -> NDArray[np.int64]:
    lines = np.zeros((length, 3, depth), np.int64)
    lines[:, 0] = NO_PRICE
    return lines


def _rows(out: NDArray[np.void], depth: int) -> layout.Rows:
    """Views of ``out`` whose types do not depend on its depth: each would be compiled for anew."""
    stride, side_bytes = out.itemsize, 20 * depth
    offset = layout.ROW_HEAD_DTYPE.itemsize
    shape, strides = (len(out), 2, depth), (stride, side_bytes)
    return layout.Rows(
        np.ndarray(len(out), layout.ROW_HEAD_DTYPE, out, 0, (stride,)),
        np.ndarray(shape, np.int64, out, offset, (*strides, 8)),
        np.ndarray(shape, np.uint64, out, offset + 8 * depth, (*strides, 8)),
        np.ndarray(shape, np.uint32, out, offset + 16 * depth, (*strides, 4)),
    )


def _book_key(key: int) -> BookKey:
    return BookKey(key >> 32, key & 0xFFFF_FFFF)


_NO_ROWS = _rows(np.zeros(2, top_dtype(1)), 1)
