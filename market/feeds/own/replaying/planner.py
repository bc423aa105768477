"""From a recording's records to the steps that let an engine repeat them.

add = limit order; cancel and modify = cancel and amend of it; trade = an order of the aggressor's
that the engine matches. What a record merely says as the consequence of a trade (the cancel of a
maker that was filled, the modify of what is left of it) asks for nothing: the engine has done it.

Where the recorded book is crossed, as before an open, orders are collected (``Collect``) until it
is not any more (``Uncross``). Records follow the rules of ``market.feeds.books.contract``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from market.feeds.dbn.records import FLAG_LAST, FLAG_SNAPSHOT, FLAG_TOB, NO_PRICE, NO_SIZE, Records
from market.feeds.own.replaying.orders import OpenOrder, OpenOrders
from market.feeds.own.replaying.steps import (
    ASK,
    BID,
    OTHER,
    Aggress,
    Amend,
    Cancel,
    CancelSide,
    Collect,
    Event,
    Key,
    Place,
    Step,
    Uncross,
)
from market.feeds.own.replaying.trades import Trades

Row = tuple[str, str, int, int, int, int, int]
"""(action, side, order id, price, size, flags, ts_recv)"""
_COLUMNS = ("action", "side", "order_id", "price", "size", "flags", "ts_recv")


def rows_of(batches: Iterable[Records]) -> Iterator[Row]:
    for records in batches:
        columns = [records[name].tolist() for name in _COLUMNS]
        columns[0] = list(map(chr, columns[0]))
        columns[1] = list(map(chr, columns[1]))
        yield from zip(*columns, strict=True)


def by_event(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows of each event: up to and including one with FLAG_LAST, or the end."""
    event: list[Row] = []
    for row in rows:
        event.append(row)
        if row[5] & FLAG_LAST:
            yield event
            event = []
    if event:
        yield event


