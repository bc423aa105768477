"""Stop and take-profit orders: what sets them off, in which order, and what becomes of them."""

import pytest

from orderbook.core.commands import (
    AdvanceTime,
    Batch,
    CancelOrder,
    SetPhase,
    SetReferencePrice,
    Withdraw,
)
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import (
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderRejected,
    OrderTriggered,
    StopMoved,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.triggers import turning
from orderbook.core.units import CancelReason, InstrumentStatus, OrderType, PostOnly, Side
from tests.unit.core.special_orders import (
    DAY,
    GTD,
    LIMIT,
    STOP_LIMIT,
    STOP_MARKET,
    TAKE_LIMIT,
    TAKE_MARKET,
    advance,
    bracket,
    canceled,
    oco,
    order,
    stop,
    trade_at,
    traded_venue,
    trades,
    trailing,
    triggered,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FOK,
    FUNDS_MINOR,
    LOT_MINOR,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
    market,
)

R = RejectReason


@pytest.mark.parametrize(
    ("side", "type", "stop_ticks", "short_of", "at"),
    [
        (BUY, STOP_MARKET, 105, 104, 105),
        (BUY, STOP_LIMIT, 105, 104, 106),
        (SELL, STOP_MARKET, 95, 96, 95),
        (SELL, STOP_LIMIT, 95, 96, 94),
        (SELL, TAKE_MARKET, 105, 104, 105),
        (SELL, TAKE_LIMIT, 105, 104, 106),
        (BUY, TAKE_MARKET, 95, 96, 95),
        (BUY, TAKE_LIMIT, 95, 96, 94),
    ],
)
def test_a_last_trade_at_or_beyond_its_stop_price_sets_it_off(
    side: Side, type: OrderType, stop_ticks: int, short_of: int, at: int
) -> None:
    venue = traded_venue()
    price_ticks = 100 if type in (STOP_LIMIT, TAKE_LIMIT) else 0
    venue.do(order(CAROL, side, type, price_ticks, 5, stop_ticks=stop_ticks))
    assert not triggered(trade_at(venue, short_of))
    events = trade_at(venue, at)
    assert OrderTriggered(3, CAROL, SYMBOL, at) in events


def test_a_stop_market_order_takes_what_there_is_and_ends() -> None:
    venue = traded_venue()
    venue.do(stop(CAROL, SELL, 95, 10))
    venue.limit(ALICE, BUY, 94, 4)
    events = trade_at(venue, 95)
    assert trades(events)[1:] == [(4, 3, 94, 4)]
    assert canceled(events) == [(3, CancelReason.MARKET_REMAINDER)]


def test_a_stop_limit_order_rests_with_what_it_cannot_trade() -> None:
    venue = traded_venue()
    venue.do(stop(CAROL, SELL, 95, 10, price_ticks=94))
    venue.limit(ALICE, BUY, 94, 4)
    trade_at(venue, 95)
    assert venue.engine.depth(SYMBOL) == [(SELL, 94, 6, 1)]
    assert venue.balance(CAROL, "BTC")[1] == 6 * LOT_MINOR
    assert canceled(venue.story(CancelOrder(CAROL, 3))) == [(3, CancelReason.USER)]


def test_without_liquidity_a_stop_market_order_is_canceled() -> None:
    venue = traded_venue()
    venue.do(stop(CAROL, SELL, 95, 10))
    assert canceled(trade_at(venue, 95)) == [(3, CancelReason.NO_LIQUIDITY)]
    assert venue.balance(CAROL, "BTC") == (FUNDS_MINOR, 0)


def test_the_protection_price_of_a_stop_market_order_is_the_worst_it_takes() -> None:
    venue = traded_venue()
    venue.do(order(CAROL, SELL, STOP_MARKET, 93, 10, stop_ticks=95))
    venue.limit(ALICE, BUY, 93, 4)
    venue.limit(ALICE, BUY, 92, 4)
    events = trade_at(venue, 95)
    assert trades(events)[1:] == [(4, 3, 93, 4)]
    assert canceled(events) == [(3, CancelReason.MARKET_REMAINDER)]


class TestHolding:
    def test_a_sell_holds_its_base(self) -> None:
        venue = traded_venue()
        venue.do(stop(CAROL, SELL, 95, 10))
        assert venue.balance(CAROL, "BTC") == (FUNDS_MINOR - 10 * LOT_MINOR, 10 * LOT_MINOR)

    def test_a_buy_holds_what_its_limit_or_its_protection_needs(self) -> None:
        venue = traded_venue()
        venue.do(stop(CAROL, BUY, 105, 10, price_ticks=107))
        venue.do(order(CAROL, BUY, STOP_MARKET, 108, 10, stop_ticks=105))
        assert venue.balance(CAROL, "USDT")[1] == (107 + 108) * 10 * TICK_LOT_MINOR

    def test_a_buy_without_a_limit_holds_nothing_and_pays_when_it_is_set_off(self) -> None:
        venue = traded_venue()
        venue.do(stop(CAROL, BUY, 105, 10))
        assert venue.balance(CAROL, "USDT") == (FUNDS_MINOR, 0)
        venue.limit(ALICE, SELL, 106, 10)
        events = trade_at(venue, 105)
        assert trades(events)[1:] == [(4, 3, 106, 10)]
        assert venue.balance(CAROL, "USDT") == (FUNDS_MINOR - 106 * 10 * TICK_LOT_MINOR, 0)

    def test_it_is_canceled_where_that_cannot_be_paid(self) -> None:
        venue = traded_venue()
        venue.do(stop(CAROL, BUY, 105, 10))
        venue.limit(ALICE, SELL, 106, 10)
        too_little = 106 * 10 * TICK_LOT_MINOR - 1
        venue.do(Withdraw(CAROL, "USDT", FUNDS_MINOR - too_little, ""))
        assert canceled(trade_at(venue, 105)) == [(3, CancelReason.INSUFFICIENT_BALANCE)]
        assert venue.balance(CAROL, "USDT") == (too_little, 0)

    def test_a_cancel_releases_it(self) -> None:
        venue = traded_venue()
        venue.do(stop(CAROL, SELL, 95, 10))
        assert canceled(venue.story(CancelOrder(CAROL, 3))) == [(3, CancelReason.USER)]
        assert venue.balance(CAROL, "BTC") == (FUNDS_MINOR, 0)
        assert not triggered(trade_at(venue, 90))


class TestArrival:
    @pytest.mark.parametrize(
        ("side", "type", "stop_ticks"),
        [(BUY, STOP_MARKET, 100), (SELL, STOP_MARKET, 101), (BUY, TAKE_MARKET, 100)],
    )
    def test_a_stop_that_would_be_set_off_at_once_is_refused(
        self, side: Side, type: OrderType, stop_ticks: int
    ) -> None:
        (event,) = traded_venue().do(order(CAROL, side, type, 0, 5, stop_ticks=stop_ticks))
        assert isinstance(event, OrderRejected)
        assert event.reason is R.STOP_WOULD_TRIGGER

    def test_before_the_first_trade_the_reference_price_counts(self) -> None:
        venue = Venue()
        venue.do(SetReferencePrice(SYMBOL, 100))
        (event,) = venue.do(stop(CAROL, BUY, 100, 5))
        assert isinstance(event, OrderRejected)
        assert event.reason is R.STOP_WOULD_TRIGGER
        assert isinstance(venue.do(stop(CAROL, BUY, 101, 5))[0], OrderAccepted)

    def test_with_neither_it_waits_for_the_first_trade(self) -> None:
        venue = Venue()
        venue.do(stop(CAROL, BUY, 100, 5))
        assert triggered(trade_at(venue, 120)) == [1]

    def test_a_change_of_the_reference_price_sets_nothing_off(self) -> None:
        venue = Venue()
        venue.do(stop(CAROL, BUY, 100, 5))
        assert not triggered(venue.story(SetReferencePrice(SYMBOL, 120)))


class TestCascades:
    def test_rising_ones_go_first_then_by_stop_price_then_by_age(self) -> None:
        venue = traded_venue()
        venue.do(order(CAROL, SELL, TAKE_LIMIT, 300, 1, stop_ticks=104))
        venue.do(order(CAROL, SELL, TAKE_LIMIT, 300, 1, stop_ticks=103))
        venue.do(order(CAROL, SELL, TAKE_LIMIT, 300, 1, stop_ticks=104))
        venue.do(order(CAROL, SELL, TAKE_LIMIT, 300, 1, stop_ticks=102))
        assert triggered(trade_at(venue, 105)) == [6, 4, 3, 5]
        venue.do(stop(CAROL, SELL, 98, 1, price_ticks=300))
        venue.do(stop(CAROL, SELL, 99, 1, price_ticks=300))
        venue.do(stop(CAROL, SELL, 98, 1, price_ticks=300))
        assert triggered(trade_at(venue, 97)) == [10, 9, 11]

    def test_what_one_sets_off_goes_after_what_was_set_off_with_it(self) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 93, 1)
        venue.limit(ALICE, BUY, 90, 5)
        venue.do(stop(CAROL, SELL, 95, 1))
        venue.do(stop(CAROL, SELL, 94, 1))
        venue.do(stop(CAROL, SELL, 91, 1))
        events = trade_at(venue, 94)
        assert triggered(events) == [5, 6, 7]
        assert trades(events)[1:] == [(3, 5, 93, 1), (4, 6, 90, 1), (4, 7, 90, 1)]

    def test_prices_are_looked_at_once_an_order_is_done(self) -> None:
        """An order that sweeps down and leaves the last trade at the bottom sets off with that."""
        venue = traded_venue()
        venue.do(order(CAROL, BUY, TAKE_LIMIT, 50, 1, stop_ticks=95))
        venue.limit(ALICE, BUY, 96, 1)
        venue.limit(ALICE, BUY, 90, 1)
        events = venue.story(market(BOB, SELL, 2))
        assert [e.last_ticks for e in events if isinstance(e, OrderTriggered)] == [90]
        assert isinstance(events[-1], OrderTriggered)

    def test_every_trade_of_a_sweep_counts(self) -> None:
        """It begins at 94, beyond a stop at 95, and ends at 102, beyond another one at 101."""
        venue = traded_venue()
        venue.do(stop(CAROL, SELL, 95, 1, price_ticks=300))
        venue.do(stop(CAROL, BUY, 101, 1, price_ticks=50))
        venue.do(stop(CAROL, SELL, 93, 1, price_ticks=300))
        for price_ticks in (94, 94, 97, 102):
            venue.limit(ALICE, SELL, price_ticks, 1)
        events = venue.story(market(BOB, BUY, 4))
        assert [(e.order_id, e.last_ticks) for e in events if isinstance(e, OrderTriggered)] == [
            (3, 94),
            (4, 102),
        ]
        assert [price for _, _, price, _ in trades(events)] == [94, 94, 97, 102]

    @pytest.mark.parametrize("all_or_nothing", [True, False])
    def test_each_trade_of_a_batch_counts_once(self, all_or_nothing: bool) -> None:
        venue = traded_venue()
        venue.do(trailing(CAROL, SELL, 5, 1))
        for price_ticks in (97, 104):
            venue.limit(ALICE, SELL, price_ticks, 1)
        venue.limit(ALICE, BUY, 90, 1)
        orders = (limit(BOB, BUY, 97, 1), limit(BOB, BUY, 104, 1), limit(BOB, BUY, 80, 1))
        events = venue.story(Batch(BOB, orders, all_or_nothing))
        assert StopMoved(3, CAROL, SYMBOL, 99) in events
        assert not triggered(events), "97 was before the stop price moved to 99"

    def test_an_exit_has_nothing_to_do_with_trades_before_it_was_armed(self) -> None:
        """The entry's own sweep begins at 95, below the stop price of the exit."""
        venue = traded_venue()
        venue.do(stop(CAROL, SELL, 40, 1))
        for price_ticks in (95, 104):
            venue.limit(ALICE, SELL, price_ticks, 1)
        profit = order(BOB, SELL, LIMIT, 120, 2)
        events = venue.story(bracket(market(BOB, BUY, 2), profit, stop(BOB, SELL, 99, 2)))
        assert sum(isinstance(event, OrderArmed) for event in events) == 2
        assert not triggered(events)
        assert triggered(trade_at(venue, 98)) == [8]

    def test_what_was_looked_at_before_is_not_looked_at_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One AdvanceTime sends what was left to the book, then ends an order, which is looked at,
        too: by then the trailing stop has moved above the first trade's price."""
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 0)
        venue = traded_venue()
        end_ns = venue.time_ns + 1_000
        ends = order(CAROL, SELL, LIMIT, 200, 1, GTD, expire_time_ns=end_ns)
        venue.do(oco(ends, stop(CAROL, SELL, 50, 1)))
        venue.do(stop(CAROL, BUY, 101, 2))
        venue.do(trailing(CAROL, SELL, 3, 1))
        for price_ticks in (102, 106):
            venue.limit(ALICE, SELL, price_ticks, 1)
        assert triggered(trade_at(venue, 101)) == [5]
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 10)
        events = advance(venue, end_ns)
        assert [price for _, _, price, _ in trades(events)] == [102, 106]
        assert StopMoved(6, CAROL, SYMBOL, 103) in events
        assert canceled(events) == [(3, CancelReason.EXPIRED), (4, CancelReason.OTHER_LEG)]
        assert not triggered(events)

    def test_a_command_sets_off_so_many_and_the_rest_goes_on_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 2)
        venue = traded_venue()
        venue.limit(ALICE, BUY, 50, 5)
        for _ in range(5):
            venue.do(stop(CAROL, SELL, 95, 1))
        events = trade_at(venue, 95)
        assert triggered(events) == [4, 5, 6, 7, 8]
        assert [taker for _, taker, _, _ in trades(events)[1:]] == [4, 5]
        assert venue.engine.next_due_ns == 0
        again = restore(snapshot(venue.engine))
        assert state_hash(again) == state_hash(venue.engine)
        events = advance(venue)
        assert [taker for _, taker, _, _ in trades(events)] == [6, 7]
        assert [taker for _, taker, _, _ in trades(advance(venue))] == [8]
        assert venue.engine.next_due_ns > venue.engine.time_ns
        again.apply(AdvanceTime(), venue.time_ns - 1)
        again.apply(AdvanceTime(), venue.time_ns)
        assert state_hash(again) == state_hash(venue.engine)

    def test_nothing_else_comes_in_between(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 0)
        venue = traded_venue()
        venue.do(stop(CAROL, SELL, 95, 1))
        trade_at(venue, 95)
        with pytest.raises(InvariantBroken, match="time"):
            venue.limit(ALICE, BUY, 50, 5)

    def test_due_timers_wait_for_the_agenda(self, monkeypatch: pytest.MonkeyPatch) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 50, 5)
        for _ in range(2):
            venue.do(order(CAROL, SELL, STOP_LIMIT, 60, 1, GTD, stop_ticks=95, expire_time_ns=99))
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 0)
        trade_at(venue, 95)
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 1)
        assert advance(venue, 99) == []
        events = advance(venue)
        assert canceled(events) == [(4, CancelReason.EXPIRED), (5, CancelReason.EXPIRED)]

    def test_one_that_is_set_off_can_be_canceled_in_the_same_batch(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 0)
        venue = traded_venue()
        venue.do(stop(BOB, SELL, 95, 1))
        venue.limit(ALICE, BUY, 95, 1)
        batch = Batch(BOB, (market(BOB, SELL, 1), CancelOrder(BOB, 3)))
        events = venue.story(batch)
        assert triggered(events) == [3]
        assert canceled(events) == [(3, CancelReason.USER)]
        assert not venue.engine.venue.agenda


