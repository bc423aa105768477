"""The hub's copy of the books: never wrong, at most absent, whatever the feed loses."""

import asyncio

import pytest
from msgspec import structs

from market import instruments, replica, symbol_state
from market.replica import MarketHub
from market.rolling import RollingTicker
from market.source import MarketChange
from market.values import BookLevel, MarketSession
from orderbook.core.events import AuctionIndicated, AuctionUncrossed, PhaseChanged
from orderbook.core.units import InstrumentStatus, PhaseReason
from orderbook.errors import EngineUnavailable
from tests.unit.market.builders import (
    SYMBOL,
    T0,
    FakeFeed,
    FakeGateway,
    batch,
    depth,
    eventually,
    instrument,
    level,
    printed,
    trade,
    update,
)


class Recorder:
    def __init__(self, hub: MarketHub) -> None:
        self.changes: list[MarketChange] = []
        hub.subscribe(self)

    def on_change(self, change: MarketChange) -> None:
        self.changes.append(change)


async def test_a_view_shows_the_book_the_trades_and_the_ticker(hub, feed):
    feed.send(
        batch(
            11,
            trade(1, 101, 2),
            updates=[update(11, 12, level("sell", 101, 1), level("buy", 100, 4))],
        )
    )
    view = hub.view(SYMBOL)
    assert view.best_bid == BookLevel(100, 4, 1)
    assert view.best_ask == BookLevel(101, 1, 1)
    assert (view.spread_ticks, view.update_id, view.sequence) == (1, 12, 11)
    assert [one.trade_id for one in view.trades] == [1]
    assert view.ticker.last_ticks == 101
    assert view.minute.volume_lots == 2


async def test_a_view_is_a_value_that_later_updates_do_not_change(hub, feed):
    before = hub.view(SYMBOL)
    feed.send(batch(11, updates=[update(11, 11, level("buy", 99, 0))]))
    assert before.best_bid.price_ticks == 99
    assert hub.view(SYMBOL).best_bid.price_ticks == 98


async def test_levels_are_limited_to_what_was_asked_for(hub):
    assert len(hub.view(SYMBOL, 1).bids) == 1
    assert hub.view("NO-SUCH") is None


async def test_listeners_hear_contiguous_updates(hub, feed):
    recorder = Recorder(hub)
    feed.send(batch(11, updates=[update(11, 11, level("buy", 97, 1))]))
    feed.send(batch(12, trade(5), updates=[update(12, 14, level("buy", 97, 0))]))
    assert [(one.depth[0].first_update_id, one.sequence) for one in recorder.changes] == [
        (11, 11),
        (12, 12),
    ]
    assert [one.trade_id for one in recorder.changes[1].trades] == [5]


async def test_a_missing_update_makes_the_book_be_fetched_again(hub, feed, gateway):
    recorder = Recorder(hub)
    gateway.book = depth(20, level("buy", 90, 1))
    gateway.hold()
    feed.send(batch(13, updates=[update(13, 13, level("buy", 99, 1))]))
    assert hub.view(SYMBOL) is None
    assert recorder.changes == []
    gateway.release()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    assert hub.view(SYMBOL).best_bid == BookLevel(90, 1, 1)
    assert [one.reset for one in recorder.changes] == [True]


async def test_updates_that_arrive_during_the_fetch_are_laid_over_it(hub, feed, gateway):
    gateway.book = depth(20, level("buy", 90, 1), level("buy", 80, 1))
    gateway.hold()
    asked = gateway.asked
    feed.lose()
    await eventually(lambda: gateway.asked > asked)
    feed.send(batch(19, updates=[update(19, 19, level("buy", 90, 9))]))
    feed.send(batch(20, updates=[update(20, 22, level("buy", 91, 2))]))
    feed.send(batch(23, trade(3, 91), updates=[update(23, 23, level("buy", 80, 0))]))
    gateway.release()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    view = hub.view(SYMBOL)
    assert view.update_id == 23
    assert [(one.price_ticks, one.quantity_lots) for one in view.bids] == [(91, 2), (90, 1)]
    assert [one.trade_id for one in view.trades] == [3]
    assert view.ticker.trade_count == 1


async def test_a_snapshot_too_old_for_what_arrived_meanwhile_is_never_shown(
    hub, feed, gateway, monkeypatch
):
    monkeypatch.setattr(replica, "RETRY_S", 0.01)
    gateway.hold()
    asked = gateway.asked
    feed.lose()
    feed.send(batch(30, updates=[update(30, 30, level("buy", 99, 1))]))
    gateway.release()
    await eventually(lambda: gateway.asked > asked + 2)
    assert hub.view(SYMBOL) is None
    gateway.book = depth(29, level("buy", 95, 1), sequence=30)
    await eventually(lambda: hub.view(SYMBOL) is not None)
    assert [one.price_ticks for one in hub.view(SYMBOL).bids] == [99, 95]


