"""Finds an instrument by symbol, from memory.

A process learns the instruments from their table and the journal's tail; web processes then hear
of every change from the feed (``remember``), others look again after ``STALE_AFTER_S``. Units never
change once defined, so even a stale definition converts exactly; only its status, fees and limits
may be a few seconds old, and the engine has the last word on those.
"""

import threading
import time

from channels.db import database_sync_to_async
from msgspec.structs import replace

from market.errors import UnknownSymbol
from market.models import Instrument
from market.projections import INSTRUMENT_FIELDS, MarketProjection
from orderbook.core.events import Event, InstrumentDefined, PhaseChanged
from orderbook.core.text import is_symbol
from orderbook.core.units import MAX_SYMBOL_LENGTH, InstrumentStatus
from orderbook.gateway import tail

STALE_AFTER_S = 5.0
"""Age at which a process that does not hear the feed reads the definitions again."""
MISS_RELOAD_S = 1.0
"""An unknown symbol makes the process look again at most this often."""
SYMBOL_PATTERN = rf"^[A-Z0-9][A-Z0-9-]{{0,{MAX_SYMBOL_LENGTH - 1}}}$"
"""What the engine takes as a symbol, for the API's documentation."""


class InstrumentCache:
    """Thread-safe: readers see one dictionary or the next, never a half-filled one."""

    def __init__(self) -> None:
        self._known: dict[str, InstrumentDefined] = {}
        self._sequences: dict[str, int] = {}
        self._loaded_at = float("-inf")
        self._lock = threading.Lock()
        self._heard_live = False

    def cached(self, symbol: str) -> InstrumentDefined | None:
        return self._known.get(symbol)

    def lookup(self, symbol: str) -> InstrumentDefined:
        known = self._known.get(symbol)
        if known is not None and self._fresh():
            return known
        if not isinstance(symbol, str) or not is_symbol(symbol):
            raise UnknownSymbol
        self._reload(MISS_RELOAD_S)
        known = self._known.get(symbol)
        if known is None:
            raise UnknownSymbol
        return known

    def all(self) -> list[InstrumentDefined]:
        """Ordered by symbol."""
        if not self._known or not self._fresh():
            self._reload(MISS_RELOAD_S)
        known = self._known
        return [known[symbol] for symbol in sorted(known)]

    def snapshot(self) -> list[InstrumentDefined]:
        """What is known now, without I/O."""
        return list(self._known.values())

    def remember(self, definition: InstrumentDefined, sequence: int) -> None:
        """Takes a definition that was journaled at ``sequence``, unless a later one is known."""
        with self._lock:
            self._merge([(definition, sequence)])

    def hear(self, event: Event, sequence: int) -> InstrumentDefined | None:
        """Takes what an event that was journaled at ``sequence`` says of an instrument.

        The definition from then on; None where the event is about no instrument, or about the phase
        of one that is not known yet.
        """
        if type(event) is InstrumentDefined:
            definition = event
        elif type(event) is PhaseChanged and event.symbol in self._known:
            definition = replace(self._known[event.symbol], status=event.status)
        else:
            return None
        self.remember(definition, sequence)
        return definition

    def hear_live(self, heard: bool) -> None:
        """Whether a feed calls ``remember`` for every change from now on."""
        self._heard_live = heard

    def reload(self) -> None:
        self._reload(0)

    def forget(self) -> None:
        with self._lock:
            self._known = {}
            self._sequences = {}
            self._loaded_at = float("-inf")

    def _fresh(self) -> bool:
        return self._heard_live or time.monotonic() - self._loaded_at < STALE_AFTER_S

    def _reload(self, at_most_every_s: float) -> None:
        with self._lock:
            if time.monotonic() - self._loaded_at < at_most_every_s:
                return
            self._merge(_read_all())
            self._loaded_at = time.monotonic()

    def _merge(self, found: list[tuple[InstrumentDefined, int]]) -> None:
        known = dict(self._known)
        for definition, sequence in found:
            if sequence >= self._sequences.get(definition.symbol, 0):
                known[definition.symbol] = definition
                self._sequences[definition.symbol] = sequence
        self._known = known


def _read_all() -> list[tuple[InstrumentDefined, int]]:
    cursor = tail.cursor_of(MarketProjection.name)
    found: dict[str, tuple[InstrumentDefined, int]] = {}
    for row in Instrument.objects.values(*INSTRUMENT_FIELDS):
        sequence = row.pop("sequence")
        row["status"] = InstrumentStatus(row["status"])
        definition = InstrumentDefined(**row)
        found[definition.symbol] = definition, sequence
    for record in tail.records_after(cursor):
        event = record.event
        if type(event) is InstrumentDefined:
            found[event.symbol] = event, record.sequence
        elif type(event) is PhaseChanged and event.symbol in found:
            definition = replace(found[event.symbol][0], status=event.status)
            found[event.symbol] = definition, record.sequence
    return list(found.values())


cache = InstrumentCache()


def lookup(symbol: str) -> InstrumentDefined:
    """May read the database: for sync code. Raises UnknownSymbol, whatever the text is."""
    return cache.lookup(symbol)


def cached(symbol: str) -> InstrumentDefined | None:
    """From memory only, for the hot path; None sends the caller to ``alookup``."""
    return cache.cached(symbol)


async def alookup(symbol: str) -> InstrumentDefined:
    """As ``lookup``, for async code."""
    known = cache.cached(symbol)
    if known is not None:
        return known
    found: InstrumentDefined = await database_sync_to_async(cache.lookup)(symbol)
    return found


def all_instruments() -> list[InstrumentDefined]:
    """Every instrument by symbol. May read the database: for sync code."""
    return cache.all()