class TestPostOnly:
    def test_one_that_would_trade_is_canceled(self) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 94, 1)
        venue.do(order(CAROL, SELL, STOP_LIMIT, 94, 1, stop_ticks=95, post_only=PostOnly.REJECT))
        assert canceled(trade_at(venue, 95)) == [(4, CancelReason.POST_ONLY)]

    def test_or_repriced(self) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 94, 1)
        venue.do(order(CAROL, SELL, STOP_LIMIT, 94, 1, stop_ticks=95, post_only=PostOnly.REPRICE))
        events = trade_at(venue, 95)
        amended = OrderAmended(4, CAROL, SYMBOL, "", 95, 1, 1, 95, kept_priority=False)
        assert amended in events
        assert (SELL, 95, 1, 1) in venue.engine.depth(SYMBOL)

    def test_or_canceled_where_no_price_is_left(self) -> None:
        venue = traded_venue(10)
        venue.limit(ALICE, SELL, 1, 3)
        venue.do(order(CAROL, BUY, TAKE_LIMIT, 5, 1, stop_ticks=2, post_only=PostOnly.REPRICE))
        events = venue.story(limit(BOB, BUY, 1, 1))
        assert canceled(events) == [(4, CancelReason.POST_ONLY)]

    def test_one_that_rests_does(self) -> None:
        venue = traded_venue()
        venue.do(order(CAROL, SELL, STOP_LIMIT, 94, 1, stop_ticks=95, post_only=PostOnly.REJECT))
        trade_at(venue, 95)
        assert venue.engine.depth(SYMBOL) == [(SELL, 94, 1, 1)]


