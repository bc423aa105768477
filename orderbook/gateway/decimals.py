"""Exact conversion between decimal strings (API, pages, admin) and the engine's integers.

The only place where a decimal becomes a tick, a lot or a minor unit, or the other way round.
"""

import re
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import NamedTuple

from orderbook.core.events import InstrumentDefined
from orderbook.errors import InvalidInput

MAX_DECIMAL_LENGTH = 40
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?", re.ASCII)
_PRECISION = 60
_EXACT = Context(prec=_PRECISION)
_MAX_GRIDS = 4_096


def parse_decimal(value: object, field: str) -> Decimal:
    """A plain, non-negative decimal string such as "25000.00"; no sign, exponent, NaN or number."""
    if (
        not isinstance(value, str)
        or len(value) > MAX_DECIMAL_LENGTH
        or not _DECIMAL.fullmatch(value)
    ):
        raise InvalidInput(f'{field} must be a decimal string such as "25000.00".', field=field)
    return Decimal(value)


def minor_to_text(minor: int, decimals: int) -> str:
    """Minor units as a decimal string with exactly ``decimals`` places: 150, 2 -> "1.50"."""
    sign, digits = ("-", str(-minor)) if minor < 0 else ("", str(minor))
    if not decimals:
        return sign + digits
    digits = digits.rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def text_to_minor(value: object, decimals: int, field: str = "amount") -> int:
    """The inverse of ``minor_to_text``; refuses more places than the asset has."""
    with localcontext() as context:
        context.prec = _PRECISION
        minor = parse_decimal(value, field).scaleb(decimals)
    if minor != int(minor):
        raise InvalidInput(f"{field} has more than {decimals} decimal places.", field=field)
    return int(minor)


def lot_size(instrument: InstrumentDefined) -> Decimal:
    """Quantity step, in the base asset."""
    return _lot_grid(instrument.lot_minor, instrument.base_decimals).step


def tick_size(instrument: InstrumentDefined) -> Decimal:
    """Price step, in the quote asset for one unit of base."""
    return _tick_grid(*_tick_key(instrument)).step


def places(step: Decimal) -> int:
    """Decimal places needed to write multiples of ``step``."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


class _Grid(NamedTuple):
    """The multiples of a step. Remembered, because every order converts on two of them."""

    step: Decimal
    places: int
    units: int
    """The step in units of 10**-places."""


def _grid(step: Decimal) -> _Grid:
    shown = places(step)
    return _Grid(step, shown, int(step.scaleb(shown)))


@lru_cache(maxsize=_MAX_GRIDS)
def _lot_grid(lot_minor: int, base_decimals: int) -> _Grid:
    return _grid(Decimal(lot_minor).scaleb(-base_decimals))


@lru_cache(maxsize=_MAX_GRIDS)
def _tick_grid(
    tick_lot_minor: int, lot_minor: int, base_decimals: int, quote_decimals: int
) -> _Grid:
    with localcontext() as context:
        context.prec = _PRECISION
        ratio = Decimal(tick_lot_minor) / Decimal(lot_minor)
        return _grid(ratio.scaleb(base_decimals - quote_decimals).normalize())


def _tick_key(instrument: InstrumentDefined) -> tuple[int, int, int, int]:
    return (
        instrument.tick_lot_minor,
        instrument.lot_minor,
        instrument.base_decimals,
        instrument.quote_decimals,
    )


def _steps(value: object, step: Decimal, field: str, name: str) -> int:
    decimal = parse_decimal(value, field)
    count, rest = _EXACT.divmod(decimal, step)
    if rest:
        raise InvalidInput(
            f"{field} must be a multiple of the {name}, {step.normalize():f}.",
            field=field,
            code=f"invalid_{field}",
        )
    return int(count)


def price_to_ticks(instrument: InstrumentDefined, value: object, field: str = "price") -> int:
    return _steps(value, tick_size(instrument), field, "tick size")


def quantity_to_lots(instrument: InstrumentDefined, value: object, field: str = "quantity") -> int:
    return _steps(value, lot_size(instrument), field, "lot size")


def ticks_to_text(instrument: InstrumentDefined, price_ticks: int) -> str:
    grid = _tick_grid(*_tick_key(instrument))
    return minor_to_text(price_ticks * grid.units, grid.places)


def lots_to_text(instrument: InstrumentDefined, quantity_lots: int) -> str:
    grid = _lot_grid(instrument.lot_minor, instrument.base_decimals)
    return minor_to_text(quantity_lots * grid.units, grid.places)
