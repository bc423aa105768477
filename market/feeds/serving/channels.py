"""Stream channels of feeds: depth@feed:ID/INSTRUMENT, trades@… and ticker@….

The channels are those of the venue's markets, over the feed hub as their source. INSTRUMENT is a
symbol, or PUBLISHER:INSTRUMENT where several publishers have the symbol. Who subscribes while there
is no book is told what the feed does instead.
"""

import asyncio
import logging
from typing import Any
from weakref import WeakValueDictionary

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from market.errors import MarketDataUnavailable, UnknownChannel
from market.feeds.errors import FeedError
from market.feeds.models import FeedState
from market.feeds.serving import directory
from market.feeds.serving.hub import FeedBook, FeedHub, get_feed_hub
from market.feeds.serving.presentation import book_badges, feed_badge
from market.feeds.serving.resources import SILENT, shown_state
from market.source import MarketChange
from market.stream_channels import Channel, Identity, Subscriber, encode_frame
from market.stream_public import (
    FEED_PREFIX,
    DepthChannel,
    PublicChannel,
    TickerChannel,
    TradesChannel,
)
from market.values import MarketView

logger = logging.getLogger(__name__)


class FeedChannel(PublicChannel):
    def __init__(self, *args: Any) -> None:
        self._telling: set[asyncio.Task[None]] = set()
        super().__init__(*args)

    def attach(self, subscriber: Subscriber) -> None:
        super().attach(subscriber)
        if not self.ready:
            task = self._loop.create_task(self._tell_state(subscriber))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell_state(self, subscriber: Subscriber) -> None:
        try:
            said = await state_without_book(get_feed_hub(), FeedBook.named(self.symbol))
        except (DatabaseError, FeedError) as error:
            logger.warning("the state of %s cannot be told: %s", self.name, error)
            return
        if said is not None and subscriber in self.subscribers:
            frame = {"channel": self.name, "type": "state"}
            subscriber.tell(encode_frame(frame | said))


async def state_without_book(hub: FeedHub, book: FeedBook) -> dict[str, object] | None:
    """Why there is no book, as the pages have it: the feed's state, or ``init`` where it only had
    no record of this book. None where there is a book within a moment. Raises UnknownFeed."""
    feed = await database_sync_to_async(directory.feed)(book.feed_id)
    stats, now = None, timezone.now()
    is_asked = shown_state(feed, None, now) != SILENT and await hub.is_published(book.feed_id)
    if is_asked:
        stats = (await hub.fetch_stats([book.feed_id])).get(book.feed_id)
        if stats is not None and await hub.fetch(book, 0) is not None:
            return None
    state = shown_state(feed, stats, now, was_lost=is_asked)
    hint = feed_badge(feed, stats, now, was_lost=is_asked).hint
    if stats is not None and state == FeedState.LIVE:
        state, hint = "init", book_badges(None, is_read=True)[0].hint
    return {"state": state, "message": hint}


class FeedDepthChannel(FeedChannel, DepthChannel):
    pass


class FeedTradesChannel(FeedChannel, TradesChannel):
    pass


class FeedTickerChannel(FeedChannel, TickerChannel):
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
    "depth": FeedDepthChannel,
    "trades": FeedTradesChannel,
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