async def test_an_engine_that_does_not_answer_is_asked_again(hub, feed, gateway, monkeypatch):
    monkeypatch.setattr(replica, "RETRY_S", 0.01)
    gateway.failures = [EngineUnavailable(), LookupError("no such symbol yet")]
    feed.lose()
    assert hub.view(SYMBOL) is None
    await eventually(lambda: hub.view(SYMBOL) is not None)


async def test_too_much_during_a_fetch_starts_it_over(hub, feed, gateway, monkeypatch):
    monkeypatch.setattr(symbol_state, "MAX_BUFFERED", 3)
    gateway.hold()
    feed.lose()
    asked = gateway.asked
    for number in range(11, 16):
        feed.send(batch(number, updates=[update(number, number, level("buy", 97, number))]))
    gateway.book = depth(15, level("buy", 97, 15))
    gateway.release()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    assert gateway.asked > asked
    assert hub.view(SYMBOL).best_bid == BookLevel(97, 15, 1)


async def test_history_and_live_trades_are_joined_without_doubles(hub, feed, gateway, monkeypatch):
    history = [printed(3, 103, 1, T0), printed(2, 102, 1, T0)]
    rolling = RollingTicker(SYMBOL)
    for one in reversed(history):
        rolling.add(one)
    monkeypatch.setattr(replica, "_read_history", lambda symbol, time_ns: (history, rolling))
    gateway.hold()
    feed.lose()
    feed.send(batch(3, trade(3, 103)))
    feed.send(batch(4, trade(4, 104)))
    gateway.release()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    view = hub.view(SYMBOL)
    assert [one.trade_id for one in view.trades] == [4, 3, 2]
    assert (view.ticker.trade_count, view.ticker.open_ticks, view.ticker.last_ticks) == (
        3,
        102,
        104,
    )


async def test_a_new_instrument_gets_a_view(hub, feed, gateway):
    gateway.book = depth(0, symbol="ETH-USDT", sequence=40)
    recorder = Recorder(hub)
    feed.send(batch(40, instrument("ETH-USDT")))
    await eventually(lambda: hub.view("ETH-USDT") is not None)
    assert instruments.cached("ETH-USDT") == instrument("ETH-USDT")
    assert hub.view("ETH-USDT").bids == ()
    assert recorder.changes[-1].reset


async def test_a_changed_instrument_is_known_and_told_at_once(hub, feed):
    recorder = Recorder(hub)
    changed = instrument(taker_fee_ppm=7)
    feed.send(batch(41, changed))
    assert instruments.cached(SYMBOL) == changed
    assert recorder.changes[-1].definition == changed


async def test_a_change_of_phase_is_known_and_told_at_once(hub, feed):
    feed.send(batch(41, instrument(taker_fee_ppm=7)))
    recorder = Recorder(hub)
    feed.send(batch(42, PhaseChanged(SYMBOL, InstrumentStatus.HALTED, PhaseReason.OPERATOR)))
    halted = instrument(taker_fee_ppm=7, status=InstrumentStatus.HALTED)
    assert instruments.cached(SYMBOL) == halted
    assert recorder.changes[-1].definition == halted
    feed.send(batch(43, PhaseChanged("NO-SUCH", InstrumentStatus.HALTED, PhaseReason.OPERATOR)))
    assert recorder.changes[-1].sequence == 42


async def test_a_read_waits_for_the_sequence_that_it_needs(hub, feed, monkeypatch):
    monkeypatch.setattr(replica, "FRESHNESS_WAIT_S", 60.0)
    reading = asyncio.create_task(hub.fresh_view(SYMBOL, 12))
    await asyncio.sleep(0)
    feed.send(batch(11))
    await asyncio.sleep(0)
    assert not reading.done()
    feed.send(batch(12, updates=[update(11, 11, level("buy", 100, 1))]))
    assert (await reading).best_bid.price_ticks == 100


async def test_a_read_of_what_does_not_come_gives_up(hub, monkeypatch):
    monkeypatch.setattr(replica, "FRESHNESS_WAIT_S", 0.02)
    assert await hub.fresh_view(SYMBOL, 1_000) is None


async def test_other_threads_can_read(hub, monkeypatch):
    monkeypatch.setattr(replica, "FRESHNESS_WAIT_S", 60.0)
    view = await asyncio.to_thread(hub.read_from_thread, SYMBOL, 10)
    assert view.best_bid.price_ticks == 99


async def test_a_hub_that_does_not_run_gives_threads_nothing(feed, gateway):
    hub = MarketHub(feed, gateway)
    assert await asyncio.to_thread(hub.read_from_thread, SYMBOL, 0) is None