class TestTime:
    def test_a_day_order_waits_until_the_day_ends(self) -> None:
        venue = traded_venue()
        venue.do(order(CAROL, SELL, STOP_MARKET, 0, 1, DAY, stop_ticks=95))
        midnight_ns = venue.engine.next_due_ns
        assert canceled(advance(venue, midnight_ns)) == [(3, CancelReason.EXPIRED)]

    def test_one_that_was_set_off_and_rests_still_expires(self) -> None:
        venue = traded_venue()
        venue.do(order(CAROL, SELL, STOP_LIMIT, 94, 1, GTD, stop_ticks=95, expire_time_ns=50))
        trade_at(venue, 95)
        assert canceled(advance(venue, 50)) == [(3, CancelReason.EXPIRED)]
        assert venue.engine.depth(SYMBOL) == []

    @pytest.mark.parametrize("type", [STOP_MARKET, STOP_LIMIT, TAKE_MARKET, TAKE_LIMIT])
    def test_it_cannot_be_fill_or_kill(self, type: OrderType) -> None:
        (event,) = traded_venue().do(order(CAROL, SELL, type, 90, 1, FOK, stop_ticks=95))
        assert isinstance(event, OrderRejected)
        assert event.reason is R.INVALID_TIME_IN_FORCE


def test_a_stop_that_is_set_off_into_an_auction_rests_or_waits_again() -> None:
    """One of them would trade beyond the band and starts the auction; the others meet it."""
    venue = traded_venue()
    venue.do(instrument(dynamic_band_ppm=100_000, pause_ns=10**9))
    venue.limit(ALICE, BUY, 95, 1)
    venue.limit(ALICE, BUY, 50, 5)
    for price_ticks in (0, 0, 0, 70):
        venue.do(stop(CAROL, SELL, 96, 1, price_ticks=price_ticks))
    events = trade_at(venue, 96)
    assert trades(events)[1:] == [(3, 5, 95, 1)]
    assert canceled(events) == [(6, CancelReason.PRICE_BAND)]
    assert OrderArmed(7, CAROL, SYMBOL, 1) in events
    assert venue.balance(CAROL, "BTC")[1] == 2 * LOT_MINOR
    assert (SELL, 70, 1, 1) in venue.engine.depth(SYMBOL)
    assert venue.engine.instruments[SYMBOL].status is InstrumentStatus.OPENING_AUCTION


