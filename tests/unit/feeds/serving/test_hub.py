"""A feed's books on their way from its process to a web process."""

from typing import Any

import pytest

from market.feeds.serving.hub import FeedBook, FeedHub
from market.feeds.serving.messages import PUBLISHED_TRADES
from market.source import MarketChange
from market.values import BookLevel
from orderbook.core.units import Side
from tests.unit.feeds.serving.running_feed import (
    FEED_ID,
    SYMBOL,
    RunningFeed,
    record,
)
from tests.unit.market.builders import eventually as until

P = 10**9


class Listener:
    """Keeps what it hears, and a book of its own that only knows the updates."""

    def __init__(self) -> None:
        self.changes: list[MarketChange] = []

    def on_change(self, change: MarketChange) -> None:
        self.changes.append(change)

    @property
    def trades(self) -> list[Any]:
        return [trade for change in self.changes for trade in change.trades]


class FigureListener:
    def on_stats(self, feed_id: str) -> None:
        pass


async def test_a_watched_book_arrives_whole_and_then_by_its_changes(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("A", "B", 99, 5, 1), record("A", "A", 101.25, 3, 2))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.view(str(book), 50))
    view = hub.view(str(book), 50)
    assert view is not None
    assert (view.symbol, view.sequence) == (SYMBOL, 2)
    assert view.bids == (BookLevel(99 * P, 5, 1),)
    assert view.asks == (BookLevel(101_250_000_000, 3, 1),)
    assert listener.changes[0].reset

    feed.send(record("A", "B", 99, 4, 3), record("C", "A", 101.25, 3, 2))
    await until(lambda: len(listener.changes) > 1)
    (update,) = listener.changes[1].depth
    assert update.first_update_id == view.update_id + 1
    levels = [(level.side, level.price_ticks, level.quantity_lots) for level in update.levels]
    assert levels == [(Side.BUY, 99 * P, 9), (Side.SELL, 101_250_000_000, 0)]


async def test_updates_follow_one_another_and_end_at_the_books_state(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("A", "B", 50, 1, 1))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.view(str(book), 50))
    first = hub.view(str(book), 50)
    assert first is not None
    kept = {level.price_ticks: level.quantity_lots for level in first.bids}
    for order_id in range(2, 120):
        feed.send(record("A", "B", order_id, order_id, order_id))
    await until(lambda: (view := hub.view(str(book), 50)) and view.sequence == 119)
    known = first.update_id
    for change in listener.changes[1:]:
        for update in change.depth:
            assert update.first_update_id == known + 1
            known = update.last_update_id
            for level in update.levels:
                kept[level.price_ticks] = level.quantity_lots
    last = hub.view(str(book), 50)
    assert last is not None
    assert known == last.update_id
    assert {price: size for price, size in kept.items() if size} == {
        level.price_ticks: level.quantity_lots for level in last.bids
    }
    assert len(last.bids) == 50


async def test_trades_come_once_each_with_sums(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("T", "B", 100.5, 2, 1))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.view(str(book), 1))
    feed.send(record("T", "A", -3, 7, 2), record("T", "N", 5, 1, 3))
    await until(lambda: len(listener.trades) == 2)
    assert [(trade.trade_id, trade.taker_side) for trade in listener.trades] == [
        (2, Side.SELL),
        (3, None),
    ]
    view = hub.view(str(book), 1)
    assert view is not None
    assert [trade.trade_id for trade in view.trades] == [3, 2, 1]
    ticker = view.ticker
    assert (ticker.open_ticks, ticker.high_ticks, ticker.low_ticks, ticker.last_ticks) == (
        100_500_000_000,
        100_500_000_000,
        -3 * P,
        5 * P,
    )
    assert (ticker.volume_lots, ticker.trade_count) == (10, 3)


async def test_more_trades_than_are_published_are_reported_as_missed(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("T", "B", 1, 1, 1))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.view(str(book), 1))
    feed.send(*(record("T", "B", n, 1, n) for n in range(2, 2 * PUBLISHED_TRADES)))
    await until(lambda: listener.trades)
    change = next(change for change in listener.changes if change.trades)
    assert change.trades_missed
    assert len(change.trades) == PUBLISHED_TRADES


async def test_nothing_is_connected_before_somebody_looks_and_nobody_elses_book_is_sent(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    other = FeedBook(FEED_ID, 1, 18)
    feed.send(record("A", "B", 99, 5, 1))
    assert hub.view(str(book), 1) is None
    assert feed.publication.subscriber_count == 0
    hub.subscribe(Listener(), str(other))
    await until(lambda: hub.stats(FEED_ID))
    assert hub.view(str(book), 1) is None
    assert hub.view(str(other), 1) is None, "the feed has not seen it"


async def test_another_process_of_the_feed_resets_its_books(
    feed: RunningFeed, hub: FeedHub, book: FeedBook, addresses: dict[str, str]
) -> None:
    feed.send(record("A", "B", 99, 5, 1))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.view(str(book), 1))
    feed.stop()
    await until(lambda: hub.stats(FEED_ID) is None)
    assert hub.view(str(book), 1), "the last that is known stays until there is news"
    assert await hub.fetch(book, 1) is None, "but whoever asks for the book now is told the truth"
    second = RunningFeed()
    second.send(record("A", "B", 42, 1, 1))
    addresses[FEED_ID] = second.start().address
    try:
        await until(lambda: sum(change.reset for change in listener.changes) == 2)
        view = hub.view(str(book), 1)
        assert view is not None
        assert view.bids[0].price_ticks == 42 * P
    finally:
        second.stop()


