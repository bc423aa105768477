"""The process's live copy of the feeds that somebody looks at.

``get_feed_hub()`` is started and stopped by the server's lifespan and belongs to its event loop:
call everything but ``*_from_thread`` on that loop. A ``BookSource`` whose symbols are books' names,
``FEED/PUBLISHER:INSTRUMENT``; connections are opened when they are needed (``link``).
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from channels.db import DatabaseSyncToAsync

from market.errors import MarketDataUnavailable
from market.feeds.serving import directory
from market.feeds.serving.link import FeedLink, ReadAddress
from market.feeds.serving.live_book import LiveBook
from market.feeds.serving.messages import BookId, BookState, FeedStats
from market.feeds.serving.units import feed_formatter
from market.formatting import Formatter
from market.source import MarketChange, MarketListener
from market.values import MarketView

logger = logging.getLogger(__name__)

ANSWER_WAIT_S = 1.0
"""How long a request waits for a publication that is not connected yet."""
T = TypeVar("T")


class FeedBook(NamedTuple):
    """Names one book of one feed."""

    feed_id: str
    publisher_id: int
    instrument_id: int

    @property
    def book_id(self) -> BookId:
        return self.publisher_id, self.instrument_id

    @property
    def instrument(self) -> str:
        return f"{self.publisher_id}:{self.instrument_id}"

    def __str__(self) -> str:
        return f"{self.feed_id}/{self.instrument}"

    @classmethod
    def named(cls, name: str) -> "FeedBook":
        feed_id, _, instrument = name.rpartition("/")
        publisher_id, _, instrument_id = instrument.partition(":")
        return cls(feed_id, int(publisher_id), int(instrument_id))


class BookNow(NamedTuple):
    """A book and what is known of it beyond a market's."""

    symbol: str
    view: MarketView
    state: BookState
    is_current: bool = True
    """Otherwise the feed's process says nothing of it: this is how it was last."""


class StatsListener(Protocol):
    def on_stats(self, feed_id: str) -> None:
        """The feed's figures are new, or its connection was lost. Must return quickly."""


class FeedHub:
    def __init__(self, read_address: ReadAddress | None = None) -> None:
        # In a thread of its own: the one that all views share may be waiting for this hub.
        self._read_address = read_address or DatabaseSyncToAsync(
            directory.address_of, thread_sensitive=False
        )
        self._links: dict[str, FeedLink] = {}
        self._listeners: dict[str, list[MarketListener]] = {}
        self._watches: list[tuple[MarketListener, FeedBook]] = []
        self._follows: list[tuple[StatsListener, str]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        self._loop = None
        await asyncio.gather(*(link.close() for link in self._links.values()))
        self._links.clear()

    @property
    def running(self) -> bool:
        return self._loop is not None

    def _link(self, feed_id: str) -> FeedLink:
        link = self._links.get(feed_id)
        if link is None:
            link = FeedLink(feed_id, self._read_address, self._tell, self._tell_stats)
            self._links[feed_id] = link
        return link

    # -- a source of books --------------------------------------------------------------------

    def view(self, symbol: str, levels: int) -> MarketView | None:
        book = self._live_book(FeedBook.named(symbol))
        return book.view(levels) if book else None

    def subscribe(self, listener: MarketListener, symbol: str) -> None:
        book = FeedBook.named(symbol)
        self._watches.append((listener, book))
        self._listeners.setdefault(symbol, []).append(listener)
        self._link(book.feed_id).watch(book.book_id)

    def unsubscribe(self, listener: MarketListener) -> None:
        for watch in [watch for watch in self._watches if watch[0] is listener]:
            self._watches.remove(watch)
            book = watch[1]
            self._listeners[str(book)].remove(listener)
            if not self._listeners[str(book)]:
                del self._listeners[str(book)]
            self._link(book.feed_id).unwatch(book.book_id)

    def formatter(self, symbol: str) -> Formatter:
        book = self._live_book(FeedBook.named(symbol))
        if book is None:
            raise MarketDataUnavailable
        return feed_formatter(book.symbol)

    # -- what is known beyond books -----------------------------------------------------------

    def now(self, book: FeedBook, levels: int) -> BookNow | None:
        found = self._live_book(book)
        if found is None:
            return None
        is_current = self._link(book.feed_id).is_current(book.book_id)
        return BookNow(found.symbol, found.view(levels), found.state, is_current)

    def stats(self, feed_id: str) -> FeedStats | None:
        """The newest figures while the feed is connected."""
        link = self._links.get(feed_id)
        return link.stats if link is not None and link.connected else None

    def follow(self, listener: StatsListener, feed_ids: Iterable[str]) -> None:
        for feed_id in feed_ids:
            self._follows.append((listener, feed_id))
            self._link(feed_id).follow()

    def unfollow(self, listener: StatsListener) -> None:
        for follow in [follow for follow in self._follows if follow[0] is listener]:
            self._follows.remove(follow)
            self._link(follow[1]).unfollow()

    async def is_published(self, feed_id: str) -> bool:
        """Whether a process is known that reads the feed; not whether it answers."""
        return bool(await self._read_address(feed_id))

    async def fetch(self, book: FeedBook, levels: int) -> BookNow | None:
        """The live book, waiting a moment for the connection; None where there is none."""
        found = await self._link(book.feed_id).book(book.book_id, ANSWER_WAIT_S)
        return BookNow(found.symbol, found.view(levels), found.state) if found else None

    async def fetch_stats(self, feed_ids: Iterable[str]) -> dict[str, FeedStats]:
        """Figures of those feeds that answer in a moment."""
        wanted = list(feed_ids)
        found = await asyncio.gather(
            *(self._link(feed_id).figures(ANSWER_WAIT_S) for feed_id in wanted)
        )
        return {feed_id: stats for feed_id, stats in zip(wanted, found, strict=True) if stats}

    def fetch_from_thread(self, book: FeedBook, levels: int) -> BookNow | None:
        """``fetch`` for sync code on any thread but the loop's own."""
        return self._from_thread(self.fetch(book, levels))

    def fetch_stats_from_thread(self, feed_ids: Iterable[str]) -> dict[str, FeedStats]:
        return self._from_thread(self.fetch_stats(feed_ids)) or {}

    def _from_thread(self, answer: Coroutine[Any, Any, T]) -> T | None:
        loop = self._loop
        if loop is None:
            answer.close()
            return None
        future = asyncio.run_coroutine_threadsafe(answer, loop)
        try:
            return future.result(ANSWER_WAIT_S * 3)
        except TimeoutError:
            future.cancel()
            return None

    def _live_book(self, book: FeedBook) -> LiveBook | None:
        link = self._links.get(book.feed_id)
        return link.books.get(book.book_id) if link else None

    # -- telling ------------------------------------------------------------------------------

    def _tell(self, change: MarketChange) -> None:
        for listener in tuple(self._listeners.get(change.symbol, ())):
            try:
                listener.on_change(change)
            except Exception:
                logger.exception("a listener of the feed hub failed")

    def _tell_stats(self, feed_id: str) -> None:
        for listener, followed in tuple(self._follows):
            if followed == feed_id:
                listener.on_stats(feed_id)


_hub: FeedHub | None = None


def get_feed_hub() -> FeedHub:
    global _hub
    if _hub is None:
        _hub = FeedHub()
    return _hub


def set_feed_hub(hub: FeedHub | None) -> None:
    """For tests."""
    global _hub
    _hub = hub
