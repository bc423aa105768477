"""Trailing stops: they follow the best price since entry, and never back."""

import pytest

from orderbook.core.commands import ReplaceOrder, SetReferencePrice
from orderbook.core.events import (
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderTriggered,
    StopMoved,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot
from orderbook.core.units import MAX_PRICE_TICKS, Side
from tests.unit.core.special_orders import (
    TAKE_MARKET,
    bracket,
    order,
    stop,
    trade_at,
    traded_venue,
    trailing,
    triggered,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    LOT_MINOR,
    SELL,
    SYMBOL,
    Venue,
    limit,
)

R = RejectReason


def moves(events: list[Event]) -> list[tuple[int, int]]:
    return [(event.order_id, event.stop_ticks) for event in events if isinstance(event, StopMoved)]


@pytest.mark.parametrize(("side", "first", "best"), [(SELL, 95, 103), (BUY, 105, 97)])
def test_it_follows_the_best_price_and_not_back(side: Side, first: int, best: int) -> None:
    venue = traded_venue()
    (accepted, *_) = venue.do(trailing(CAROL, side, 5, 10))
    assert isinstance(accepted, OrderAccepted)
    assert accepted.options is not None
    assert accepted.options.stop_ticks == first
    moved = best - 5 if side is SELL else best + 5
    events = trade_at(venue, best)
    assert events[-1] == StopMoved(3, CAROL, SYMBOL, moved)
    assert moves(trade_at(venue, 100)) == []
    assert triggered(trade_at(venue, moved)) == [3]


def test_a_price_that_is_not_better_moves_nothing() -> None:
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 10))
    assert moves(trade_at(venue, 100)) == []
    assert moves(trade_at(venue, 96)) == []


def test_each_follows_its_own_best_price() -> None:
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 1))
    trade_at(venue, 110)
    venue.do(trailing(CAROL, SELL, 20, 1))
    trade_at(venue, 106)
    venue.do(trailing(CAROL, SELL, 5, 1))
    assert moves(trade_at(venue, 108)) == [(9, 103)]
    assert moves(trade_at(venue, 112)) == [(3, 107), (6, 92), (9, 107)]
    assert triggered(trade_at(venue, 107)) == [3, 9]


def test_one_event_a_command_says_where_it_is_in_the_end() -> None:
    """The first order ends at 101; the stop that it sets off trades at 102."""
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 1))
    venue.do(stop(CAROL, BUY, 101, 1))
    venue.limit(ALICE, SELL, 102, 1)
    events = trade_at(venue, 101)
    assert moves(events) == [(3, 97)]


def test_one_that_moved_and_was_set_off_says_where_it_was() -> None:
    """Up to 102 with the first stop, down to 90 with the second."""
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 1))
    venue.do(stop(BOB, BUY, 101, 1))
    venue.limit(ALICE, SELL, 102, 1)
    venue.limit(ALICE, BUY, 90, 1)
    venue.limit(ALICE, BUY, 89, 3)
    venue.do(order(BOB, SELL, TAKE_MARKET, 0, 1, stop_ticks=102))
    events = trade_at(venue, 101)
    moved, set_off = StopMoved(3, CAROL, SYMBOL, 97), OrderTriggered(3, CAROL, SYMBOL, 90)
    assert events.index(moved) == events.index(set_off) - 1
    assert moves(events) == [(3, 97)]


def test_it_is_a_market_order_then() -> None:
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 10))
    assert venue.balance(CAROL, "BTC")[1] == 10 * LOT_MINOR
    venue.limit(ALICE, BUY, 94, 10)
    trade_at(venue, 95)
    assert venue.engine.depth(SYMBOL) == []
    assert venue.balance(CAROL, "BTC")[1] == 0


