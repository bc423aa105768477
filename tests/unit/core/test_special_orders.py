"""Post-only, icebergs, market orders with a protection price or by quote amount, and the order in
which what an order asks for is checked."""

import pytest

from orderbook.core.commands import Command, Deposit, PlaceOrder, SetAccountStatus, Withdraw
from orderbook.core.events import (
    IcebergRefreshed,
    OrderAccepted,
    OrderAmended,
    OrderRejected,
)
from orderbook.core.liquidity import fills_whole
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.units import (
    MAX_PRICE_TICKS,
    MAX_SUPPLY_MINOR,
    MAX_TIME_NS,
    AccountStatus,
    CancelReason,
    PostOnly,
    SelfTradePrevention,
    Side,
)
from tests.unit.core.special_orders import (
    DAY,
    GTD,
    STOP_LIMIT,
    STOP_MARKET,
    TAKE_MARKET,
    TRAILING,
    canceled,
    order,
    stop,
    traded_venue,
    trades,
    trailing,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FOK,
    FUNDS_MINOR,
    GTC,
    IOC,
    LIMIT,
    LOT_MINOR,
    MARKET,
    MAX_LOTS,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
    market,
)

R = RejectReason
REJECT, REPRICE = PostOnly.REJECT, PostOnly.REPRICE
OLDEST = SelfTradePrevention.CANCEL_OLDEST


def refusal(venue: Venue, command: Command) -> RejectReason | None:
    """Why the command is refused, or None; a refusal changes nothing."""
    before = state_hash(venue.engine)
    venue.time_ns -= 1
    event = venue.do(command)[0]
    if not isinstance(event, OrderRejected):
        return None
    assert state_hash(venue.engine) == before
    return event.reason


class TestPostOnly:
    @pytest.mark.parametrize(("side", "other", "price_ticks"), [(BUY, SELL, 101), (SELL, BUY, 99)])
    def test_reject_refuses_what_would_trade(
        self, side: Side, other: Side, price_ticks: int
    ) -> None:
        venue = Venue()
        venue.limit(ALICE, other, 100, 1)
        for ticks in (price_ticks, 100):
            command = order(BOB, side, LIMIT, ticks, 1, post_only=REJECT)
            assert refusal(venue, command) is R.POST_ONLY_WOULD_TRADE
        one_off = 99 if side is BUY else 101
        assert refusal(venue, order(BOB, side, LIMIT, one_off, 1, post_only=REJECT)) is None

    @pytest.mark.parametrize(("side", "other", "ticks"), [(BUY, SELL, 99), (SELL, BUY, 101)])
    def test_reprice_moves_it_to_one_tick_from_the_other_side(
        self, side: Side, other: Side, ticks: int
    ) -> None:
        venue = Venue()
        venue.limit(ALICE, other, 100, 1)
        worse = 103 if side is BUY else 97
        events = venue.story(order(BOB, side, LIMIT, worse, 2, post_only=REPRICE))
        assert events[1:] == [OrderAmended(2, BOB, SYMBOL, "", ticks, 2, 2, 0, kept_priority=False)]
        assert (side, ticks, 2, 1) in venue.engine.depth(SYMBOL)

    def test_reprice_leaves_alone_what_would_not_trade(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 1)
        events = venue.story(order(BOB, BUY, LIMIT, 98, 2, post_only=REPRICE))
        assert [type(event) for event in events] == [OrderAccepted]

    @pytest.mark.parametrize(
        ("side", "other", "ticks"), [(BUY, SELL, 1), (SELL, BUY, MAX_PRICE_TICKS)]
    )
    def test_reprice_is_refused_where_no_price_is_left(
        self, side: Side, other: Side, ticks: int
    ) -> None:
        venue = Venue()
        venue.do(Deposit(ALICE, "USDT", MAX_PRICE_TICKS * TICK_LOT_MINOR, ""))
        venue.limit(ALICE, other, ticks, 1)
        command = order(BOB, side, LIMIT, ticks, 1, post_only=REPRICE)
        assert refusal(venue, command) is R.POST_ONLY_WOULD_TRADE

    @pytest.mark.parametrize("time_in_force", [IOC, FOK])
    @pytest.mark.parametrize("options", [{"post_only": REJECT}, {"display_lots": 1}])
    def test_it_is_one_that_may_rest(self, time_in_force: object, options: dict) -> None:  # type: ignore[type-arg]
        command = order(BOB, BUY, LIMIT, 5, 1, time_in_force, **options)  # type: ignore[arg-type]
        assert refusal(Venue(), command) is R.INVALID_TIME_IN_FORCE


