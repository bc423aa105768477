"""Where books come from, as those see it who serve and show them.

The markets of the venue (``market.replica``) and the feeds from outside (``market.feeds.serving``)
are both a ``BookSource``; channels, ladders and tickers know no more of either.
"""

from typing import NamedTuple, Protocol

from market.formatting import Formatter
from market.symbol_state import SessionEvent
from market.values import MarketView, TradePrint
from orderbook.core.events import InstrumentDefined
from orderbook.gateway.protocol import DepthUpdate


class MarketChange(NamedTuple):
    """What one published batch did to one book."""

    symbol: str
    sequence: int
    time_ns: int
    depth: tuple[DepthUpdate, ...]
    trades: tuple[TradePrint, ...]
    reset: bool = False
    """The book was fetched again: forget what was derived from it and take a new view."""
    definition: InstrumentDefined | None = None
    """The instrument is new, or its rules or its phase changed."""
    session: tuple[SessionEvent, ...] = ()
    """What happened to its phase and its auction."""
    trades_missed: bool = False
    """Trades came before ``trades`` that nobody was told of: only a new view has the newest."""


class MarketListener(Protocol):
    def on_change(self, change: MarketChange) -> None:
        """Called on the loop; must return quickly. Comes only for symbols that have a view."""


class BookSource(Protocol):
    """Belongs to the server's event loop: call it there only. A symbol names one book of it."""

    def view(self, symbol: str, levels: int) -> MarketView | None:
        """The book as of now with its best ``levels`` a side; None while there is none."""

    def subscribe(self, listener: MarketListener, symbol: str) -> None:
        """``listener`` hears of every change of the book until ``unsubscribe``."""

    def unsubscribe(self, listener: MarketListener) -> None:
        """Safe to repeat."""

    def formatter(self, symbol: str) -> Formatter:
        """How the book's numbers are written. Raises MarketDataUnavailable."""
