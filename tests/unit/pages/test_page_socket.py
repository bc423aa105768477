import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import path

from accounts.models import User
from market import pages
from market.instruments import cache as instrument_cache
from market.pages import MarketsConsumer
from market.presentation import empty_view
from market.replica import set_market_hub
from market.source import MarketChange
from market.values import BookLevel, MarketView
from orderbook.gateway.feed import set_feed
from orderbook.gateway.protocol import PublishedBatch
from tests.unit.market.builders import FakeFeed
from tests.unit.trading.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Venue, fields
from trading import live
from trading.live import CLOSE_SESSION_ENDED, TradePageConsumer
from trading.order_entry import Reference
from trading.services import cancel_order_blocking, place_order_blocking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "journal"])

WAIT_S = 60.0
PRIVATE = ("open-orders", "own-fills", "balances", "toasts", "notification-count")


class FakeHub:
    """Views that a test sets, told of as the market hub does."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []
        self.views: dict[str, MarketView] = {
            symbol: empty_view(symbol) for symbol in (SYMBOL, OTHER_SYMBOL)
        }

    def subscribe(self, listener: Any, symbol: str | None = None) -> None:
        self.listeners.append(listener)

    def unsubscribe(self, listener: Any) -> None:
        self.listeners.remove(listener)

    def view(self, symbol: str, levels: int = 0) -> MarketView | None:
        return self.views.get(symbol)

    def bid(self, price_ticks: int, update_id: int) -> None:
        bids = (BookLevel(price_ticks, 100, 1),)
        self.views[SYMBOL] = empty_view(SYMBOL)._replace(bids=bids, update_id=update_id)
        for listener in tuple(self.listeners):
            listener.on_change(MarketChange(SYMBOL, update_id, 0, (), ()))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    set_market_hub(hub)  # type: ignore[arg-type]
    yield hub
    set_market_hub(None)


@pytest.fixture
def feed() -> Iterator[FakeFeed]:
    feed = FakeFeed()
    feed.live = True  # type: ignore[attr-defined]
    set_feed(feed)  # type: ignore[arg-type]
    yield feed
    set_feed(None)


class Page:
    """A browser's end of a page socket: the newest HTML of each element."""

    def __init__(self, address: str, user: Any, session_key: str) -> None:
        routes = URLRouter(
            [
                path("ws/page/<str:symbol>/", TradePageConsumer.as_asgi()),
                path("ws/markets/", MarketsConsumer.as_asgi()),
            ]
        )
        self.socket = WebsocketCommunicator(routes, address)
        self.socket.scope["user"] = user
        self.socket.scope["session"] = SimpleNamespace(session_key=session_key)
        self.shown: dict[str, str] = {}

    async def until(self, element: str, text: str) -> str:
        async with asyncio.timeout(WAIT_S):
            while text not in self.shown.get(element, ""):
                await self.take()
        return self.shown[element]

    async def take(self) -> None:
        html = await self.socket.receive_from(WAIT_S)
        self.shown[html.split('id="', 1)[1].split('"', 1)[0]] = html


@pytest.fixture
async def open_page(hub: FakeHub, feed: FakeFeed) -> AsyncIterator[Any]:
    opened: list[Page] = []

    async def open_(user: Any, address: str = f"/ws/page/{SYMBOL}/", session_key: str = "") -> Page:
        page = Page(address, user, session_key)
        connected, _ = await page.socket.connect(WAIT_S)
        assert connected
        opened.append(page)
        return page

    yield open_
    for page in opened:
        await page.socket.disconnect(timeout=WAIT_S)


async def user_of(account_id: int) -> User:
    return await User.objects.aget(pk=account_id)


async def publish(venue: Venue, feed: FakeFeed, act: Any) -> None:
    """Does something in the venue and publishes its events, as the engine would."""
    before = len(venue.commands)
    published: list[Any] = []
    execute = venue.execute

    def recording(command: Any) -> Any:
        answer = execute(command)
        published.append((answer.sequence, answer.time_ns, answer.events))
        return answer

    venue.execute = recording  # type: ignore[method-assign]
    try:
        await database_sync_to_async(act)()
    finally:
        venue.execute = execute  # type: ignore[method-assign]
    assert len(venue.commands) > before
    batch = PublishedBatch(0, venue.sequence, venue.time_ns, published, [])
    for listener in tuple(feed.listeners):
        listener.on_batch(batch)


async def test_a_new_socket_gets_every_panel_then_what_changes(
    venue: Venue, hub: FakeHub, open_page: Any
) -> None:
    hub.bid(250_000, 1)
    page = await open_page(AnonymousUser())
    ladder = await page.until("ladder", 'data-update-id="1"')
    assert 'hx-swap-oob="morph"' in ladder
    for element in ("strip", "trades", "candle"):
        await page.until(element, element)
    hub.bid(250_001, 2)
    assert 'id="buy-250001"' in await page.until("ladder", 'data-update-id="2"')


async def test_every_message_has_one_root(venue: Venue, hub: FakeHub, open_page: Any) -> None:
    page = await open_page(await user_of(ALICE))
    for element in ("strip", "ladder", "trades", "candle", *PRIVATE):
        html = (await page.until(element, element)).strip()
        tag = html[1:].split(None, 1)[0]
        assert html.endswith(f"</{tag}>")
        assert html.count("hx-swap-oob") == 1


