"""One instrument's order book: price levels a side, first in first out inside a level.

Complexity: best level, append, fill of the first order and cancel of any order O(1); making or
removing a level O(log levels). A level is a doubly linked list threaded through its orders, a side
one threaded through its levels. Prices near the best one come and go all the time, so a level that
is emptied stays for a while: a side has at most MAX_EMPTY_LEVELS of these. They show nowhere.

The book knows nothing of money. ``update_id`` counts changes of level quantities and is part of
the state; which levels changed since the last ``drain_changes`` is derived and is not.
"""

from collections.abc import Iterator
from typing import Final

from sortedcontainers import SortedList

from orderbook.core.auction import Auction
from orderbook.core.bands import bands_of
from orderbook.core.events import InstrumentDefined
from orderbook.core.fees import FeeSchedule
from orderbook.core.order import Order, Stage
from orderbook.core.units import DAY_NS, MAX_NOTIONAL_MINOR, InstrumentStatus, Side
from orderbook.core.waiting import WaitingOrders

# Reading an enumeration's member costs ten times as much as a constant.
_BUY: Final = Side.BUY
_TRADING: Final = InstrumentStatus.TRADING

MAX_EMPTY_LEVELS = 128

LevelView = tuple[Side, int, int, int]
"""(side, price_ticks, quantity_lots, order_count); quantity 0 where the level is gone."""


class Level:
    """The orders at one price, oldest first."""

    __slots__ = (
        "better",
        "book_side",
        "first",
        "is_changed",
        "is_vacant",
        "key",
        "last",
        "lot_notional_minor",
        "order_count",
        "price_ticks",
        "quantity_lots",
        "reserve_lots",
        "worse",
    )

    def __init__(self, book_side: "BookSide", price_ticks: int) -> None:
        self.book_side = book_side
        self.key = price_ticks * book_side.sign
        self.price_ticks = price_ticks
        self.lot_notional_minor = price_ticks * book_side.tick_lot_minor
        """What one lot costs here, in quote minor units."""
        self.quantity_lots = 0
        """What shows."""
        self.reserve_lots = 0
        """What its icebergs do not show."""
        self.order_count = 0
        self.first: Order | None = None
        self.last: Order | None = None
        self.better: Level | None = None
        """The next level towards the best price, empty or not."""
        self.worse: Level | None = None
        self.is_changed = False
        """Whether its side knows that it changed."""
        self.is_vacant = False
        """Whether it is on its side's list of levels that were emptied."""

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.following


