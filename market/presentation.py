"""Market data as the pages show it: integers become grouped decimal text, nothing else happens.

Pure functions from a ``MarketView`` and the formatter of its book to what the templates print, the
same for a market of the venue and for a feed. Decimals come from ``market.formatting``; no float is
involved.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from market.formatting import Formatter, clock_text, formatter
from market.session_text import AuctionText, PhaseText, phase_text
from market.values import NS_PER_SECOND, BookLevel, CandleBar, MarketView, Ticker, TradePrint
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import Side
from orderbook.gateway.display import grouped

LADDER_LEVELS = 15
TRADES_SHOWN = 40
DEPTH_STEPS = 50
"""Depth bars come in steps of two percent: classes d0 to d50 in trade.css."""
MISSING = "\N{EN DASH}"


def price_text(form: Formatter, price_ticks: int | None) -> str:
    return MISSING if price_ticks is None else grouped(form.price(price_ticks))


def quantity_text(form: Formatter, quantity_lots: int) -> str:
    return grouped(form.quantity(quantity_lots))


def whole_text(decimal: str) -> str:
    """Cut to whole units, for large sums whose fractions nobody reads."""
    return grouped(decimal).partition(".")[0]


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


def ticker_text(ticker: Ticker, form: Formatter) -> TickerText:
    change = ticker.change_hundredths
    return TickerText(
        price_text(form, ticker.last_ticks),
        MISSING if change is None else f"{hundredths_text(change, signed=True)}%",
        "" if not change else "up" if change > 0 else "down",
        price_text(form, ticker.high_ticks),
        price_text(form, ticker.low_ticks),
        quantity_text(form, ticker.volume_lots),
        whole_text(form.money(ticker.quote_volume_minor)),
    )


class SpreadText(NamedTuple):
    spread: str
    ticks: str
    """Empty where the book has no fixed price step."""
    basis_points: str
    """Of the mid price; empty where that is not above zero."""


def spread_text(view: MarketView, form: Formatter) -> SpreadText | None:
    """None where a side of the book is empty, or where the book is crossed."""
    spread, bid, ask = view.spread_ticks, view.best_bid, view.best_ask
    if spread is None or bid is None or ask is None or spread < 0:
        return None
    twice_mid = bid.price_ticks + ask.price_ticks
    basis_points = hundredths_text(spread * 2_000_000 // twice_mid) if twice_mid > 0 else ""
    return SpreadText(price_text(form, spread), form.steps(spread), basis_points)


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
    side: Side, levels: Sequence[BookLevel], form: Formatter, deepest_lots: int
) -> list[LadderRow]:
    """Rows best first, with running totals."""
    rows, total = [], 0
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
    """Best bid at or above best ask: an auction collects, or a feed shows its source's book so."""
    auction: AuctionText | None
    last: str
    last_direction: str
    update_id: int


def ladder(view: MarketView, form: Formatter, auction: AuctionText | None = None) -> Ladder:
    bids, asks = view.bids[:LADDER_LEVELS], view.asks[:LADDER_LEVELS]
    deepest = max(_sum_lots(bids), _sum_lots(asks))
    newest = view.trades[0] if view.trades else None
    return Ladder(
        ladder_rows(Side.SELL, asks, form, deepest)[::-1],
        ladder_rows(Side.BUY, bids, form, deepest),
        spread_text(view, form),
        view.spread_ticks is not None and view.spread_ticks <= 0,
        auction,
        price_text(form, view.ticker.last_ticks),
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


def candle_text(view: MarketView, form: Formatter) -> CandleText | None:
    bar = view.minute
    if bar is None:
        return None
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
    return {Side.BUY: "up", Side.SELL: "down", None: ""}[trade.taker_side]


class TradeRow(NamedTuple):
    key: str
    side: str
    """Of the taker; empty where it is not known."""
    price: str
    quantity: str
    time: str


def trade_rows(view: MarketView, form: Formatter) -> list[TradeRow]:
    return [
        TradeRow(
            f"t-{trade.trade_id}",
            trade.taker_side.value if trade.taker_side else "",
            price_text(form, trade.price_ticks),
            quantity_text(form, trade.quantity_lots),
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
    bid, ask, form = view.best_bid, view.best_ask, formatter(instrument)
    return MarketRow(
        instrument.symbol,
        instrument.base,
        instrument.quote,
        ticker_text(view.ticker, form),
        price_text(form, bid.price_ticks if bid else None),
        price_text(form, ask.price_ticks if ask else None),
        spread_text(view, form),
        spark,
        phase_text(view, instrument),
    )