def test_stops_wait_while_the_market_is_halted_and_after() -> None:
    venue = traded_venue()
    venue.do(stop(CAROL, SELL, 95, 1))
    venue.do(SetPhase(SYMBOL, InstrumentStatus.HALTED))
    venue.do(SetPhase(SYMBOL, InstrumentStatus.TRADING))
    assert triggered(trade_at(venue, 95)) == [3]


def test_so_many_trades_and_the_rest_of_what_was_set_off_goes_with_the_next_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderbook.core.triggers.MAX_COMMAND_TRADES", 2)
    venue = traded_venue()
    for _ in range(3):
        venue.do(stop(CAROL, SELL, 90, 2))
    for _ in range(7):
        venue.limit(ALICE, BUY, 90, 1)
    events = venue.story(limit(BOB, SELL, 90, 1))
    assert triggered(events) == [3, 4, 5]
    assert [trade[1] for trade in trades(events)] == [13, 3, 3]
    assert venue.engine.next_due_ns == 0
    assert [trade[1] for trade in trades(advance(venue))] == [4, 4]
    assert [trade[1] for trade in trades(advance(venue))] == [5, 5]
    assert venue.engine.next_due_ns > venue.engine.time_ns


@pytest.mark.parametrize(("uncross_ticks", "set_off"), [(94, [8, 7]), (99, [])])
def test_what_waits_again_is_looked_at_as_trading_begins(
    uncross_ticks: int, set_off: list[int]
) -> None:
    """The second of Carol's stops begins an auction; the third, which trails, and the fourth wait
    through it. The fifth she cancels meanwhile."""
    venue = traded_venue()
    venue.do(instrument(dynamic_band_ppm=50_000, pause_ns=10**9))
    venue.limit(ALICE, BUY, 96, 1)
    venue.limit(ALICE, BUY, 50, 9)
    for stop_ticks in (99, 99, 0, 98, 97):
        trail = trailing(CAROL, SELL, 3, 1)
        venue.do(stop(CAROL, SELL, stop_ticks, 1) if stop_ticks else trail)
    events = trade_at(venue, 97)
    assert triggered(events) == [5, 6, 8, 7, 9]
    assert canceled(events) == [(6, CancelReason.PRICE_BAND)]
    assert state_hash(restore(snapshot(venue.engine))) == state_hash(venue.engine)
    assert canceled(venue.story(CancelOrder(CAROL, 9))) == [(9, CancelReason.USER)]
    venue.limit(ALICE, BUY, 93, 5)
    trade_at(venue, uncross_ticks)
    events = advance(venue, venue.time_ns + 10**9)
    assert triggered(events) == set_off
    assert [taker for _, taker, _, _ in trades(events)[1:]] == set_off
    waiting = venue.engine.books[SYMBOL].waiting
    assert waiting is not None
    assert len(waiting) == 2 - len(set_off)


@pytest.mark.parametrize(
    ("prices", "way"),
    [
        ([5], [(5, True)]),
        ([5, 5], [(5, True)]),
        ([5, 6], [(5, True), (6, True)]),
        ([5, 6, 6, 7, 9], [(5, True), (6, False), (7, False), (9, True)]),
        ([9, 8, 7], [(9, True), (8, False), (7, True)]),
        ([1, 3, 2, 2, 4], [(1, True), (3, True), (2, True), (4, True)]),
    ],
)
def test_a_way_of_prices_turns_where_it_begins_ends_or_goes_back(
    prices: list[int], way: list[tuple[int, bool]]
) -> None:
    assert list(turning(prices)) == way


def test_a_sweep_moves_a_trailing_stop_once_and_to_its_end() -> None:
    venue = traded_venue()
    venue.do(trailing(CAROL, SELL, 3, 1))
    for price_ticks in range(101, 141):
        venue.limit(ALICE, SELL, price_ticks, 1)
    events = venue.story(limit(BOB, BUY, 140, 40))
    assert len(trades(events)) == 40
    assert [event.stop_ticks for event in events if isinstance(event, StopMoved)] == [137]
    assert not triggered(events)
    assert triggered(trade_at(venue, 137)) == [3]
