"""Reads of market data from the tables, exact up to the last acknowledged command.

The order is always: the projection's cursor, its rows, then the journal's tail laid over them.
"""

import time

from market.models import Candle, PublicTrade
from market.projections import CANDLE_FIELDS, TRADE_FIELDS, MarketProjection
from market.rolling import BUCKET_S, WINDOW_BUCKETS, RollingTicker
from market.values import NS_PER_SECOND, CandleBar, Ticker, TradePrint, open_time_ns
from orderbook.core.events import Trade
from orderbook.core.units import Side
from orderbook.gateway import tail

MAX_TRADES = 1_000
MAX_CANDLES = 1_500
"""Most rows that one call gives; a day of minutes fits."""


def recent_trades(
    symbol: str, limit: int = 50, before_trade_id: int | None = None
) -> list[TradePrint]:
    """Newest first; with ``before_trade_id`` only older ones than that trade."""
    limit = min(limit, MAX_TRADES)
    cursor = tail.cursor_of(MarketProjection.name)
    rows = PublicTrade.objects.filter(symbol=symbol)
    if before_trade_id is not None:
        rows = rows.filter(trade_id__lt=before_trade_id)
    found = {
        row["trade_id"]: TradePrint(**{**row, "taker_side": Side(row["taker_side"])})
        for row in rows.order_by("-trade_id").values(*TRADE_FIELDS)[:limit]
    }
    for trade in _tail_trades(symbol, cursor):
        if before_trade_id is None or trade.trade_id < before_trade_id:
            found[trade.trade_id] = trade
    return [found[trade_id] for trade_id in sorted(found, reverse=True)[:limit]]


def last_price_ticks(symbol: str) -> int | None:
    """Price of the last trade; None before the first."""
    newest = recent_trades(symbol, 1)
    return newest[0].price_ticks if newest else None


def candles(
    symbol: str,
    interval_s: int,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
) -> list[CandleBar]:
    """The newest ``limit`` candles that open at or after start and before end, oldest first."""
    limit = min(limit, MAX_CANDLES)
    cursor = tail.cursor_of(MarketProjection.name)
    rows = Candle.objects.filter(symbol=symbol, interval_s=interval_s)
    if start_ns is not None:
        rows = rows.filter(open_time_ns__gte=start_ns)
    if end_ns is not None:
        rows = rows.filter(open_time_ns__lt=end_ns)
    newest = rows.order_by("-open_time_ns").values_list(*CANDLE_FIELDS[2:])[:limit]
    bars = {row[0]: CandleBar(*row) for row in newest}
    read_up_to = {opened_ns: bar.sequence for opened_ns, bar in bars.items()}
    for trade in _tail_trades(symbol, cursor):
        opened_ns = open_time_ns(trade.time_ns, interval_s)
        if start_ns is not None and opened_ns < start_ns:
            continue
        if end_ns is not None and opened_ns >= end_ns:
            continue
        if trade.sequence <= read_up_to.get(opened_ns, 0):
            continue
        bar = bars.get(opened_ns)
        bars[opened_ns] = bar.with_trade(trade) if bar else CandleBar.first(trade, interval_s)
    return [bars[opened_ns] for opened_ns in sorted(bars)[-limit:]]


def rolling_ticker(symbol: str, time_ns: int) -> RollingTicker:
    """The 24-hour window as the tables and the tail have it."""
    start_ns = open_time_ns(time_ns, BUCKET_S) - (WINDOW_BUCKETS - 1) * BUCKET_S * NS_PER_SECOND
    minutes = candles(symbol, BUCKET_S, start_ns=start_ns, limit=WINDOW_BUCKETS + 1)
    return RollingTicker(symbol, minutes, None if minutes else last_price_ticks(symbol))


def ticker(symbol: str, time_ns: int | None = None) -> Ticker:
    now_ns = time.time_ns() if time_ns is None else time_ns
    return rolling_ticker(symbol, now_ns).at(now_ns)


def _tail_trades(symbol: str, cursor: int) -> list[TradePrint]:
    return [
        TradePrint.of(record.event, record.sequence, record.time_ns)
        for record in tail.records_after(cursor)
        if type(record.event) is Trade and record.event.symbol == symbol
    ]
