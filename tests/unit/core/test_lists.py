"""OCO and bracket orders: accepted as one, held for as one, what each order does to the rest."""

from collections import deque

import pytest

from orderbook.core.commands import (
    AmendOrder,
    Batch,
    CancelAllOrders,
    CancelOrder,
    Command,
    SetAccountLimits,
    SetPhase,
    Withdraw,
)
from orderbook.core.events import (
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderListAccepted,
    OrderRejected,
    OrderTriggered,
    StopMoved,
    Trade,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.units import (
    MAX_NOTIONAL_MINOR,
    CancelReason,
    InstrumentStatus,
    OrderListKind,
    PostOnly,
    SelfTradePrevention,
)
from tests.unit.core.special_orders import (
    GTD,
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
    FUNDS_MINOR,
    GTC,
    IOC,
    LIMIT,
    LOT_MINOR,
    MARKET,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    instrument,
    limit,
    market,
)

R = RejectReason
OTHER_LEG = CancelReason.OTHER_LEG

SELL_OCO = oco(limit(CAROL, SELL, 110, 10), stop(CAROL, SELL, 90, 10))
"""Orders 3 and 4 in a venue that traded once."""
BUY_OCO = oco(stop(CAROL, BUY, 110, 10, price_ticks=112), limit(CAROL, BUY, 90, 10))
LONG = bracket(limit(CAROL, BUY, 100, 10), limit(CAROL, SELL, 110, 10), stop(CAROL, SELL, 90, 10))
"""Orders 3, 4 and 5."""
SHORT = bracket(
    limit(CAROL, SELL, 100, 10),
    limit(CAROL, BUY, 90, 10),
    stop(CAROL, BUY, 110, 10, price_ticks=112),
)


def armed(events: list) -> list[tuple[int, int]]:  # type: ignore[type-arg]
    return [
        (event.order_id, event.quantity_lots) for event in events if isinstance(event, OrderArmed)
    ]


class TestOco:
    def test_both_orders_are_accepted_under_one_list(self) -> None:
        venue = traded_venue()
        events = venue.story(SELL_OCO)
        assert events[0] == OrderListAccepted(3, CAROL, SYMBOL, OrderListKind.OCO, (3, 4))
        assert [e.list_id for e in events if isinstance(e, OrderAccepted)] == [3, 3]
        assert venue.engine.depth(SYMBOL) == [(SELL, 110, 10, 1)]

    def test_one_hold_serves_both(self) -> None:
        venue = traded_venue()
        venue.do(SELL_OCO)
        assert venue.balance(CAROL, "BTC")[1] == 10 * LOT_MINOR
        venue.do(BUY_OCO)
        assert venue.balance(CAROL, "USDT")[1] == 112 * 10 * TICK_LOT_MINOR

    def test_what_the_dearer_order_needs_is_enough(self) -> None:
        venue = traded_venue()
        needed_minor = 112 * 10 * TICK_LOT_MINOR
        venue.do(Withdraw(CAROL, "USDT", FUNDS_MINOR - needed_minor + 1, ""))
        (refused,) = venue.do(BUY_OCO)
        assert isinstance(refused, OrderRejected)
        assert refused.reason is R.INSUFFICIENT_BALANCE
        venue.do(limit(CAROL, SELL, 100, 1))
        venue.limit(BOB, BUY, 100, 1)
        assert isinstance(venue.do(BUY_OCO)[0], OrderListAccepted)

    def test_a_fill_cancels_the_stop(self) -> None:
        venue = traded_venue()
        venue.do(SELL_OCO)
        assert canceled(venue.story(limit(BOB, BUY, 110, 10))) == [(4, OTHER_LEG)]
        assert venue.balance(CAROL, "BTC") == (FUNDS_MINOR - 10 * LOT_MINOR, 0)

    def test_a_fill_in_part_cancels_the_stop_and_the_limit_order_goes_on(self) -> None:
        venue = traded_venue()
        venue.do(BUY_OCO)
        assert canceled(venue.story(limit(ALICE, SELL, 90, 4))) == [(3, OTHER_LEG)]
        assert venue.balance(CAROL, "USDT")[1] == 90 * 6 * TICK_LOT_MINOR
        assert canceled(venue.story(CancelOrder(CAROL, 4))) == [(4, CancelReason.USER)]

    def test_a_trigger_cancels_the_limit_order(self) -> None:
        venue = traded_venue()
        venue.do(SELL_OCO)
        venue.limit(ALICE, BUY, 88, 10)
        events = trade_at(venue, 89)
        assert canceled(events) == [(3, OTHER_LEG)]
        at = events.index(OrderTriggered(4, CAROL, SYMBOL, 89))
        assert canceled(events[at + 1 : at + 2]) == [(3, OTHER_LEG)]
        assert trades(events)[1:] == [(5, 4, 88, 10)]

    def test_a_triggered_buy_holds_what_the_limit_order_held_for_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 0)
        venue = traded_venue()
        venue.do(BUY_OCO)
        assert triggered(trade_at(venue, 110)) == [3]
        assert venue.balance(CAROL, "USDT")[1] == 112 * 10 * TICK_LOT_MINOR

    @pytest.mark.parametrize("order_id", [3, 4])
    def test_a_cancel_of_one_cancels_the_other(self, order_id: int) -> None:
        venue = traded_venue()
        venue.do(SELL_OCO)
        events = venue.story(CancelOrder(CAROL, order_id))
        assert canceled(events) == [(order_id, CancelReason.USER), (7 - order_id, OTHER_LEG)]
        assert venue.balance(CAROL, "BTC") == (FUNDS_MINOR, 0)

    def test_a_mass_cancel_cancels_each_for_its_reason(self) -> None:
        venue = traded_venue()
        venue.do(SELL_OCO)
        events = venue.story(CancelAllOrders(CAROL))
        assert canceled(events) == [(3, CancelReason.USER), (4, CancelReason.USER)]

    def test_an_expiry_of_one_cancels_the_other(self) -> None:
        venue = traded_venue()
        venue.do(
            oco(
                order(CAROL, SELL, LIMIT, 110, 10, GTD, expire_time_ns=50),
                stop(CAROL, SELL, 90, 10),
            )
        )
        assert canceled(advance(venue, 50)) == [(3, CancelReason.EXPIRED), (4, OTHER_LEG)]

    def test_a_limit_order_that_fills_on_arrival_cancels_the_stop(self) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 110, 10)
        events = venue.story(SELL_OCO)
        assert trades(events) == [(3, 4, 110, 10)]
        assert canceled(events) == [(5, OTHER_LEG)]

    def test_so_does_one_that_fills_in_part_on_arrival(self) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 110, 4)
        events = venue.story(SELL_OCO)
        assert canceled(events) == [(5, OTHER_LEG)]
        assert venue.engine.depth(SYMBOL) == [(SELL, 110, 6, 1)]
        assert venue.balance(CAROL, "BTC")[1] == 6 * LOT_MINOR

    @pytest.mark.parametrize(("sold", "left"), [(4, [(SELL, 110, 6, 1)]), (10, [])])
    def test_so_does_self_trade_prevention_that_makes_it_smaller(
        self, sold: int, left: list[object]
    ) -> None:
        venue = traded_venue()
        venue.do(SetAccountLimits(CAROL, SelfTradePrevention.DECREMENT))
        venue.do(SELL_OCO)
        events = venue.story(limit(CAROL, BUY, 110, sold))
        assert (4, OTHER_LEG) in canceled(events)
        assert venue.engine.depth(SYMBOL) == left

    def test_two_waiting_orders_may_be_one(self) -> None:
        venue = traded_venue()
        pair = (
            order(CAROL, BUY, TAKE_LIMIT, 91, 10, stop_ticks=90),
            stop(CAROL, BUY, 110, 10, price_ticks=112),
        )
        venue.do(oco(*pair))
        assert venue.balance(CAROL, "USDT")[1] == 112 * 10 * TICK_LOT_MINOR
        events = trade_at(venue, 90)
        assert triggered(events) == [3]
        assert canceled(events) == [(4, OTHER_LEG)]
        assert venue.balance(CAROL, "USDT")[1] == 91 * 10 * TICK_LOT_MINOR

    def test_of_two_that_one_price_sets_off_the_first_cancels_the_other(self) -> None:
        venue = traded_venue()
        venue.do(oco(stop(CAROL, SELL, 95, 10), stop(CAROL, SELL, 90, 10)))
        events = trade_at(venue, 80)
        assert triggered(events) == [3]
        assert canceled(events) == [(4, OTHER_LEG), (3, CancelReason.NO_LIQUIDITY)]

    def test_an_iceberg_that_fills_a_part_cancels_the_stop(self) -> None:
        venue = traded_venue()
        venue.do(
            oco(
                order(CAROL, SELL, LIMIT, 110, 10, display_lots=2),
                stop(CAROL, SELL, 90, 10),
            )
        )
        assert canceled(venue.story(limit(BOB, BUY, 110, 2))) == [(4, OTHER_LEG)]
        assert venue.balance(CAROL, "BTC")[1] == 8 * LOT_MINOR

    def test_an_auction_that_fills_a_part_cancels_the_stop(self) -> None:
        venue = traded_venue()
        venue.do(SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION))
        venue.do(SELL_OCO)
        venue.limit(BOB, BUY, 110, 4)
        events = venue.story(SetPhase(SYMBOL, InstrumentStatus.TRADING))
        assert canceled(events) == [(4, OTHER_LEG)]

    def test_its_stop_price_may_be_amended_although_one_hold_serves_both(self) -> None:
        venue = traded_venue()
        venue.do(Withdraw(CAROL, "BTC", FUNDS_MINOR - 10 * LOT_MINOR, ""))
        venue.do(SELL_OCO)
        (amended,) = venue.do(AmendOrder(CAROL, 4, stop_ticks=92))
        assert isinstance(amended, OrderAmended)
        assert amended.stop_ticks == 92
        assert triggered(trade_at(venue, 92)) == [4]

    def test_many_that_one_price_sets_off_are_not_looked_for_on_the_agenda(self) -> None:
        venue = traded_venue()
        for _ in range(5):
            venue.do(SELL_OCO)
        venue.do(limit(ALICE, BUY, 90, 100))
        venue.engine.venue.agenda = Unsearched()
        events = venue.engine.apply(limit(BOB, SELL, 90, 1), venue.time_ns + 1)
        assert len(triggered(events)) == 5