class TestIceberg:
    def test_only_a_part_shows_and_all_of_it_is_held(self) -> None:
        venue = Venue()
        venue.do(order(ALICE, SELL, LIMIT, 100, 10, display_lots=3))
        assert venue.engine.depth(SYMBOL) == [(SELL, 100, 3, 1)]
        assert venue.balance(ALICE, "BTC")[1] == 10 * LOT_MINOR

    def test_a_filled_part_is_followed_by_the_next_at_the_back(self) -> None:
        venue = Venue()
        venue.do(order(ALICE, SELL, LIMIT, 100, 7, display_lots=3))
        venue.limit(CAROL, SELL, 100, 4)
        events = venue.story(limit(BOB, BUY, 100, 4))
        assert trades(events) == [(1, 3, 100, 3), (2, 3, 100, 1)]
        assert IcebergRefreshed(1, ALICE, SYMBOL, 3) in events
        events = venue.story(limit(BOB, BUY, 100, 7))
        assert trades(events) == [(2, 4, 100, 3), (1, 4, 100, 3), (1, 4, 100, 1)]
        assert IcebergRefreshed(1, ALICE, SYMBOL, 1) in events
        assert venue.engine.depth(SYMBOL) == []

    def test_a_part_filled_in_part_keeps_its_place(self) -> None:
        venue = Venue()
        venue.do(order(ALICE, SELL, LIMIT, 100, 7, display_lots=3))
        venue.limit(CAROL, SELL, 100, 4)
        venue.limit(BOB, BUY, 100, 2)
        assert trades(venue.story(limit(BOB, BUY, 100, 2))) == [(1, 4, 100, 1), (2, 4, 100, 1)]

    def test_it_takes_with_all_of_it_and_shows_a_part_of_the_rest(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 5)
        events = venue.story(order(BOB, BUY, LIMIT, 100, 12, display_lots=4))
        assert trades(events) == [(1, 2, 100, 5)]
        assert venue.engine.depth(SYMBOL) == [(BUY, 100, 4, 1)]
        assert venue.balance(BOB, "USDT")[1] == 7 * 100 * TICK_LOT_MINOR

    def test_a_rest_no_larger_than_the_display_shows_whole(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 9)
        venue.do(order(BOB, BUY, LIMIT, 100, 12, display_lots=4))
        assert venue.engine.depth(SYMBOL) == [(BUY, 100, 3, 1)]

    @pytest.mark.parametrize(
        ("display_lots", "reason"),
        [
            (-1, R.INVALID_DISPLAY_QUANTITY),
            (0, None),
            (1, R.INVALID_DISPLAY_QUANTITY),
            (2, None),
            (200, None),
            (201, R.INVALID_DISPLAY_QUANTITY),
        ],
    )
    def test_it_shows_a_hundredth_at_least_and_no_more_than_there_is(
        self, display_lots: int, reason: RejectReason | None
    ) -> None:
        command = order(BOB, BUY, LIMIT, 5, 200, display_lots=display_lots)
        assert refusal(Venue(), command) is reason

    def test_its_reserve_counts_for_what_a_market_order_costs(self) -> None:
        venue = Venue()
        venue.do(order(ALICE, SELL, LIMIT, 100, 10, display_lots=1))
        venue.do(Withdraw(BOB, "USDT", FUNDS_MINOR - 100 * 10 * TICK_LOT_MINOR + 1, ""))
        assert refusal(venue, market(BOB, BUY, 10)) is R.INSUFFICIENT_BALANCE
        assert refusal(venue, market(BOB, BUY, 9)) is None


