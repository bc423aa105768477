"""A feed that runs, and a hub that finds it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from market.feeds.serving.hub import FeedBook, FeedHub, set_feed_hub
from tests.unit.feeds.serving.running_feed import FEED_ID, KEY, RunningFeed


@pytest.fixture
def feed() -> Iterator[RunningFeed]:
    running = RunningFeed().start()
    yield running
    running.stop()


@pytest.fixture
def addresses(feed: RunningFeed) -> dict[str, str]:
    """What the directory says; a test may change it."""
    return {FEED_ID: feed.address}


@pytest.fixture
async def hub(addresses: dict[str, str]) -> AsyncIterator[FeedHub]:
    async def read_address(feed_id: str) -> str:
        return addresses.get(feed_id, "")

    hub = FeedHub(read_address)
    set_feed_hub(hub)
    await hub.start()
    yield hub
    await hub.stop()
    set_feed_hub(None)


@pytest.fixture
def book() -> FeedBook:
    return FeedBook(FEED_ID, *KEY)
