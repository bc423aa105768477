"""REST of feeds: live from the hub, the past from storage, mistakes with their codes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import NO_PRICE
from market.feeds.models import Feed, FeedInstrument, FeedState
from market.feeds.serving.hub import BookNow, FeedBook, set_feed_hub
from market.feeds.serving.live_book import LiveBook
from market.feeds.serving.reader import FeedReader
from market.feeds.storage import reading
from market.feeds.storage.codec import BBO_DTYPE
from tests.unit.feeds.serving.running_feed import FEED_ID, KEY, SYMBOL, RunningFeed, record, records

pytestmark = pytest.mark.django_db(databases=["default", "journal", "feeds"])
BASE = f"/api/v1/feeds/{FEED_ID}/"


class StillHub:
    """What a running feed says, without connections: sync tests have no loop."""

    def __init__(self, reader: FeedReader) -> None:
        self.reader = reader
        self.is_live = True

    def fetch_from_thread(self, book: FeedBook, levels: int) -> BookNow | None:
        state = self.reader.book_state(KEY, 1) if self.is_live and book.book_id == KEY else None
        if state is None:
            return None
        return BookNow(SYMBOL, LiveBook(str(book), SYMBOL, state).view(levels), state)

    def fetch_stats_from_thread(self, feed_ids: Any) -> dict[str, Any]:
        return {FEED_ID: self.reader.stats()} if self.is_live and FEED_ID in feed_ids else {}


@pytest.fixture
def hub() -> Iterator[StillHub]:
    running = RunningFeed()
    running.send(
        record("A", "B", 99.5, 5, 1),
        record("A", "B", 99.5, 1, 2),
        record("A", "A", 99.25, 3, 3),
        record("T", "A", 99.5, 2, 4),
    )
    hub = StillHub(running.reader)
    set_feed_hub(hub)
    feed = Feed.objects.create(
        id=FEED_ID,
        title="E-mini",
        state=FeedState.LIVE,
        address="127.0.0.1:1",
        seen_at=timezone.now(),
    )
    FeedInstrument.objects.create(
        feed=feed, publisher_id=KEY.publisher_id, instrument_id=KEY.instrument_id, symbol=SYMBOL
    )
    yield hub
    set_feed_hub(None)


def test_feeds_are_listed_with_their_figures(client: Client, hub: StillHub) -> None:
    (feed,) = client.get("/api/v1/feeds/").json()["results"]
    assert (feed["id"], feed["title"], feed["state"], feed["is_live"]) == (
        FEED_ID,
        "E-mini",
        "live",
        True,
    )
    assert (feed["figures"]["records"], feed["figures"]["crossed_books"]) == (4, 1)
    detail = client.get(BASE).json()
    assert detail["instruments"] == [
        {"symbol": SYMBOL, "publisher_id": 1, "instrument_id": 17, "instrument": "1:17"}
    ]


def test_the_only_book_of_a_feed_needs_no_name(client: Client, hub: StillHub) -> None:
    book = client.get(BASE + "book").json()
    assert book["bids"] == [["99.5", "6", 2]]
    assert book["asks"] == [["99.25", "3", 1]]
    assert (book["crossed"], book["cold_start"], book["symbol"]) == (True, True, SYMBOL)
    best = client.get(BASE + "bbo", {"instrument": "1:17"}).json()
    assert (best["bid"], best["ask"], best["spread"]) == (
        ["99.5", "6", 2],
        ["99.25", "3", 1],
        "-0.25",
    )
    (trade,) = client.get(BASE + "trades", {"instrument": SYMBOL}).json()["results"]
    assert (trade["price"], trade["quantity"], trade["taker_side"]) == ("99.5", "2", "sell")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/feeds/nowhere/", 404, "unknown_feed"),
        ("/api/v1/feeds/nowhere/book", 404, "unknown_feed"),
        (BASE + "book?instrument=ESM4", 404, "unknown_instrument"),
        (BASE + "book?instrument=9:9", 404, "unknown_instrument"),
        (BASE + "book?instrument=99999999999:1", 404, "unknown_instrument"),
        (BASE + "book?instrument=%00", 404, "unknown_instrument"),
        (BASE + "book?levels=0", 400, "invalid"),
        (BASE + "book?at=yesterday", 400, "invalid"),
        (BASE + "book?at=9999999999999999999", 400, "invalid"),
        (BASE + "book?at=1700000000000000000", 404, "not_stored"),
        (BASE + "snapshots?at=2024-01-02T00:00:00Z", 404, "not_stored"),
        (BASE + "trades?limit=1001", 400, "invalid"),
        (BASE + "bars?start=x", 400, "invalid"),
    ],
)
def test_a_mistake_has_a_stable_code(
    client: Client, hub: StillHub, path: str, status: int, code: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_moment_that_cannot_be_read_is_told_both_ways_to_write_one(
    client: Client, hub: StillHub
) -> None:
    message = client.get(BASE + "book?at=yesterday").json()["error"]["message"]
    assert "2026-01-31T12:00:00Z" in message
    assert "whole nanoseconds since 1970-01-01 UTC" in message


def test_two_instruments_have_to_be_told_apart(client: Client, hub: StillHub) -> None:
    FeedInstrument.objects.create(feed_id=FEED_ID, publisher_id=2, instrument_id=17, symbol=SYMBOL)
    assert client.get(BASE + "book").json()["error"]["code"] == "required"
    answer = client.get(BASE + "book", {"instrument": SYMBOL})
    assert answer.json()["error"]["code"] == "ambiguous_instrument"
    assert client.get(BASE + "book", {"instrument": "1:17"}).status_code == 200


def test_a_feed_that_nothing_reads_says_so(client: Client, hub: StillHub) -> None:
    hub.is_live = False
    answer = client.get(BASE + "book")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "feed_not_live")
    assert "Retry-After" in answer
    Feed.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    assert client.get(BASE).json()["state"] == "silent"


def test_the_past_comes_from_storage(
    client: Client, hub: StillHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = PlainBooks()
    books.apply(
        records(record("A", "B", 10, 5, 1), record("A", "B", 10, 2, 2), record("A", "B", 9, 1, 3))
    )
    asked: list[Any] = []

    def book_at(feed: str, key: Any, at_ns: int) -> Any:
        asked.append((feed, tuple(key), at_ns))
        return books.image(KEY)

    monkeypatch.setattr(reading, "book_at", book_at)
    found = client.get(BASE + "snapshots", {"at": "2023-11-14T22:13:20Z", "queues": 1}).json()
    assert asked == [(FEED_ID, (1, 17), 1_700_000_000 * 10**9)]
    assert found["book"]["bids"] == [["10", "7", 2], ["9", "1", 1]]
    assert found["bid_queues"] == [[["1", 5], ["2", 2]], [["3", 1]]]
    assert found["ask_queues"] == []
    best = client.get(BASE + "bbo", {"at": "1700000000000000000"}).json()
    assert (best["bid"], best["ask"], best["state"]) == (["10", "7", 2], None, "stored")
    top = client.get(BASE + "book", {"at": "1700000000000000000", "levels": 1}).json()
    assert top["bids"] == [["10", "7", 2]]


def test_nothing_stored_is_an_empty_list(client: Client, hub: StillHub) -> None:
    assert client.get(BASE + "bars").json()["results"] == []
    assert client.get(BASE + "snapshots").json()["results"] == []
    assert client.get(BASE + "trades", {"start": 0}).json()["results"] == []


def test_sizes_beyond_32_bits_are_summed_exactly(
    client: Client, hub: StillHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = PlainBooks()
    most = np.iinfo(np.uint32).max - 1
    books.apply(records(record("A", "B", 10, int(most), 1), record("A", "B", 10, int(most), 2)))
    monkeypatch.setattr(reading, "book_at", lambda *_: books.image(KEY))
    book = client.get(BASE + "book", {"at": 1}).json()
    assert book["bids"] == [["10", str(2 * int(most)), 2]]


def test_every_change_of_the_best_prices_is_read_from_storage(
    client: Client, hub: StillHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.zeros(2, BBO_DTYPE)
    rows["ts_recv"] = [5, 2**63 - 1]
    rows["bid_px"], rows["bid_sz"], rows["bid_ct"] = [10 * 10**9, 11 * 10**9], 7, 2
    rows["ask_px"], rows["ask_sz"], rows["ask_ct"] = [NO_PRICE, 12 * 10**9], [0, 2**33], [0, 1]
    asked: list[Any] = []

    def bbo(feed: str, key: Any, *interval: int) -> Any:
        asked.append((feed, tuple(key), *interval))
        return rows

    monkeypatch.setattr(reading, "bbo", bbo)
    answer = client.get(BASE + "quotes", {"start": 5, "limit": 2}).json()
    assert asked == [(FEED_ID, (1, 17), 5, 5 + 600 * 10**9, 2)]
    first, second = answer["results"]
    assert (first["ts_recv"], first["bid"], first["ask"], first["spread"]) == (
        5,
        ["10", "7", 2],
        None,
        None,
    )
    assert (second["ask"], second["spread"]) == (["12", str(2**33), 1], "1")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({}, "required", "start"),
        ({"start": "x"}, "invalid", "start"),
        ({"start": 1, "end": 2 + 600 * 10**9}, "invalid", "end"),
        ({"start": 1, "limit": 5_001}, "invalid", "limit"),
    ],
)
def test_best_prices_of_a_long_time_are_asked_for_in_parts(
    client: Client, hub: StillHub, query: dict[str, Any], code: str, field: str
) -> None:
    answer = client.get(BASE + "quotes", query)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert client.get(BASE + "quotes", {"start": 1, "end": 1}).json()["results"] == []
