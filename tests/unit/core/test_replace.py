"""Atomic cancel-replace: both happen or neither does."""

import pytest
from msgspec.structs import replace

from orderbook.core.commands import ReplaceOrder, SetAccountStatus
from orderbook.core.events import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    Trade,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.units import AccountStatus, CancelReason, PostOnly, TimeInForce
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FUNDS_MINOR,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
)

R = RejectReason
OTHER = "BTC-EUR"


@pytest.fixture
def venue() -> Venue:
    """Bob bids 100 for 10 lots: order 1."""
    venue = Venue()
    venue.limit(BOB, BUY, 100, 10, client_order_id="old")
    return venue


@pytest.mark.parametrize("by_client_order_id", [False, True])
def test_the_cancel_comes_first_then_the_new_order(venue: Venue, by_client_order_id: bool) -> None:
    new = limit(BOB, BUY, 99, 5, client_order_id="new")
    command = ReplaceOrder(0, new, "old") if by_client_order_id else ReplaceOrder(1, new)
    canceled, accepted = venue.story(command)
    assert canceled == OrderCanceled(1, BOB, SYMBOL, "old", 10, CancelReason.REPLACED)
    assert isinstance(accepted, OrderAccepted)
    assert (accepted.order_id, accepted.client_order_id) == (2, "new")
    assert list(venue.engine.accounts[BOB].orders) == [2]


def test_the_new_order_may_trade(venue: Venue) -> None:
    venue.limit(ALICE, SELL, 101, 3)
    *_, trade = venue.story(ReplaceOrder(1, limit(BOB, BUY, 101, 10)))
    assert isinstance(trade, Trade)
    assert (trade.taker_order_id, trade.quantity_lots) == (3, 3)


def test_the_new_order_may_be_of_any_kind(venue: Venue) -> None:
    venue.do(ReplaceOrder(1, limit(BOB, BUY, 99, 5, TimeInForce.DAY)))
    assert venue.engine.accounts[BOB].orders[2].special is not None


def test_what_the_cancel_releases_pays_for_the_new_order() -> None:
    venue = Venue()
    venue.do(instrument(max_quantity_lots=10**10))
    lots = FUNDS_MINOR // (100 * TICK_LOT_MINOR)
    venue.limit(BOB, BUY, 100, lots)
    (refused,) = venue.do(ReplaceOrder(1, limit(BOB, BUY, 100, lots + 1)))
    assert refused == OrderRejected(BOB, SYMBOL, "", R.INSUFFICIENT_BALANCE)
    venue.do(ReplaceOrder(1, limit(BOB, BUY, 50, 2 * lots)))
    assert venue.balance(BOB, "USDT") == (0, FUNDS_MINOR)


def test_the_place_of_the_old_order_is_free_for_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderbook.core.accounts.MAX_OPEN_ORDERS", 1)
    venue = Venue()
    venue.limit(BOB, BUY, 100, 10)
    assert len(venue.story(ReplaceOrder(1, limit(BOB, BUY, 99, 10)))) == 2
    assert venue.limit(BOB, BUY, 1, 1)[0].reason is R.TOO_MANY_OPEN_ORDERS  # type: ignore[union-attr]


NEW = limit(BOB, BUY, 99, 5, client_order_id="new")


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (
            ReplaceOrder(1, limit(99, BUY, 99, 5)),
            CancelRejected(99, 1, "", R.UNKNOWN_ACCOUNT),
        ),
        (ReplaceOrder(7, NEW), CancelRejected(BOB, 7, "", R.UNKNOWN_ORDER)),
        (ReplaceOrder(0, NEW, "none"), CancelRejected(BOB, 0, "none", R.UNKNOWN_ORDER)),
        (
            ReplaceOrder(1, limit(ALICE, BUY, 99, 5)),
            CancelRejected(ALICE, 1, "", R.UNKNOWN_ORDER),
        ),
        (
            ReplaceOrder(1, limit(BOB, BUY, 99, 5, client_order_id="old")),
            OrderRejected(BOB, SYMBOL, "old", R.DUPLICATE_CLIENT_ORDER_ID),
        ),
        (
            ReplaceOrder(1, limit(BOB, SELL, 110, 5)),
            OrderRejected(BOB, SYMBOL, "", R.INVALID_ORDER),
        ),
        (
            ReplaceOrder(1, limit(BOB, BUY, 99, 5, symbol=OTHER)),
            OrderRejected(BOB, OTHER, "", R.INVALID_ORDER),
        ),
        (
            ReplaceOrder(1, limit(BOB, BUY, 99, 5, symbol="NO-SUCH")),
            OrderRejected(BOB, "NO-SUCH", "", R.UNKNOWN_SYMBOL),
        ),
        (
            ReplaceOrder(1, limit(BOB, BUY, 99, 0)),
            OrderRejected(BOB, SYMBOL, "", R.INVALID_QUANTITY),
        ),
    ],
)
def test_if_either_is_refused_nothing_happens(
    venue: Venue, command: ReplaceOrder, event: CancelRejected | OrderRejected
) -> None:
    venue.do(instrument(symbol=OTHER))
    before = state_hash(venue.engine)
    assert venue.engine.apply(command, venue.time_ns) == [event]
    assert state_hash(venue.engine) == before


def test_a_post_only_order_that_would_trade_leaves_the_old_one_in_the_book(venue: Venue) -> None:
    venue.limit(ALICE, SELL, 105, 1)
    new = limit(BOB, BUY, 105, 5)
    options = OrderOptions(post_only=PostOnly.REJECT)
    (refused,) = venue.do(ReplaceOrder(1, replace(new, options=options)))
    assert refused == OrderRejected(BOB, SYMBOL, "", R.POST_ONLY_WOULD_TRADE)
    assert list(venue.engine.accounts[BOB].orders) == [1]


def test_a_closed_account_has_nothing_to_replace(venue: Venue) -> None:
    venue.do(SetAccountStatus(BOB, AccountStatus.CLOSED))
    assert venue.do(ReplaceOrder(1, NEW)) == [CancelRejected(BOB, 1, "", R.UNKNOWN_ORDER)]