def test_it_starts_at_the_reference_price_before_the_first_trade() -> None:
    venue = Venue()
    (refused,) = venue.do(trailing(CAROL, SELL, 5, 10))
    assert isinstance(refused, OrderRejected)
    assert refused.reason is R.INVALID_STOP_PRICE
    venue.do(SetReferencePrice(SYMBOL, 100))
    (accepted, *_) = venue.do(trailing(CAROL, SELL, 5, 10))
    assert isinstance(accepted, OrderAccepted)
    assert accepted.options is not None
    assert accepted.options.stop_ticks == 95


@pytest.mark.parametrize(
    ("side", "trail_ticks", "reason"),
    [
        (SELL, 100, R.INVALID_STOP_PRICE),
        (BUY, MAX_PRICE_TICKS, R.INVALID_STOP_PRICE),
        (BUY, MAX_PRICE_TICKS + 1, R.INVALID_STOP_PRICE),
        (SELL, -1, R.INVALID_STOP_PRICE),
        (SELL, 0, R.INVALID_ORDER),
    ],
)
def test_its_stop_price_must_be_a_price(side: Side, trail_ticks: int, reason: R) -> None:
    (event,) = traded_venue().do(trailing(CAROL, side, trail_ticks, 10))
    assert isinstance(event, OrderRejected)
    assert event.reason is reason


def test_there_is_a_limit_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbook.core.risk_special.MAX_TRAILING_STOPS", 2)
    monkeypatch.setattr("orderbook.core.risk_lists.MAX_TRAILING_STOPS", 2)
    venue = traded_venue()
    protected = bracket(
        limit(CAROL, BUY, 90, 1), limit(CAROL, SELL, 120, 1), trailing(CAROL, SELL, 5, 1)
    )
    venue.do(protected)
    venue.do(trailing(CAROL, SELL, 5, 1))
    for command in (trailing(CAROL, SELL, 5, 1), protected):
        (event,) = venue.do(command)
        assert isinstance(event, OrderRejected)
        assert event.reason is R.TOO_MANY_TRAILING_STOPS
    venue.cancel(CAROL, 3)
    assert isinstance(venue.do(trailing(CAROL, SELL, 5, 1))[0], OrderAccepted)


def test_the_place_of_one_that_is_replaced_counts_as_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderbook.core.risk_special.MAX_TRAILING_STOPS", 2)
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 1))
    venue.do(trailing(CAROL, SELL, 6, 1))
    canceled, accepted, *_ = venue.do(ReplaceOrder(3, trailing(CAROL, SELL, 7, 1)))
    assert isinstance(canceled, OrderCanceled)
    assert isinstance(accepted, OrderAccepted)
    (event,) = venue.do(trailing(CAROL, SELL, 5, 1))
    assert isinstance(event, OrderRejected)
    assert event.reason is R.TOO_MANY_TRAILING_STOPS
    refused = venue.do(ReplaceOrder(4, trailing(CAROL, SELL, 100, 1)))[0]
    assert isinstance(refused, OrderRejected)
    assert refused.reason is R.INVALID_STOP_PRICE
    (event,) = venue.do(trailing(CAROL, SELL, 5, 1))
    assert isinstance(event, OrderRejected), "a replacement that was refused frees nothing"


def test_a_place_that_another_kind_of_order_leaves_is_none_of_a_trailing_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderbook.core.risk_special.MAX_TRAILING_STOPS", 1)
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 1))
    venue.do(stop(CAROL, SELL, 90, 1))
    (event,) = venue.do(ReplaceOrder(4, trailing(CAROL, SELL, 7, 1)))
    assert isinstance(event, OrderRejected)
    assert event.reason is R.TOO_MANY_TRAILING_STOPS


def test_a_restored_one_goes_on_from_where_it_was() -> None:
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 5, 10))
    trade_at(venue, 110)
    again = restore(snapshot(venue.engine))
    again.apply(limit(ALICE, SELL, 111, 1), venue.time_ns)
    events = again.apply(limit(BOB, BUY, 111, 1), venue.time_ns)
    assert StopMoved(3, CAROL, SYMBOL, 106) in events