class Unsearched(deque):  # type: ignore[type-arg]
    def __contains__(self, item: object) -> bool:
        raise AssertionError("a search of the agenda costs as much as it is long")


class TestBracket:
    def test_its_exits_hold_nothing_until_the_entry_is_done(self) -> None:
        venue = traded_venue()
        venue.do(Withdraw(CAROL, "BTC", FUNDS_MINOR, ""))
        events = venue.story(LONG)
        assert events[0] == OrderListAccepted(3, CAROL, SYMBOL, OrderListKind.BRACKET, (3, 4, 5))
        assert venue.engine.depth(SYMBOL) == [(BUY, 100, 10, 1)]
        assert venue.balance(CAROL, "BTC") == (0, 0)
        assert armed(venue.story(limit(ALICE, SELL, 100, 4))) == []

    def test_a_filled_entry_arms_them_as_an_oco(self) -> None:
        venue = traded_venue()
        venue.do(LONG)
        events = venue.story(limit(ALICE, SELL, 100, 10))
        assert armed(events) == [(4, 10), (5, 10)]
        assert venue.engine.depth(SYMBOL) == [(SELL, 110, 10, 1)]
        assert venue.balance(CAROL, "BTC")[1] == 10 * LOT_MINOR
        assert canceled(venue.story(limit(BOB, BUY, 110, 1))) == [(5, OTHER_LEG)]

    def test_their_stop_protects_the_entry(self) -> None:
        venue = traded_venue()
        venue.do(LONG)
        venue.limit(ALICE, SELL, 100, 10)
        venue.limit(ALICE, BUY, 85, 10)
        events = trade_at(venue, 89)
        assert canceled(events) == [(4, OTHER_LEG)]
        assert trades(events)[1:] == [(7, 5, 85, 10)]

    @pytest.mark.parametrize("entry", [market(CAROL, BUY, 10), limit(CAROL, BUY, 100, 10, IOC)])
    def test_an_entry_that_takes_arms_them_for_what_it_filled(self, entry: Command) -> None:
        venue = traded_venue()
        venue.limit(ALICE, SELL, 100, 7)
        events = venue.story(bracket(entry, *LONG.orders[1:]))  # type: ignore[arg-type]
        assert armed(events) == [(5, 7), (6, 7)]

    def test_they_sell_what_is_left_after_fees_in_whole_lots(self) -> None:
        """A fee of 10 % leaves 9 of 10 lots, whether the entry makes or takes."""
        venue = traded_venue()
        venue.do(instrument(maker_fee_ppm=100_000, taker_fee_ppm=100_000))
        venue.do(LONG)
        assert armed(venue.story(limit(ALICE, SELL, 100, 10))) == [(4, 9), (5, 9)]
        venue.cancel(CAROL, 4)
        venue.limit(ALICE, SELL, 100, 4)
        events = venue.story(LONG)
        assert armed(events) == []
        events = venue.story(limit(ALICE, SELL, 100, 6))
        assert armed(events) == [(9, 9), (10, 9)]

    def test_less_than_a_lot_cannot_be_sold(self) -> None:
        venue = traded_venue()
        venue.do(instrument(taker_fee_ppm=100_000))
        venue.limit(ALICE, SELL, 100, 1)
        events = venue.story(bracket(limit(CAROL, BUY, 100, 10, IOC), *LONG.orders[1:]))
        reason = CancelReason.UNTRADEABLE
        assert canceled(events)[1:] == [(5, reason), (6, reason)]

    def test_an_entry_canceled_unfilled_takes_them_with_it(self) -> None:
        venue = traded_venue()
        venue.do(LONG)
        events = venue.story(CancelOrder(CAROL, 3))
        assert canceled(events) == [(3, CancelReason.USER), (4, OTHER_LEG), (5, OTHER_LEG)]

    def test_an_entry_canceled_after_a_fill_arms_them(self) -> None:
        venue = traded_venue()
        venue.do(LONG)
        venue.limit(ALICE, SELL, 100, 4)
        events = venue.story(CancelOrder(CAROL, 3))
        assert canceled(events) == [(3, CancelReason.USER)]
        assert armed(events) == [(4, 4), (5, 4)]

    def test_an_exit_canceled_before_takes_everything_with_it(self) -> None:
        venue = traded_venue()
        venue.do(LONG)
        venue.limit(ALICE, SELL, 100, 4)
        events = venue.story(CancelOrder(CAROL, 5))
        assert canceled(events) == [(5, CancelReason.USER), (3, OTHER_LEG), (4, OTHER_LEG)]
        assert venue.engine.depth(SYMBOL) == []

    def test_a_mass_cancel_arms_nothing(self) -> None:
        venue = traded_venue()
        venue.do(LONG)
        venue.limit(ALICE, SELL, 100, 4)
        assert len(canceled(venue.story(CancelAllOrders(CAROL)))) == 3
        assert not venue.engine.accounts[CAROL].orders

    def test_a_short_one_buys_back_what_was_sold(self) -> None:
        venue = traded_venue()
        venue.do(SHORT)
        assert armed(venue.story(limit(BOB, BUY, 100, 10))) == [(4, 10), (5, 10)]
        assert venue.balance(CAROL, "USDT")[1] == 112 * 10 * TICK_LOT_MINOR

    def test_exits_that_cannot_be_paid_are_canceled(self) -> None:
        venue = traded_venue()
        venue.do(SHORT)
        venue.do(Withdraw(CAROL, "USDT", FUNDS_MINOR, ""))
        events = venue.story(limit(BOB, BUY, 100, 10))
        reason = CancelReason.INSUFFICIENT_BALANCE
        assert canceled(events) == [(4, reason), (5, reason)]

    def test_an_exit_whose_stop_price_is_passed_is_set_off_as_it_is_armed(self) -> None:
        venue = traded_venue()
        venue.limit(ALICE, BUY, 85, 10)
        command = bracket(
            limit(CAROL, BUY, 100, 10), limit(CAROL, SELL, 110, 10), stop(CAROL, SELL, 105, 10)
        )
        venue.do(command)
        events = venue.story(limit(ALICE, SELL, 100, 10))
        assert triggered(events) == [6]
        assert trades(events)[1:] == [(3, 6, 85, 10)]

    def test_a_take_profit_that_meets_the_market_trades_as_it_is_armed(self) -> None:
        venue = traded_venue()
        venue.do(
            bracket(
                limit(CAROL, BUY, 90, 10), limit(CAROL, SELL, 80, 10), stop(CAROL, SELL, 70, 10)
            )
        )
        venue.limit(BOB, BUY, 89, 4)
        events = venue.story(limit(ALICE, SELL, 90, 10))
        assert trades(events)[1:] == [(6, 4, 89, 4)]
        assert canceled(events) == [(5, OTHER_LEG)]

    def test_a_post_only_take_profit_that_would_trade_is_canceled(self) -> None:
        venue = traded_venue()
        profit = order(CAROL, SELL, LIMIT, 80, 10, post_only=PostOnly.REJECT)
        venue.do(bracket(limit(CAROL, BUY, 90, 10), profit, stop(CAROL, SELL, 70, 10)))
        venue.limit(BOB, BUY, 89, 4)
        events = venue.story(limit(ALICE, SELL, 90, 10))
        assert canceled(events) == [(4, CancelReason.POST_ONLY), (5, OTHER_LEG)]

    def test_a_trailing_exit_starts_where_it_is_armed(self) -> None:
        venue = traded_venue()
        venue.do(
            bracket(
                limit(CAROL, BUY, 98, 10),
                order(CAROL, SELL, TAKE_MARKET, 0, 10, stop_ticks=110),
                trailing(CAROL, SELL, 6, 10),
            )
        )
        trade_at(venue, 106)
        events = venue.story(limit(ALICE, SELL, 98, 10))
        assert StopMoved(5, CAROL, SYMBOL, 92) in events
        assert triggered(trade_at(venue, 92)) == [5]

    def test_a_short_one_with_a_trailing_exit(self) -> None:
        venue = traded_venue()
        venue.do(bracket(SHORT.orders[0], SHORT.orders[1], trailing(CAROL, BUY, 6, 10)))
        assert StopMoved(5, CAROL, SYMBOL, 106) in venue.story(limit(BOB, BUY, 100, 10))

    def test_an_auction_fills_an_entry(self) -> None:
        venue = traded_venue()
        venue.do(SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION))
        venue.do(LONG)
        venue.limit(ALICE, SELL, 99, 10)
        events = venue.story(SetPhase(SYMBOL, InstrumentStatus.TRADING))
        assert armed(events) == [(4, 10), (5, 10)]
        assert venue.engine.depth(SYMBOL) == [(SELL, 110, 10, 1)]

    def test_self_trade_prevention_makes_an_entry_smaller(self) -> None:
        venue = traded_venue()
        venue.do(SetAccountLimits(CAROL, SelfTradePrevention.DECREMENT))
        venue.do(LONG)
        assert canceled(venue.story(limit(CAROL, SELL, 100, 4)))[0][0] == 6
        assert armed(venue.story(limit(ALICE, SELL, 100, 6))) == [(4, 6), (5, 6)]


