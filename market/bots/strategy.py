"""What a bot wants to do next, from what it knows. Pure: no I/O, no clock, seeded chance.

Prices move in millionths of a tick, so that a slow drift is not lost to rounding on coarse ticks.
"""

import random
from typing import NamedTuple

from orderbook.core.events import InstrumentDefined
from orderbook.core.units import PPM, OrderType, Side, TimeInForce

FINE = 1_000_000
DRIFT_PPM = 40
"""Largest step of the reference price in one turn."""
REVERSION_DIVISOR = 2_000
"""Each turn closes this part of the distance to the anchor, so that prices stay believable."""
FILL_IMPACT_PPM = 8
"""How far one fill of the maker moves its reference, against the maker."""
LEVELS = 12
HALF_SPREAD_PPM = 120
LEVEL_STEP_PPM = 90
MAX_ACTIONS_PER_TURN = 4
THIN_LEVELS = LEVELS // 2
"""With fewer quotes on a side the maker places several in one turn."""
REFRESH_CHANCE = 8
"""One turn in so many replaces a quote that was good, so that the far levels live too."""
QUOTE_NOTIONALS = 800
"""Typical size of a quote, in minimum notionals of the instrument."""
TAKE_NOTIONALS_MAX = 80
LIMIT_ORDER_CHANCE = 4
"""One of the taker's orders in so many is a limit IOC, the others are market orders."""


class OpenOrder(NamedTuple):
    order_id: int
    side: Side
    price_ticks: int


class Place(NamedTuple):
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_ticks: int
    quantity_lots: int


class Cancel(NamedTuple):
    order_id: int


Action = Place | Cancel


