"""Amends: what keeps an order's place, what sends it to the back, what trades, what is refused."""

import pytest

from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    Deposit,
    PlaceOrder,
    PlaceOrderList,
    Withdraw,
)
from orderbook.core.events import (
    AmendRejected,
    BatchExecuted,
    IcebergRefreshed,
    OrderAmended,
    OrderCanceled,
    Trade,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    CancelReason,
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FUNDS_MINOR,
    GTC,
    LIMIT,
    LOT_MINOR,
    MAX_LOTS,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
)

R = RejectReason


def queue(venue: Venue, side: Side = SELL) -> list[tuple[int, int, int]]:
    """(price, order id, shown lots), in matching order."""
    book = venue.engine.books[SYMBOL]
    return [
        (level.price_ticks, order.order_id, order.remaining_lots)
        for level in (book.bids if side is BUY else book.asks)
        for order in level
    ]


def special(
    account_id: int,
    side: Side,
    price_ticks: int,
    lots: int,
    type: OrderType = LIMIT,
    **options: object,
) -> PlaceOrder:
    return PlaceOrder(
        account_id,
        SYMBOL,
        side,
        type,
        GTC,
        price_ticks,
        lots,
        "",
        OrderOptions(**options),  # type: ignore[arg-type]
    )


@pytest.fixture
def venue() -> Venue:
    """Two asks of Alice's at 100: 1 of 10 lots, then 2 of 10 lots."""
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 10, client_order_id="a")
    venue.limit(ALICE, SELL, 100, 10)
    return venue


def test_a_smaller_quantity_keeps_the_place_in_the_queue(venue: Venue) -> None:
    assert venue.story(AmendOrder(ALICE, 1, quantity_lots=4)) == [
        OrderAmended(1, ALICE, SYMBOL, "a", 100, 4, 4, 0, True)
    ]
    assert queue(venue) == [(100, 1, 4), (100, 2, 10)]
    assert venue.balance(ALICE, "BTC")[1] == 14 * LOT_MINOR


def test_a_larger_quantity_goes_to_the_back_of_the_queue(venue: Venue) -> None:
    assert venue.story(AmendOrder(ALICE, 0, "a", quantity_lots=11)) == [
        OrderAmended(1, ALICE, SYMBOL, "a", 100, 11, 11, 0, False)
    ]
    assert queue(venue) == [(100, 2, 10), (100, 1, 11)]
    assert list(venue.engine.accounts[ALICE].orders) == [1, 2]
    assert venue.balance(ALICE, "BTC")[1] == 21 * LOT_MINOR


def test_a_new_price_goes_to_the_back_of_its_queue_even_with_a_smaller_quantity(
    venue: Venue,
) -> None:
    venue.limit(BOB, SELL, 101, 1)
    venue.do(AmendOrder(ALICE, 1, price_ticks=101, quantity_lots=3))
    assert queue(venue) == [(100, 2, 10), (101, 3, 1), (101, 1, 3)]


def test_the_queue_after_an_amend_survives_a_snapshot(venue: Venue) -> None:
    venue.do(AmendOrder(ALICE, 1, quantity_lots=11))
    restored = restore(snapshot(venue.engine))
    assert state_hash(restored) == state_hash(venue.engine)
    trades = [
        event
        for event in restored.apply(limit(BOB, BUY, 100, 12), venue.time_ns)
        if isinstance(event, Trade)
    ]
    assert [(trade.maker_order_id, trade.quantity_lots) for trade in trades] == [(2, 10), (1, 2)]


def test_the_quantity_counts_what_is_filled(venue: Venue) -> None:
    venue.limit(BOB, BUY, 100, 6)
    assert venue.story(AmendOrder(ALICE, 1, quantity_lots=8)) == [
        OrderAmended(1, ALICE, SYMBOL, "a", 100, 8, 2, 0, True)
    ]
    (refused,) = venue.do(AmendOrder(ALICE, 1, quantity_lots=6))
    assert refused == AmendRejected(ALICE, 1, "", R.QUANTITY_BELOW_FILLED)
    venue.do(AmendOrder(ALICE, 1, quantity_lots=20))
    assert queue(venue) == [(100, 2, 10), (100, 1, 14)]


