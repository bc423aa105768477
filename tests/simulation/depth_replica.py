"""A web process's copy of the books: published updates folded into a snapshot of the engine's."""

import asyncio

from market.book import DepthGap, ReplicaBook
from orderbook.errors import VenueError
from orderbook.gateway.gateway import Gateway
from orderbook.gateway.protocol import Depth, DepthUpdate, GetDepth, PublishedBatch

RETRY_S = 0.3


class DepthReplica:
    """A listener of the feed. ``books`` has a symbol while its copy follows the engine's book."""

    def __init__(self, gateway: Gateway, symbols: tuple[str, ...]) -> None:
        self.books: dict[str, ReplicaBook] = {}
        self._gateway = gateway
        self._sequence = 0
        """The last that was heard of."""
        self._waiting: dict[str, list[DepthUpdate]] = {symbol: [] for symbol in symbols}
        """What was published while a snapshot is being fetched."""
        self._fetches: dict[str, asyncio.Task[None]] = {}

    @property
    def is_whole(self) -> bool:
        return self.books.keys() == self._waiting.keys()

    def on_gap(self) -> None:
        for symbol in self._waiting:
            self._fetch(symbol)

    def on_batch(self, batch: PublishedBatch) -> None:
        self._sequence = batch.last_sequence
        for update in batch.depth:
            book = self.books.get(update.symbol)
            if book is None:
                self._waiting[update.symbol].append(update)
                continue
            try:
                book.apply(update)
            except DepthGap:
                self._fetch(update.symbol)
                self._waiting[update.symbol].append(update)

    def _fetch(self, symbol: str) -> None:
        """Starts over: an answer that is under way may be too old."""
        self.books.pop(symbol, None)
        self._waiting[symbol].clear()
        if symbol in self._fetches:
            self._fetches[symbol].cancel()
        self._fetches[symbol] = asyncio.create_task(self._fetch_until_done(symbol))

    async def _fetch_until_done(self, symbol: str) -> None:
        while True:
            try:
                heard = self._sequence
                depth = await self._gateway.query(GetDepth(symbol))
                assert isinstance(depth, Depth)
                if depth.sequence < heard:  # from an engine that was replaced: ask again
                    raise DepthGap(symbol, depth.sequence, heard)
                book = ReplicaBook(depth)
                for update in self._waiting[symbol]:
                    book.apply(update)
            except (VenueError, LookupError, DepthGap):
                await asyncio.sleep(RETRY_S)
                continue
            self._waiting[symbol].clear()
            self.books[symbol] = book
            del self._fetches[symbol]
            return