async def test_a_listener_that_fails_does_not_stop_the_others(hub, feed):
    class Broken:
        def on_change(self, change: MarketChange) -> None:
            raise RuntimeError("broken")

    hub.subscribe(Broken())
    recorder = Recorder(hub)
    feed.send(batch(11, updates=[update(11, 11, level("buy", 97, 1))]))
    assert len(recorder.changes) == 1


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_a_hub_starts_from_the_tables_and_the_journal(feed: FakeFeed, gateway: FakeGateway):
    from asgiref.sync import sync_to_async

    from market.projections import MarketProjection
    from orderbook.models import ProjectionCursor
    from tests.unit.market.builders import journal, recorded

    def fill() -> None:
        journal(1, T0, instrument())
        journal(2, T0, trade(1, 100, 2))
        journal(3, T0 + 1, trade(2, 110, 3))
        MarketProjection().apply(
            [*recorded(1, T0, instrument()), *recorded(2, T0, trade(1, 100, 2))]
        )
        ProjectionCursor.objects.create(name="market", sequence=2)

    await sync_to_async(fill)()
    hub = MarketHub(feed, gateway, clock_ns=lambda: T0)
    await hub.start()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    view = hub.view(SYMBOL)
    await hub.stop()
    assert [one.trade_id for one in view.trades] == [2, 1]
    assert view.ticker[1:6] == (100, 110, 100, 110, 5)


# -- phases and auctions ---------------------------------------------------------------------------

_AUCTION = InstrumentStatus.OPENING_AUCTION
_BY_BANDS = PhaseReason.VOLATILITY


async def test_a_view_follows_an_auction_with_its_crossed_book_to_the_uncross(hub, feed):
    recorder = Recorder(hub)
    began = PhaseChanged(SYMBOL, _AUCTION, _BY_BANDS, T0 + 5)
    feed.send(batch(11, began))
    crossing = [update(11, 11, level("buy", 105, 4), level("sell", 100, 6))]
    feed.send(batch(12, AuctionIndicated(SYMBOL, 100, 4, -2), updates=crossing))
    view = hub.view(SYMBOL)
    assert view.session == MarketSession(T0 + 5, 100, 4, -2)
    assert (view.best_bid.price_ticks, view.best_ask.price_ticks) == (105, 100)
    assert view.spread_ticks == -5
    assert instruments.cached(SYMBOL).status is _AUCTION

    ended = PhaseChanged(SYMBOL, InstrumentStatus.TRADING, PhaseReason.VOLATILITY_END)
    uncrossed = AuctionUncrossed(SYMBOL, 100, 4, -2)
    taken = [update(12, 13, level("buy", 105, 0), level("sell", 100, 2))]
    feed.send(batch(13, uncrossed, trade(1, 100, 4), ended, updates=taken))
    view = hub.view(SYMBOL)
    assert view.session == MarketSession()
    assert view.spread_ticks == 1
    assert view.ticker.last_ticks == 100
    assert [one.session for one in recorder.changes] == [
        (began,),
        (AuctionIndicated(SYMBOL, 100, 4, -2),),
        (uncrossed, ended),
    ]


async def test_an_indication_alone_is_news(hub, feed):
    recorder = Recorder(hub)
    feed.send(batch(11, AuctionIndicated(SYMBOL, 99, 1, 0)))
    assert len(recorder.changes) == 1
    assert hub.view(SYMBOL).session.price_ticks == 99


async def test_a_symbol_that_is_fetched_gets_its_session_from_the_engine(hub, feed, gateway):
    gateway.book = structs.replace(depth(20), until_ns=T0, indication=(98, 3, 1))
    feed.lose()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    assert hub.view(SYMBOL).session == MarketSession(T0, 98, 3, 1)


async def test_what_is_newer_than_the_snapshot_of_a_fetch_holds(hub, feed, gateway):
    gateway.book = structs.replace(depth(20, sequence=20), indication=(98, 3, 1))
    gateway.hold()
    asked = gateway.asked
    feed.lose()
    await eventually(lambda: gateway.asked > asked)
    feed.send(batch(21, AuctionIndicated(SYMBOL, 97, 2, 0)))
    gateway.release()
    await eventually(lambda: hub.view(SYMBOL) is not None)
    assert hub.view(SYMBOL).session == MarketSession(0, 97, 2, 0)


async def test_a_book_older_than_what_was_heard_is_asked_for_again(hub, feed, gateway, monkeypatch):
    """An engine that was replaced may answer before it knows."""
    monkeypatch.setattr(replica, "RETRY_S", 0.0)
    gateway.book = depth(12, level("buy", 95, 1))
    asked = gateway.asked
    feed.send(batch(13, trade(7, 101)))
    for listener in feed.listeners:
        listener.on_gap()
    await eventually(lambda: gateway.asked > asked + 1)
    assert hub.view(SYMBOL) is None
    gateway.book = depth(13, level("buy", 94, 1))
    await eventually(lambda: hub.view(SYMBOL) is not None)
    assert hub.view(SYMBOL).best_bid == BookLevel(94, 1, 1)