async def test_figures_of_feeds_that_do_not_answer_are_left_out(
    feed: RunningFeed, hub: FeedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.send(record("A", "B", 99, 5, 1), send_ns=1)
    monkeypatch.setattr("market.feeds.serving.hub.ANSWER_WAIT_S", 5.0)
    found = await hub.fetch_stats([FEED_ID])
    monkeypatch.setattr("market.feeds.serving.hub.ANSWER_WAIT_S", 0.2)
    found |= await hub.fetch_stats(["nowhere"])
    assert set(found) == {FEED_ID}
    stats = found[FEED_ID]
    assert (stats.record_count, stats.book_count, stats.storage) == (1, 1, None)
    assert stats.overall.record_count == 1
    assert stats.overall.p99_us == stats.overall.max_us > 0


async def test_a_source_that_begins_again_empties_book_and_tape(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("A", "B", 99, 5, 1), record("T", "B", 7, 1, 2))
    hub.subscribe(Listener(), str(book))
    await until(lambda: hub.view(str(book), 1))
    feed.send(record("A", "A", 98, 5, 1), restarted=True)
    await until(lambda: (view := hub.view(str(book), 1)) and view.asks)
    view = hub.view(str(book), 1)
    assert view is not None
    assert (view.bids, view.trades, view.ticker.last_ticks) == ((), (), None)


async def test_a_source_that_begins_again_and_says_nothing_yet_leaves_no_book_as_it_was(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("A", "B", 99, 5, 1), record("T", "B", 7, 1, 2))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.view(str(book), 1))
    feed.restart()
    feed.reader.make_ready()  # what a session calls when nothing came for a while
    await until(lambda: (view := hub.view(str(book), 1)) and not view.bids)
    now = hub.now(book, 1)
    assert now is not None
    assert (now.view.trades, now.state.state) == ((), "init")
    assert feed.reader.stats().restart_count == 1
    feed.send(record("T", "B", 8, 1, 3))
    await until(lambda: (view := hub.view(str(book), 1)) and view.trades)
    assert feed.reader.stats().restart_count == 1


async def test_lost_records_are_told_of_books_that_do_not_change(
    feed: RunningFeed, hub: FeedHub, book: FeedBook
) -> None:
    feed.send(record("A", "B", 99, 5, 1))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: hub.now(book, 1))
    heard = len(listener.changes)
    feed.lose_records()
    await until(lambda: (now := hub.now(book, 1)) and now.state.state == "gap")
    assert len(listener.changes) > heard
    assert not any(change.depth or change.reset for change in listener.changes[heard:])


async def test_a_book_whose_process_is_gone_is_not_current_until_it_is_heard_again(
    feed: RunningFeed, hub: FeedHub, book: FeedBook, addresses: dict[str, str]
) -> None:
    feed.send(record("A", "B", 99, 5, 1))
    listener = Listener()
    hub.subscribe(listener, str(book))
    await until(lambda: (now := hub.now(book, 1)) and now.is_current)
    heard = len(listener.changes)
    feed.stop()
    await until(lambda: (now := hub.now(book, 1)) and not now.is_current)
    assert len(listener.changes) > heard

    second = RunningFeed()
    addresses[FEED_ID] = second.start().address
    try:
        await until(lambda: hub.stats(FEED_ID))
        now = hub.now(book, 1)
        assert now is not None
        assert not now.is_current, "the other process has not said anything of the book"
        assert await hub.fetch(book, 1) is None
        second.send(record("A", "B", 42, 1, 1))
        await until(lambda: (now := hub.now(book, 1)) and now.is_current)
    finally:
        second.stop()


async def test_a_sender_that_is_away_is_told(feed: RunningFeed, hub: FeedHub) -> None:
    feed.send(record("A", "B", 99, 5, 1))
    hub.follow(FigureListener(), [FEED_ID])
    await until(lambda: (stats := hub.stats(FEED_ID)) and stats.state == "live")
    feed.outage = "Connection refused"
    await until(lambda: (stats := hub.stats(FEED_ID)) and stats.state == "connecting")
    stats = hub.stats(FEED_ID)
    assert stats is not None
    assert stats.state_text == "The sender is away: Connection refused."
    feed.outage = ""
    await until(lambda: (stats := hub.stats(FEED_ID)) and stats.state == "live")
