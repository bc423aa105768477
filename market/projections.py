"""Journal events -> instruments, public trades and candles.

A call costs one pass over its trades and a handful of statements, however many trades it carries:
each candle is folded in memory and written once, merged with the row that may exist already.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from market.models import Candle, Instrument, PublicTrade
from market.values import CANDLE_INTERVALS_S, CandleBar, TradePrint, open_time_ns
from orderbook.bulk import insert_rows, upsert_rows
from orderbook.core.events import InstrumentDefined, PhaseChanged, Trade
from orderbook.core.units import InstrumentStatus, Side
from orderbook.projections import Recorded

LOOKUP_CHUNK = 500
"""Candle start times in one query; SQLite takes at most 999 parameters on old builds."""

INSTRUMENT_FIELDS = (*InstrumentDefined.__struct_fields__, "sequence")
TRADE_FIELDS = TradePrint._fields
CANDLE_FIELDS = ("symbol", "interval_s", *CandleBar._fields)
CANDLE_KEY = ("symbol", "interval_s", "open_time_ns")

CandleKey = tuple[str, int, int]
_BASE_INTERVAL_S = min(CANDLE_INTERVALS_S.values())


class MarketProjection:
    name = "market"

    def apply(self, records: Sequence[Recorded]) -> None:
        instruments: dict[str, tuple[InstrumentDefined, int]] = {}
        phases: dict[str, tuple[InstrumentStatus, int]] = {}
        trades: list[TradePrint] = []
        for record in records:
            event = record.event
            if type(event) is Trade:
                trades.append(TradePrint.of(event, record.sequence, record.time_ns))
            elif type(event) is InstrumentDefined:
                instruments[event.symbol] = (event, record.sequence)
                phases.pop(event.symbol, None)  # the definition says it, too
            elif type(event) is PhaseChanged:
                phases[event.symbol] = (event.status, record.sequence)
        if instruments:
            _write_instruments(instruments.values())
        for symbol, (status, sequence) in phases.items():
            Instrument.objects.filter(symbol=symbol).update(status=status.value, sequence=sequence)
        if trades:
            insert_rows(
                PublicTrade,
                TRADE_FIELDS,
                ((*trade[:5], Side(trade.taker_side).value, *trade[6:]) for trade in trades),
            )
            _write_candles(fold_candles(trades))

    def reset(self) -> None:
        for model in (Candle, PublicTrade, Instrument):
            model._default_manager.all().delete()


def _write_instruments(definitions: Iterable[tuple[InstrumentDefined, int]]) -> None:
    rows = [
        (*structs.astuple(structs.replace(event, status=event.status.value)), sequence)
        for event, sequence in definitions
    ]
    upsert_rows(Instrument, INSTRUMENT_FIELDS, rows, ("symbol",), INSTRUMENT_FIELDS[1:])


def fold_candles(trades: Iterable[TradePrint]) -> dict[CandleKey, CandleBar]:
    """The candles of all intervals that these trades make, folded from their minutes."""
    minutes: dict[CandleKey, CandleBar] = {}
    for trade in trades:
        key = (trade.symbol, _BASE_INTERVAL_S, open_time_ns(trade.time_ns, _BASE_INTERVAL_S))
        bar = minutes.get(key)
        minutes[key] = bar.with_trade(trade) if bar else CandleBar.first(trade, _BASE_INTERVAL_S)
    candles = dict(minutes)
    for interval_s in CANDLE_INTERVALS_S.values():
        if interval_s == _BASE_INTERVAL_S:
            continue
        for (symbol, _, minute_ns), minute in minutes.items():
            start_ns = open_time_ns(minute_ns, interval_s)
            key = (symbol, interval_s, start_ns)
            bar = candles.get(key)
            candles[key] = (
                bar.followed_by(minute) if bar else minute._replace(open_time_ns=start_ns)
            )
    return candles


def _write_candles(candles: dict[CandleKey, CandleBar]) -> None:
    for key, bar in _existing(candles):
        candles[key] = bar.followed_by(candles[key])
    rows = [(symbol, interval_s, *bar) for (symbol, interval_s, _), bar in candles.items()]
    upsert_rows(Candle, CANDLE_FIELDS, rows, CANDLE_KEY, CANDLE_FIELDS[3:])


def _existing(candles: dict[CandleKey, CandleBar]) -> list[tuple[CandleKey, CandleBar]]:
    """The rows of these candles that the table has already."""
    found = []
    for symbol in sorted({key[0] for key in candles}):
        starts = sorted({key[2] for key in candles if key[0] == symbol})
        for first in range(0, len(starts), LOOKUP_CHUNK):
            rows = Candle.objects.filter(
                symbol=symbol, open_time_ns__in=starts[first : first + LOOKUP_CHUNK]
            ).values_list(*CANDLE_FIELDS)
            for row_symbol, interval_s, *values in rows:
                key = (row_symbol, interval_s, values[0])
                if key in candles:
                    found.append((key, CandleBar(*values)))
    return found