class BookSide:
    """All levels of one side. A level's key sorts best first: the price, negated for bids."""

    __slots__ = ("best", "changed", "keys", "levels", "side", "sign", "tick_lot_minor", "vacant")

    def __init__(self, side: Side, tick_lot_minor: int) -> None:
        self.side = side
        self.tick_lot_minor = tick_lot_minor
        self.sign = -1 if side is Side.BUY else 1
        self.levels: dict[int, Level] = {}
        """By price."""
        self.keys: SortedList = SortedList()
        """Of all levels, empty or not."""
        self.best: Level | None = None
        """The best one with an order."""
        self.vacant: list[Level] = []
        """Those that were emptied since the last clearance; some have orders again."""
        self.changed: dict[int, Level] = {}
        """By key, those that changed since the last drain. One may have been forgotten meanwhile;
        one made anew takes its place, so that whoever never drains keeps no more than one a price.
        """

    def __iter__(self) -> Iterator[Level]:
        """Levels with orders, best first."""
        level = self.best
        while level is not None:
            if level.first is not None:
                yield level
            level = level.worse

    def add_level(self, price_ticks: int) -> Level:
        """Makes the level at this price, for an order that comes to stand in it."""
        level = self.levels[price_ticks] = Level(self, price_ticks)
        keys, key, sign = self.keys, level.key, self.sign
        place = keys.bisect_left(key)
        if place:
            level.better = better = self.levels[keys[place - 1] * sign]
            better.worse = level
        if place < len(keys):
            level.worse = worse = self.levels[keys[place] * sign]
            worse.better = level
        keys.add(key)
        return level

    def append(self, order: Order) -> None:
        """Puts the order at the end of its price's level."""
        level = self.levels.get(order.price_ticks)
        if level is None:
            level = self.add_level(order.price_ticks)
        order.level = level
        order.preceding = last = level.last
        order.following = None
        if last is None:
            level.first = order
            best = self.best
            if best is None or level.key < best.key:
                self.best = level
        else:
            last.following = order
        level.last = order
        level.quantity_lots += order.remaining_lots
        level.order_count += 1
        book = order.book
        book.update_id = order.priority = book.update_id + 1
        if not level.is_changed:
            self.note_change(level)

    def note_change(self, level: Level) -> None:
        """For a level that did not change since the last drain."""
        level.is_changed = True
        self.changed[level.key] = level

    def drain_changes(self) -> list[LevelView]:
        """The levels that changed since the last call as they are now, best first."""
        for level in self.changed.values():
            level.is_changed = False
        keys = sorted(self.changed)
        self.changed.clear()
        return [self.view(key * self.sign) for key in keys]

    def vacate(self, level: Level) -> None:
        """The level's last order is gone."""
        if level is self.best:
            best = level.worse
            while best is not None and best.first is None:
                best = best.worse
            self.best = best
        if not level.is_vacant:
            level.is_vacant = True
            self.vacant.append(level)
            if len(self.vacant) > MAX_EMPTY_LEVELS:
                self._clear_vacant()

    def level_count(self) -> int:
        """How many levels have orders. Which empty ones are kept is no part of the state."""
        return len(self.levels) - sum(level.first is None for level in self.vacant)

    def _clear_vacant(self) -> None:
        """Forgets the empty levels."""
        for level in self.vacant:
            level.is_vacant = False
            if level.first is None:
                del self.levels[level.price_ticks]
                self.keys.remove(level.key)
                better, worse = level.better, level.worse
                if better is not None:
                    better.worse = worse
                if worse is not None:
                    worse.better = better
        self.vacant.clear()

    def view(self, price_ticks: int) -> LevelView:
        level = self.levels.get(price_ticks)
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
        "assets",
        "auction",
        "bands",
        "base",
        "bids",
        "fees",
        "instrument",
        "is_plain",
        "is_trading",
        "last_ticks",
        "lot_minor",
        "maker_fee_ppm",
        "max_notional_minor",
        "max_quantity_lots",
        "min_notional_minor",
        "quote",
        "reference_ticks",
        "session",
        "symbol",
        "taker_fee_ppm",
        "tick_lot_minor",
        "update_id",
        "waiting",
    )

    def __init__(self, instrument: InstrumentDefined) -> None:
        self.define(instrument)
        self.bids = BookSide(Side.BUY, instrument.tick_lot_minor)
        self.asks = BookSide(Side.SELL, instrument.tick_lot_minor)
        self.last_ticks = 0
        """Price of the last trade; 0 before the first."""
        self.reference_ticks = 0
        """Centre of the static band; 0 where none is set."""
        self.waiting: WaitingOrders | None = None
        """Made with the first order that waits."""
        self.auction: Auction | None = None
        """While an auction collects or uncrosses."""
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
        (self.bids if order.side is _BUY else self.asks).append(order)
        special = order.special
        if special is not None:
            level = order.level
            assert level is not None
            level.reserve_lots += special.reserve_lots
            special.stage = Stage.RESTING

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
        order.level = None
        level.quantity_lots -= order.remaining_lots
        level.order_count -= 1
        special = order.special
        if special is not None:
            level.reserve_lots -= special.reserve_lots
        side = level.book_side
        if preceding is following:  # both None: it was the only one
            side.vacate(level)
        self.update_id += 1
        if not level.is_changed:
            side.note_change(level)

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
        if not level.is_changed:
            level.book_side.note_change(level)

    def restart_updates(self, update_id: int) -> None:
        """Continues the count of updates from a snapshot, with nothing left to drain."""
        self.update_id = self._drained_update_id = update_id
        self.bids.drain_changes()
        self.asks.drain_changes()

    def define(self, instrument: InstrumentDefined) -> None:
        """Takes a new definition. What orders need of it is kept in attributes of the book's own,
        which are read faster."""
        self.instrument = instrument
        self.symbol: str = instrument.symbol
        self.base: str = instrument.base
        self.quote: str = instrument.quote
        self.assets = (min(self.base, self.quote), max(self.base, self.quote))
        """Both, by name. The ledger knows by this very tuple in which book the traders trade."""
        self.lot_minor: int = instrument.lot_minor
        self.tick_lot_minor: int = instrument.tick_lot_minor
        self.maker_fee_ppm: int = instrument.maker_fee_ppm
        self.taker_fee_ppm: int = instrument.taker_fee_ppm
        self.max_quantity_lots: int = instrument.max_quantity_lots
        self.min_notional_minor: int = instrument.min_notional_minor
        self.max_notional_minor: int = instrument.max_notional_minor or MAX_NOTIONAL_MINOR
        self.bands = bands_of(instrument)
        """None where prices have no bands."""
        self.is_trading = instrument.status is _TRADING
        self.is_plain = self.is_trading and self.bands is None
        """Whether orders trade at once and at any price."""

    def would_lock(self, side: Side, price_ticks: int) -> bool:
        """Whether an order that rested at this price would lock or cross the book."""
        if side is _BUY:
            best = self.asks.best
            return best is not None and best.price_ticks <= price_ticks
        best = self.bids.best
        return best is not None and best.price_ticks >= price_ticks

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
            changes += side.drain_changes()
        return first, last, changes
