"""Stream channels of feeds: depth@feed:ID/INSTRUMENT, trades@… and ticker@….

The channels are those of the venue's markets, over the feed hub as their source. INSTRUMENT is a
symbol, or PUBLISHER:INSTRUMENT where several publishers have the symbol.
"""

from typing import Any
from weakref import WeakValueDictionary

from channels.db import database_sync_to_async

from market.errors import MarketDataUnavailable, UnknownChannel
from market.feeds.serving import directory
from market.feeds.serving.hub import FeedBook, get_feed_hub
from market.feeds.serving.resources import SILENT
from market.source import MarketChange
from market.stream_channels import Channel, Identity
from market.stream_public import (
    FEED_PREFIX,
    DepthChannel,
    PublicChannel,
    TickerChannel,
    TradesChannel,
)
from market.values import MarketView


class FeedTickerChannel(TickerChannel):
    """Says of the book, too, whether it can be trusted, and when that changes."""

    def __init__(self, *args: Any) -> None:
        self._told: dict[str, object] = {}
        super().__init__(*args)

    def take(self, change: MarketChange) -> bool:
        self._changed = self._changed or self._trust() != self._told
        return super().take(change)

    def whole(self, view: MarketView) -> dict[str, object]:
        self._told = self._trust()
        return super().whole(view) | self._told

    def _trust(self) -> dict[str, object]:
        now = get_feed_hub().now(FeedBook.named(self.symbol), 0)
        if now is None:
            return {}
        return {
            "state": now.state.state if now.is_current else SILENT,
            "cold_start": now.state.is_cold_start,
            "crossed": now.state.is_crossed,
        }


_KINDS: dict[str, type[PublicChannel]] = {
    "depth": DepthChannel,
    "trades": TradesChannel,
    "ticker": FeedTickerChannel,
}


class FeedChannels:
    """Provider of the feeds' channels: one object per name for as long as anyone holds it."""

    def __init__(self) -> None:
        self._open: WeakValueDictionary[str, PublicChannel] = WeakValueDictionary()

    def matches(self, name: str) -> bool:
        return FEED_PREFIX in name

    async def open(self, name: str, identity: Identity | None) -> Channel:
        kind, _, address = name.partition(FEED_PREFIX)
        feed_id, _, instrument = address.partition("/")
        if kind not in _KINDS or not instrument:
            raise UnknownChannel(field="channels")
        found = await database_sync_to_async(directory.instrument)(feed_id, instrument)
        hub = get_feed_hub()
        if not hub.running:
            raise MarketDataUnavailable
        channel = self._open.get(name)
        if channel is None:
            book = FeedBook(feed_id, found.publisher_id, found.instrument_id)
            self._open[name] = channel = _KINDS[kind](name, str(book), hub)
        return channel
