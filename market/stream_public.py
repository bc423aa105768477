"""The public channels: depth@SYMBOL, trades@SYMBOL, ticker@SYMBOL and auction@SYMBOL.

Depth, trades and ticker are those of any ``BookSource``: a feed's are the same objects.

Changes are gathered for a few milliseconds and sent as one frame: at once when the channel was
quiet, else at most every ``*_EVERY_S``. A depth frame covers all update ids from
``first_update_id`` to ``last_update_id``; trades and tickers carry a ``seq`` of the channel.
"""

import asyncio
from abc import abstractmethod
from typing import Any
from weakref import WeakValueDictionary

from market import instruments
from market.errors import MarketDataUnavailable, UnknownChannel
from market.formatting import Formatter, session_resource, time_text
from market.replica import MAX_LEVELS, get_market_hub
from market.source import BookSource, MarketChange
from market.stream_channels import Channel, Identity, Subscriber, encode_frame
from market.values import BookLevel, MarketView, TradePrint
from orderbook.core.events import AuctionUncrossed
from orderbook.core.units import Side
from orderbook.gateway.protocol import Level

DEPTH_EVERY_S = 0.05
TRADES_EVERY_S = 0.05
TICKER_EVERY_S = 0.25
AUCTION_EVERY_S = 0.1
SNAPSHOT_TRADES = 50
MAX_TRADES_IN_FRAME = 1_000
"""More trades than this between two frames: the older ones are left out, the newest shown by a
snapshot."""

FEED_PREFIX = "@feed:"
"""What the names of a feed's channels have, and no market's: its symbols have no colon."""

LevelKey = tuple[Side, int]


class PublicChannel(Channel):
    """Gathers a book's changes and publishes them at a bounded rate."""

    every_s: float

    def __init__(self, name: str, symbol: str, source: BookSource) -> None:
        super().__init__(name)
        self.symbol = symbol
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._snapshot: str | None = None
        """Kept until the next update: after a gap every socket asks for one at once."""
        self._last_flush = float("-inf")

    @property
    def ready(self) -> bool:
        return self._source.view(self.symbol, 0) is not None

    def attach(self, subscriber: Subscriber) -> None:
        if not self.subscribers:
            self._start_over()
            self._source.subscribe(self, self.symbol)
        super().attach(subscriber)

    def detach(self, subscriber: Subscriber) -> None:
        if subscriber not in self.subscribers:
            return
        super().detach(subscriber)
        if not self.subscribers:
            self._source.unsubscribe(self)
            self._start_over()

    def on_change(self, change: MarketChange) -> None:
        if change.reset:
            self._start_over()
            for subscriber in self.subscribers:
                subscriber.refresh()
        elif self.take(change) and self._timer is None:
            wait_s = self._last_flush + self.every_s - self._loop.time()
            self._timer = self._loop.call_later(max(wait_s, 0.0), self.flush)

    def flush(self) -> None:
        """Publishes what has been gathered."""
        self._cancel_timer()
        frame = self.gathered()
        self.forget()
        if frame is not None:
            self._last_flush = self._loop.time()
            self._snapshot = None
            self.publish(encode_frame({"channel": self.name, "type": "update", **frame}))

    def settle(self) -> None:
        # What is gathered is in the view already: who waits for a snapshot is not sent it, and the
        # next frame joins the snapshot.
        self.flush()

    async def snapshot(self) -> str:
        if self._snapshot is None:
            view = self._source.view(self.symbol, MAX_LEVELS)
            if view is None:
                raise MarketDataUnavailable
            frame = self.whole(view)
            self._snapshot = encode_frame({"channel": self.name, "type": "snapshot", **frame})
        return self._snapshot

    def _start_over(self) -> None:
        """What was gathered, and the snapshot that was kept, stand for nothing any more."""
        self._cancel_timer()
        self._snapshot = None
        self.forget()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _formatter(self) -> Formatter:
        return self._source.formatter(self.symbol)

    @abstractmethod
    def take(self, change: MarketChange) -> bool:
        """Gathers what matters to this channel; False where nothing does."""

    @abstractmethod
    def gathered(self) -> dict[str, object] | None:
        """The body of the next frame; None where there is nothing to say."""

    @abstractmethod
    def forget(self) -> None:
        """Drops what is gathered."""

    @abstractmethod
    def whole(self, view: MarketView) -> dict[str, object]:
        """The body of a snapshot."""


class DepthChannel(PublicChannel):
    every_s = DEPTH_EVERY_S

    def __init__(self, *args: Any) -> None:
        self._levels: dict[LevelKey, Level] = {}
        self._first_update_id = 0
        self._last: MarketChange | None = None
        super().__init__(*args)

    def take(self, change: MarketChange) -> bool:
        for update in change.depth:
            if self._last is None:
                self._first_update_id = update.first_update_id
                self._last = change
            for level in update.levels:
                self._levels[level.side, level.price_ticks] = level
        if change.depth:
            self._last = change
        return bool(change.depth)

    def gathered(self) -> dict[str, object] | None:
        if self._last is None:
            return None
        bids = [_row(level) for level in self._levels.values() if level.side is Side.BUY]
        asks = [_row(level) for level in self._levels.values() if level.side is Side.SELL]
        text = self._formatter
        return {
            "first_update_id": self._first_update_id,
            "last_update_id": self._last.depth[-1].last_update_id,
            "sequence": self._last.sequence,
            "time": time_text(self._last.time_ns),
            "bids": [text.level(level) for level in sorted(bids, reverse=True)],
            "asks": [text.level(level) for level in sorted(asks)],
        }

    def forget(self) -> None:
        self._levels.clear()
        self._last = None

    def whole(self, view: MarketView) -> dict[str, object]:
        text = self._formatter
        return {
            "last_update_id": view.update_id,
            "sequence": view.sequence,
            "time": time_text(view.time_ns),
            "bids": [text.level(level) for level in view.bids],
            "asks": [text.level(level) for level in view.asks],
        }


