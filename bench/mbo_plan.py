"""From recorded market-by-order records to requests, and which of them must wait for which.

add = limit order; cancel = cancel; modify = cancel and new; clear = cancel all. A venue has no
order that shrinks, so a cancel that leaves a rest is a cancel and a new order of the rest: its
level has the same size and count, only the rest's place in the queue is another.

Requests run concurrently, so each names the earlier ones that it needs answered (``after``):

- the one before it that is about the same recorded order;
- for a new order, the last new order at its price and side: a level's queue forms in the
  recorded sequence;
- for a new order, every cancel on the other side at a price that it would trade with: a recording
  does not show trades as orders, so the book must be cleared of what the recording took away.

Nothing waits for a step that lies ``window`` or more before it: whoever runs the steps must have
finished those. That bound is what keeps the memory small.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from sortedcontainers import SortedDict

from bench.mbo_file import NO_PRICE, SNAPSHOT, TOP_OF_BOOK, Record

BID, ASK = "B", "A"


class Kind(Enum):
    PLACE = "place"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    """Of one side. Runs alone: after everything before it, before everything after it."""


class Step(NamedTuple):
    number: int
    kind: Kind
    side: str
    client_order_id: str
    price: int
    """In the recording's units."""
    size: int
    ts_recv: int
    after: tuple[int, ...]
    """Numbers of the steps that must be finished before this one begins."""


class _Open(NamedTuple):
    side: str
    price: int
    size: int
    client_order_id: str
    placed_at: int
    """Number of the step that placed it."""


class Planner:
    """``steps`` yields the requests of a flow in the recorded sequence."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._open: dict[int | str, _Open] = {}
        self._revisions: dict[int | str, int] = {}
        """How often an order id has been used for a new order; a client order id is used once."""
        self._last_placed: dict[tuple[str, int], int] = {}
        self._removed: dict[str, SortedDict[int, deque[int]]] = {
            BID: SortedDict(),
            ASK: SortedDict(),
        }
        """Numbers of recent cancels by side and price."""
        self._next_number = 0
        self._ts_recv = 0
        self.unknown_ids = 0

    def steps(self, records: Iterable[Record]) -> Iterator[Step]:
        in_snapshot = False
        for record in records:
            self._ts_recv = record.ts_recv
            is_snapshot = bool(record.flags & SNAPSHOT)
            if record.action == "R" or (is_snapshot and not in_snapshot):
                yield from self._clear()
            in_snapshot = is_snapshot
            match record.action:
                case "A" if record.flags & TOP_OF_BOOK:
                    yield from self._replace_side(record)
                case "A" | "M":
                    self.unknown_ids += record.action == "M" and record.order_id not in self._open
                    yield from self._put(record.order_id, record.side, record.price, record.size)
                case "C":
                    yield from self._reduce(record)

    def _clear(self) -> Iterator[Step]:
        if self._open:
            self._open.clear()
            for side in (BID, ASK):
                yield self._step(Kind.CANCEL_ALL, side, "", 0, 0, ())

    def _replace_side(self, record: Record) -> Iterator[Step]:
        for key in [key for key, order in self._open.items() if order.side == record.side]:
            yield self._cancel(key)
        if record.price != NO_PRICE:
            yield from self._put(f"top-{record.side}", record.side, record.price, record.size)

    def _put(self, key: int | str, side: str, price: int, size: int) -> Iterator[Step]:
        """The order as it is from now on: what rested under this id is canceled first."""
        before: tuple[int, ...] = ()
        if key in self._open:
            cancel = self._cancel(key)
            before = (cancel.number,)
            yield cancel
        yield self._place(key, side, price, size, before)

    def _reduce(self, record: Record) -> Iterator[Step]:
        order = self._open.get(record.order_id)
        if order is None:
            self.unknown_ids += 1
        elif record.size < order.size:
            yield from self._put(record.order_id, order.side, order.price, order.size - record.size)
        else:
            yield self._cancel(record.order_id)

    def _place(
        self, key: int | str, side: str, price: int, size: int, before: tuple[int, ...]
    ) -> Step:
        revision = self._revisions.get(key, 0)
        self._revisions[key] = revision + 1
        client_order_id = f"{key}.{revision}" if revision else str(key)
        oldest = self._next_number - self._window
        queue = self._last_placed.get((side, price))
        after = {*before, *self._crossing_cancels(side, price, oldest)}
        if queue is not None and queue > oldest:
            after.add(queue)
        step = self._step(Kind.PLACE, side, client_order_id, price, size, tuple(sorted(after)))
        self._last_placed[side, price] = step.number
        self._open[key] = _Open(side, price, size, client_order_id, step.number)
        return step

    def _cancel(self, key: int | str) -> Step:
        order = self._open.pop(key)
        after = (order.placed_at,) if order.placed_at > self._next_number - self._window else ()
        step = self._step(Kind.CANCEL, order.side, order.client_order_id, order.price, 0, after)
        of_price = self._removed[order.side].setdefault(order.price, deque())
        _forget(of_price, step.number - self._window)
        of_price.append(step.number)
        return step

    def _crossing_cancels(self, side: str, price: int, oldest: int) -> list[int]:
        """Recent cancels of what an order at this price would trade with; forgets older ones."""
        removed = self._removed[ASK if side == BID else BID]
        prices = removed.irange(maximum=price) if side == BID else removed.irange(minimum=price)
        found: list[int] = []
        for other_price in list(prices):
            of_price = removed[other_price]
            _forget(of_price, oldest)
            found += of_price
            if not of_price:
                del removed[other_price]
        return found

    def _step(
        self,
        kind: Kind,
        side: str,
        client_order_id: str,
        price: int,
        size: int,
        after: tuple[int, ...],
    ) -> Step:
        number = self._next_number
        self._next_number += 1
        return Step(number, kind, side, client_order_id, price, size, self._ts_recv, after)


def _forget(numbers: deque[int], oldest: int) -> None:
    """Drops what need not be waited for any more."""
    while numbers and numbers[0] <= oldest:
        numbers.popleft()
