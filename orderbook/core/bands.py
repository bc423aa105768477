"""Price bands: how far a price may be from the reference price and from the last trade.

A band of b parts per million around c reaches from c * (1 - b) to c * (1 + b), both included and
rounded inward, so that no price beyond the exact band is ever allowed. Without a centre (no
reference price, no trade yet) a band allows any price. Integer arithmetic only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orderbook.core.units import MAX_PRICE_TICKS, PPM, Side

if TYPE_CHECKING:
    from orderbook.core.book import Book
    from orderbook.core.events import InstrumentDefined

_BUY: Final = Side.BUY  # reading an enumeration's member costs ten times as much as a constant

Range = tuple[int, int]
"""(lowest, highest) price in ticks that is allowed."""

ANY_PRICE: Range = (0, MAX_PRICE_TICKS)


class Bands:
    """The bands of an instrument that has any."""

    __slots__ = ("_dynamic_ppm", "_static_ppm", "pause_ns")

    def __init__(self, instrument: InstrumentDefined) -> None:
        self._static_ppm = instrument.static_band_ppm
        self._dynamic_ppm = instrument.dynamic_band_ppm
        self.pause_ns = instrument.pause_ns

    def static(self, book: Book) -> Range:
        """Around the reference price."""
        return around(book.reference_ticks, self._static_ppm)

    def dynamic(self, book: Book) -> Range:
        """Around the last trade; before the first one, around the reference price."""
        return around(book.last_ticks or book.reference_ticks, self._dynamic_ppm)


def bands_of(instrument: InstrumentDefined) -> Bands | None:
    """None where the instrument has none, which is what the plain path looks at."""
    if instrument.static_band_ppm or instrument.dynamic_band_ppm:
        return Bands(instrument)
    return None


def both(one: Range, other: Range) -> Range:
    """What both allow: nothing, where the lowest price is above the highest."""
    return max(one[0], other[0]), min(one[1], other[1])


def around(centre_ticks: int, band_ppm: int) -> Range:
    if not centre_ticks or not band_ppm:
        return ANY_PRICE
    lowest_ticks = -(-centre_ticks * (PPM - band_ppm) // PPM)
    highest_ticks = centre_ticks * (PPM + band_ppm) // PPM
    return lowest_ticks, highest_ticks


def within(limits: Range, price_ticks: int) -> bool:
    return limits[0] <= price_ticks <= limits[1]


def outside_static_band(book: Book, price_ticks: int) -> bool:
    """Whether a new or amended limit price is refused as too far from the reference price."""
    bands = book.bands
    return bands is not None and not within(bands.static(book), price_ticks)


def reaches_beyond(side: Side, price_ticks: int, limits: Range) -> bool:
    """Whether an order at this price would pay more, or take less, than is allowed."""
    return price_ticks > limits[1] if side is _BUY else price_ticks < limits[0]


def clipped(side: Side, limit_ticks: int, limits: Range) -> int:
    """The order's limit, or the end of the band where that comes first."""
    return min(limit_ticks, limits[1]) if side is _BUY else max(limit_ticks, limits[0])