class TradesChannel(PublicChannel):
    every_s = TRADES_EVERY_S

    def __init__(self, *args: Any) -> None:
        self._trades: list[TradePrint] = []
        self._seq = 0
        super().__init__(*args)

    def take(self, change: MarketChange) -> bool:
        self._trades.extend(change.trades)
        if change.trades_missed or len(self._trades) > MAX_TRADES_IN_FRAME:
            self.forget()
            for subscriber in self.subscribers:
                subscriber.refresh()
        return bool(self._trades)

    def gathered(self) -> dict[str, object] | None:
        if not self._trades:
            return None
        self._seq += 1
        text = self._formatter
        return {"seq": self._seq, "trades": [text.trade(trade) for trade in self._trades]}

    def forget(self) -> None:
        self._trades.clear()

    def whole(self, view: MarketView) -> dict[str, object]:
        text = self._formatter
        newest = view.trades[:SNAPSHOT_TRADES]
        return {"seq": self._seq, "trades": [text.trade(trade) for trade in reversed(newest)]}


class TickerChannel(PublicChannel):
    every_s = TICKER_EVERY_S

    def __init__(self, *args: Any) -> None:
        self._changed = False
        self._seq = 0
        super().__init__(*args)

    def take(self, change: MarketChange) -> bool:
        self._changed = self._changed or bool(change.trades or change.depth)
        return self._changed

    def gathered(self) -> dict[str, object] | None:
        view = self._source.view(self.symbol, 1) if self._changed else None
        if view is None:
            return None
        self._seq += 1
        return self.whole(view)

    def forget(self) -> None:
        self._changed = False

    def whole(self, view: MarketView) -> dict[str, object]:
        text = self._formatter
        bid, ask = view.best_bid, view.best_ask
        return {
            "seq": self._seq,
            "time": time_text(view.time_ns),
            "bid": text.level(bid)[:2] if bid else None,
            "ask": text.level(ask)[:2] if ask else None,
            **text.ticker(view.ticker),
        }


class AuctionChannel(PublicChannel):
    """Phase, indicative price and imbalance as they are now; and each uncross as it happens."""

    every_s = AUCTION_EVERY_S

    def __init__(self, *args: Any) -> None:
        self._changed = False
        self._uncrossed: AuctionUncrossed | None = None
        self._seq = 0
        super().__init__(*args)

    def take(self, change: MarketChange) -> bool:
        self._changed = self._changed or bool(change.session)
        for event in change.session:
            if isinstance(event, AuctionUncrossed):
                self._uncrossed = event
        return self._changed

    def gathered(self) -> dict[str, object] | None:
        view = self._source.view(self.symbol, 0) if self._changed else None
        if view is None:
            return None
        self._seq += 1
        frame = self.whole(view)
        if (result := self._uncrossed) is not None:
            text = self._formatter
            frame["uncrossed"] = {
                "price": text.price(result.price_ticks) if result.price_ticks else None,
                "volume": text.quantity(result.volume_lots),
                "imbalance": text.quantity(result.imbalance_lots),
            }
        return frame

    def forget(self) -> None:
        self._changed = False
        self._uncrossed = None

    def whole(self, view: MarketView) -> dict[str, object]:
        instrument = instruments.cached(self.symbol)
        if instrument is None:
            raise MarketDataUnavailable
        return {
            "seq": self._seq,
            "time": time_text(view.time_ns),
            **session_resource(instrument, view.session),
        }


def _row(level: Level) -> BookLevel:
    return BookLevel(level.price_ticks, level.quantity_lots, level.order_count)


_KINDS: dict[str, type[PublicChannel]] = {
    "depth": DepthChannel,
    "trades": TradesChannel,
    "ticker": TickerChannel,
    "auction": AuctionChannel,
}


class PublicChannels:
    """Provider of the public channels: one object per name for as long as anyone holds it."""

    def __init__(self) -> None:
        self._open: WeakValueDictionary[str, PublicChannel] = WeakValueDictionary()

    def matches(self, name: str) -> bool:
        return "@" in name and FEED_PREFIX not in name

    async def open(self, name: str, identity: Identity | None) -> Channel:
        kind, _, symbol = name.partition("@")
        if kind not in _KINDS:
            raise UnknownChannel(field="channels")
        await instruments.alookup(symbol)
        hub = get_market_hub()
        if not hub.running:
            raise MarketDataUnavailable
        channel = self._open.get(name)
        if channel is None:
            self._open[name] = channel = _KINDS[kind](name, symbol, hub)
        return channel