async def test_own_orders_fills_and_balances_follow_at_once(
    venue: Venue, feed: FakeFeed, open_page: Any
) -> None:
    alice, bob = await open_page(await user_of(ALICE)), await open_page(await user_of(BOB))
    for page in (alice, bob):
        await page.until("notification-count", "bell")
    await publish(venue, feed, lambda: place_order_blocking(ALICE, fields(quantity="0.5")))
    assert "25,000.0" in await alice.until("open-orders", "0.50000")
    await publish(
        venue, feed, lambda: place_order_blocking(BOB, fields(side="sell", quantity="0.2"))
    )
    assert "Maker" in await alice.until("own-fills", "0.20000")
    assert "Taker" in await bob.until("own-fills", "0.20000")
    await alice.until("open-orders", "0.20000")
    assert "25,000.0" not in bob.shown["open-orders"]


async def test_a_cancel_takes_the_order_off_the_page(
    venue: Venue, feed: FakeFeed, open_page: Any
) -> None:
    page = await open_page(await user_of(ALICE))
    await page.until("open-orders", "No open orders")
    await publish(venue, feed, lambda: place_order_blocking(ALICE, fields()))
    await page.until("open-orders", "1.00000")
    order_id = int(page.shown["open-orders"].split('id="order-')[1].split('"')[0])
    await publish(venue, feed, lambda: cancel_order_blocking(ALICE, Reference(order_id)))
    await page.until("open-orders", "No open orders")


async def test_signed_out_nothing_private_is_sent(
    venue: Venue, hub: FakeHub, feed: FakeFeed, open_page: Any
) -> None:
    page = await open_page(AnonymousUser())
    await publish(venue, feed, lambda: place_order_blocking(ALICE, fields()))
    hub.bid(250_000, 9)
    await page.until("ladder", 'data-update-id="9"')
    assert not set(PRIVATE) & set(page.shown)
    assert feed.listeners == []


async def test_an_unknown_symbol_is_turned_away_for_good(venue: Venue, open_page: Any) -> None:
    page = await open_page(AnonymousUser(), "/ws/page/NO-SUCH/")
    closed = await page.socket.receive_output(WAIT_S)
    assert (closed["type"], closed.get("code")) == ("websocket.close", 1000)


async def test_what_a_client_sends_is_ignored(venue: Venue, hub: FakeHub, open_page: Any) -> None:
    page = await open_page(AnonymousUser())
    await page.socket.send_to(text_data='{"op": "place"}')
    await page.socket.send_to(bytes_data=b"\x00\xff")
    hub.bid(250_000, 3)
    await page.until("ladder", 'data-update-id="3"')


async def test_the_list_of_markets_follows_every_symbol(
    venue: Venue, hub: FakeHub, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_markets_channel", None)
    await database_sync_to_async(instrument_cache.all)()
    page = await open_page(AnonymousUser(), "/ws/markets/")
    rows = await page.until("market-rows", OTHER_SYMBOL)
    assert SYMBOL in rows
    hub.bid(251_234, 4)
    await page.until("market-rows", "25,123.4")


async def test_the_last_page_that_closes_leaves_nothing_running(
    venue: Venue, hub: FakeHub, feed: FakeFeed, open_page: Any
) -> None:
    page = await open_page(await user_of(ALICE))
    await page.until("ladder", "ladder")
    assert hub.listeners
    assert feed.listeners
    await page.socket.disconnect(timeout=WAIT_S)
    assert hub.listeners == []
    assert feed.listeners == []


def signed_in_client(account_id: int) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=account_id))
    return client


async def close_code(page: Page) -> int:
    async with asyncio.timeout(WAIT_S):
        while True:
            message = await page.socket.receive_output(WAIT_S)
            if message["type"] == "websocket.close":
                return int(message["code"])


def change_password(account_id: int) -> None:
    user = User.objects.get(pk=account_id)
    user.set_password("another-long-passphrase")
    user.save()


@pytest.mark.parametrize("how", ["sign out", "new password", "deactivated"])
async def test_a_socket_does_not_outlive_its_session(
    venue: Venue, open_page: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(live, "SESSION_LOOK_S", 0.05)
    client = await database_sync_to_async(signed_in_client)(ALICE)
    session_key = client.session.session_key
    page = await open_page(await user_of(ALICE), session_key=session_key)
    await page.until("balances", "balances")
    end = {
        "sign out": client.logout,
        "new password": lambda: change_password(ALICE),
        "deactivated": lambda: User.objects.filter(pk=ALICE).update(is_active=False),
    }
    await database_sync_to_async(end[how])()
    assert await close_code(page) == CLOSE_SESSION_ENDED


async def test_a_socket_stays_as_long_as_its_session(
    venue: Venue, hub: FakeHub, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    looked_thrice = threading.Event()
    is_signed_in = live._is_signed_in

    def counted(session_key: str, user_id: int) -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            looked_thrice.set()
        return is_signed_in(session_key, user_id)

    monkeypatch.setattr(live, "SESSION_LOOK_S", 0.02)
    monkeypatch.setattr(live, "_is_signed_in", counted)
    client = await database_sync_to_async(signed_in_client)(ALICE)
    page = await open_page(await user_of(ALICE), session_key=client.session.session_key)
    assert await asyncio.to_thread(looked_thrice.wait, WAIT_S)
    hub.bid(250_000, 7)
    await page.until("ladder", 'data-update-id="7"')