def test_an_amend_that_crosses_trades_at_the_resting_price_and_rests_the_remainder(
    venue: Venue,
) -> None:
    venue.limit(BOB, BUY, 95, 4)
    amended, trade = venue.story(AmendOrder(ALICE, 1, price_ticks=90))
    assert amended == OrderAmended(1, ALICE, SYMBOL, "a", 90, 10, 10, 0, False)
    assert isinstance(trade, Trade)
    assert (trade.taker_order_id, trade.price_ticks, trade.quantity_lots) == (1, 95, 4)
    assert queue(venue) == [(90, 1, 6), (100, 2, 10)]
    assert list(venue.engine.accounts[ALICE].orders) == [1, 2]


def test_an_amend_that_fills_the_order_ends_it(venue: Venue) -> None:
    venue.limit(BOB, BUY, 95, 10)
    venue.do(AmendOrder(ALICE, 1, price_ticks=95))
    assert list(venue.engine.accounts[ALICE].orders) == [2]
    (again,) = venue.do(limit(ALICE, SELL, 100, 1, client_order_id="a"))
    assert again.reason is R.DUPLICATE_CLIENT_ORDER_ID  # type: ignore[union-attr]


def test_an_amend_that_meets_an_own_order_obeys_self_trade_prevention(venue: Venue) -> None:
    venue.do(special(ALICE, BUY, 90, 5))
    newest = SelfTradePrevention.CANCEL_NEWEST
    venue.do(special(ALICE, SELL, 110, 5, self_trade=newest))
    events = venue.story(AmendOrder(ALICE, 4, price_ticks=90))
    assert events[-1] == OrderCanceled(4, ALICE, SYMBOL, "", 5, CancelReason.SELF_TRADE)
    assert 4 not in venue.engine.accounts[ALICE].orders