class TestAgenda:
    def test_several_that_one_order_fills_are_armed_in_turn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 1)
        venue = traded_venue()
        for _ in range(3):
            venue.do(LONG)
        assert armed(venue.story(limit(ALICE, SELL, 100, 30))) == [(4, 10), (5, 10)]
        assert venue.engine.next_due_ns == 0
        again = restore(snapshot(venue.engine))
        assert state_hash(again) == state_hash(venue.engine)
        assert armed(advance(venue)) == [(7, 10), (8, 10)]
        assert armed(advance(venue)) == [(10, 10), (11, 10)]

    def test_one_on_the_agenda_can_be_canceled_in_the_same_batch(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orderbook.core.triggers.MAX_TRIGGERS", 0)
        venue = traded_venue()
        venue.do(LONG)
        batch = Batch(CAROL, (limit(CAROL, SELL, 100, 10), CancelOrder(CAROL, 4)))
        events = venue.story(batch)
        assert len(trades(events)) == 1
        assert canceled(events) == [(4, CancelReason.USER), (5, OTHER_LEG)]
        assert not venue.engine.venue.agenda

    def test_exits_do_not_join_an_uncross_that_is_under_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orderbook.core.uncross.MAX_FILLS", 1)
        venue = traded_venue()
        venue.do(SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION))
        venue.do(LONG)
        for _ in range(2):
            venue.limit(ALICE, SELL, 99, 10)
        venue.limit(BOB, BUY, 99, 10)
        events = venue.story(SetPhase(SYMBOL, InstrumentStatus.TRADING))
        assert len([event for event in events if isinstance(event, Trade)]) == 1
        assert armed(events) == []
        assert armed(advance(venue)) == [(4, 10), (5, 10)]


