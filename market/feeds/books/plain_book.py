"""One book in plain Python: dicts, and prices that are sorted for those who look.

An order is an entry of its level, a dict ``order id -> size``: a dict keeps the order in which its
entries came, so it is the queue, and taking an order out of its middle costs no more than one at
its end. What an order at the front of the dict leaves behind costs the next reader, never a writer.
Sizes of levels are not kept but added up when they are read, so they cannot be wrong.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import QUEUE_DTYPE, Anomaly, BookHead, BookImage, Level
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_SNAPSHOT,
    FLAG_TOB,
    MODIFY,
    NO_PRICE,
    NO_SIZE,
    NONE,
    TRADE,
)

Row = tuple[int, int, int, int, int, int]
ROW_FIELDS = ("action", "side", "flags", "order_id", "price", "size")
"""What of a record a book looks at."""
SORT_ANEW = 8
"""Where more than one in so many levels opened or closed, sorting all costs less than to find the
place of each."""
_MARKS = FLAG_SNAPSHOT | FLAG_TOB
_SIDES = frozenset((BID, ASK))
_NOT_SIZES = frozenset((0, NO_SIZE))
_NO_EFFECT = frozenset((TRADE, FILL, NONE))


class _Level(dict[int, int]):
    """One price of one side: its queue, ``order id -> size`` in priority order, never empty."""

    __slots__ = ("price", "side")

    price: int
    side: "_Side"


class _Side:
    """Levels by price.

    ``ranks`` is sorted, best last: the price of a bid, minus that of an ask. Most levels come and
    go between two looks at the best ones, so it is put right when somebody looks: ``opened`` are
    the prices that ``levels`` has and it lacks, ``closed`` those that it has and ``levels`` lacks.
    """

    __slots__ = ("closed", "levels", "opened", "ranks", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, _Level] = {}
        self.ranks: list[int] = []
        self.opened: set[int] = set()
        self.closed: set[int] = set()

    def open_level(self, price: int) -> _Level:
        level = self.levels[price] = _Level()
        level.price = price
        level.side = self
        if price in self.closed:
            self.closed.remove(price)
        else:
            self.opened.add(price)
        return level

    def close_level(self, price: int) -> None:
        del self.levels[price]
        if price in self.opened:
            self.opened.remove(price)
        else:
            self.closed.add(price)

    def clear(self) -> None:
        for of_levels in (self.levels, self.ranks, self.opened, self.closed):
            of_levels.clear()

    def in_order(self) -> list[int]:
        """The ranks of all levels, best last."""
        if self.opened or self.closed:
            if SORT_ANEW * (len(self.opened) + len(self.closed)) > len(self.levels):
                self.ranks = sorted(self.sign * price for price in self.levels)
            else:
                for price in self.closed:
                    del self.ranks[bisect_left(self.ranks, self.sign * price)]
                for price in self.opened:
                    insort(self.ranks, self.sign * price)
            self.opened.clear()
            self.closed.clear()
        return self.ranks

    def best(self) -> int | None:
        """Its price."""
        ranks = self.in_order()
        return self.sign * ranks[-1] if ranks else None

    def top(self, depth: int) -> list[Level]:
        best = self.in_order()[: -depth - 1 : -1] if depth > 0 else []
        levels = (self.levels[self.sign * rank] for rank in best)
        return [Level(level.price, sum(level.values()), len(level)) for level in levels]

    def packed(self) -> NDArray[np.void]:
        levels = (self.levels[self.sign * rank] for rank in reversed(self.in_order()))
        rows = [
            (~order_id, level.price, size, 1) if order_id < 0 else (order_id, level.price, size, 0)
            for level in levels
            for order_id, size in level.items()
        ]
        return np.array(rows, QUEUE_DTYPE)


class PlainBook:
    """One book. ``orders`` finds the level of an order by its id.

    An anonymous order lies in its level's queue under the complement of its id, which is negative,
    and not in ``orders``. A side has one at most, since each empties its side.
    """

    __slots__ = ("asks", "bids", "counts", "head", "in_snapshot", "orders", "sides")

    def __init__(self, counts: dict[Anomaly, int]) -> None:
        self.bids = _Side(1)
        self.asks = _Side(-1)
        self.sides = {BID: self.bids, ASK: self.asks}
        self.orders: dict[int, _Level] = {}
        self.in_snapshot = False
        self.head = BookHead(0, 0, 0, 0)
        self.counts = counts
        """Of all books together."""

    def apply(self, rows: Iterable[Row]) -> None:
        """``rows`` are in the order of ``ROW_FIELDS``. The way of nearly every record is inline."""
        orders, counts, sides = self.orders, self.counts, self.sides
        for action, side, flags, order_id, price, size in rows:
            if action == ADD:
                if flags & _MARKS and self._is_whole_side(side, flags, order_id, price, size):
                    continue
                if not flags & FLAG_SNAPSHOT:
                    self.in_snapshot = False
                in_side = sides.get(side)
                if in_side is None or price == NO_PRICE or size in _NOT_SIZES or order_id in orders:
                    self._add(side, order_id, price, size)
                    continue
                level = in_side.levels.get(price) or in_side.open_level(price)
                level[order_id] = size
                orders[order_id] = level
            elif action == CANCEL:
                self.in_snapshot = False
                known = orders.get(order_id)
                if known is None or size == 0:
                    counts[Anomaly.ZERO_SIZE if size == 0 else Anomaly.UNKNOWN_CANCEL] += 1
                    continue
                left = known[order_id] - size
                if left > 0:
                    known[order_id] = left
                    continue
                if left < 0:
                    counts[Anomaly.OVER_CANCEL] += 1
                del known[order_id], orders[order_id]
                if not known:
                    known.side.close_level(known.price)
            elif action == MODIFY:
                self.in_snapshot = False
                self._modify(side, order_id, price, size)
            elif action == CLEAR:
                self.clear()
            elif action not in _NO_EFFECT:
                self.in_snapshot = False
                counts[Anomaly.UNKNOWN_ACTION] += 1

    def clear(self) -> None:
        for side in (self.bids, self.asks):
            side.clear()
        self.orders.clear()
        self.in_snapshot = True

    def _is_whole_side(self, side: int, flags: int, order_id: int, price: int, size: int) -> bool:
        """What the flags of an A ask for. Says whether its order was dealt with, too."""
        if flags & FLAG_SNAPSHOT and not self.in_snapshot:
            self.clear()
        if not flags & FLAG_TOB:
            return False
        self.in_snapshot = bool(flags & FLAG_SNAPSHOT)
        self._replace_side(side, order_id, price, size)
        return True

    def _replace_side(self, side: int, order_id: int, price: int, size: int) -> None:
        is_emptied = price == NO_PRICE or size == 0
        fault = self._fault(side, 0, 1 if is_emptied else size)
        if fault is not None:
            self.counts[fault] += 1
            return
        replaced = self.sides[side]
        for level in replaced.levels.values():
            for known in level:
                self.orders.pop(known, None)
        replaced.clear()
        if not is_emptied:
            replaced.open_level(price)[~order_id] = size

    def _add(self, side: int, order_id: int, price: int, size: int) -> None:
        fault = self._fault(side, price, size)
        if fault is None and order_id in self.orders:
            fault = Anomaly.DUPLICATE_ADD
            self._remove(order_id)
        if fault is not None:
            self.counts[fault] += 1
        if fault in (None, Anomaly.DUPLICATE_ADD):
            self._append(side, order_id, price, size)

    def _modify(self, side: int, order_id: int, price: int, size: int) -> None:
        level = self.orders.get(order_id)
        fault = self._fault(side, price, size)
        if fault is not None:
            self.counts[fault] += 1
            if fault is Anomaly.ZERO_SIZE and size == 0 and level is not None:
                self._remove(order_id)
            return
        if level is None:
            self.counts[Anomaly.UNKNOWN_MODIFY] += 1
        else:
            if level.side is not self.sides[side]:
                self.counts[Anomaly.SIDE_CHANGE] += 1
            elif level.price == price and size <= level[order_id]:
                level[order_id] = size
                return
            del level[order_id]
            if not level:
                level.side.close_level(level.price)
        self._append(side, order_id, price, size)

    def _fault(self, side: int, price: int, size: int) -> Anomaly | None:
        """What makes an A or M unusable by itself."""
        if side not in _SIDES:
            return Anomaly.NO_SIDE
        if price == NO_PRICE:
            return Anomaly.NO_PRICE
        return Anomaly.ZERO_SIZE if size in _NOT_SIZES else None

    def _append(self, side: int, order_id: int, price: int, size: int) -> None:
        in_side = self.sides[side]
        level = in_side.levels.get(price) or in_side.open_level(price)
        level[order_id] = size
        self.orders[order_id] = level

    def _remove(self, order_id: int) -> None:
        level = self.orders.pop(order_id)
        del level[order_id]
        if not level:
            level.side.close_level(level.price)

    def is_crossed(self) -> bool:
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid >= ask

    def order(self, order_id: int) -> tuple[int, int, int] | None:
        """``(side, price, size)``, or None for an id that the book does not know."""
        level = self.orders.get(order_id)
        if level is None:
            return None
        return BID if level.side is self.bids else ASK, level.price, level[order_id]

    def queue(self, side: int, price: int) -> Mapping[int, int]:
        """``order id -> size`` in priority order; an anonymous order's id is negative."""
        level = self.sides[side].levels.get(price)
        return {} if level is None else level

    def load(self, image: BookImage) -> None:
        self.clear()
        for side, rows in ((BID, image.bids), (ASK, image.asks)):
            for order_id, price, size, anonymous in rows.tolist():
                self._append(side, ~order_id if anonymous else order_id, price, size)
                if anonymous:
                    del self.orders[~order_id]
        self.head = image.head
        self.in_snapshot = image.in_snapshot
