"""A market hub over a stand-in feed and engine."""

from collections.abc import AsyncIterator, Iterator

import pytest
from asgiref.sync import sync_to_async

from market import instruments, replica
from market.replica import MarketHub, set_market_hub
from market.rolling import RollingTicker
from orderbook.gateway import tail
from orderbook.gateway.protocol import Depth
from tests.unit.market.builders import (
    SYMBOL,
    T0,
    FakeFeed,
    FakeGateway,
    depth,
    eventually,
    instrument,
    level,
)


@pytest.fixture(autouse=True)
def forgotten_definitions() -> Iterator[None]:
    """Each test begins with a process that knows nothing."""
    instruments.cache.forget()
    tail.forget()
    yield
    instruments.cache.forget()
    instruments.cache.hear_live(False)
    set_market_hub(None)


@pytest.fixture
def feed() -> FakeFeed:
    return FakeFeed()


@pytest.fixture
def whole_book() -> Depth:
    return depth(10, level("buy", 99, 5, 2), level("buy", 98, 7), level("sell", 101, 3))


@pytest.fixture
def gateway(whole_book: Depth) -> FakeGateway:
    return FakeGateway(whole_book)


@pytest.fixture
async def hub(
    feed: FakeFeed, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MarketHub]:
    """Running, and synced in one symbol; no database behind it."""
    monkeypatch.setattr(
        replica, "_read_history", lambda symbol, time_ns: ([], RollingTicker(symbol))
    )
    # Plain threads: one that an earlier test has used may still keep a database connection.
    monkeypatch.setattr(replica, "database_sync_to_async", sync_to_async)
    monkeypatch.setattr(instruments.cache, "reload", lambda: None)
    instruments.cache.remember(instrument(), 1)
    hub = MarketHub(feed, gateway, clock_ns=lambda: T0)
    set_market_hub(hub)
    await hub.start()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    yield hub
    await hub.stop()