LEG = limit(CAROL, SELL, 110, 10)
STOP = stop(CAROL, SELL, 90, 10)
ENTRY = limit(CAROL, BUY, 100, 10)
UNFIT = [
    oco(),
    oco(LEG),
    oco(LEG, STOP, STOP),
    oco(LEG, LEG),
    oco(LEG, stop(BOB, SELL, 90, 10)),
    oco(LEG, stop(CAROL, SELL, 90, 9)),
    oco(LEG, stop(CAROL, BUY, 120, 10)),
    oco(limit(CAROL, SELL, 110, 10, IOC), STOP),
    oco(market(CAROL, SELL, 10), STOP),
    oco(STOP, market(CAROL, SELL, 10)),
    oco(order(CAROL, SELL, MARKET, 0, 0, quote_minor=5), STOP),
    oco(LEG, limit(CAROL, SELL, 110, 10, symbol="NO-SUCH")),
    bracket(ENTRY, LEG),
    bracket(STOP, LEG, STOP),
    bracket(limit(CAROL, SELL, 100, 10), LEG, STOP),
    bracket(ENTRY, STOP, LEG),
    bracket(ENTRY, LEG, LEG),
    bracket(ENTRY, limit(CAROL, SELL, 110, 10, IOC), STOP),
    bracket(ENTRY, LEG, order(CAROL, SELL, STOP_MARKET, 0, 10, IOC, stop_ticks=90)),
    bracket(ENTRY, LEG, stop(CAROL, SELL, 110, 10)),
    bracket(ENTRY, order(CAROL, SELL, TAKE_MARKET, 0, 10, stop_ticks=90), STOP),
    bracket(limit(CAROL, SELL, 100, 10), limit(CAROL, BUY, 110, 10), stop(CAROL, BUY, 110, 10)),
]


