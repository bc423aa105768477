"""The venue's definitions: assets, instruments, and who leads."""

from collections.abc import Mapping

from msgspec.structs import replace

from orderbook.core.auction import Auction
from orderbook.core.book import Book
from orderbook.core.commands import DefineAsset, DefineInstrument, OpenEpoch
from orderbook.core.events import AssetDefined, EpochOpened, Event, InstrumentDefined
from orderbook.core.phases import AUCTIONS
from orderbook.core.refusals import command_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.text import asset_or_blank, is_asset, is_symbol, symbol_or_blank
from orderbook.core.units import (
    MAX_BAND_PPM,
    MAX_DECIMALS,
    MAX_FEE_PPM,
    MAX_ID,
    MAX_PAUSE_NS,
    MAX_QUANTITY_LOTS,
    MAX_SUPPLY_MINOR,
    MAX_UNIT_MINOR,
)
from orderbook.core.venue import Venue


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
        and 0 <= command.max_notional_minor <= MAX_SUPPLY_MINOR
        and 0 <= command.static_band_ppm <= MAX_BAND_PPM
        and 0 <= command.dynamic_band_ppm <= MAX_BAND_PPM
        and 0 <= command.pause_ns <= MAX_PAUSE_NS
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
        max_notional_minor=command.max_notional_minor,
        static_band_ppm=command.static_band_ppm,
        dynamic_band_ppm=command.dynamic_band_ppm,
        pause_ns=command.pause_ns,
    )


class Definitions:
    __slots__ = ("_venue",)

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def define_asset(self, command: DefineAsset, events: list[Event]) -> None:
        asset = command.asset
        reason = refuse_asset(command, self._venue.assets)
        if reason is not None:
            events.append(command_rejected(0, command, asset_or_blank(asset), reason))
            return
        self._venue.assets[asset] = command.decimals
        self._venue.ledger.supply.setdefault(asset, 0)
        events.append(AssetDefined(asset, command.decimals))

    def define_instrument(self, command: DefineInstrument, events: list[Event]) -> None:
        book = self._venue.books.get(command.symbol)
        reason = refuse_instrument(command, self._venue.assets, book.instrument if book else None)
        if reason is not None:
            events.append(command_rejected(0, command, symbol_or_blank(command.symbol), reason))
            return
        instrument = instrument_defined(command, self._venue.assets)
        if book is None:
            self._venue.books[command.symbol] = book = Book(instrument)
            if instrument.status in AUCTIONS:
                book.auction = Auction()
        else:
            instrument = replace(instrument, status=book.instrument.status)
            book.define(instrument)
        events.append(instrument)

    def open_epoch(self, command: OpenEpoch, events: list[Event]) -> None:
        if command.epoch > MAX_ID:
            events.append(command_rejected(0, command, "", RejectReason.INVALID_DEFINITION))
            return
        if command.epoch <= self._venue.epoch:
            events.append(command_rejected(0, command, "", RejectReason.STALE_EPOCH))
            return
        self._venue.epoch = command.epoch
        events.append(EpochOpened(command.epoch))
