"""Examples that the naive venue of the property tests found, as small as they come."""

import pytest

from orderbook.core import auction, triggers
from orderbook.core.commands import AdvanceTime, Batch, PlaceOrder, PlaceOrderList, SetPhase
from orderbook.core.events import (
    AuctionIndicated,
    BatchExecuted,
    OrderCanceled,
    OrderTriggered,
    StopMoved,
    Trade,
)
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    INDICATION_INTERVAL_NS,
    CancelReason,
    InstrumentStatus,
    OrderListKind,
    OrderType,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    GTC,
    SELL,
    SETUP,
    SYMBOL,
    Venue,
    instrument,
    limit,
)


def test_an_instrument_that_is_defined_in_an_auction_publishes_what_it_collects() -> None:
    definition = instrument(status=InstrumentStatus.CLOSING_AUCTION)
    setup = [definition if command == instrument() else command for command in SETUP]
    venue = Venue(setup)
    venue.limit(ALICE, SELL, 100, 5)
    venue.limit(BOB, BUY, 102, 3)
    assert venue.engine.next_due_ns == venue.time_ns - 1 + INDICATION_INTERVAL_NS
    twin = restore(snapshot(venue.engine))
    assert state_hash(twin) == state_hash(venue.engine)
    assert venue.story(AdvanceTime(), venue.engine.next_due_ns) == [
        AuctionIndicated(SYMBOL, 100, 3, -2)
    ]


def test_a_trailing_stop_that_moves_and_goes_with_its_other_leg_tells_no_move() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 16, 5)
    venue.limit(BOB, BUY, 16, 1)
    venue.limit(BOB, BUY, 14, 1)
    take_profit, trailing = (
        PlaceOrder(CAROL, SYMBOL, BUY, type, GTC, 0, 2, "", options)
        for type, options in (
            (OrderType.TAKE_PROFIT_MARKET, OrderOptions(stop_ticks=14)),
            (OrderType.TRAILING_STOP, OrderOptions(trail_ticks=2)),
        )
    )
    venue.do(PlaceOrderList(OrderListKind.OCO, (take_profit, trailing)))
    events = venue.limit(BOB, SELL, 14, 1)
    assert [event for event in events if isinstance(event, StopMoved)] == []
    assert OrderTriggered(4, CAROL, SYMBOL, 14) in events
    assert OrderCanceled(5, CAROL, SYMBOL, "", 2, CancelReason.OTHER_LEG) in events
    assert sum(event.quantity_lots for event in events if isinstance(event, Trade)) == 3


def test_a_batch_goes_on_with_its_agenda_whatever_stood_in_the_other_book_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a book was used for once is no part of a snapshot, and so must not matter."""
    monkeypatch.setattr(triggers, "MAX_TRIGGERS", 1)
    venue = Venue([*SETUP, instrument(symbol="ETH-USDT", base="BTC")])
    stop = PlaceOrder(
        CAROL, "ETH-USDT", BUY, OrderType.STOP_MARKET, GTC, 0, 1, "", OrderOptions(stop_ticks=99)
    )
    venue.do(stop)
    venue.cancel(CAROL, 1)
    for symbol in (SYMBOL, "ETH-USDT"):
        venue.limit(ALICE, SELL, 10, 9, symbol=symbol)
    venue.limit(BOB, BUY, 9, 1)
    for _ in range(3):
        options = OrderOptions(stop_ticks=10)
        venue.do(PlaceOrder(CAROL, SYMBOL, BUY, OrderType.STOP_MARKET, GTC, 0, 1, "", options))
    twin = restore(snapshot(venue.engine))
    batch = Batch(BOB, (limit(BOB, BUY, 10, 1), limit(BOB, BUY, 10, 1, symbol="ETH-USDT")))
    events = venue.do(batch)
    assert twin.apply(batch, venue.time_ns) == events
    assert state_hash(twin) == state_hash(venue.engine)
    counts = [event.event_counts for event in events if isinstance(event, BatchExecuted)]
    assert counts == [(6, 3)]


def test_levels_that_stand_empty_do_not_put_off_an_indication(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A book keeps some empty levels for later; a snapshot has none of them."""
    monkeypatch.setattr(auction, "INDICATION_LEVEL_NS", INDICATION_INTERVAL_NS)
    venue = Venue()
    for price_ticks in range(100, 110):
        venue.limit(ALICE, SELL, price_ticks, 1)
    venue.cancel_all(ALICE)
    venue.do(SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION))
    twin = restore(snapshot(venue.engine))
    order = limit(BOB, BUY, 50, 1)
    venue.do(order)
    twin.apply(order, venue.time_ns)
    assert venue.engine.next_due_ns == venue.time_ns + INDICATION_INTERVAL_NS
    assert state_hash(twin) == state_hash(venue.engine)
