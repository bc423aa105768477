"""Cancels of many orders at once: by account, instrument and side, by owner or operator."""

import pytest

from orderbook.core.commands import CancelAllOrders, Command, Deposit
from orderbook.core.events import CancelRejected, OrderCanceled
from orderbook.core.rejects import RejectReason
from orderbook.core.units import CancelReason
from tests.unit.core.venue import ALICE, BOB, BUY, SELL, SYMBOL, Venue, instrument, limit

OTHER = "BTC-EUR"


@pytest.fixture
def venue() -> Venue:
    venue = Venue()
    venue.do(instrument(symbol=OTHER))
    commands: list[Command] = [
        limit(BOB, BUY, 100, 1),
        limit(ALICE, SELL, 110, 1),
        limit(BOB, SELL, 120, 1),
        limit(BOB, BUY, 90, 1, symbol=OTHER),
        limit(ALICE, BUY, 80, 1),
    ]
    for command in commands:
        venue.do(command)
    return venue


def canceled(venue: Venue, command: CancelAllOrders) -> list[tuple[int, CancelReason]]:
    events = venue.story(command)
    assert all(isinstance(event, OrderCanceled) for event in events)
    return [(event.order_id, event.reason) for event in events if isinstance(event, OrderCanceled)]


@pytest.mark.parametrize(
    ("command", "order_ids"),
    [
        (CancelAllOrders(BOB), [1, 3, 4]),
        (CancelAllOrders(BOB, SYMBOL), [1, 3]),
        (CancelAllOrders(BOB, side=BUY), [1, 4]),
        (CancelAllOrders(BOB, SYMBOL, side=SELL), [3]),
        (CancelAllOrders(BOB, OTHER, side=SELL), []),
    ],
)
def test_an_account_cancels_by_symbol_and_side(
    venue: Venue, command: CancelAllOrders, order_ids: list[int]
) -> None:
    user = CancelReason.USER
    assert canceled(venue, command) == [(order_id, user) for order_id in order_ids]


def test_an_operator_cancels_everybodys_orders_in_one_symbol_by_age(venue: Venue) -> None:
    operator = CancelReason.OPERATOR
    command = CancelAllOrders(0, SYMBOL, by_operator=True, side=BUY)
    assert canceled(venue, command) == [(1, operator), (5, operator)]
    command = CancelAllOrders(0, SYMBOL, by_operator=True)
    assert canceled(venue, command) == [(2, operator), (3, operator)]
    assert list(venue.engine.accounts[BOB].orders) == [4]


def test_an_operator_cancels_an_accounts_orders(venue: Venue) -> None:
    operator = CancelReason.OPERATOR
    assert canceled(venue, CancelAllOrders(BOB, OTHER, by_operator=True)) == [(4, operator)]


def test_a_lost_connection_is_the_reason_that_it_gives(venue: Venue) -> None:
    lost = CancelReason.DISCONNECTED
    command = CancelAllOrders(BOB, SYMBOL, on_disconnect=True)
    assert canceled(venue, command) == [(1, lost), (3, lost)]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (CancelAllOrders(BOB, "NO-SUCH"), RejectReason.UNKNOWN_SYMBOL),
        (CancelAllOrders(0, by_operator=True), RejectReason.UNKNOWN_SYMBOL),
        (CancelAllOrders(0, "NO-SUCH", by_operator=True), RejectReason.UNKNOWN_SYMBOL),
        (CancelAllOrders(99, SYMBOL), RejectReason.UNKNOWN_ACCOUNT),
        (CancelAllOrders(99, by_operator=True), RejectReason.UNKNOWN_ACCOUNT),
    ],
)
def test_a_mass_cancel_of_nothing_known_is_refused(
    venue: Venue, command: CancelAllOrders, reason: RejectReason
) -> None:
    assert venue.do(command) == [CancelRejected(command.account_id, 0, "", reason)]


def test_account_0_is_nobodys_without_an_operator(venue: Venue) -> None:
    assert venue.do(CancelAllOrders(0, SYMBOL)) == []


def test_a_mass_cancel_releases_what_the_orders_held(venue: Venue) -> None:
    venue.do(CancelAllOrders(BOB))
    assert venue.balance(BOB, "BTC")[1] == venue.balance(BOB, "USDT")[1] == 0
    assert venue.do(Deposit(BOB, "BTC", 1, ""))
