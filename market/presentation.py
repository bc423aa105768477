"""Market data as the pages show it: integers become grouped decimal text, nothing else happens.

Pure functions from a ``MarketView`` and its instrument to what the templates print. Decimals come
from ``market.formatting``; no float is involved.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from market.formatting import clock_text, formatter
from market.session_text import AuctionText, PhaseText, auction_text, phase_text
from market.values import NS_PER_SECOND, BookLevel, CandleBar, MarketView, Ticker, TradePrint
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import Side
from orderbook.gateway.decimals import minor_to_text
from orderbook.gateway.display import grouped

LADDER_LEVELS = 15
TRADES_SHOWN = 40
DEPTH_STEPS = 50
"""Depth bars come in steps of two percent: classes d0 to d50 in trade.css."""
MISSING = "\N{EN DASH}"


def price_text(instrument: InstrumentDefined, price_ticks: int | None) -> str:
    return MISSING if price_ticks is None else grouped(formatter(instrument).price(price_ticks))


def quantity_text(instrument: InstrumentDefined, quantity_lots: int) -> str:
    return grouped(formatter(instrument).quantity(quantity_lots))


def whole_money_text(minor: int, decimals: int) -> str:
    """Cut to whole units, for large sums whose fractions nobody reads."""
    return grouped(minor_to_text(minor, decimals)).partition(".")[0]


def hundredths_text(hundredths: int, *, signed: bool = False) -> str:
    """125 -> "1.25"; signed: "+1.25"."""
    sign = "-" if hundredths < 0 else "+" if signed and hundredths > 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


class TickerText(NamedTuple):
    last: str
    change: str
    direction: str
    """"up", "down" or "": a class and, through the sign, a text."""
    high: str
    low: str
    volume: str
    quote_volume: str


def ticker_text(ticker: Ticker, instrument: InstrumentDefined) -> TickerText:
    change = ticker.change_hundredths
    return TickerText(
        price_text(instrument, ticker.last_ticks),
        MISSING if change is None else f"{hundredths_text(change, signed=True)}%",
        "" if not change else "up" if change > 0 else "down",
        price_text(instrument, ticker.high_ticks),
        price_text(instrument, ticker.low_ticks),
        quantity_text(instrument, ticker.volume_lots),
        whole_money_text(ticker.quote_volume_minor, instrument.quote_decimals),
    )


class SpreadText(NamedTuple):
    spread: str
    ticks: str
    basis_points: str


def spread_text(view: MarketView, instrument: InstrumentDefined) -> SpreadText | None:
    """None where a side of the book is empty, or where an auction has collected orders that cross.

    Basis points are of the mid price.
    """
    spread, bid, ask = view.spread_ticks, view.best_bid, view.best_ask
    if spread is None or bid is None or ask is None or spread < 0:
        return None
    hundredths_of_bps = spread * 2_000_000 // (bid.price_ticks + ask.price_ticks)
    return SpreadText(
        price_text(instrument, spread), f"{spread:,}", hundredths_text(hundredths_of_bps)
    )


class LadderRow(NamedTuple):
    key: str
    """Element id, stable for a price."""
    ticks: int
    lots: int
    price_value: str
    """As the ticket takes it."""
    price: str
    quantity: str
    total: str
    depth: int
    """Cumulated quantity in steps of the deeper side, 0 to ``DEPTH_STEPS``."""
    orders: int


def ladder_rows(
    side: Side, levels: Sequence[BookLevel], instrument: InstrumentDefined, deepest_lots: int
) -> list[LadderRow]:
    """Rows best first, with running totals."""
    rows, total, form = [], 0, formatter(instrument)
    for level in levels:
        total += level.quantity_lots
        value = form.price(level.price_ticks)
        rows.append(
            LadderRow(
                f"{side.value}-{level.price_ticks}",
                level.price_ticks,
                level.quantity_lots,
                value,
                grouped(value),
                grouped(form.quantity(level.quantity_lots)),
                grouped(form.quantity(total)),
                -(-total * DEPTH_STEPS // deepest_lots) if deepest_lots else 0,
                level.order_count,
            )
        )
    return rows


class Ladder(NamedTuple):
    asks: list[LadderRow]
    """Highest first, as they stand above the spread."""
    bids: list[LadderRow]
    spread: SpreadText | None
    is_crossed: bool
    """An auction has collected orders that would trade with each other."""
    auction: AuctionText | None
    last: str
    last_direction: str
    update_id: int


def ladder(view: MarketView, instrument: InstrumentDefined) -> Ladder:
    bids, asks = view.bids[:LADDER_LEVELS], view.asks[:LADDER_LEVELS]
    deepest = max(_sum_lots(bids), _sum_lots(asks))
    newest = view.trades[0] if view.trades else None
    return Ladder(
        ladder_rows(Side.SELL, asks, instrument, deepest)[::-1],
        ladder_rows(Side.BUY, bids, instrument, deepest),
        spread_text(view, instrument),
        view.spread_ticks is not None and view.spread_ticks <= 0,
        auction_text(view, instrument),
        price_text(instrument, view.ticker.last_ticks),
        "" if newest is None else _direction(newest),
        view.update_id,
    )


def empty_view(symbol: str) -> MarketView:
    """What a page shows before this process has the symbol's book."""
    ticker = Ticker(symbol, None, None, None, None, 0, 0, 0)
    return MarketView(symbol, 0, 0, 0, (), (), (), ticker, None)


