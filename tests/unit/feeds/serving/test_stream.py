"""Channels of feeds on /ws/stream: the same frames as those of the venue's markets."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from market import stream_channels
from market.feeds.books.contract import BookKey
from market.feeds.models import Feed, FeedInstrument, FeedState
from market.feeds.serving.hub import FeedHub
from tests.unit.feeds.serving.running_feed import FEED_ID, KEY, SYMBOL, RunningFeed, record
from tests.unit.market.test_stream import Client

pytestmark = pytest.mark.django_db(databases=["default", "journal", "feeds"], transaction=True)

DEPTH = f"depth@feed:{FEED_ID}/{SYMBOL}"
TRADES = f"trades@feed:{FEED_ID}/{KEY.publisher_id}:{KEY.instrument_id}"
TICKER = f"ticker@feed:{FEED_ID}/{SYMBOL}"


@pytest.fixture
def rows() -> None:
    feed = Feed.objects.create(id=FEED_ID)
    FeedInstrument.objects.create(
        feed=feed, publisher_id=KEY.publisher_id, instrument_id=KEY.instrument_id, symbol=SYMBOL
    )


@pytest.fixture
async def client() -> Any:
    connected = await Client().connect()
    yield connected
    await connected.socket.disconnect()


async def test_depth_begins_with_a_snapshot_and_goes_on_contiguously(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client
) -> None:
    feed.send(record("A", "B", 99.5, 5, 1), record("A", "A", 101, 3, 2))
    (snapshot,) = await client.subscribe(DEPTH)
    assert (snapshot["channel"], snapshot["type"]) == (DEPTH, "snapshot")
    assert snapshot["bids"] == [["99.5", "5", 1]]
    assert snapshot["asks"] == [["101", "3", 1]]
    feed.send(record("C", "B", 99.5, 5, 1), record("A", "B", -0.000000001, 7, 3))
    update = await client.read()
    assert update["type"] == "update"
    assert update["first_update_id"] == snapshot["last_update_id"] + 1
    assert update["bids"] == [["99.5", "0", 0], ["-0.000000001", "7", 1]]
    assert update["asks"] == []


async def test_trades_and_ticker_say_what_a_feed_knows(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client
) -> None:
    feed.send(record("A", "A", 101, 3, 1), record("T", "B", 101, 2, 2))
    trades, ticker = await client.subscribe(TRADES, TICKER)
    (trade,) = trades["trades"]
    assert (trade["price"], trade["quantity"], trade["taker_side"]) == ("101", "2", "buy")
    assert "quote_quantity" not in trade
    assert (ticker["symbol"], ticker["last"], ticker["volume"]) == (SYMBOL, "101", "2")
    assert ticker["ask"] == ["101", "3"]
    assert ticker["bid"] is None
    assert (ticker["state"], ticker["cold_start"], ticker["crossed"]) == ("live", True, False)


async def test_a_ticker_says_when_its_book_cannot_be_trusted_any_more(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client
) -> None:
    feed.send(record("R"), record("A", "B", 99, 5, 1))
    (ticker,) = await client.subscribe(TICKER)
    assert ticker["state"] == "live"
    feed.lose_records()
    lost = await client.read()
    assert (lost["type"], lost["state"], lost["seq"]) == ("update", "gap", ticker["seq"] + 1)
    feed.stop()
    assert (await client.read())["state"] == "silent"


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("depth@feed:nowhere/ESH4", "unknown_feed"),
        (f"depth@feed:{FEED_ID}/ESM4", "unknown_instrument"),
        (f"depth@feed:{FEED_ID}/99999:1", "unknown_instrument"),
        (f"depth@feed:{FEED_ID}", "unknown_channel"),
        (f"auction@feed:{FEED_ID}/{SYMBOL}", "unknown_channel"),
        (f"depth@feed:{FEED_ID}/\x00", "unknown_instrument"),
    ],
)
async def test_a_channel_that_is_not_there_is_an_answer(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client, channel: str, code: str
) -> None:
    answer = await client.ask({"op": "subscribe", "channels": [channel]})
    assert answer["error"]["code"] == code


async def test_who_subscribes_to_a_feed_that_does_not_run_is_told_so_and_gets_its_book_later(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client, addresses: dict[str, str]
) -> None:
    address = addresses.pop(FEED_ID)
    told = await client.subscribe(DEPTH, TRADES, TICKER)
    said = {"type": "state", "state": "stopped", "message": "Nothing reads this feed now."}
    assert told == [{"channel": name, **said} for name in (DEPTH, TRADES, TICKER)]
    feed.send(record("A", "B", 99.5, 5, 1))
    addresses[FEED_ID] = address
    snapshots = [await client.read() for _ in range(3)]
    assert {frame["type"] for frame in snapshots} == {"snapshot"}


@pytest.mark.parametrize("seen_s_ago", [3, 3_600])
async def test_who_subscribes_to_a_feed_whose_process_is_dead_is_told_that_it_is_silent(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client, seen_s_ago: int
) -> None:
    feed.stop()
    seen_at = timezone.now() - timedelta(seconds=seen_s_ago)
    await Feed.objects.aupdate(state=FeedState.LIVE, seen_at=seen_at)
    (told,) = await client.subscribe(DEPTH)
    assert told["channel"] == DEPTH
    assert (told["type"], told["state"]) == ("state", "silent")
    assert told["message"] == "Its process does not answer."


async def test_who_subscribes_to_a_book_without_a_record_is_told_so(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client
) -> None:
    feed.send(record("A", "B", 99.5, 5, 1, key=BookKey(9, 9)))
    (told,) = await client.subscribe(DEPTH)
    assert (told["type"], told["state"]) == ("state", "init")
    feed.send(record("A", "B", 99.5, 5, 1))
    assert (await client.read())["type"] == "snapshot"


async def test_a_symbol_of_two_publishers_is_asked_for_by_its_numbers(
    rows: None, feed: RunningFeed, hub: FeedHub, client: Client
) -> None:
    from channels.db import database_sync_to_async

    await database_sync_to_async(FeedInstrument.objects.create)(
        feed_id=FEED_ID, publisher_id=2, instrument_id=KEY.instrument_id, symbol=SYMBOL
    )
    answer = await client.ask({"op": "subscribe", "channels": [DEPTH]})
    assert answer["error"]["code"] == "ambiguous_instrument"
    feed.send(record("A", "B", 1, 1, 1))
    (snapshot,) = await client.subscribe(TRADES)
    assert snapshot["type"] == "snapshot"


async def test_a_frame_is_encoded_once_for_all_who_are_subscribed(
    rows: None, feed: RunningFeed, hub: FeedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.send(record("A", "B", 1, 1, 1))
    encoded: list[Any] = []
    encode = stream_channels.encode_frame

    def count(frame: dict[str, object]) -> str:
        encoded.append(frame)
        return encode(frame)

    monkeypatch.setattr("market.stream_public.encode_frame", count)
    clients = [await Client().connect() for _ in range(5)]
    for each in clients:
        await each.subscribe(DEPTH)
    encoded.clear()
    feed.send(record("A", "B", 2, 1, 2))
    frames = [await each.read() for each in clients]
    assert all(frame == frames[0] for frame in frames)
    assert len(encoded) == 1
    for each in clients:
        await each.socket.disconnect()
