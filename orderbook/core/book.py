"""One instrument's order book: price levels a side, first in first out inside a level.

Complexity: best level, append, fill of the first order and cancel of any order O(1); making or
removing a level O(log levels). A level is a doubly linked list threaded through its orders.

The book knows nothing of money. ``update_id`` counts changes of level quantities and is part of
the state; which levels changed since the last ``drain_changes`` is derived and is not.
"""

from collections.abc import Iterator

from sortedcontainers import SortedList

from orderbook.core.auction import Auction
from orderbook.core.bands import bands_of
from orderbook.core.events import InstrumentDefined
from orderbook.core.fees import FeeSchedule
from orderbook.core.order import Order, Stage
from orderbook.core.units import DAY_NS, InstrumentStatus, Side
from orderbook.core.waiting import WaitingOrders

_BUY = Side.BUY  # reading an enumeration's member costs ten times as much as a constant

LevelView = tuple[Side, int, int, int]
"""(side, price_ticks, quantity_lots, order_count); quantity 0 where the level is gone."""


class Level:
    """The orders at one price, oldest first."""

    __slots__ = (
        "book_side",
        "first",
        "key",
        "last",
        "order_count",
        "price_ticks",
        "quantity_lots",
        "reserve_lots",
    )

    def __init__(self, book_side: "BookSide", key: int) -> None:
        self.book_side = book_side
        self.key = key
        self.price_ticks = key * book_side.sign
        self.quantity_lots = 0
        """What shows."""
        self.reserve_lots = 0
        """What its icebergs do not show."""
        self.order_count = 0
        self.first: Order | None = None
        self.last: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.following


