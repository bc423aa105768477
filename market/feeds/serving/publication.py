"""Tells web processes of a feed's books over TCP, from a thread of its own.

A tick every ``TICK_S`` takes the books that changed and that somebody watches, encodes the newest
state of each once and offers it to all who watch it. A subscriber has one place for each book
instead of a queue, so what waits for a slow one is bounded and never old; one that takes nothing
for ``SEND_TIMEOUT_S`` is dropped. Nothing here waits for the loop that applies records, and that
loop waits for nothing here but the short copy of one book.
"""

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Final, Protocol

from market.feeds.books.contract import BookKey
from market.feeds.serving.errors import BadPublication
from market.feeds.serving.messages import (
    LENGTH_BYTES,
    MAX_WATCHED,
    BookState,
    FeedStats,
    Hello,
    body_length,
    decode_watch,
    encode,
)

logger = logging.getLogger(__name__)

TICK_S: Final = 0.05
STATS_EVERY_TICKS: Final = 10
SEND_TIMEOUT_S: Final = 10.0
WRITE_BUFFER_BYTES: Final = 256 * 1024
MAX_SUBSCRIBERS: Final = 64
MAX_WATCH_BYTES: Final = 64 * 1024
START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 5.0


class PublicationSource(Protocol):
    """Called from the publication's thread."""

    def hello(self) -> Hello: ...

    def book_state(self, key: BookKey, update_id: int) -> BookState | None:
        """The book as it is now; None while it was not seen yet."""

    def take_changed(self) -> set[BookKey]:
        """Books that changed since the last call."""

    def stats(self) -> FeedStats: ...


class _Subscriber:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.watched: set[BookKey] = set()
        self._pending: dict[object, bytes] = {}
        self._filled = asyncio.Event()

    def offer(self, place: object, frame: bytes) -> None:
        """Replaces what still waits in the same place."""
        self._pending[place] = frame
        self._filled.set()

    async def send_all(self) -> None:
        """Until the connection fails. Raises TimeoutError where the other end does not read."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            frames = list(self._pending.values())
            self._pending.clear()
            self.writer.writelines(frames)
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self.writer.drain()


class Publication:
    """``start`` returns the address that it listens at."""

    def __init__(self, source: PublicationSource, host: str = "127.0.0.1", port: int = 0) -> None:
        self._source = source
        self._host = host
        self._port = port
        self._subscribers: set[_Subscriber] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._frames: dict[BookKey, bytes] = {}
        """Newest frame of each watched book, while it stands for the book as it is."""
        self._update_ids: dict[BookKey, int] = {}
        self._greeting = b""
        self._started = threading.Event()
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="feed-publication", daemon=True)
        self.address = ""

    def start(self) -> str:
        """Raises OSError where the address cannot be had."""
        self._thread.start()
        self._started.wait(START_TIMEOUT_S)
        if self._error is not None:
            raise self._error
        return self.address

    def stop(self) -> None:
        """Sends what waits, then closes."""
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)

    @property
    def subscriber_count(self) -> int:
        return len(self._subscribers)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._error = error
            if self._started.is_set():
                logger.exception("the publication ended")
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._connected, self._host, self._port)
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        self._started.set()
        async with server:
            ticks = 0
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._stopping.wait()
                await self._publish(with_stats=ticks % STATS_EVERY_TICKS == 0)
                ticks += 1
            await self._publish(with_stats=True)
            await asyncio.sleep(TICK_S)
            for connection in tuple(self._connections):
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    # -- out ----------------------------------------------------------------------------------

    async def _publish(self, *, with_stats: bool) -> None:
        changed = self._source.take_changed()
        for key in changed:
            self._frames.pop(key, None)
        if not self._subscribers:
            return
        watched = set().union(*(subscriber.watched for subscriber in self._subscribers))
        for key in changed & watched:
            self._offer_book(key)
            await asyncio.sleep(0)
        if with_stats:
            greeting = encode(self._source.hello())
            if greeting != self._greeting:
                self._greeting = greeting
                self._offer_all("hello", greeting)
            self._offer_all("stats", encode(self._source.stats()))

    def _offer_all(self, place: str, frame: bytes) -> None:
        for subscriber in self._subscribers:
            subscriber.offer(place, frame)

    def _offer_book(self, key: BookKey) -> None:
        frame = self._frame_of(key)
        for subscriber in self._subscribers:
            if frame is not None and key in subscriber.watched:
                subscriber.offer(key, frame)

    def _frame_of(self, key: BookKey) -> bytes | None:
        frame = self._frames.get(key)
        if frame is None:
            update_id = self._update_ids.get(key, 0) + 1
            state = self._source.book_state(key, update_id)
            if state is None:
                return None
            self._update_ids[key] = update_id
            frame = self._frames[key] = encode(state)
        return frame

    # -- subscribers --------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._subscribers) < MAX_SUBSCRIBERS:
                await self._serve_subscriber(reader, writer)
        except asyncio.CancelledError:
            # The stream's callback would report a task that ends as canceled as a failure.
            if self._stopping is None or not self._stopping.is_set():
                raise
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve_subscriber(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        subscriber = _Subscriber(writer)
        self._greeting = self._greeting or encode(self._source.hello())
        subscriber.offer("hello", self._greeting)
        subscriber.offer("stats", encode(self._source.stats()))
        self._subscribers.add(subscriber)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(subscriber.send_all())
                tasks.create_task(self._hear(reader, subscriber))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # it is gone
        except* TimeoutError:
            logger.info("a subscriber of the publication stopped reading")
        except* BadPublication as errors:
            logger.warning("a subscriber of the publication was dropped: %s", errors.exceptions[0])
        finally:
            self._subscribers.discard(subscriber)

    async def _hear(self, reader: asyncio.StreamReader, subscriber: _Subscriber) -> None:
        while True:
            length = body_length(await reader.readexactly(LENGTH_BYTES), MAX_WATCH_BYTES)
            books = decode_watch(await reader.readexactly(length)).books
            if len(books) > MAX_WATCHED:
                raise BadPublication(f"At most {MAX_WATCHED} books can be watched.")
            before = subscriber.watched
            subscriber.watched = {BookKey(*book) for book in books}
            for key in subscriber.watched - before:
                frame = self._frame_of(key)
                if frame is not None:
                    subscriber.offer(key, frame)
                await asyncio.sleep(0)
