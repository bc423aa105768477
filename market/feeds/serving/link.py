"""A web process's connection to the publication of one feed.

Open while somebody watches the feed or has asked for it lately; closed otherwise. Reconnects by
itself, each time to the address that the feed has then. Belongs to the server's event loop.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from market.feeds.serving.errors import BadPublication
from market.feeds.serving.live_book import LiveBook
from market.feeds.serving.messages import (
    LENGTH_BYTES,
    MAX_WATCHED,
    VERSION,
    BookId,
    BookState,
    FeedStats,
    Hello,
    Published,
    Watch,
    body_length,
    decode_published,
    encode,
)
from market.source import MarketChange

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
SILENCE_S = 5.0
"""A publication says something twice a second; one that is silent for this long is given up."""
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 3.0
LINGER_S = 20.0
"""How long a book, and the connection, stay after the last one who wanted them."""
LOOK_S = 1.0

ReadAddress = Callable[[str], Awaitable[str]]
"""HOST:PORT of a feed's publication by the feed's id; empty where it has none now."""


class FeedLink:
    def __init__(
        self,
        feed_id: str,
        read_address: ReadAddress,
        tell: Callable[[MarketChange], None],
        tell_stats: Callable[[str], None],
    ) -> None:
        self.feed_id = feed_id
        self._read_address = read_address
        self._tell = tell
        self._tell_stats = tell_stats
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._watchers: Counter[BookId] = Counter()
        self._followers = 0
        self._asked: dict[BookId | None, float] = {}
        """Until when a book, or (None) the feed itself, is wanted without a watcher."""
        self._watched: frozenset[BookId] = frozenset()
        self._run_id = 0
        self._stale: set[BookId] = set()
        """Books that are known from an earlier run of the feed's process."""
        self._unheard: set[BookId] = set()
        """Books that nothing was said of since the connection was lost."""
        self._arrivals: set[asyncio.Future[None]] = set()
        self.books: dict[BookId, LiveBook] = {}
        self.symbols: dict[BookId, str] = {}
        self.stats: FeedStats | None = None
        self.connected = False

    # -- interest -----------------------------------------------------------------------------

    def watch(self, book: BookId) -> None:
        self._watchers[book] += 1
        self._want()

    def unwatch(self, book: BookId) -> None:
        """The book is kept up for a while: whoever reloads a page finds it."""
        self._watchers[book] -= 1
        self._watchers += Counter()  # drops those without watchers
        self.ask(book)

    def follow(self) -> None:
        """Someone wants the feed's figures."""
        self._followers += 1
        self._want()

    def unfollow(self) -> None:
        self._followers -= 1
        self.ask(None)

    def ask(self, book: BookId | None) -> None:
        self._asked[book] = self._loop.time() + LINGER_S
        self._want()

    async def book(self, book: BookId, timeout_s: float) -> LiveBook | None:
        """The book, waiting a moment for it."""
        self.ask(book)
        await self._until(lambda: self.is_current(book), timeout_s)
        return self.books.get(book) if self.is_current(book) else None

    def is_current(self, book: BookId) -> bool:
        """Whether the feed's process says what the book is now."""
        return self.connected and book in self.books and book not in self._unheard

    async def figures(self, timeout_s: float) -> FeedStats | None:
        self.ask(None)
        await self._until(lambda: self.stats is not None and self.connected, timeout_s)
        return self.stats if self.connected else None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _wanted(self) -> frozenset[BookId] | None:
        """Books that are wanted; None where not even the connection is."""
        now = self._loop.time()
        self._asked = {book: until for book, until in self._asked.items() if until > now}
        if not self._watchers and not self._followers and not self._asked:
            return None
        asked = [book for book in self._asked if book is not None]
        return frozenset([*self._watchers, *asked][:MAX_WATCHED])

    def _want(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run(), name=f"feed-link-{self.feed_id}")
        elif self._writer is not None:
            self._send_watch(self._writer)

    def _send_watch(self, writer: asyncio.StreamWriter) -> None:
        wanted = self._wanted() or frozenset()
        if wanted != self._watched:
            self._watched = wanted
            for book in self.books.keys() - wanted:
                del self.books[book]
            writer.write(encode(Watch(sorted(wanted))))

    async def _until(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    arrival: asyncio.Future[None] = self._loop.create_future()
                    self._arrivals.add(arrival)
                    try:
                        await arrival
                    finally:
                        self._arrivals.discard(arrival)

    # -- the connection -----------------------------------------------------------------------

    async def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while self._wanted() is not None:
            try:
                if await self._connect_and_hear():
                    retry_s = FIRST_RETRY_S
            except (OSError, EOFError, TimeoutError, BadPublication) as error:
                logger.info("feed %s: no publication now: %r", self.feed_id, error)
            except Exception:
                logger.exception("feed %s cannot be heard", self.feed_id)
            self._lose()
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)
        self.books.clear()
        self.stats = None

    async def _connect_and_hear(self) -> bool:
        """Until the connection ends, or nobody wants it any more."""
        host, _, port = (await self._read_address(self.feed_id)).rpartition(":")
        if not host or not port.isdecimal():
            return False
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, int(port))
        try:
            self._writer, self._watched = writer, frozenset()
            self._send_watch(writer)
            async with asyncio.timeout(SILENCE_S) as silence:
                while self._wanted() is not None:
                    length = body_length(await reader.readexactly(LENGTH_BYTES))
                    body = await reader.readexactly(length)
                    silence.reschedule(self._loop.time() + SILENCE_S)
                    self._hear(decode_published(body))
        finally:
            self._writer = None
            writer.transport.abort()
        return True

    def _lose(self) -> None:
        if self.connected:
            self.connected = False
            self._unheard = set(self.books)
            for known in self.books.values():
                self._tell(known.unchanged())
            self._tell_stats(self.feed_id)

    def _hear(self, message: Published) -> None:
        if isinstance(message, BookState):
            self._hear_book(message)
        elif isinstance(message, FeedStats):
            self.stats = message
            if self._writer is not None:
                self._send_watch(self._writer)
            self._tell_stats(self.feed_id)
        elif isinstance(message, Hello):
            self._greet(message)
        for arrival in self._arrivals:
            if not arrival.done():
                arrival.set_result(None)

    def _greet(self, hello: Hello) -> None:
        if hello.version != VERSION or hello.feed_id != self.feed_id:
            raise BadPublication(f"Feed {hello.feed_id} in version {hello.version} answered.")
        if hello.run_id != self._run_id:
            self._run_id = hello.run_id
            self._stale = set(self.books)
        self.connected = True
        self.symbols = {
            (name.publisher_id, name.instrument_id): name.symbol for name in hello.instruments
        }

    def _hear_book(self, state: BookState) -> None:
        book = (state.publisher_id, state.instrument_id)
        if book not in self._watched:
            return  # it was on its way when the interest ended
        was_unheard = book in self._unheard
        self._unheard.discard(book)
        known = self.books.get(book)
        if known is None:
            symbol = self.symbols.get(book, str(state.instrument_id))
            name = f"{self.feed_id}/{state.publisher_id}:{state.instrument_id}"
            known = self.books[book] = LiveBook(name, symbol, state)
            self._tell(known.reset(state))
        elif book in self._stale or state.update_id < known.state.update_id:
            self._stale.discard(book)
            self._tell(known.reset(state))
        elif state.update_id > known.state.update_id:
            self._tell(known.take(state))
        elif was_unheard:
            self._tell(known.unchanged())
