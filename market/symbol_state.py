"""One symbol in the process's copy of market data: its book, last trades, ticker and session."""

import asyncio
from collections import deque

from market.book import ReplicaBook
from market.rolling import RollingTicker
from market.values import MarketSession, TradePrint
from orderbook.core.events import AuctionIndicated, AuctionUncrossed, PhaseChanged
from orderbook.gateway.protocol import Depth, DepthUpdate

KEPT_TRADES = 100
"""Last trades of a symbol that are kept for pages and snapshots."""
MAX_BUFFERED = 50_000
"""Updates that may wait for a symbol's snapshot; one more and the fetch starts over."""

SessionEvent = PhaseChanged | AuctionIndicated | AuctionUncrossed


class SymbolState:
    """One symbol's state. ``book`` is None while it is being fetched."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.book: ReplicaBook | None = None
        self.ticker = RollingTicker(symbol)
        self.ticker_read_to = 0
        """Last sequence that the ticker already contained when it was read."""
        self.trades: deque[TradePrint] = deque(maxlen=KEPT_TRADES)
        self.session = MarketSession()
        self.session_sequence = 0
        """Journal sequence of the event or snapshot that ``session`` is from."""
        self.sequence = 0
        self.waiting_depth: list[DepthUpdate] = []
        self.waiting_trades: list[TradePrint] = []
        self.task: asyncio.Task[None] | None = None

    def begin_fetch(self) -> None:
        self.book = None
        self.waiting_depth.clear()
        self.waiting_trades.clear()

    def buffer(self, depth: list[DepthUpdate], trades: list[TradePrint]) -> bool:
        """Keeps what arrives during a fetch; False when there is too much of it."""
        self.waiting_depth.extend(depth)
        self.waiting_trades.extend(trades)
        return len(self.waiting_depth) + len(self.waiting_trades) <= MAX_BUFFERED

    def install(self, depth: Depth, history: list[TradePrint], ticker: RollingTicker) -> None:
        """Takes a snapshot and what arrived meanwhile. Raises DepthGap where they do not join."""
        book = ReplicaBook(depth)
        for update in self.waiting_depth:
            book.apply(update)
        self.trades.clear()
        self.trades.extend(reversed(history))
        self.ticker = ticker
        self.ticker_read_to = ticker.newest_minute.sequence if ticker.newest_minute else 0
        for trade in self.waiting_trades:
            self.add_trade(trade)
        self.waiting_depth.clear()
        self.waiting_trades.clear()
        if depth.sequence >= self.session_sequence:
            self.session = MarketSession(depth.until_ns, *depth.indication)
            self.session_sequence = depth.sequence
        self.sequence = max(self.sequence, depth.sequence)
        self.book = book

    def add_trade(self, trade: TradePrint) -> bool:
        """False where the history had the trade already; trade ids grow."""
        if trade.sequence > self.ticker_read_to:
            self.ticker.add(trade)
        if self.trades and trade.trade_id <= self.trades[-1].trade_id:
            return False
        self.trades.append(trade)
        return True

    def follow(self, event: SessionEvent, sequence: int) -> None:
        """Takes what an event says of phase and auction, also while the book is being fetched."""
        self.session_sequence = sequence
        if isinstance(event, PhaseChanged):
            self.session = MarketSession(event.until_ns)
        elif isinstance(event, AuctionIndicated):
            self.session = MarketSession(
                self.session.until_ns, event.price_ticks, event.volume_lots, event.imbalance_lots
            )
        else:
            self.session = MarketSession(self.session.until_ns)
