"""How one of the venue's instruments is written in market-by-order records.

Prices become integers in units of 1e-9 of the quote asset, and must do so exactly; sizes are lots.
What cannot be written is refused by name: no record ever carries a rounded or a clipped number.
"""

from typing import NamedTuple
from zlib import crc32

from market.feeds.dbn.records import NO_PRICE, NO_SIZE, PRICE_UNITS
from market.feeds.errors import FeedError
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import InstrumentStatus

DATASET = "RIALTO"
PUBLISHER_ID = 60_000
"""Above every number that the publishers of recorded data have."""

PHASE_NUMBERS = {
    InstrumentStatus.PRE_OPEN: 1,
    InstrumentStatus.OPENING_AUCTION: 2,
    InstrumentStatus.TRADING: 3,
    InstrumentStatus.POST_ONLY: 4,
    InstrumentStatus.CLOSING_AUCTION: 5,
    InstrumentStatus.CANCEL_ONLY: 6,
    InstrumentStatus.HALTED: 7,
    InstrumentStatus.CLOSED: 8,
}
"""What a record with the action N has as its size: the phase that begins."""


class NotExpressible(FeedError):
    """A price or a quantity that a market-by-order record cannot hold exactly."""

    code = "not_expressible"


def instrument_id(symbol: str) -> int:
    """The same in every venue and recording, because it is worked out from the symbol alone."""
    return crc32(symbol.encode()) or 1


class Expression(NamedTuple):
    """One instrument's units."""

    symbol: str
    instrument_id: int
    tick: int
    """A tick in units of 1e-9 of the quote asset."""

    @classmethod
    def of(cls, definition: InstrumentDefined) -> "Expression":
        """Raises NotExpressible where a tick is no whole number of units."""
        quote_minor_per_base = definition.tick_lot_minor * 10**definition.base_decimals
        units, rest = divmod(
            quote_minor_per_base * PRICE_UNITS,
            definition.lot_minor * 10**definition.quote_decimals,
        )
        if rest:
            raise NotExpressible(
                f"A tick of {definition.symbol} is no multiple of 0.000000001 "
                f"{definition.quote}, so its prices cannot be recorded exactly."
            )
        return cls(definition.symbol, instrument_id(definition.symbol), units)

    def price(self, price_ticks: int) -> int:
        price = price_ticks * self.tick
        if price >= NO_PRICE:
            raise NotExpressible(
                f"A price of {price_ticks} ticks of {self.symbol} is more than a record can hold."
            )
        return price

    def size(self, quantity_lots: int, order_id: int) -> int:
        if quantity_lots >= NO_SIZE:
            raise NotExpressible(
                f"Order {order_id} of {self.symbol} has {quantity_lots} lots; a record holds at "
                f"most {NO_SIZE - 1}. A smaller largest quantity keeps such orders out."
            )
        return quantity_lots