class TestProtectionPrice:
    @pytest.mark.parametrize("options", [{}, {"self_trade": SelfTradePrevention.NONE}])
    def test_a_market_order_trades_no_worse(self, options: dict) -> None:  # type: ignore[type-arg]
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        venue.limit(ALICE, SELL, 101, 2)
        events = venue.story(order(BOB, BUY, MARKET, 100, 5, **options))
        assert trades(events) == [(1, 3, 100, 2)]
        assert canceled(events) == [(3, CancelReason.MARKET_REMAINDER)]

    def test_it_needs_no_more_than_what_it_can_trade(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        venue.limit(ALICE, SELL, 10_000, 50)
        venue.do(Withdraw(BOB, "USDT", FUNDS_MINOR - 2 * 100 * TICK_LOT_MINOR, ""))
        assert refusal(venue, market(BOB, BUY, 5)) is R.INSUFFICIENT_BALANCE
        assert refusal(venue, market(BOB, BUY, 5, price_ticks=100)) is None

    def test_without_an_order_within_it_there_is_no_liquidity(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        assert refusal(venue, market(BOB, BUY, 5, price_ticks=99)) is R.NO_LIQUIDITY

    @pytest.mark.parametrize("price_ticks", [-1, MAX_PRICE_TICKS + 1])
    def test_it_is_a_price(self, price_ticks: int) -> None:
        assert refusal(Venue(), market(BOB, BUY, 5, price_ticks=price_ticks)) is R.INVALID_PRICE
        command = order(BOB, BUY, MARKET, price_ticks, 5)
        assert refusal(Venue(), command) is R.INVALID_PRICE


def by_amount(side: Side, quote_minor: int, price_ticks: int = 0, **options: object):  # type: ignore[no-untyped-def]
    return order(BOB, side, MARKET, price_ticks, 0, quote_minor=quote_minor, **options)


class TestQuoteAmount:
    def test_a_buy_spends_no_more(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        venue.limit(ALICE, SELL, 110, 5)
        amount_minor = 100 * 2 * TICK_LOT_MINOR + 110 * 3 * TICK_LOT_MINOR - 1
        events = venue.story(by_amount(BUY, amount_minor))
        accepted = events[0]
        assert isinstance(accepted, OrderAccepted)
        assert accepted.quantity_lots == 4
        assert trades(events) == [(1, 3, 100, 2), (2, 3, 110, 2)]
        assert canceled(events) == []

    def test_a_sell_receives_no_more(self) -> None:
        venue = Venue()
        venue.limit(ALICE, BUY, 110, 2)
        venue.limit(ALICE, BUY, 100, 5)
        events = venue.story(by_amount(SELL, (220 + 100) * TICK_LOT_MINOR))
        assert trades(events) == [(1, 3, 110, 2), (2, 3, 100, 1)]

    def test_it_keeps_its_protection_price(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        venue.limit(ALICE, SELL, 110, 5)
        assert trades(venue.story(by_amount(BUY, 10**6, 105))) == [(1, 3, 100, 2)]

    def test_what_the_book_does_not_have_is_not_bought(self) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        events = venue.story(by_amount(BUY, 10**9))
        assert trades(events) == [(1, 2, 100, 2)]

    @pytest.mark.parametrize("rule", [SelfTradePrevention.NONE, *SelfTradePrevention])
    def test_own_orders_make_it_spend_no_more(self, rule: SelfTradePrevention) -> None:
        venue = Venue()
        venue.limit(BOB, SELL, 100, 10)
        venue.limit(ALICE, SELL, 100, 1)
        venue.limit(BOB, SELL, 101, 5)
        venue.limit(ALICE, SELL, 200, 50)
        amount_minor = 100 * 10 * TICK_LOT_MINOR
        before, _ = venue.balance(ALICE, "USDT")
        venue.do(Withdraw(BOB, "USDT", FUNDS_MINOR - amount_minor, ""))
        venue.do(by_amount(BUY, amount_minor, self_trade=rule))
        assert venue.balance(ALICE, "USDT")[0] - before <= amount_minor
        if rule is OLDEST:
            assert venue.balance(ALICE, "USDT")[0] - before == 900 * TICK_LOT_MINOR

    @pytest.mark.parametrize(
        ("quote_minor", "reason"),
        [
            (100 * TICK_LOT_MINOR, None),
            (100 * TICK_LOT_MINOR - 1, R.NOTIONAL_TOO_SMALL),
            (-1, R.INVALID_AMOUNT),
            (MAX_SUPPLY_MINOR + 1, R.INVALID_AMOUNT),
        ],
    )
    def test_it_must_be_enough_for_a_lot(
        self, quote_minor: int, reason: RejectReason | None
    ) -> None:
        venue = Venue()
        venue.limit(ALICE, SELL, 100, 2)
        assert refusal(venue, by_amount(BUY, quote_minor)) is reason

    def test_without_an_order_to_trade_with_there_is_no_liquidity(self) -> None:
        venue = Venue()
        assert refusal(venue, by_amount(BUY, 10**6)) is R.NO_LIQUIDITY
        venue.limit(BOB, SELL, 100, 2)
        assert refusal(venue, by_amount(BUY, 10**6, self_trade=OLDEST)) is R.NO_LIQUIDITY

    def test_it_buys_no_more_than_an_order_may(self) -> None:
        venue = Venue()
        venue.do(instrument(max_quantity_lots=3))
        for _ in range(2):
            venue.limit(ALICE, SELL, 100, 3)
        assert trades(venue.story(by_amount(BUY, 10**6))) == [(1, 3, 100, 3)]

    def test_it_takes_no_quantity_besides_and_is_immediate_or_cancel(self) -> None:
        venue = Venue()
        command = order(BOB, BUY, MARKET, 0, 1, quote_minor=5)
        assert refusal(venue, command) is R.INVALID_QUANTITY
        command = order(BOB, BUY, MARKET, 0, 0, FOK, quote_minor=5)
        assert refusal(venue, command) is R.INVALID_TIME_IN_FORCE


def test_a_market_buy_that_passes_over_its_own_orders_must_be_able_to_pay_for_those_behind() -> (
    None
):
    venue = Venue()
    venue.limit(BOB, SELL, 100, 10)
    venue.limit(ALICE, SELL, 200, 10)
    venue.do(Withdraw(BOB, "USDT", FUNDS_MINOR - 200 * 10 * TICK_LOT_MINOR + 1, ""))
    command = order(BOB, BUY, MARKET, 0, 10, self_trade=OLDEST)
    assert refusal(venue, command) is R.INSUFFICIENT_BALANCE
    assert refusal(venue, order(BOB, BUY, MARKET, 0, 9, self_trade=OLDEST)) is None


WRONG: list[tuple[RejectReason, Command]] = [
    (R.INVALID_QUANTITY, order(BOB, BUY, LIMIT, 0, 0, stop_ticks=5)),
    (R.QUANTITY_TOO_LARGE, order(BOB, BUY, LIMIT, 0, MAX_LOTS + 1, stop_ticks=5)),
    (R.INVALID_ORDER, order(BOB, BUY, LIMIT, 0, 1, stop_ticks=5)),
    (R.INVALID_ORDER, order(BOB, BUY, LIMIT, 5, 1, trail_ticks=5)),
    (R.INVALID_ORDER, order(BOB, BUY, LIMIT, 5, 0, quote_minor=5)),
    (R.INVALID_ORDER, order(BOB, BUY, STOP_MARKET, 0, 1)),
    (R.INVALID_ORDER, order(BOB, BUY, STOP_MARKET, 0, 1, stop_ticks=5, trail_ticks=5)),
    (R.INVALID_ORDER, order(BOB, BUY, STOP_MARKET, 0, 1, stop_ticks=5, display_lots=1)),
    (R.INVALID_ORDER, order(BOB, BUY, TRAILING, 0, 1, trail_ticks=5, post_only=REJECT)),
    (R.INVALID_ORDER, order(BOB, BUY, MARKET, 0, 1, display_lots=1)),
    (R.INVALID_ORDER, PlaceOrder(BOB, SYMBOL, BUY, TAKE_MARKET, GTC, 0, 1)),
    (R.INVALID_PRICE, order(BOB, BUY, STOP_LIMIT, 0, 1, IOC, stop_ticks=-1)),
    (R.INVALID_PRICE, order(BOB, BUY, STOP_MARKET, -1, 1, IOC, stop_ticks=-1)),
    (R.INVALID_TIME_IN_FORCE, order(BOB, BUY, STOP_LIMIT, 5, 1, IOC, stop_ticks=-1)),
    (R.INVALID_TIME_IN_FORCE, order(BOB, BUY, MARKET, 0, 1, GTC)),
    (R.INVALID_TIME_IN_FORCE, order(BOB, BUY, MARKET, 0, 1, GTD, expire_time_ns=1)),
    (
        R.INVALID_STOP_PRICE,
        order(BOB, BUY, STOP_LIMIT, 5, 1, stop_ticks=-1, display_lots=9, expire_time_ns=1),
    ),
    (R.INVALID_STOP_PRICE, order(BOB, BUY, STOP_MARKET, 0, 1, stop_ticks=MAX_PRICE_TICKS + 1)),
    (R.INVALID_DISPLAY_QUANTITY, order(BOB, BUY, LIMIT, 5, 1, display_lots=9, expire_time_ns=1)),
    (R.INVALID_EXPIRE_TIME, order(BOB, BUY, LIMIT, 5, 1, expire_time_ns=10**6)),
    (R.INVALID_EXPIRE_TIME, order(BOB, BUY, LIMIT, 5, 1, DAY, expire_time_ns=10**6)),
    (R.INVALID_EXPIRE_TIME, order(BOB, BUY, LIMIT, 5, 1, GTD)),
    (R.INVALID_EXPIRE_TIME, order(BOB, BUY, LIMIT, 5, 1, GTD, expire_time_ns=1)),
    (R.INVALID_EXPIRE_TIME, order(BOB, BUY, LIMIT, 5, 1, GTD, expire_time_ns=MAX_TIME_NS + 1)),
    (R.INVALID_EXPIRE_TIME, limit(BOB, BUY, 5, 1, GTD)),
]


@pytest.mark.parametrize(("reason", "command"), WRONG, ids=lambda value: getattr(value, "name", ""))
def test_what_is_wrong_with_an_order_is_found_in_this_order(
    reason: RejectReason, command: Command
) -> None:
    assert refusal(traded_venue(), command) is reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"min_notional_minor": 90 * 10 * TICK_LOT_MINOR + 1}, R.NOTIONAL_TOO_SMALL),
        ({"max_notional_minor": 90 * 10 * TICK_LOT_MINOR - 1}, R.NOTIONAL_TOO_LARGE),
        (
            {
                "min_notional_minor": 90 * 10 * TICK_LOT_MINOR,
                "max_notional_minor": 90 * 10 * TICK_LOT_MINOR,
            },
            None,
        ),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        limit(BOB, BUY, 90, 10),
        order(BOB, BUY, LIMIT, 90, 10, post_only=REJECT),
        order(BOB, BUY, LIMIT, 90, 10, DAY),
        stop(BOB, SELL, 90, 10),
        order(BOB, SELL, STOP_LIMIT, 90, 10, stop_ticks=95),
        order(BOB, SELL, STOP_MARKET, 90, 10, stop_ticks=95),
        trailing(BOB, SELL, 10, 10),
        market(BOB, SELL, 10),
        order(BOB, SELL, MARKET, 0, 10),
    ],
    ids=lambda command: command.type.value if hasattr(command, "type") else "",
)
def test_notional_has_the_instruments_bounds(
    changes: dict[str, object], reason: RejectReason | None, command: Command
) -> None:
    venue = traded_venue()
    venue.limit(ALICE, BUY, 90, 10)
    venue.do(instrument(**changes))
    assert refusal(venue, command) is reason


