"""Market data as of every command that was acknowledged before the read began.

Sync, for views. The journal's last sequence says how far a read must reach (replies leave after the
commit, so it covers every acknowledgement of every process); this process's replica answers if it
gets there in a moment, else the engine or the tables are asked.
"""

import time
from typing import NamedTuple

from django.db import InterfaceError, OperationalError

from market import selectors
from market.errors import MarketDataUnavailable, UnknownSymbol
from market.replica import MarketHub, get_market_hub
from market.values import BookLevel, MarketSession, MarketView, Ticker, TradePrint
from orderbook import journal
from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Depth, GetDepth


class BookNow(NamedTuple):
    sequence: int
    update_id: int
    time_ns: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    session: MarketSession


def book(symbol: str, levels: int) -> BookNow:
    """Best first. Raises EngineUnavailable where neither replica nor engine can answer."""
    view = _replica_view(symbol, levels)
    if view is not None:
        return BookNow(
            view.sequence, view.update_id, view.time_ns, view.bids, view.asks, view.session
        )
    return _engine_book(symbol, levels)


def session(symbol: str) -> MarketSession:
    """Raises EngineUnavailable where neither replica nor engine can answer."""
    return book(symbol, 0).session


def trades(symbol: str, limit: int, before_trade_id: int | None) -> list[TradePrint]:
    """Newest first."""
    if before_trade_id is None:
        view = _replica_view(symbol, 0)
        if view is not None and limit <= len(view.trades):
            return list(view.trades[:limit])
    return selectors.recent_trades(symbol, limit, before_trade_id)


def ticker(symbol: str) -> Ticker:
    view = _replica_view(symbol, 0)
    return view.ticker if view is not None else selectors.ticker(symbol, time.time_ns())


def _replica_view(symbol: str, levels: int) -> MarketView | None:
    hub = _running_hub()
    return hub.read_from_thread(symbol, _acknowledged(), levels) if hub else None


def _running_hub() -> MarketHub | None:
    try:
        hub = get_market_hub()
    except (MarketDataUnavailable, EngineUnavailable):
        return None
    return hub if hub.running else None


def _acknowledged() -> int:
    """While the database is away nothing can be acknowledged: what this process knows will do."""
    try:
        return journal.last_sequence()
    except (OperationalError, InterfaceError):
        return get_gateway().last_acknowledged_sequence


def _engine_book(symbol: str, levels: int) -> BookNow:
    try:
        depth = get_gateway().query_blocking(GetDepth(symbol))
    except LookupError as error:
        raise UnknownSymbol from error
    assert isinstance(depth, Depth)
    sides: dict[Side, list[BookLevel]] = {Side.BUY: [], Side.SELL: []}
    for level in depth.levels:
        sides[level.side].append(
            BookLevel(level.price_ticks, level.quantity_lots, level.order_count)
        )
    return BookNow(
        depth.sequence,
        depth.update_id,
        depth.time_ns,
        tuple(sides[Side.BUY][:levels]),
        tuple(sides[Side.SELL][:levels]),
        MarketSession(depth.until_ns, *depth.indication),
    )
