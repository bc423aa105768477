"""What the sockets of the feeds' pages send when a feed is not what it was."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from market.feeds.models import Feed, FeedInstrument, FeedState
from market.feeds.serving.hub import FeedBook, FeedHub
from market.feeds.serving.live import BookChannel, FeedsChannel, FiguresChannel
from market.live import Channel, LatestSlot
from orderbook.gateway.feed import Feed as EngineFeed
from orderbook.gateway.feed import set_feed
from tests.unit.feeds.serving.running_feed import FEED_ID, KEY, SYMBOL, RunningFeed, record
from tests.unit.market.builders import eventually as until

pytestmark = pytest.mark.django_db(databases=["default", "journal", "feeds"], transaction=True)


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    set_feed(EngineFeed())
    monkeypatch.setattr("market.live.IDLE_LOOK_S", 0.02)
    monkeypatch.setattr("market.feeds.serving.live.DIRECTORY_KEPT_S", 0.05)
    feed = Feed.objects.create(
        id=FEED_ID, state=FeedState.LIVE, seen_at=timezone.now(), address="127.0.0.1:1"
    )
    FeedInstrument.objects.create(
        feed=feed, publisher_id=KEY.publisher_id, instrument_id=KEY.instrument_id, symbol=SYMBOL
    )
    yield feed
    set_feed(None)


class Shown:
    """The newest state of each panel, as a page has it."""

    def __init__(self, channel: Channel) -> None:
        self._slot = LatestSlot()
        self._channel = channel
        channel.add(self._slot)

    def __getitem__(self, panel: str) -> str:
        return self._slot._pending.get(panel, "")

    def close(self) -> None:
        self._channel.remove(self._slot)


def update(**values: Any) -> Any:
    return database_sync_to_async(Feed.objects.update)(**values)


async def test_a_book_whose_feed_is_gone_is_not_shown_as_live(
    row: Feed, feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("R"), record("A", "B", 99, 5, 1))
    page = Shown(BookChannel(book, SYMBOL))
    await until(lambda: ">Live<" in page["strip"])
    feed.stop()
    await until(lambda: ">Out of date<" in page["strip"])
    assert ">Live<" not in page["strip"]
    page.close()


@pytest.mark.parametrize("panel", ["figures", "rows"])
async def test_a_feed_whose_process_was_killed_is_silent_at_once(
    row: Feed, feed: RunningFeed, hub: FeedHub, panel: str
) -> None:
    feed.send(record("R"))
    page = Shown(FiguresChannel(FEED_ID) if panel == "figures" else FeedsChannel())
    await until(lambda: ">Live<" in page[panel])
    feed.stop()
    await until(lambda: ">Silent<" in page[panel])
    page.close()


async def test_what_a_process_said_at_its_end_stays_shown(
    row: Feed, feed: RunningFeed, hub: FeedHub
) -> None:
    feed.send(record("R"))
    page = Shown(FiguresChannel(FEED_ID))
    await until(lambda: ">Live<" in page["figures"])
    await update(state=FeedState.FAILED, state_text="The sender is gone.", address="")
    feed.stop()
    await until(lambda: "The sender is gone." in page["figures"])
    assert ">Failed<" in page["figures"]
    page.close()


async def test_a_feed_that_falls_silent_before_it_was_heard_is_shown_so(
    row: Feed, hub: FeedHub, addresses: dict[str, str]
) -> None:
    addresses.clear()
    page = Shown(FiguresChannel(FEED_ID))
    await until(lambda: ">Live<" in page["figures"])
    await update(seen_at=timezone.now() - timedelta(minutes=1))
    await until(lambda: ">Silent<" in page["figures"])
    page.close()