class ReferencePrice:
    """A seeded random walk around an anchor; never below one tick."""

    def __init__(self, chance: random.Random, start_ticks: int, anchor_ticks: int) -> None:
        self._chance = chance
        self._anchor = anchor_ticks * FINE
        self._fine = start_ticks * FINE
        self._trend_ppm = 0

    @property
    def ticks(self) -> int:
        return max(1, self._fine // FINE)

    def drift(self) -> None:
        if self._chance.randrange(40) == 0:
            self._trend_ppm = self._chance.randint(-DRIFT_PPM // 4, DRIFT_PPM // 4)
        step_ppm = self._trend_ppm + self._chance.randint(-DRIFT_PPM, DRIFT_PPM)
        reversion = (self._anchor - self._fine) // REVERSION_DIVISOR
        self._fine = max(FINE, self._fine + self._fine * step_ppm // PPM + reversion)

    def push(self, ppm: int) -> None:
        self._fine = max(FINE, self._fine + self._fine * ppm // PPM)


class Purse:
    """Available balances as far as they are known; what is unknown is assumed to suffice."""

    def __init__(self, instrument: InstrumentDefined) -> None:
        self._instrument = instrument
        self._available: dict[str, int] = {}

    def set(self, asset: str, available_minor: int) -> None:
        self._available[asset] = available_minor

    def covers(self, side: Side, price_ticks: int, quantity_lots: int) -> bool:
        instrument = self._instrument
        if side is Side.BUY:
            asset = instrument.quote
            needed = price_ticks * quantity_lots * instrument.tick_lot_minor
        else:
            asset, needed = instrument.base, quantity_lots * instrument.lot_minor
        return self._available.get(asset, needed) >= needed


def lots_for(instrument: InstrumentDefined, price_ticks: int, notional_minor: int) -> int:
    """Fewest lots that cost at least ``notional_minor``, and at most the instrument's maximum."""
    lot_price_minor = price_ticks * instrument.tick_lot_minor
    return max(1, min(instrument.max_quantity_lots, -(-notional_minor // lot_price_minor)))


class MarketMaker:
    """Keeps ``LEVELS`` quotes a side around its reference price and moves them a few at a time."""

    def __init__(
        self,
        instrument: InstrumentDefined,
        *,
        start_ticks: int,
        anchor_ticks: int,
        seed: int,
    ) -> None:
        self._instrument = instrument
        self._chance = random.Random(seed)
        self.reference = ReferencePrice(self._chance, start_ticks, anchor_ticks)
        self.purse = Purse(instrument)
        self.orders: dict[int, OpenOrder] = {}

    def filled(self, side: Side) -> None:
        """One of its quotes on this side was hit."""
        self.reference.push(-FILL_IMPACT_PPM if side is Side.BUY else FILL_IMPACT_PPM)

    def turn(self) -> list[Action]:
        """The next few actions; cancels of quotes that have become too good come first."""
        self.reference.drift()
        endangered = self._endangered()
        if endangered:
            return [Cancel(order.order_id) for order in endangered[:MAX_ACTIONS_PER_TURN]]
        actions: list[Action] = []
        for side in Side:
            mine = [order for order in self.orders.values() if order.side is side]
            places = self._missing(side, mine)
            actions += places[: MAX_ACTIONS_PER_TURN // 2 if len(mine) < THIN_LEVELS else 1]
            if not places and mine:
                actions += self._surplus(side, mine)
        return actions

    def _distance(self, level: int) -> int:
        """Ticks from the reference to a level's price; grows by at least one a level."""
        ppm = HALF_SPREAD_PPM + level * LEVEL_STEP_PPM
        return max(1 + level, self.reference.ticks * ppm // PPM)

    def _endangered(self) -> list[OpenOrder]:
        """Quotes nearer than half the spread to the reference, or beyond it; worst first."""
        near = max(1, self._distance(0) // 2)
        centre = self.reference.ticks

        def gap(order: OpenOrder) -> int:
            return (order.price_ticks - centre) * (1 if order.side is Side.SELL else -1)

        return sorted((order for order in self.orders.values() if gap(order) < near), key=gap)

    def _missing(self, side: Side, mine: list[OpenOrder]) -> list[Action]:
        """Quotes for the levels that have none near their price, best level first."""
        if len(mine) >= LEVELS:
            return []
        sign = 1 if side is Side.SELL else -1
        centre = self.reference.ticks
        slack = max(1, self.reference.ticks * LEVEL_STEP_PPM // PPM // 2)
        places: list[Action] = []
        for level in range(LEVELS):
            price = centre + sign * self._distance(level)
            if price < 1 or any(abs(order.price_ticks - price) < slack for order in mine):
                continue
            lots = self._size(price, level)
            if self.purse.covers(side, price, lots):
                places.append(Place(side, OrderType.LIMIT, TimeInForce.GTC, price, lots))
        return places

    def _surplus(self, side: Side, mine: list[OpenOrder]) -> list[Action]:
        """The farthest quote where there are too many or it is far out; now and then any one."""
        centre = self.reference.ticks
        farthest = max(mine, key=lambda order: abs(order.price_ticks - centre))
        too_far = abs(farthest.price_ticks - centre) > self._distance(LEVELS + 2)
        if too_far or len(mine) > LEVELS or self._holes(side, mine):
            return [Cancel(farthest.order_id)]
        if self._chance.randrange(REFRESH_CHANCE) == 0:
            return [Cancel(self._chance.choice(mine).order_id)]
        return []

    def _holes(self, side: Side, mine: list[OpenOrder]) -> bool:
        """Whether the best quote is farther out than the second level should be."""
        centre = self.reference.ticks
        best = min(abs(order.price_ticks - centre) for order in mine)
        return best > self._distance(1)

    def _size(self, price_ticks: int, level: int) -> int:
        typical = max(1, self._instrument.min_notional_minor) * QUOTE_NOTIONALS
        percent = self._chance.randint(40, 160) + 15 * level
        return lots_for(self._instrument, price_ticks, typical * percent // 100)


class NoiseTaker:
    """Takes liquidity in random sizes, leaning against its own position."""

    def __init__(self, instrument: InstrumentDefined, *, last_ticks: int, seed: int) -> None:
        self._instrument = instrument
        self._chance = random.Random(seed)
        self.purse = Purse(instrument)
        self.last_ticks = last_ticks
        self.position_lots = 0

    def filled(self, side: Side, quantity_lots: int) -> None:
        self.position_lots += quantity_lots if side is Side.BUY else -quantity_lots

    def turn(self) -> list[Action]:
        smallest = max(1, self._instrument.min_notional_minor)
        # Squaring makes small trades common and large ones rare.
        draw = self._chance.randint(1, 1_000) ** 2
        notional = smallest * 2 + smallest * TAKE_NOTIONALS_MAX * draw // 1_000_000
        lots = lots_for(self._instrument, self.last_ticks, notional)
        side = self._side(smallest)
        if not self.purse.covers(side, self.last_ticks + self.last_ticks // 50, lots):
            side = Side.SELL if side is Side.BUY else Side.BUY
            if not self.purse.covers(side, self.last_ticks + self.last_ticks // 50, lots):
                return []
        if self._chance.randrange(LIMIT_ORDER_CHANCE):
            return [Place(side, OrderType.MARKET, TimeInForce.IOC, 0, lots)]
        reach = max(1, self.last_ticks * (2 * HALF_SPREAD_PPM) // PPM)
        price = max(1, self.last_ticks + (reach if side is Side.BUY else -reach))
        return [Place(side, OrderType.LIMIT, TimeInForce.IOC, price, lots)]

    def _side(self, smallest_minor: int) -> Side:
        """Even chances at a flat position, four to one against a large one."""
        large = lots_for(self._instrument, self.last_ticks, smallest_minor * 400)
        lean = max(-30, min(30, 30 * self.position_lots // large))
        return Side.BUY if self._chance.randrange(100) < 50 - lean else Side.SELL