class TestRefusal:
    @pytest.mark.parametrize("command", UNFIT)
    def test_orders_that_do_not_fit_together(self, command: Command) -> None:
        venue = traded_venue()
        before = state_hash(venue.engine)
        venue.time_ns -= 1
        (event,) = venue.do(command)
        assert isinstance(event, OrderRejected)
        assert event.reason is R.INVALID_LIST
        assert state_hash(venue.engine) == before

    @pytest.mark.parametrize(
        ("command", "reason", "client_order_id"),
        [
            (
                oco(limit(CAROL, SELL, 110, 10, GTC, "a"), stop(CAROL, SELL, 100, 10)),
                R.STOP_WOULD_TRIGGER,
                "",
            ),
            (
                oco(limit(CAROL, SELL, 0, 10, GTC, "a"), stop(CAROL, SELL, 100, 10)),
                R.INVALID_PRICE,
                "a",
            ),
            (
                oco(
                    limit(CAROL, SELL, 110, 10, GTC, "a"),
                    order(CAROL, SELL, STOP_MARKET, 0, 10, GTC, "a", stop_ticks=90),
                ),
                R.DUPLICATE_CLIENT_ORDER_ID,
                "a",
            ),
            (
                bracket(ENTRY, limit(CAROL, SELL, 110, 10, GTC, "é"), STOP),
                R.INVALID_CLIENT_ORDER_ID,
                "",
            ),
            (
                bracket(ENTRY, limit(CAROL, SELL, MAX_NOTIONAL_MINOR, 10, GTC, "p"), STOP),
                R.INVALID_PRICE,
                "p",
            ),
            (
                bracket(
                    limit(CAROL, BUY, 100, 0), limit(CAROL, SELL, 110, 0), stop(CAROL, SELL, 90, 0)
                ),
                R.INVALID_QUANTITY,
                "",
            ),
        ],
    )
    def test_the_first_order_that_breaks_a_rule(
        self, command: Command, reason: RejectReason, client_order_id: str
    ) -> None:
        venue = traded_venue()
        before = state_hash(venue.engine)
        venue.time_ns -= 1
        (event,) = venue.do(command)
        assert event == OrderRejected(CAROL, SYMBOL, client_order_id, reason)
        assert state_hash(venue.engine) == before

    def test_an_exit_keeps_to_the_largest_notional(self) -> None:
        venue = traded_venue()
        venue.do(instrument(max_notional_minor=1_000 * TICK_LOT_MINOR))
        (event,) = venue.do(LONG)
        assert event == OrderRejected(CAROL, SYMBOL, "", R.NOTIONAL_TOO_LARGE)

    def test_its_orders_count_as_open_all_of_them(self) -> None:
        venue = traded_venue()
        venue.do(SetAccountLimits(CAROL, max_open_orders=4))
        venue.do(SELL_OCO)
        (event,) = venue.do(LONG)
        assert event == OrderRejected(CAROL, SYMBOL, "", R.TOO_MANY_OPEN_ORDERS)
        assert isinstance(venue.do(BUY_OCO)[0], OrderListAccepted)

    def test_and_as_messages(self) -> None:
        venue = traded_venue()
        venue.do(SetAccountLimits(CAROL, orders_per_second=4))
        venue.do(SELL_OCO)
        (event,) = venue.do(LONG)
        assert event == OrderRejected(CAROL, SYMBOL, "", R.TOO_MANY_ORDERS_A_SECOND)

    def test_of_a_stranger(self) -> None:
        venue = traded_venue()
        (event,) = venue.do(oco(limit(99, SELL, 110, 10), stop(99, SELL, 90, 10)))
        assert event == OrderRejected(99, SYMBOL, "", R.UNKNOWN_ACCOUNT)

    def test_all_of_its_client_order_ids_are_taken(self) -> None:
        venue = traded_venue()
        venue.do(
            oco(
                limit(CAROL, SELL, 110, 10, GTC, "a"),
                order(CAROL, SELL, STOP_LIMIT, 85, 10, GTC, "b", stop_ticks=90),
            )
        )
        for text in ("a", "b"):
            (event,) = venue.do(limit(CAROL, BUY, 1, 1, GTC, text))
            assert event == OrderRejected(CAROL, SYMBOL, text, R.DUPLICATE_CLIENT_ORDER_ID)
        (event,) = venue.do(bracket(ENTRY, limit(CAROL, SELL, 110, 10, GTC, "b"), STOP))
        assert event == OrderRejected(CAROL, SYMBOL, "b", R.DUPLICATE_CLIENT_ORDER_ID)


def test_lists_survive_a_snapshot() -> None:
    venue = traded_venue()
    for order_list in (SELL_OCO, BUY_OCO, LONG, SHORT):
        venue.do(order_list)
    again = restore(snapshot(venue.engine))
    assert state_hash(again) == state_hash(venue.engine)
    for command in (limit(BOB, BUY, 110, 12), limit(ALICE, SELL, 90, 25), market(BOB, SELL, 3)):
        assert again.apply(command, venue.time_ns + 1) == venue.do(command)
    assert state_hash(again) == state_hash(venue.engine)
