"""The sockets of the feeds' pages: fragments that are rendered once for all who watch."""

import time
from weakref import WeakValueDictionary

from channels.db import database_sync_to_async
from django.template.loader import render_to_string
from django.utils import timezone

from market.feeds.errors import FeedError
from market.feeds.models import Feed
from market.feeds.serving import directory
from market.feeds.serving.hub import FeedBook, get_feed_hub
from market.feeds.serving.panels import (
    ALL_BOOK_PANELS,
    BOOK_PANELS,
    book_fragments,
    figures_fragment,
)
from market.feeds.serving.presentation import FeedRow, feed_row
from market.feeds.serving.views import instrument_counts
from market.live import Channel, FragmentConsumer
from market.presentation import LADDER_LEVELS
from market.source import MarketChange

FIGURES_EVERY_S = 0.5
LIST_EVERY_S = 0.5
DIRECTORY_KEPT_S = 3.0
"""How long rows of feeds are shown as they were read."""


class BookChannel(Channel):
    """One book's panels."""

    def __init__(self, book: FeedBook, symbol: str) -> None:
        super().__init__()
        self.book = book
        self.symbol = symbol
        self._newest_trade_id: int | None = None

    def opened(self) -> None:
        self._newest_trade_id = None
        get_feed_hub().subscribe(self, str(self.book))

    def closed(self) -> None:
        get_feed_hub().unsubscribe(self)

    def on_change(self, change: MarketChange) -> None:
        self.mark_changed()

    async def render(self) -> dict[str, str]:
        now = get_feed_hub().now(self.book, LADDER_LEVELS)
        if now is None:
            return {}  # what the page shows already stands until there is news
        newest = now.view.trades[0].trade_id if now.view.trades else 0
        panels = BOOK_PANELS if newest == self._newest_trade_id else ALL_BOOK_PANELS
        self._newest_trade_id = newest
        return book_fragments(self.book, self.symbol, now, panels)


class FiguresChannel(Channel):
    """One feed's state, rates and latencies."""

    interval_s = FIGURES_EVERY_S

    def __init__(self, feed_id: str) -> None:
        super().__init__()
        self.feed_id = feed_id
        self._feed: Feed | None = None
        self._read_at = float("-inf")
        self._was_heard = False

    def opened(self) -> None:
        self._was_heard = False
        get_feed_hub().follow(self, [self.feed_id])

    def closed(self) -> None:
        get_feed_hub().unfollow(self)

    def on_stats(self, feed_id: str) -> None:
        if get_feed_hub().stats(feed_id) is None:
            self._read_at = float("-inf")  # what it said at its end, if it did, is in its row
        self.mark_changed()

    def idle_fragments(self) -> dict[str, str]:
        if time.monotonic() - self._read_at > DIRECTORY_KEPT_S:
            self.mark_changed()  # a process that falls silent says no word of it
        return super().idle_fragments()

    async def render(self) -> dict[str, str]:
        if self._feed is None or time.monotonic() - self._read_at > DIRECTORY_KEPT_S:
            self._read_at = time.monotonic()
            self._feed = await database_sync_to_async(directory.feed)(self.feed_id)
        stats = get_feed_hub().stats(self.feed_id)
        self._was_heard = self._was_heard or stats is not None
        html = figures_fragment(self._feed, stats, timezone.now(), was_lost=self._was_heard)
        return {"figures": html}


class FeedsChannel(Channel):
    """The rows of the list."""

    interval_s = LIST_EVERY_S

    def __init__(self) -> None:
        super().__init__()
        self._feeds: list[Feed] = []
        self._counts: dict[str, int] = {}
        self._heard: set[str] = set()
        self._read_at = float("-inf")

    def opened(self) -> None:
        self._heard.clear()
        self._read_at = float("-inf")

    def closed(self) -> None:
        get_feed_hub().unfollow(self)

    def on_stats(self, feed_id: str) -> None:
        if get_feed_hub().stats(feed_id) is None:
            self._read_at = float("-inf")
        self.mark_changed()

    def idle_fragments(self) -> dict[str, str]:
        if time.monotonic() - self._read_at > DIRECTORY_KEPT_S:
            self.mark_changed()  # feeds come and go without a word
        return super().idle_fragments()

    async def render(self) -> dict[str, str]:
        if time.monotonic() - self._read_at > DIRECTORY_KEPT_S:
            self._read_at = time.monotonic()
            self._feeds, self._counts = await database_sync_to_async(_directory)()
            hub = get_feed_hub()
            hub.unfollow(self)
            hub.follow(self, [feed.id for feed in self._feeds if feed.address])
        stats = {feed.id: get_feed_hub().stats(feed.id) for feed in self._feeds}
        self._heard |= {feed_id for feed_id, found in stats.items() if found}
        now = timezone.now()
        rows = [
            feed_row(
                feed,
                stats[feed.id],
                self._counts.get(feed.id, 0),
                now,
                was_lost=feed.id in self._heard,
            )
            for feed in self._feeds
        ]
        return {"rows": rows_html(rows)}


def rows_html(rows: list[FeedRow]) -> str:
    return render_to_string("feeds/partials/rows.html", {"rows": rows})


def _directory() -> tuple[list[Feed], dict[str, int]]:
    return directory.feeds(), instrument_counts()


_books: WeakValueDictionary[FeedBook, BookChannel] = WeakValueDictionary()
_figures: WeakValueDictionary[str, FiguresChannel] = WeakValueDictionary()
_feeds: WeakValueDictionary[str, FeedsChannel] = WeakValueDictionary()


class FeedsConsumer(FragmentConsumer):
    """``/ws/feeds/``"""

    async def channels(self) -> list[Channel]:
        channel = _feeds.get("all")
        if channel is None:
            _feeds["all"] = channel = FeedsChannel()
        return [channel]


class FeedPageConsumer(FragmentConsumer):
    """``/ws/feeds/ID/PUBLISHER:INSTRUMENT/``"""

    async def channels(self) -> list[Channel]:
        wanted = self.scope["url_route"]["kwargs"]
        book = FeedBook(wanted["feed_id"], wanted["publisher_id"], wanted["instrument_id"])
        try:
            row = await database_sync_to_async(directory.instrument)(book.feed_id, book.instrument)
        except FeedError:
            return []
        shown = _books.get(book)
        if shown is None:
            _books[book] = shown = BookChannel(book, row.symbol)
        figures = _figures.get(book.feed_id)
        if figures is None:
            _figures[book.feed_id] = figures = FiguresChannel(book.feed_id)
        return [shown, figures]