class Planner:
    """Knows the recorded book as of the last event that was planned. ``counts`` names what was
    passed over, and why."""

    def __init__(self) -> None:
        self.orders = OpenOrders()
        self.counts: Counter[str] = Counter()
        self.refreshed: set[Key] = set()
        """Orders that had more left after a fill than there was: icebergs."""
        self.from_snapshot: set[Key] = set()
        self._trades = Trades(self.orders, self.counts)
        self._steps: list[Step] = []
        self._postponed: list[OpenOrder] = []
        """Orders that would cross the recorded book, until the event is over."""
        self._in_snapshot = False
        self._collecting = False
        self._record_count = 0

    def plan(self, rows: list[Row]) -> Event:
        """``rows`` are those of the next event. Plan it once it is to be played: from then on the
        book has it."""
        self._record_count += len(rows)
        for row in rows:
            self._take(row)
        self._end_trade()
        self._place_postponed()
        if self._collecting and not self.orders.is_crossed():
            self._collecting = self._trades.collecting = False
            self._steps.append(Uncross(self._trades.take_collected()))
        steps, self._steps = self._steps, []
        return Event(rows[-1][6], self._record_count, self._passed_over_first(steps))

    def _passed_over_first(self, steps: list[Step]) -> list[Step]:
        """Moves the cancel of an order that an aggressor passed over before that aggressor.

        An order that is canceled in the event of a trade which should have met it was not there to
        be met: as a venue prevents an account's trades with itself, it cancels such orders."""
        if not any(isinstance(step, Aggress) for step in steps):
            return steps
        ordered: list[Step] = []
        for step in steps:
            place = _first_missed(ordered, step) if isinstance(step, Cancel) else None
            if place is None:
                ordered.append(step)
            else:
                ordered.insert(place, step)
                self.counts["passed_over"] += 1
        return ordered

    def _take(self, row: Row) -> None:
        action, side, order_id, price, size, flags, _ = row
        if action in "TFN":
            if action == "T":
                self._steps += self._trades.begin(side, order_id, size)
            elif action == "F":
                self._trades.fill(order_id, price, size)
            return
        self._end_trade()
        if action == "R":
            self._clear()
            self._in_snapshot = True
            return
        is_snapshot = action == "A" and bool(flags & FLAG_SNAPSHOT)
        if is_snapshot and not self._in_snapshot:
            self._clear()
        self._in_snapshot = is_snapshot
        if action == "C":
            self._reduce(order_id, size)
        elif action == "A" and flags & FLAG_TOB:
            self._replace_side(side, price, size)
        elif action in "AM" and self._is_sound(action, side, order_id, price, size):
            self._put(order_id, action, side, price, size, is_snapshot)
        elif action not in "AM":
            self.counts["unknown_action"] += 1

    def _end_trade(self) -> None:
        self._steps += self._trades.end()

    # -- what changes the book ----------------------------------------------------------------

    def _is_sound(self, action: str, side: str, order_id: int, price: int, size: int) -> bool:
        if action == "M" and size == 0 and order_id in self.orders:
            self._reduce(order_id, NO_SIZE)
            return False
        if side not in OTHER or price == NO_PRICE or size in (0, NO_SIZE):
            self.counts["not_an_order"] += 1
            return False
        return True

    def _put(
        self, key: Key, action: str, side: str, price: int, size: int, is_snapshot: bool
    ) -> None:
        order = self.orders.get(key)
        if order is None:
            self.counts["unknown_modify"] += action == "M"
        elif action == "A" or order.side != side:
            self.counts["duplicate_add" if action == "A" else "side_change"] += 1
            self._remove(order)
            order = None
        if order is None:
            order = self.orders.add(key, side, price, size)
            if is_snapshot:
                self.from_snapshot.add(key)
            self._enter(order)
        else:
            self._modify(order, price, size)

    def _enter(self, order: OpenOrder) -> None:
        """Places a new order, at once unless it would cross."""
        if not self._collecting and self.orders.crosses(order):
            self._postponed.append(order)
        else:
            self._place(order)

    def _place(self, order: OpenOrder) -> None:
        order.total, order.filled = order.left, 0
        self._steps.append(Place(order.key, order.side, order.price, order.left))

    def _place_postponed(self) -> None:
        postponed, self._postponed = self._postponed, []
        for order in postponed:
            if self.orders.get(order.key) is not order:
                continue
            if not self._collecting and self.orders.crosses(order):
                self.counts["crossed"] += 1
                self._collecting = self._trades.collecting = True
                self._steps.append(Collect())
            self._place(order)

    def _modify(self, order: OpenOrder, price: int, size: int) -> None:
        if order in self._postponed:
            self._place_postponed()
        in_engine, was_at = order.total - order.filled, order.price
        moved = price != order.price
        if not moved and order.left < size < order.size:
            order.pending -= order.size - size  # the other fills' consequences are to come
        else:
            if order.pending and size > order.left:
                self.refreshed.add(order.key)
            order.pending = 0
        self.orders.change(order, price, size)
        if in_engine <= 0:
            if order.left:
                self._place(order)
            return
        total = order.filled + order.left
        if moved or total != order.total:
            if moved and not self._collecting and self.orders.crosses(order):
                # Out of the book and, if the event leaves it room, in again at its new price.
                self._steps.append(Cancel(order.key, order.side, was_at))
                self._postponed.append(order)
                return
            order.total = total
            self._steps.append(Amend(order.key, price if moved else 0, total))

    def _reduce(self, key: Key, size: int) -> None:
        order = self.orders.get(key)
        if order is None:
            self.counts["unknown_cancel"] += 1
            return
        if order in self._postponed:
            self._place_postponed()
        order.pending -= min(order.pending, size)
        if size >= order.size:
            order.pending = 0
            self._remove(order)
            return
        self.orders.change(order, order.price, order.size - size)
        total = order.filled + order.left
        if total != order.total and order.total > order.filled:
            order.total = total
            self._steps.append(Amend(key, 0, total))

    def _remove(self, order: OpenOrder) -> None:
        was_at = order.price
        self.orders.remove(order)
        if order in self._postponed:
            self._postponed.remove(order)
        elif order.total > order.filled:
            self._steps.append(Cancel(order.key, order.side, was_at))

    def _replace_side(self, side: str, price: int, size: int) -> None:
        if side not in OTHER:
            self.counts["not_an_order"] += 1
            return
        for order in self.orders.of_side(side):
            self.orders.remove(order)
        self._postponed = [order for order in self._postponed if order.side != side]
        self._steps.append(CancelSide(side))
        if price != NO_PRICE and size not in (0, NO_SIZE):
            self._enter(self.orders.add(f"top-{side}", side, price, size))

    def _clear(self) -> None:
        if self.orders:
            self.orders.clear()
            self._steps += (CancelSide(BID), CancelSide(ASK))
        self._postponed.clear()
        self._trades.take_collected()


def _first_missed(steps: list[Step], cancel: Cancel) -> int | None:
    """Place of the first aggressor that reached the order's price and did not fill it."""
    place = None
    for number, step in enumerate(steps):
        if isinstance(step, Place | Amend) and step.key == cancel.key:
            place = None
        elif place is None and isinstance(step, Aggress) and _misses(step, cancel):
            place = number
    return place


def _misses(aggress: Aggress, order: Cancel) -> bool:
    if aggress.side == order.side or any(fill.key == order.key for fill in aggress.fills):
        return False
    if aggress.side == BID:
        return order.price <= aggress.price
    return order.price >= aggress.price