class BookSide:
    """All levels of one side. A level's key sorts best first: the price, negated for bids."""

    __slots__ = ("best", "changed", "keys", "levels", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = -1 if side is Side.BUY else 1
        self.levels: dict[int, Level] = {}
        self.keys = SortedList()
        self.best: Level | None = None
        self.changed: set[int] = set()
        """Keys of the levels that changed since the last drain."""

    def __iter__(self) -> Iterator[Level]:
        """Levels, best first."""
        return (self.levels[key] for key in self.keys)

    def level_at(self, key: int) -> Level:
        """The level with this key, made if there is none."""
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level(self, key)
            self.keys.add(key)
            if self.best is None or key < self.best.key:
                self.best = level
        return level

    def drop(self, level: Level) -> None:
        """Forgets an empty level."""
        key = level.key
        del self.levels[key]
        self.keys.remove(key)
        if self.best is level:
            self.best = self.levels[self.keys[0]] if self.keys else None

    def view(self, key: int) -> LevelView:
        level = self.levels.get(key)
        price_ticks = key * self.sign
        if level is None:
            return self.side, price_ticks, 0, 0
        return self.side, price_ticks, level.quantity_lots, level.order_count


class Session:
    """The daily schedule of an instrument's phases, and when the next one is due."""

    __slots__ = ("entries", "next_ns")

    def __init__(self, entries: tuple[tuple[int, InstrumentStatus], ...], after_ns: int) -> None:
        self.entries = entries
        """(nanoseconds since midnight UTC, phase), ascending."""
        self.next_ns = 0
        self.arm(after_ns)

    def arm(self, after_ns: int) -> None:
        """``next_ns`` becomes the first entry's time after this one."""
        midnight_ns = after_ns // DAY_NS * DAY_NS
        for time_of_day_ns, _ in self.entries:
            if midnight_ns + time_of_day_ns > after_ns:
                self.next_ns = midnight_ns + time_of_day_ns
                return
        self.next_ns = midnight_ns + DAY_NS + self.entries[0][0]

    def due_phase(self) -> InstrumentStatus:
        """The phase that begins at ``next_ns``."""
        return dict(self.entries)[self.next_ns % DAY_NS]


class Book:
    """Both sides of one instrument."""

    __slots__ = (
        "_drained_update_id",
        "asks",
        "auction",
        "bands",
        "bids",
        "fees",
        "instrument",
        "last_ticks",
        "reference_ticks",
        "session",
        "update_id",
        "waiting",
    )

    def __init__(self, instrument: InstrumentDefined) -> None:
        self.instrument = instrument
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.last_ticks = 0
        """Price of the last trade; 0 before the first."""
        self.reference_ticks = 0
        """Centre of the static band; 0 where none is set."""
        self.waiting: WaitingOrders | None = None
        """Made with the first order that waits."""
        self.auction: Auction | None = None
        """While an auction collects or uncrosses."""
        self.bands = bands_of(instrument)
        """None where prices have no bands."""
        self.fees: FeeSchedule | None = None
        """None where the instrument's flat fees hold."""
        self.session: Session | None = None
        """The schedule of its phases; None where it has none."""
        self.update_id = 0
        self._drained_update_id = 0

    def waiting_orders(self) -> WaitingOrders:
        """The orders that wait, made if there were none yet."""
        if self.waiting is None:
            self.waiting = WaitingOrders()
        return self.waiting

    def rest(self, order: Order) -> None:
        """Appends the order to the end of its price level."""
        if order.side is _BUY:
            side, key = self.bids, -order.price_ticks
        else:
            side, key = self.asks, order.price_ticks
        level = side.level_at(key)
        order.level = level
        last = level.last
        if last is None:
            level.first = order
        else:
            last.following = order
            order.preceding = last
        level.last = order
        level.quantity_lots += order.remaining_lots
        level.order_count += 1
        special = order.special
        if special is not None:
            level.reserve_lots += special.reserve_lots
            special.stage = Stage.RESTING
        self.update_id += 1
        order.priority = self.update_id
        side.changed.add(key)

    def remove(self, order: Order) -> None:
        """Takes a resting order out, wherever it stands in its level."""
        level = order.level
        assert level is not None
        preceding, following = order.preceding, order.following
        if preceding is None:
            level.first = following
        else:
            preceding.following = following
        if following is None:
            level.last = preceding
        else:
            following.preceding = preceding
        order.level = order.preceding = order.following = None
        level.quantity_lots -= order.remaining_lots
        level.order_count -= 1
        special = order.special
        if special is not None:
            level.reserve_lots -= special.reserve_lots
        side = level.book_side
        if level.first is None:
            side.drop(level)
        self.update_id += 1
        side.changed.add(level.key)

    def refresh(self, order: Order) -> None:
        """Takes an iceberg's shown part out; its next part goes to the back of the level."""
        self.remove(order)
        special = order.special
        assert special is not None
        order.remaining_lots = min(special.options.display_lots, special.reserve_lots)
        special.reserve_lots -= order.remaining_lots
        self.rest(order)

    def reduce(self, order: Order, lots: int) -> None:
        """Makes a resting order smaller; it keeps its place."""
        level = order.level
        assert level is not None
        order.remaining_lots -= lots
        level.quantity_lots -= lots
        self.update_id += 1
        level.book_side.changed.add(level.key)

    def restart_updates(self, update_id: int) -> None:
        """Continues the count of updates from a snapshot, with nothing left to drain."""
        self.update_id = self._drained_update_id = update_id
        self.bids.changed.clear()
        self.asks.changed.clear()

    def define(self, instrument: InstrumentDefined) -> None:
        """Takes a new definition; what is derived from it follows."""
        self.instrument = instrument
        self.bands = bands_of(instrument)

    def is_crossed(self) -> bool:
        """Whether orders stand in it that would trade with each other (a locked book included)."""
        bid, ask = self.bids.best, self.asks.best
        return bid is not None and ask is not None and bid.price_ticks >= ask.price_ticks

    def depth(self) -> list[LevelView]:
        """Every level: bids best first, then asks best first."""
        return [
            (side.side, level.price_ticks, level.quantity_lots, level.order_count)
            for side in (self.bids, self.asks)
            for level in side
        ]

    def drain_changes(self) -> tuple[int, int, list[LevelView]] | None:
        """(first_update_id, last_update_id, changed levels as they are now) since the last call.

        Bids best first, then asks best first. None where nothing changed.
        """
        first, last = self._drained_update_id + 1, self.update_id
        if first > last:
            return None
        self._drained_update_id = last
        changes: list[LevelView] = []
        for side in (self.bids, self.asks):
            if side.changed:
                changes += [side.view(key) for key in sorted(side.changed)]
                side.changed.clear()
        return first, last, changes