class CandleText(NamedTuple):
    """A one-minute candle for the chart's script."""

    open_time_s: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    sequence: int


def candle_text(view: MarketView, instrument: InstrumentDefined) -> CandleText | None:
    bar = view.minute
    if bar is None:
        return None
    form = formatter(instrument)
    return CandleText(
        bar.open_time_ns // NS_PER_SECOND,
        form.price(bar.open_ticks),
        form.price(bar.high_ticks),
        form.price(bar.low_ticks),
        form.price(bar.close_ticks),
        form.quantity(bar.volume_lots),
        bar.sequence,
    )


def _sum_lots(levels: Iterable[BookLevel]) -> int:
    return sum(level.quantity_lots for level in levels)


def _direction(trade: TradePrint) -> str:
    return "up" if trade.taker_side is Side.BUY else "down"


class TradeRow(NamedTuple):
    key: str
    side: str
    price: str
    quantity: str
    time: str


def trade_rows(view: MarketView, instrument: InstrumentDefined) -> list[TradeRow]:
    return [
        TradeRow(
            f"t-{trade.trade_id}",
            trade.taker_side.value,
            price_text(instrument, trade.price_ticks),
            quantity_text(instrument, trade.quantity_lots),
            clock_text(trade.time_ns),
        )
        for trade in view.trades[:TRADES_SHOWN]
    ]


class Sparkline(NamedTuple):
    points: str
    """Of an SVG polyline in a box of ``SPARK_WIDTH`` by ``SPARK_HEIGHT``."""
    direction: str


SPARK_WIDTH = 120
SPARK_HEIGHT = 28


def sparkline(bars: Sequence[CandleBar]) -> Sparkline | None:
    """Closing prices as a line; None below two of them. Pixels, so integers are exact enough."""
    if len(bars) < 2:
        return None
    closes = [bar.close_ticks for bar in bars]
    lowest, height = min(closes), max(max(closes) - min(closes), 1)
    points = " ".join(
        f"{place * SPARK_WIDTH // (len(closes) - 1)},"
        f"{SPARK_HEIGHT - 2 - (close - lowest) * (SPARK_HEIGHT - 4) // height}"
        for place, close in enumerate(closes)
    )
    return Sparkline(points, "down" if closes[-1] < bars[0].open_ticks else "up")


class MarketRow(NamedTuple):
    symbol: str
    base: str
    quote: str
    ticker: TickerText
    bid: str
    ask: str
    spread: SpreadText | None
    spark: Sparkline | None
    phase: PhaseText


def market_row(
    view: MarketView, instrument: InstrumentDefined, spark: Sparkline | None
) -> MarketRow:
    bid, ask = view.best_bid, view.best_ask
    return MarketRow(
        instrument.symbol,
        instrument.base,
        instrument.quote,
        ticker_text(view.ticker, instrument),
        price_text(instrument, bid.price_ticks if bid else None),
        price_text(instrument, ask.price_ticks if ask else None),
        spread_text(view, instrument),
        spark,
        phase_text(view, instrument),
    )
