"""The list of markets: complete HTML first, then kept fresh by ``/ws/markets/``."""

import time

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from market import current, instruments, selectors
from market.errors import MarketDataUnavailable
from market.live import Channel, FragmentConsumer
from market.presentation import (
    LADDER_LEVELS,
    TRADES_SHOWN,
    Sparkline,
    empty_view,
    market_row,
    sparkline,
)
from market.replica import get_market_hub
from market.source import MarketChange
from market.values import CandleBar, MarketView
from orderbook import journal
from orderbook.core.events import InstrumentDefined
from orderbook.errors import VenueError

SPARK_SCALES = ((900, 96), (60, 120))
"""(interval_s, candles): quarter hours of a day, or the first minutes of a young market."""
MIN_SPARK_CANDLES = 8
SPARKS_KEPT_S = 60.0
LIST_INTERVAL_S = 0.25
"""Shortest time between two renderings of the list."""
ROWS = "market/partials/rows.html"


def view_from_thread(symbol: str) -> MarketView:
    """The symbol as of every command that was acknowledged before, for a page's first HTML."""
    try:
        view = get_market_hub().read_from_thread(symbol, journal.last_sequence())
    except MarketDataUnavailable:
        view = None
    return view or _view_without_replica(symbol)


def _view_without_replica(symbol: str) -> MarketView:
    """From the engine and the tables; without a book where the engine cannot be asked either."""
    newest = selectors.candles(symbol, 60, limit=1)
    view = empty_view(symbol)._replace(
        trades=tuple(current.trades(symbol, TRADES_SHOWN, None)),
        ticker=current.ticker(symbol),
        minute=newest[0] if newest else None,
    )
    try:
        book = current.book(symbol, LADDER_LEVELS)
    except VenueError:
        return view
    return view._replace(
        update_id=book.update_id, bids=book.bids, asks=book.asks, session=book.session
    )


def sparklines() -> dict[str, Sparkline | None]:
    """The line of every symbol: its last day, or as much as there is."""
    return {
        instrument.symbol: _sparkline(instrument.symbol)
        for instrument in instruments.all_instruments()
    }


def _sparkline(symbol: str) -> Sparkline | None:
    bars: list[CandleBar] = []
    for interval_s, limit in SPARK_SCALES:
        bars = selectors.candles(symbol, interval_s, limit=limit)
        if len(bars) >= MIN_SPARK_CANDLES:
            break
    return sparkline(bars)


@require_safe
def market_list(request: HttpRequest) -> HttpResponse:
    sparks = sparklines()
    rows = [
        market_row(view_from_thread(instrument.symbol), instrument, sparks.get(instrument.symbol))
        for instrument in instruments.all_instruments()
    ]
    return render(request, "market/markets.html", {"rows": rows})


class MarketsChannel(Channel):
    """The rows of the list, rendered once for everyone who looks at it."""

    interval_s = LIST_INTERVAL_S

    def __init__(self) -> None:
        super().__init__()
        self._sparks: dict[str, Sparkline | None] = {}
        self._sparks_at = float("-inf")

    def opened(self) -> None:
        get_market_hub().subscribe(self)

    def closed(self) -> None:
        get_market_hub().unsubscribe(self)

    def on_change(self, change: MarketChange) -> None:
        self.mark_changed()

    async def render(self) -> dict[str, str]:
        await self._refresh_sparks()
        hub = get_market_hub()
        rows = []
        for instrument in _known():
            view = hub.view(instrument.symbol, levels=1)
            if view is None:
                return {}  # a half-filled list would be wrong; the hub tells when it is whole again
            rows.append(market_row(view, instrument, self._sparks.get(instrument.symbol)))
        return {"rows": render_to_string(ROWS, {"rows": rows})}

    async def _refresh_sparks(self) -> None:
        now = time.monotonic()
        if now - self._sparks_at >= SPARKS_KEPT_S:
            self._sparks_at = now
            self._sparks = await database_sync_to_async(sparklines)()


def _known() -> list[InstrumentDefined]:
    return sorted(instruments.cache.snapshot(), key=lambda instrument: instrument.symbol)


_markets_channel: MarketsChannel | None = None


def markets_channel() -> MarketsChannel:
    global _markets_channel
    if _markets_channel is None:
        _markets_channel = MarketsChannel()
    return _markets_channel


class MarketsConsumer(FragmentConsumer):
    async def channels(self) -> list[Channel]:
        return [markets_channel()]