@pytest.mark.parametrize(
    "command",
    [
        order(BOB, BUY, LIMIT, 99, 10, post_only=REJECT),
        order(BOB, BUY, STOP_LIMIT, 99, 10, stop_ticks=101),
        order(BOB, BUY, STOP_MARKET, 99, 10, stop_ticks=101),
        order(BOB, SELL, LIMIT, 101, 11),
        stop(BOB, SELL, 90, 11),
        order(BOB, SELL, MARKET, 0, 11),
    ],
    ids=lambda command: command.type.value,
)
def test_what_it_needs_must_be_available(command: Command) -> None:
    venue = traded_venue()
    venue.limit(ALICE, BUY, 90, 20)
    assert refusal(venue, command) is None
    venue = traded_venue()
    venue.limit(ALICE, BUY, 90, 20)
    venue.do(Withdraw(BOB, "USDT", venue.balance(BOB, "USDT")[0] - 9_899, ""))
    venue.do(Withdraw(BOB, "BTC", venue.balance(BOB, "BTC")[0] - 10 * LOT_MINOR, ""))
    assert refusal(venue, command) is R.INSUFFICIENT_BALANCE


def test_an_account_without_the_asset_cannot_pay() -> None:
    venue = traded_venue()
    venue.do(SetAccountStatus(9, AccountStatus.ACTIVE))
    assert refusal(venue, stop(9, SELL, 90, 1)) is R.INSUFFICIENT_BALANCE


