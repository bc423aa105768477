"""Cancels: by id, by client order id, all at once, by an operator, and as an account closes."""

import pytest

from orderbook.core.commands import CancelAllOrders, CancelOrder, SetAccountStatus
from orderbook.core.events import (
    AccountStatusSet,
    BalanceChanged,
    OrderAccepted,
    OrderCanceled,
)
from orderbook.core.units import AccountStatus, CancelReason, InstrumentStatus
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FUNDS_MINOR,
    SELL,
    SYMBOL,
    Venue,
    instrument,
    limit,
)


def test_a_cancel_releases_what_the_order_held() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 7, client_order_id="a")
    assert venue.cancel(ALICE, 1) == [
        OrderCanceled(1, ALICE, SYMBOL, "a", 7, CancelReason.USER),
        BalanceChanged(ALICE, "USDT", FUNDS_MINOR, 0),
    ]
    assert venue.engine.depth(SYMBOL) == []


def test_a_cancel_after_a_partial_fill_releases_the_rest() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 7)
    venue.limit(BOB, BUY, 100, 3)
    assert venue.cancel(ALICE, 1)[0] == OrderCanceled(1, ALICE, SYMBOL, "", 4, CancelReason.USER)


def test_a_cancel_by_client_order_id() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 7, client_order_id="a")
    assert isinstance(venue.cancel(ALICE, client_order_id="a")[0], OrderCanceled)


def test_an_operators_cancel_says_so() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 7)
    venue.limit(ALICE, BUY, 100, 7)
    events = venue.story(CancelOrder(ALICE, 1, by_operator=True))
    events += venue.story(CancelAllOrders(ALICE, by_operator=True))
    assert [event.reason for event in events] == [CancelReason.OPERATOR] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_cancel_anywhere_in_a_queue_keeps_the_order_of_the_others(place: int) -> None:
    venue = Venue()
    for _ in range(4):
        venue.limit(ALICE, SELL, 100, 2)
    venue.cancel(ALICE, place + 1)
    makers = [
        event.maker_order_id  # type: ignore[union-attr]
        for event in venue.story(limit(BOB, BUY, 100, 6))[1:]
    ]
    assert makers == [number for number in (1, 2, 3, 4) if number != place + 1]


def test_cancel_all_goes_by_age_and_leaves_other_accounts_alone() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 1)
    venue.limit(BOB, BUY, 100, 1)
    venue.limit(ALICE, SELL, 110, 1)
    venue.limit(ALICE, BUY, 101, 1)
    events = venue.story(CancelAllOrders(ALICE))
    assert [event.order_id for event in events] == [1, 3, 4]  # type: ignore[union-attr]
    assert venue.engine.depth(SYMBOL) == [(BUY, 100, 1, 1)]


def test_cancel_all_in_one_symbol() -> None:
    venue = Venue()
    venue.do(instrument(symbol="BTC-2"))
    venue.limit(ALICE, BUY, 100, 1)
    venue.limit(ALICE, BUY, 100, 1, symbol="BTC-2")
    assert [event.symbol for event in venue.story(CancelAllOrders(ALICE, "BTC-2"))] == ["BTC-2"]  # type: ignore[union-attr]
    assert list(venue.engine.accounts[ALICE].orders) == [1]


def test_cancel_all_with_nothing_open_yields_nothing() -> None:
    assert Venue().cancel_all(ALICE) == []


def test_an_order_is_canceled_once() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 1)
    venue.cancel(ALICE, 1)
    assert not isinstance(venue.cancel(ALICE, 1)[0], OrderCanceled)


@pytest.mark.parametrize("status", [InstrumentStatus.HALTED, InstrumentStatus.CANCEL_ONLY])
def test_cancels_are_allowed_while_new_orders_are_not(status: InstrumentStatus) -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 1)
    venue.do(instrument(status=status))
    assert isinstance(venue.cancel(ALICE, 1)[0], OrderCanceled)


def test_closing_an_account_cancels_its_orders_first() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 1)
    venue.limit(ALICE, SELL, 110, 1)
    assert venue.close(ALICE) == [
        OrderCanceled(1, ALICE, SYMBOL, "", 1, CancelReason.ACCOUNT_CLOSED),
        OrderCanceled(2, ALICE, SYMBOL, "", 1, CancelReason.ACCOUNT_CLOSED),
        AccountStatusSet(ALICE, AccountStatus.CLOSED),
        BalanceChanged(ALICE, "BTC", FUNDS_MINOR, 0),
        BalanceChanged(ALICE, "USDT", FUNDS_MINOR, 0),
    ]


def test_an_account_that_is_opened_again_may_trade() -> None:
    venue = Venue()
    venue.close(ALICE)
    venue.do(SetAccountStatus(ALICE, AccountStatus.ACTIVE))
    assert isinstance(venue.limit(ALICE, BUY, 100, 1)[0], OrderAccepted)
