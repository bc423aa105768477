"""The process's live copy of all market data: books, last trades and tickers, kept from the feed.

``get_market_hub()`` is started and stopped by the server's lifespan and belongs to its event loop:
call everything but ``read_from_thread`` on that loop. A view never mixes two moments, and none is
given while a symbol is being fetched again after a gap.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from channels.db import database_sync_to_async

from market import instruments, selectors
from market.book import DepthGap
from market.errors import MarketDataUnavailable
from market.formatting import Formatter, formatter
from market.rolling import RollingTicker
from market.source import MarketChange, MarketListener
from market.symbol_state import KEPT_TRADES, SessionEvent, SymbolState
from market.values import MarketView, TradePrint
from orderbook.core.events import (
    AuctionIndicated,
    AuctionUncrossed,
    InstrumentDefined,
    PhaseChanged,
    Trade,
)
from orderbook.errors import VenueError
from orderbook.gateway.feed import Feed, get_feed
from orderbook.gateway.gateway import Gateway, get_gateway
from orderbook.gateway.protocol import Depth, DepthUpdate, GetDepth, PublishedBatch

logger = logging.getLogger(__name__)

VIEW_LEVELS = 50
MAX_LEVELS = 5_000
_SESSION_EVENTS = frozenset({PhaseChanged, AuctionIndicated, AuctionUncrossed})
RETRY_S = 0.5
"""Wait after a failed fetch."""
FRESHNESS_WAIT_S = 0.1
"""How long a read waits for the replica to reach an acknowledged command."""


class OldDepth(Exception):
    """An answer that knows less than what was published before it was asked for: given by an engine
    that was replaced and does not know it yet."""

    def __init__(self, symbol: str, sequence: int, heard: int) -> None:
        super().__init__(f"the book of {symbol} is of sequence {sequence}, after {heard} was heard")


class MarketHub:
    def __init__(
        self, feed: Feed, gateway: Gateway, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._feed = feed
        self._gateway = gateway
        self._clock_ns = clock_ns
        self._symbols: dict[str, SymbolState] = {}
        self._listeners: list[tuple[MarketListener, str | None]] = []
        self._reached: list[tuple[int, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start_task: asyncio.Task[None] | None = None
        self.sequence = 0
        """The last journal sequence that this process has heard of."""

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns at once; symbols get their views as soon as the engine answers."""
        self._loop = asyncio.get_running_loop()
        self._feed.subscribe(self)
        instruments.cache.hear_live(True)
        self._start_task = asyncio.create_task(self._load_instruments(), name="market-hub-start")

    async def stop(self) -> None:
        self._feed.unsubscribe(self)
        instruments.cache.hear_live(False)
        self._loop = None
        tasks = [state.task for state in self._symbols.values() if state.task]
        if self._start_task is not None:
            tasks.append(self._start_task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._wake_readers(release_all=True)

    @property
    def running(self) -> bool:
        return self._loop is not None

    # -- what readers use ---------------------------------------------------------------------

    def symbols(self) -> list[str]:
        return sorted(self._symbols)

    def view(self, symbol: str, levels: int = VIEW_LEVELS) -> MarketView | None:
        """The symbol as of now with its best ``levels`` a side; None while there is none."""
        state = self._symbols.get(symbol)
        if state is None or state.book is None:
            return None
        now_ns = self._clock_ns()
        return MarketView(
            symbol,
            max(self.sequence, state.sequence),
            state.book.update_id,
            now_ns,
            state.book.bids(levels),
            state.book.asks(levels),
            tuple(reversed(state.trades)),
            state.ticker.at(now_ns),
            state.ticker.newest_minute,
            state.session,
        )

    async def fresh_view(
        self, symbol: str, sequence: int, levels: int = VIEW_LEVELS
    ) -> MarketView | None:
        """A view with everything up to ``sequence``, waiting a moment for it; None if it does not
        come."""
        deadline = asyncio.get_running_loop().time() + FRESHNESS_WAIT_S
        view = self.view(symbol, levels)
        while view is None or view.sequence < sequence:
            left = deadline - asyncio.get_running_loop().time()
            if view is None or left <= 0 or not await self._reach(sequence, left):
                return None
            view = self.view(symbol, levels)
        return view

    def read_from_thread(
        self, symbol: str, sequence: int, levels: int = VIEW_LEVELS
    ) -> MarketView | None:
        """``fresh_view`` for sync code on any thread but the loop's own."""
        loop = self._loop
        if loop is None:
            return None
        future = asyncio.run_coroutine_threadsafe(self.fresh_view(symbol, sequence, levels), loop)
        try:
            return future.result(FRESHNESS_WAIT_S * 5)
        except TimeoutError:
            future.cancel()
            return None

    def formatter(self, symbol: str) -> Formatter:
        instrument = instruments.cached(symbol)
        if instrument is None:
            raise MarketDataUnavailable
        return formatter(instrument)

    def subscribe(self, listener: MarketListener, symbol: str | None = None) -> None:
        """To one symbol, or to all."""
        self._listeners.append((listener, symbol))

    def unsubscribe(self, listener: MarketListener) -> None:
        self._listeners = [known for known in self._listeners if known[0] is not listener]

    # -- the feed -----------------------------------------------------------------------------

    def on_batch(self, batch: PublishedBatch) -> None:
        self.sequence = batch.last_sequence
        trades: dict[str, list[TradePrint]] = {}
        depth: dict[str, list[DepthUpdate]] = {}
        definitions: dict[str, InstrumentDefined] = {}
        sessions: dict[str, list[SessionEvent]] = {}
        for sequence, time_ns, events in batch.entries:
            for event in events:
                if type(event) is Trade:
                    trades.setdefault(event.symbol, []).append(
                        TradePrint.of(event, sequence, time_ns)
                    )
                elif type(event) is InstrumentDefined or type(event) is PhaseChanged:
                    definition = instruments.cache.hear(event, sequence)
                    if definition is not None:
                        definitions[event.symbol] = definition
                if type(event) in _SESSION_EVENTS:
                    self._follow(event, sequence)  # type: ignore[arg-type]
                    sessions.setdefault(event.symbol, []).append(event)  # type: ignore
        for update in batch.depth:
            depth.setdefault(update.symbol, []).append(update)
        for symbol in definitions:
            self._know(symbol)
        for symbol in {**definitions, **sessions, **depth, **trades}:
            self._take(
                batch,
                symbol,
                depth.get(symbol, []),
                trades.get(symbol, []),
                definitions.get(symbol),
                tuple(sessions.get(symbol, ())),
            )
        self._wake_readers()

    def on_gap(self) -> None:
        """Everything may have changed unseen, definitions too."""
        for state in self._symbols.values():
            self._fetch(state)
        if self._loop is not None and (self._start_task is None or self._start_task.done()):
            self._start_task = self._loop.create_task(self._load_instruments())

    def _follow(self, event: SessionEvent, sequence: int) -> None:
        """At once, also where the symbol is being fetched: a snapshot may be older than that."""
        state = self._symbols.get(event.symbol)
        if state is not None:
            state.follow(event, sequence)

    def _know(self, symbol: str) -> None:
        if symbol not in self._symbols:
            self._symbols[symbol] = state = SymbolState(symbol)
            self._fetch(state)

    def _take(
        self,
        batch: PublishedBatch,
        symbol: str,
        depth: list[DepthUpdate],
        trades: list[TradePrint],
        definition: InstrumentDefined | None,
        session: tuple[SessionEvent, ...],
    ) -> None:
        state = self._symbols.get(symbol)
        if state is None:
            return  # the definition is on its way: _load_instruments fetches the whole symbol
        if state.book is None:
            if not state.buffer(depth, trades):
                self._fetch(state)
            return
        try:
            taken = tuple(update for update in depth if state.book.apply(update))
        except DepthGap as gap:
            logger.warning("depth gap: %s", gap)
            self._fetch(state)
            state.buffer(depth, trades)
            return
        prints = tuple(trade for trade in trades if state.add_trade(trade))
        if taken or prints or definition or session:
            self._tell(
                MarketChange(
                    symbol,
                    batch.last_sequence,
                    batch.time_ns,
                    taken,
                    prints,
                    definition=definition,
                    session=session,
                )
            )

    def _tell(self, change: MarketChange) -> None:
        for listener, symbol in tuple(self._listeners):
            if symbol is not None and symbol != change.symbol:
                continue
            try:
                listener.on_change(change)
            except Exception:
                logger.exception("a listener of the market hub failed")

    # -- fetching -----------------------------------------------------------------------------

    async def _load_instruments(self) -> None:
        while True:
            try:
                await database_sync_to_async(instruments.cache.reload)()
            except Exception as error:
                logger.warning("instruments cannot be read: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            for definition in instruments.cache.snapshot():
                self._know(definition.symbol)
            return

    def _fetch(self, state: SymbolState) -> None:
        """Starts over: a fetch that is under way is given up, its answer may be too old."""
        state.begin_fetch()
        if state.task is not None:
            state.task.cancel()
        assert self._loop is not None
        state.task = self._loop.create_task(
            self._fetch_until_done(state), name=f"market-fetch-{state.symbol}"
        )

    async def _fetch_until_done(self, state: SymbolState) -> None:
        while True:
            try:
                heard = self.sequence
                depth = await self._gateway.query(GetDepth(state.symbol))
                assert isinstance(depth, Depth)
                if depth.sequence < heard:
                    raise OldDepth(state.symbol, depth.sequence, heard)
                history, ticker = await database_sync_to_async(_read_history)(
                    state.symbol, self._clock_ns()
                )
                state.install(depth, history, ticker)
            except DepthGap as gap:
                # What has arrived stays: only a snapshot that reaches it will do.
                logger.warning("depth gap in a fetch: %s", gap)
            except OldDepth as error:
                logger.warning("%s", error)
            except (VenueError, LookupError) as error:
                logger.warning("market data of %s cannot be read: %s", state.symbol, error)
            except Exception:
                logger.exception("market data of %s cannot be read", state.symbol)
            else:
                break
            await asyncio.sleep(RETRY_S)
        state.task = None
        self._wake_readers()
        self._tell(MarketChange(state.symbol, state.sequence, depth.time_ns, (), (), reset=True))

    # -- waiting ------------------------------------------------------------------------------

    async def _reach(self, sequence: int, timeout_s: float) -> bool:
        """Waits until the feed has brought ``sequence``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (sequence, future)
        self._reached.append(waiting)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            if waiting in self._reached:
                self._reached.remove(waiting)
        return True

    def _wake_readers(self, *, release_all: bool = False) -> None:
        if not self._reached:
            return
        still_waiting = []
        for sequence, future in self._reached:
            if release_all or sequence <= self.sequence:
                if not future.done():
                    future.set_result(None)
            else:
                still_waiting.append((sequence, future))
        self._reached = still_waiting


def _read_history(symbol: str, time_ns: int) -> tuple[list[TradePrint], RollingTicker]:
    """Last trades, newest first, and the ticker. What is traded between and after the two reads
    arrives over the feed, and each of them knows what it has already."""
    return selectors.recent_trades(symbol, KEPT_TRADES), selectors.rolling_ticker(symbol, time_ns)


_hub: MarketHub | None = None


def get_market_hub() -> MarketHub:
    """The process's hub. Raises MarketDataUnavailable where the process has no feed."""
    global _hub
    if _hub is None:
        try:
            _hub = MarketHub(get_feed(), get_gateway())
        except RuntimeError as error:
            raise MarketDataUnavailable from error
    return _hub


def set_market_hub(hub: MarketHub | None) -> None:
    """For the server's lifespan and tests."""
    global _hub
    _hub = hub