def test_a_buy_needs_only_the_difference_to_be_available() -> None:
    venue = Venue()
    lots = FUNDS_MINOR // (1_000 * TICK_LOT_MINOR * 1_000)
    venue.do(instrument(max_quantity_lots=10**9))
    venue.limit(BOB, BUY, 1_000, lots * 600)
    assert venue.balance(BOB, "USDT")[0] == FUNDS_MINOR * 4 // 10
    (refused,) = venue.do(AmendOrder(BOB, 1, quantity_lots=lots * 1_000 + 1))
    assert refused == AmendRejected(BOB, 1, "", R.INSUFFICIENT_BALANCE)
    venue.do(AmendOrder(BOB, 1, quantity_lots=lots * 1_000))
    assert venue.balance(BOB, "USDT") == (0, FUNDS_MINOR)
    (refused,) = venue.do(AmendOrder(BOB, 1, price_ticks=1_001))
    assert refused == AmendRejected(BOB, 1, "", R.INSUFFICIENT_BALANCE)
    venue.do(AmendOrder(BOB, 1, price_ticks=500))
    assert venue.balance(BOB, "USDT") == (FUNDS_MINOR // 2, FUNDS_MINOR // 2)


def test_what_is_filled_already_needs_no_money() -> None:
    venue = Venue()
    venue.do(instrument(max_quantity_lots=10**9))
    half = FUNDS_MINOR // (2 * 100 * TICK_LOT_MINOR)
    venue.limit(ALICE, SELL, 100, half)
    venue.limit(BOB, BUY, 100, 2 * half)
    assert venue.balance(BOB, "USDT") == (0, FUNDS_MINOR // 2)
    (refused,) = venue.do(AmendOrder(BOB, 2, price_ticks=101))
    assert refused == AmendRejected(BOB, 2, "", R.INSUFFICIENT_BALANCE)
    venue.do(AmendOrder(BOB, 2, price_ticks=99))
    assert queue(venue, BUY) == [(99, 2, half)]


@pytest.mark.usefixtures("venue")
@pytest.mark.parametrize(
    ("amend", "reason"),
    [
        (AmendOrder(99, 1, quantity_lots=1), R.UNKNOWN_ACCOUNT),
        (AmendOrder(BOB, 1, quantity_lots=1), R.UNKNOWN_ORDER),
        (AmendOrder(ALICE, 0, "b", quantity_lots=1), R.UNKNOWN_ORDER),
        (AmendOrder(ALICE, 1), R.INVALID_ORDER),
        (AmendOrder(ALICE, 1, "", 100, 10), R.INVALID_ORDER),
        (AmendOrder(ALICE, 1, stop_ticks=90), R.AMEND_NOT_ALLOWED),
        (AmendOrder(ALICE, 1, price_ticks=-1), R.INVALID_PRICE),
        (AmendOrder(ALICE, 1, quantity_lots=-1), R.INVALID_QUANTITY),
        (AmendOrder(ALICE, 1, quantity_lots=MAX_LOTS + 1), R.QUANTITY_TOO_LARGE),
        (AmendOrder(ALICE, 1, price_ticks=10**12, quantity_lots=MAX_LOTS), R.NOTIONAL_TOO_LARGE),
    ],
)
def test_a_refused_amend_has_its_reason_and_changes_nothing(
    venue: Venue, amend: AmendOrder, reason: RejectReason
) -> None:
    before = state_hash(venue.engine)
    events = venue.engine.apply(amend, venue.time_ns)
    assert events == [
        AmendRejected(amend.account_id, amend.order_id, amend.client_order_id, reason)
    ]
    assert state_hash(venue.engine) == before


def test_a_smaller_quantity_must_still_be_worth_the_minimum(venue: Venue) -> None:
    venue.do(instrument(min_notional_minor=100 * 5 * TICK_LOT_MINOR))
    (refused,) = venue.do(AmendOrder(ALICE, 1, quantity_lots=4))
    assert refused == AmendRejected(ALICE, 1, "", R.NOTIONAL_TOO_SMALL)


def test_an_amend_at_the_limit_of_open_orders_is_none_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbook.core.accounts.MAX_OPEN_ORDERS", 1)
    venue = Venue()
    venue.limit(BOB, BUY, 100, 1)
    assert isinstance(venue.do(AmendOrder(BOB, 1, price_ticks=101))[0], OrderAmended)


def test_an_amend_that_would_trade_is_refused_where_post_only_rejects(venue: Venue) -> None:
    venue.do(special(BOB, BUY, 90, 5, post_only=PostOnly.REJECT))
    (refused,) = venue.do(AmendOrder(BOB, 3, price_ticks=100))
    assert refused == AmendRejected(BOB, 3, "", R.POST_ONLY_WOULD_TRADE)
    assert queue(venue, BUY) == [(90, 3, 5)]


def test_an_amend_that_would_trade_is_moved_where_post_only_reprices(venue: Venue) -> None:
    venue.do(special(BOB, BUY, 90, 5, post_only=PostOnly.REPRICE))
    assert venue.story(AmendOrder(BOB, 3, price_ticks=105)) == [
        OrderAmended(3, BOB, SYMBOL, "", 105, 5, 5, 0, False),
        OrderAmended(3, BOB, SYMBOL, "", 99, 5, 5, 0, False),
    ]
    assert queue(venue, BUY) == [(99, 3, 5)]


def test_what_is_filled_pays_nothing_for_the_rest_of_one_that_is_moved(venue: Venue) -> None:
    venue.do(special(BOB, BUY, 50, 10, post_only=PostOnly.REPRICE))
    venue.limit(ALICE, SELL, 50, 9)
    venue.do(Withdraw(BOB, "USDT", venue.balance(BOB, "USDT")[0] - 48 * TICK_LOT_MINOR, ""))
    (refused,) = venue.do(AmendOrder(BOB, 3, price_ticks=10_000))
    assert refused == AmendRejected(BOB, 3, "", R.INSUFFICIENT_BALANCE)
    venue.do(Deposit(BOB, "USDT", TICK_LOT_MINOR, ""))
    venue.do(AmendOrder(BOB, 3, price_ticks=10_000))
    assert queue(venue, BUY) == [(99, 3, 1)]
    assert venue.balance(BOB, "USDT") == (0, 99 * TICK_LOT_MINOR)


def test_an_iceberg_shrinks_where_it_does_not_show_first() -> None:
    venue = Venue()
    venue.do(special(ALICE, SELL, 100, 10, display_lots=4))
    venue.limit(BOB, SELL, 100, 1)
    venue.do(AmendOrder(ALICE, 1, quantity_lots=5))
    assert queue(venue) == [(100, 1, 4), (100, 2, 1)]
    assert venue.engine.books[SYMBOL].asks.levels[100].reserve_lots == 1
    venue.do(AmendOrder(ALICE, 1, quantity_lots=3))
    assert queue(venue) == [(100, 1, 3), (100, 2, 1)]
    assert venue.balance(ALICE, "BTC")[1] == 3 * LOT_MINOR


def test_an_iceberg_that_grows_shows_its_part_again_at_the_back() -> None:
    venue = Venue()
    venue.do(special(ALICE, SELL, 100, 10, display_lots=4))
    venue.limit(BOB, SELL, 100, 1)
    venue.limit(CAROL, BUY, 100, 3)
    assert venue.story(AmendOrder(ALICE, 1, quantity_lots=12)) == [
        OrderAmended(1, ALICE, SYMBOL, "", 100, 12, 9, 0, False)
    ]
    assert queue(venue) == [(100, 2, 1), (100, 1, 4)]
    events = venue.story(limit(CAROL, BUY, 100, 10))
    assert [type(event) for event in events].count(IcebergRefreshed) == 2
    assert queue(venue) == []


class TestWaiting:
    """Orders that wait for their stop price. The last trade was at 100."""

    @pytest.fixture
    def venue(self) -> Venue:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 1)
        venue.limit(BOB, BUY, 100, 1)
        return venue

    def test_price_quantity_and_stop_change_what_is_held(self, venue: Venue) -> None:
        venue.do(special(BOB, BUY, 110, 10, OrderType.STOP_LIMIT, stop_ticks=105))
        before = venue.balance(BOB, "USDT")[0]
        assert venue.story(AmendOrder(BOB, 3, "", 120, 20, 115)) == [
            OrderAmended(3, BOB, SYMBOL, "", 120, 20, 20, 115, True)
        ]
        more_minor = (120 * 20 - 110 * 10) * TICK_LOT_MINOR
        assert venue.balance(BOB, "USDT")[0] == before - more_minor
        venue.do(AmendOrder(BOB, 3, quantity_lots=1))
        assert venue.balance(BOB, "USDT")[1] == 120 * TICK_LOT_MINOR

    def test_a_stop_may_not_move_to_where_it_would_be_set_off(self, venue: Venue) -> None:
        venue.do(special(BOB, BUY, 110, 10, OrderType.STOP_LIMIT, stop_ticks=105))
        (refused,) = venue.do(AmendOrder(BOB, 3, stop_ticks=100))
        assert refused == AmendRejected(BOB, 3, "", R.STOP_WOULD_TRIGGER)

    def test_a_stop_market_order_without_protection_gets_no_price(self, venue: Venue) -> None:
        venue.do(special(BOB, SELL, 0, 10, OrderType.STOP_MARKET, stop_ticks=95))
        (refused,) = venue.do(AmendOrder(BOB, 3, price_ticks=90))
        assert refused == AmendRejected(BOB, 3, "", R.AMEND_NOT_ALLOWED)
        assert venue.story(AmendOrder(BOB, 3, stop_ticks=94)) == [
            OrderAmended(3, BOB, SYMBOL, "", 0, 10, 10, 94, True)
        ]

    def test_a_trailing_stop_keeps_its_stop(self, venue: Venue) -> None:
        venue.do(special(BOB, SELL, 0, 10, OrderType.TRAILING_STOP, trail_ticks=5))
        (refused,) = venue.do(AmendOrder(BOB, 3, stop_ticks=94))
        assert refused == AmendRejected(BOB, 3, "", R.AMEND_NOT_ALLOWED)
        assert venue.story(AmendOrder(BOB, 3, quantity_lots=4)) == [
            OrderAmended(3, BOB, SYMBOL, "", 0, 4, 4, 95, True)
        ]
        assert venue.balance(BOB, "BTC")[1] == 4 * LOT_MINOR

    def test_what_was_set_off_is_amended_as_a_limit_order(self, venue: Venue) -> None:
        venue.do(special(BOB, BUY, 110, 10, OrderType.STOP_LIMIT, stop_ticks=105))
        venue.limit(ALICE, SELL, 106, 1)
        venue.limit(CAROL, BUY, 106, 1)
        assert queue(venue, BUY) == [(110, 3, 10)]
        (refused,) = venue.do(AmendOrder(BOB, 3, stop_ticks=120))
        assert refused == AmendRejected(BOB, 3, "", R.AMEND_NOT_ALLOWED)
        venue.do(AmendOrder(BOB, 3, price_ticks=104))
        assert queue(venue, BUY) == [(104, 3, 10)]


def test_a_gtd_order_keeps_its_end(venue: Venue) -> None:
    options = OrderOptions(expire_time_ns=10**9)
    gtd = PlaceOrder(BOB, SYMBOL, BUY, LIMIT, TimeInForce.GTD, 90, 5, "", options)
    venue.do(gtd)
    venue.do(AmendOrder(BOB, 3, price_ticks=91))
    assert queue(venue, BUY) == [(91, 3, 5)]
    assert venue.story(AdvanceTime(), 10**9) == [
        OrderCanceled(3, BOB, SYMBOL, "", 5, CancelReason.EXPIRED)
    ]


def test_of_an_oco_only_the_stop_price_may_be_amended(venue: Venue) -> None:
    venue.limit(BOB, BUY, 100, 1)
    legs = (
        limit(BOB, SELL, 120, 5),
        special(BOB, SELL, 0, 5, OrderType.STOP_MARKET, stop_ticks=80),
    )
    venue.do(PlaceOrderList(OrderListKind.OCO, legs))
    for amend in (AmendOrder(BOB, 4, price_ticks=121), AmendOrder(BOB, 5, quantity_lots=4)):
        (refused,) = venue.do(amend)
        assert refused == AmendRejected(BOB, amend.order_id, "", R.AMEND_NOT_ALLOWED)
    assert venue.story(AmendOrder(BOB, 5, stop_ticks=85)) == [
        OrderAmended(5, BOB, SYMBOL, "", 0, 5, 5, 85, True)
    ]
    assert venue.balance(BOB, "BTC")[1] == 5 * LOT_MINOR


def test_a_batch_may_amend(venue: Venue) -> None:
    commands = (AmendOrder(ALICE, 1, price_ticks=101), AmendOrder(ALICE, 9, price_ticks=101))
    executed, amended, refused = venue.story(Batch(ALICE, commands))
    assert executed == BatchExecuted(ALICE, (1, 1))
    assert isinstance(amended, OrderAmended)
    assert refused == AmendRejected(ALICE, 9, "", R.UNKNOWN_ORDER)
