"""A copy of one symbol's book by price level, kept from the engine's depth updates.

Pure. Promises that it shows a state that the engine's book had after ``update_id`` updates, or
refuses the update: ``apply`` never papers over a missing one.
"""

from collections.abc import Iterable
from itertools import islice

from sortedcontainers import SortedDict

from market.values import BookLevel
from orderbook.core.units import Side
from orderbook.gateway.protocol import Depth, DepthUpdate, Level


class DepthGap(Exception):
    """An update does not follow the last one; the book must be fetched again."""


class ReplicaBook:
    """Levels per side in a sorted map: an update costs O(log n), the best n levels O(n)."""

    def __init__(self, depth: Depth) -> None:
        self.symbol = depth.symbol
        self.update_id = depth.update_id
        self._bids: SortedDict[int, BookLevel] = SortedDict()
        self._asks: SortedDict[int, BookLevel] = SortedDict()
        self._put(depth.levels)

    def apply(self, update: DepthUpdate) -> bool:
        """Takes the next update; False where the book has it already.

        An update that the book has in part is taken whole: levels carry values, not differences.
        Raises DepthGap where an earlier one is missing.
        """
        if update.last_update_id <= self.update_id:
            return False
        if update.first_update_id > self.update_id + 1:
            raise DepthGap(f"{self.symbol}: update {update.first_update_id} after {self.update_id}")
        self._put(update.levels)
        self.update_id = update.last_update_id
        return True

    def bids(self, limit: int) -> tuple[BookLevel, ...]:
        """Best first."""
        prices = islice(reversed(self._bids), limit)
        return tuple(self._bids[price] for price in prices)

    def asks(self, limit: int) -> tuple[BookLevel, ...]:
        """Best first."""
        return tuple(islice(self._asks.values(), limit))

    def _put(self, levels: Iterable[Level]) -> None:
        for level in levels:
            side = self._bids if level.side is Side.BUY else self._asks
            if level.quantity_lots:
                side[level.price_ticks] = BookLevel(
                    level.price_ticks, level.quantity_lots, level.order_count
                )
            else:
                side.pop(level.price_ticks, None)
