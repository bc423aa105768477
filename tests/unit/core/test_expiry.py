"""Orders that end at a known time: DAY and GTD."""

import pytest

from orderbook.core.commands import AdvanceTime, PlaceOrder
from orderbook.core.events import OrderAccepted, OrderCanceled
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.units import DAY_NS, CancelReason, Side, TimeInForce
from tests.unit.core.venue import ALICE, BOB, BUY, LIMIT, SELL, SYMBOL, Venue, limit

EXPIRED = CancelReason.EXPIRED
NOON_NS = 3 * DAY_NS + DAY_NS // 2
MIDNIGHT_NS = 4 * DAY_NS


@pytest.fixture
def venue() -> Venue:
    venue = Venue()
    venue.do(AdvanceTime(), NOON_NS)
    return venue


def until(account_id: int, side: Side, expire_time_ns: int) -> PlaceOrder:
    options = OrderOptions(expire_time_ns=expire_time_ns)
    return PlaceOrder(account_id, SYMBOL, side, LIMIT, TimeInForce.GTD, 100, 2, "", options)


def test_a_day_order_ends_at_midnight(venue: Venue) -> None:
    accepted, _ = venue.do(limit(BOB, BUY, 100, 2, TimeInForce.DAY))
    assert isinstance(accepted, OrderAccepted)
    assert accepted.options is not None
    assert accepted.options.expire_time_ns == MIDNIGHT_NS
    assert venue.engine.next_due_ns == MIDNIGHT_NS
    assert venue.do(AdvanceTime(), MIDNIGHT_NS - 1) == []
    assert venue.story(AdvanceTime(), MIDNIGHT_NS) == [
        OrderCanceled(1, BOB, SYMBOL, "", 2, EXPIRED)
    ]
    assert venue.balance(BOB, "USDT")[1] == 0


def test_a_gtd_order_ends_at_its_time_with_what_is_left_of_it(venue: Venue) -> None:
    venue.do(until(BOB, BUY, NOON_NS + 100))
    venue.limit(ALICE, SELL, 100, 1)
    assert venue.story(AdvanceTime(), NOON_NS + 150) == [
        OrderCanceled(1, BOB, SYMBOL, "", 1, EXPIRED)
    ]


def test_orders_expire_by_time_then_by_age(venue: Venue) -> None:
    for expire_time_ns in (NOON_NS + 200, NOON_NS + 100, NOON_NS + 100):
        venue.do(until(BOB, BUY, expire_time_ns))
    events = venue.story(AdvanceTime(), NOON_NS + 300)
    assert [event.order_id for event in events if isinstance(event, OrderCanceled)] == [2, 3, 1]


def test_an_order_that_is_done_does_not_expire(venue: Venue) -> None:
    venue.do(until(BOB, BUY, NOON_NS + 100))
    venue.do(until(BOB, BUY, NOON_NS + 100))
    venue.limit(ALICE, SELL, 100, 2)
    venue.cancel(BOB, 2)
    assert venue.engine.next_due_ns > NOON_NS + 100
    assert venue.do(AdvanceTime(), NOON_NS + 200) == []


def test_one_command_expires_so_many_and_the_rest_stays_due(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbook.core.timekeeper.MAX_TIMERS", 2)
    for _ in range(3):
        venue.do(until(BOB, BUY, NOON_NS + 100))
    assert len(venue.story(AdvanceTime(), NOON_NS + 100)) == 2
    assert venue.engine.next_due_ns == NOON_NS + 100
    assert len(venue.story(AdvanceTime(), NOON_NS + 101)) == 1


def test_expiry_survives_a_snapshot(venue: Venue) -> None:
    venue.do(until(BOB, BUY, NOON_NS + 100))
    venue.do(limit(ALICE, BUY, 99, 2, TimeInForce.DAY))
    engine = restore(snapshot(venue.engine))
    assert state_hash(engine) == state_hash(venue.engine)
    for time_ns in (NOON_NS + 100, MIDNIGHT_NS):
        assert engine.next_due_ns == venue.engine.next_due_ns == time_ns
        assert engine.apply(AdvanceTime(), time_ns) == venue.do(AdvanceTime(), time_ns)