@pytest.mark.parametrize(
    "command",
    [
        limit(BOB, BUY, 1, 1),
        limit(BOB, BUY, 1, 1, DAY),
        order(BOB, BUY, LIMIT, 1, 1, post_only=REJECT),
        stop(BOB, SELL, 90, 1),
    ],
)
def test_what_rests_or_waits_counts_as_open(command: Command) -> None:
    venue = traded_venue()
    venue.engine.accounts[BOB].max_open_orders = 1
    assert refusal(venue, stop(BOB, SELL, 90, 1)) is None
    assert refusal(venue, command) is R.TOO_MANY_OPEN_ORDERS


class TestFillOrKillThroughIcebergs:
    def test_each_part_counts_as_a_trade(self, monkeypatch: pytest.MonkeyPatch) -> None:
        venue = Venue()
        venue.do(order(ALICE, SELL, LIMIT, 100, 6, display_lots=2))
        venue.do(order(CAROL, SELL, LIMIT, 100, 4, display_lots=2))
        book, account = venue.engine.books[SYMBOL], venue.engine.accounts[BOB]
        for most, lots in ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10)):
            monkeypatch.setattr("orderbook.core.liquidity.MAX_FILLS", most)
            rule = SelfTradePrevention.NONE
            assert fills_whole(book, BUY, 100, lots, account, rule), (most, lots)
            assert not fills_whole(book, BUY, 100, lots + 1, account, rule), (most, lots)

    def test_it_counts_no_further_than_the_trades_that_are_left(self) -> None:
        venue = Venue()
        venue.do(order(ALICE, SELL, LIMIT, 100, 6, display_lots=2))
        venue.limit(CAROL, SELL, 101, 4)
        book, account = venue.engine.books[SYMBOL], venue.engine.accounts[BOB]
        rule = SelfTradePrevention.NONE
        for most, lots in ((1, 2), (2, 4), (3, 6), (4, 10)):
            assert fills_whole(book, BUY, 101, lots, account, rule, most), (most, lots)
            assert not fills_whole(book, BUY, 101, lots + 1, account, rule, most), (most, lots)
        assert not fills_whole(book, BUY, 101, 1, account, rule, 0)
