"""The trade page's socket: the public panels of its symbol, and the private ones of its account.

One ``SymbolChannel`` a symbol and one ``AccountChannel`` an account and symbol serve all sockets of
the process. Public panels are rendered on the loop from memory; private ones in a thread, because
they read the database.
"""

import asyncio
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from types import SimpleNamespace

from channels.db import DatabaseSyncToAsync
from django.conf import settings
from django.contrib.auth import get_user
from django.db import InterfaceError, OperationalError

from market import instruments
from market.errors import UnknownSymbol
from market.live import Channel, FragmentConsumer, LatestSlot
from market.replica import get_market_hub
from market.source import MarketChange
from orderbook.core.events import (
    AmendRejected,
    BalanceChanged,
    CancelRejected,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderRejected,
    OrderTriggered,
    SelfTradePrevented,
    StopMoved,
)
from orderbook.gateway.feed import get_feed
from orderbook.gateway.protocol import PublishedBatch
from trading.panels import (
    BOOK_PANELS,
    MARKET_PANELS,
    account_fragments,
    market_fragments,
    newest_notice_id,
)

LADDER_VIEW_LEVELS = 15
RENDER_THREADS = 2
"""Threads that render private panels of this process."""
MAX_ACCOUNT_CHANNELS = 2_000
"""Accounts times symbols that are watched in this process; later ones see public panels only."""
SESSION_LOOK_S = 10.0
"""How long a socket may outlive the session that opened it."""
CLOSE_SESSION_ENDED = 4401
"""The page reloads, and is then a signed-out one."""

_threads = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="page-panels")
_in_thread = partial(DatabaseSyncToAsync, thread_sensitive=False, executor=_threads)

_OWN_EVENTS = (
    BalanceChanged,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderRejected,
    OrderTriggered,
    SelfTradePrevented,
    StopMoved,
    AmendRejected,
    CancelRejected,
    CommandRejected,
)
"""A trade, and a bust, change the balances of both accounts, so they need no place here."""


class SymbolChannel(Channel):
    def __init__(self, symbol: str) -> None:
        super().__init__()
        self.symbol = symbol
        self._newest_trade_id: int | None = None

    def opened(self) -> None:
        get_market_hub().subscribe(self, self.symbol)

    def closed(self) -> None:
        get_market_hub().unsubscribe(self)
        _symbols.pop(self.symbol, None)

    def on_change(self, change: MarketChange) -> None:
        self.mark_changed()

    async def render(self) -> dict[str, str]:
        view = get_market_hub().view(self.symbol, LADDER_VIEW_LEVELS)
        if view is None:
            return {}  # the hub tells when it has the book again; until then the old one stands
        instrument = await instruments.alookup(self.symbol)
        newest = view.trades[0].trade_id if view.trades else 0
        panels = BOOK_PANELS if newest == self._newest_trade_id else MARKET_PANELS
        self._newest_trade_id = newest
        return market_fragments(view, instrument, panels)


class AccountChannel(Channel):
    def __init__(self, account_id: int, symbol: str) -> None:
        super().__init__()
        self.account_id = account_id
        self.symbol = symbol
        self._toasts_since_id: int | None = None

    def opened(self) -> None:
        _accounts.add(self)

    def closed(self) -> None:
        _accounts.discard(self)

    def add(self, slot: LatestSlot) -> None:
        self.forget("toasts")
        super().add(slot)

    async def render(self) -> dict[str, str]:
        if self._toasts_since_id is None:
            self._toasts_since_id = await _in_thread(newest_notice_id)(self.account_id)
        instrument = await instruments.alookup(self.symbol)
        fragments: dict[str, str] = await _in_thread(account_fragments)(
            self.account_id, instrument, self._toasts_since_id
        )
        return fragments


class _AccountChannels:
    """All account channels of the process, and their one ear on the feed."""

    def __init__(self) -> None:
        self._channels: dict[tuple[int, str], AccountChannel] = {}
        self._by_account: dict[int, set[AccountChannel]] = defaultdict(set)

    def get(self, account_id: int, symbol: str) -> AccountChannel | None:
        known = self._channels.get((account_id, symbol))
        if known is None and len(self._channels) < MAX_ACCOUNT_CHANNELS:
            known = AccountChannel(account_id, symbol)
        return known

    def add(self, channel: AccountChannel) -> None:
        if not self._channels:
            get_feed().subscribe(self)
        self._channels[channel.account_id, channel.symbol] = channel
        self._by_account[channel.account_id].add(channel)

    def discard(self, channel: AccountChannel) -> None:
        del self._channels[channel.account_id, channel.symbol]
        self._by_account[channel.account_id].discard(channel)
        if not self._by_account[channel.account_id]:
            del self._by_account[channel.account_id]
        if not self._channels:
            get_feed().unsubscribe(self)

    def on_batch(self, batch: PublishedBatch) -> None:
        watched = self._by_account
        for _, _, events in batch.entries:
            for event in events:
                account_id = _account_of(event)
                if account_id in watched:
                    for channel in watched[account_id]:
                        channel.mark_changed()

    def on_gap(self) -> None:
        for channel in self._channels.values():
            channel.mark_changed()


def _account_of(event: Event) -> int:
    return event.account_id if isinstance(event, _OWN_EVENTS) else -1


_symbols: dict[str, SymbolChannel] = {}
_accounts = _AccountChannels()


def symbol_channel(symbol: str) -> SymbolChannel:
    channel = _symbols.get(symbol)
    if channel is None:
        channel = _symbols[symbol] = SymbolChannel(symbol)
    return channel


def _is_signed_in(session_key: str, user_id: int) -> bool:
    """Whether the session still stands for the user: not signed out, no new password, active."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return bool(get_user(SimpleNamespace(session=store)).pk == user_id)  # type: ignore[arg-type]


class TradePageConsumer(FragmentConsumer):
    """``/ws/page/{symbol}/``. Signed out, a page gets the public panels alone."""

    session_watch: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await super().connect()
        if self.watching and self.scope["user"].is_authenticated:
            self.session_watch = asyncio.create_task(self._close_with_session())

    async def disconnect(self, code: int) -> None:
        if self.session_watch is not None:
            self.session_watch.cancel()
        await super().disconnect(code)

    async def _close_with_session(self) -> None:
        session_key, user_id = self.scope["session"].session_key, self.scope["user"].pk
        signed_in = True
        while signed_in:
            await asyncio.sleep(SESSION_LOOK_S)
            try:
                signed_in = await _in_thread(_is_signed_in)(session_key, user_id)
            except (OperationalError, InterfaceError):
                continue  # the private panels cannot be read now either
        await self.close(code=CLOSE_SESSION_ENDED)

    async def channels(self) -> list[Channel]:
        try:
            symbol = (await instruments.alookup(self.scope["url_route"]["kwargs"]["symbol"])).symbol
        except UnknownSymbol:
            return []
        watched: list[Channel] = [symbol_channel(symbol)]
        user = self.scope["user"]
        if user.is_authenticated and (own := _accounts.get(user.pk, symbol)) is not None:
            watched.append(own)
        return watched
