"""Whether trades consume the front of their queue.

A trade is a T and the F of its makers behind it. An F on the trade's own side is the aggressor's
(a resting order that was modified into the market), no maker's. Books change only afterwards, so
what earlier fills of the same event took is counted off the queue until their order's C or M comes.
A trade without an aggressor's side is an auction's: its makers rest at many prices on both sides
or never showed, and it is not judged. Neither is one with a maker that the book does not know, or
whose place in its queue it cannot know (see ``places``).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import islice

from market.feeds.books.plain_book import PlainBook, Row
from market.feeds.checking.places import Places
from market.feeds.checking.report import Kind, Place
from market.feeds.dbn.records import NONE

Found = Callable[[Kind, Place], None]


class TradeCounts:
    """Of all books together."""

    def __init__(self) -> None:
        self.trades = 0
        self.auction_trades = 0
        self.without_fills = 0
        self.with_unknown_makers = 0
        self.with_doubtful_makers = 0
        """All of them known, but some only by an M after a cold start: their place is not."""
        self.judged = 0
        self.prefix = 0
        """Of those judged: the makers are the first orders of their level."""
        self.in_order = 0
        """Of those: filled one after the other, each wholly but the last, none above its size."""

    @property
    def prefix_share(self) -> float | None:
        return self.prefix / self.judged if self.judged else None


class TradeCheck:
    """The trades of one book."""

    def __init__(self, book: PlainBook, counts: TradeCounts, found: Found) -> None:
        self._book = book
        self._counts = counts
        self._found = found
        self._places = Places(book)
        self._place: Place | None = None
        """Of the trade whose fills are being collected."""
        self._side = NONE
        self._fills: list[tuple[int, int]] = []
        self._taken: defaultdict[int, int] = defaultdict(int)
        """By order: what fills of this event took that the book does not show yet."""

    def trade(self, place: Place, side: int) -> None:
        self.close()
        self._place = place
        self._side = side
        self._counts.trades += 1

    def fill(self, place: Place, side: int, order_id: int, size: int) -> None:
        if side == self._side and side != NONE:
            return
        if self._side != NONE and self._book.order(order_id) is None:
            self._found(Kind.FILL_OF_UNKNOWN_ORDER, place)
        self._fills.append((order_id, size))

    def change(self, row: Row) -> None:
        """Before the book takes an A, C, M or R."""
        if self._place is not None:
            self.close()
        if self._taken:
            self._taken.pop(row[3], None)
        self._places.change(row)

    def restart(self) -> None:
        """The feed begins again, from an empty book."""
        self.end_event()
        self._places.restart()

    def end_event(self) -> None:
        if self._place is not None:
            self.close()
        self._taken.clear()

    def close(self) -> None:
        """Judges the trade whose last fill was seen."""
        place, fills, counts = self._place, self._fills, self._counts
        self._place, self._fills = None, []
        if place is None:
            return
        if self._side == NONE:
            counts.auction_trades += 1
        elif not fills:
            counts.without_fills += 1
        elif any(self._book.order(order_id) is None for order_id, _ in fills):
            counts.with_unknown_makers += 1
        elif not all(self._places.is_known(order_id) for order_id, _ in fills):
            counts.with_doubtful_makers += 1
        else:
            self._judge(place, fills)
        for order_id, size in fills:
            self._taken[order_id] += size

    def _judge(self, place: Place, fills: list[tuple[int, int]]) -> None:
        by_level: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for order_id, size in fills:
            order = self._book.order(order_id)
            assert order is not None
            by_level[order[:2]].append((order_id, size))
        is_prefix = is_in_order = True
        for (side, price), level_fills in by_level.items():
            queue = self._book.queue(side, price)
            prefix, in_order, above = judge_level(queue, self._taken, level_fills)
            is_prefix, is_in_order = is_prefix and prefix, is_in_order and in_order
            if above:
                self._found(Kind.FILL_ABOVE_SIZE, place)
        self._counts.judged += 1
        self._counts.prefix += is_prefix
        self._counts.in_order += is_in_order
        if not is_prefix:
            self._found(Kind.TRADE_NOT_PREFIX, place)
        elif not is_in_order:
            self._found(Kind.FILLS_OUT_OF_ORDER, place)


def judge_level(
    queue: Mapping[int, int], taken: Mapping[int, int], fills: list[tuple[int, int]]
) -> tuple[bool, bool, bool]:
    """Whether the makers are the level's first orders, whether they were filled in order, and
    whether one was filled above its size."""
    totals: dict[int, int] = {}
    for order_id, size in fills:
        totals[order_id] = totals.get(order_id, 0) + size
    makers = list(totals)
    waiting = (order_id for order_id, size in queue.items() if size > taken.get(order_id, 0))
    first = list(islice(waiting, len(makers)))
    left = [queue[order_id] - taken.get(order_id, 0) - totals[order_id] for order_id in makers]
    is_prefix = set(first) == set(makers)
    is_in_order = first == makers and not any(left[:-1]) and left[-1] >= 0
    return is_prefix, is_in_order, min(left) < 0
