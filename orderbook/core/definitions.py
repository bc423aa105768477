"""What makes the definition of an asset or an instrument acceptable."""

from collections.abc import Mapping

from orderbook.core.commands import DefineAsset, DefineInstrument
from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import RejectReason
from orderbook.core.text import is_asset, is_symbol
from orderbook.core.units import (
    MAX_DECIMALS,
    MAX_FEE_PPM,
    MAX_QUANTITY_LOTS,
    MAX_SUPPLY_MINOR,
    MAX_UNIT_MINOR,
)


def refuse_asset(command: DefineAsset, assets: Mapping[str, int]) -> RejectReason | None:
    """``assets``: decimals of each asset that is known."""
    if not is_asset(command.asset) or not 0 <= command.decimals <= MAX_DECIMALS:
        return RejectReason.INVALID_DEFINITION
    if assets.get(command.asset, command.decimals) != command.decimals:
        return RejectReason.UNITS_FIXED
    return None


def refuse_instrument(
    command: DefineInstrument,
    assets: Mapping[str, int],
    existing: InstrumentDefined | None,
) -> RejectReason | None:
    if not _within_bounds(command):
        return RejectReason.INVALID_DEFINITION
    if command.base not in assets or command.quote not in assets:
        return RejectReason.UNKNOWN_ASSET
    if existing is not None and _units(existing) != _units(command):
        return RejectReason.UNITS_FIXED
    return None


def _within_bounds(command: DefineInstrument) -> bool:
    return (
        is_symbol(command.symbol) is not None
        and command.base != command.quote
        and 1 <= command.lot_minor <= MAX_UNIT_MINOR
        and 1 <= command.tick_lot_minor <= MAX_UNIT_MINOR
        and 0 <= command.maker_fee_ppm <= MAX_FEE_PPM
        and 0 <= command.taker_fee_ppm <= MAX_FEE_PPM
        and 0 <= command.min_notional_minor <= MAX_SUPPLY_MINOR
        and 1 <= command.max_quantity_lots <= MAX_QUANTITY_LOTS
    )


def _units(instrument: DefineInstrument | InstrumentDefined) -> tuple[str, str, int, int]:
    return instrument.base, instrument.quote, instrument.lot_minor, instrument.tick_lot_minor


def instrument_defined(command: DefineInstrument, assets: Mapping[str, int]) -> InstrumentDefined:
    return InstrumentDefined(
        symbol=command.symbol,
        base=command.base,
        quote=command.quote,
        base_decimals=assets[command.base],
        quote_decimals=assets[command.quote],
        lot_minor=command.lot_minor,
        tick_lot_minor=command.tick_lot_minor,
        maker_fee_ppm=command.maker_fee_ppm,
        taker_fee_ppm=command.taker_fee_ppm,
        min_notional_minor=command.min_notional_minor,
        max_quantity_lots=command.max_quantity_lots,
        status=command.status,
    )
