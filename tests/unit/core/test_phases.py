"""Phases: what each one takes, what a change of phase does, and the daily schedule."""

import pytest

from orderbook.core import timekeeper
from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    CancelAllOrders,
    PlaceOrder,
    SetPhase,
    SetSchedule,
)
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import (
    CommandRejected,
    InstrumentDefined,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    PhaseChanged,
    ScheduleSet,
)
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.phases import Phases
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import snapshot, state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.uncross import Uncross
from orderbook.core.units import (
    DAY_NS,
    CancelReason,
    OrderType,
    PhaseReason,
    PostOnly,
    TimeInForce,
)
from tests.unit.core.markets import S, catch_up, changed, phase, reopened, status
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FOK,
    GTC,
    IOC,
    LIMIT,
    SELL,
    SYMBOL,
    Venue,
    instrument,
    limit,
    market,
)

NOT_TRADING = RejectReason.INSTRUMENT_NOT_TRADING
NOT_IN_PHASE = RejectReason.NOT_IN_THIS_PHASE
WOULD_TRADE = RejectReason.POST_ONLY_WOULD_TRADE
DAY, GTD = TimeInForce.DAY, TimeInForce.GTD
HOUR_NS = DAY_NS // 24


def stop_market(side=SELL, stop_ticks: int = 90) -> PlaceOrder:
    return PlaceOrder(
        BOB, SYMBOL, side, OrderType.STOP_MARKET, GTC, 0, 1, "", OrderOptions(stop_ticks=stop_ticks)
    )


def refusal(venue: Venue, command: PlaceOrder) -> RejectReason | None:
    event = venue.do(command)[0]
    return event.reason if isinstance(event, OrderRejected) else None


@pytest.mark.parametrize("phase_now", [S.HALTED, S.CANCEL_ONLY, S.CLOSED])
def test_where_nothing_trades_orders_are_refused_and_cancels_taken(phase_now) -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 90, 5)
    assert phase(venue, phase_now) == [changed(phase_now)]
    for command in (limit(BOB, SELL, 100, 1), market(BOB, SELL, 1), stop_market()):
        assert refusal(venue, command) is NOT_TRADING
    (event,) = venue.do(AmendOrder(ALICE, 1, quantity_lots=4))
    assert event.reason is NOT_TRADING  # type: ignore[union-attr]
    assert isinstance(venue.cancel(ALICE, 1)[0], OrderCanceled)


@pytest.mark.parametrize("phase_now", [S.PRE_OPEN, S.OPENING_AUCTION, S.CLOSING_AUCTION])
def test_a_collecting_phase_takes_limit_orders_that_may_rest_and_stops(phase_now) -> None:
    venue = Venue()
    phase(venue, phase_now)
    venue.limit(ALICE, BUY, 100, 5)
    assert refusal(venue, limit(BOB, SELL, 90, 5)) is None, "it rests although it crosses"
    assert refusal(venue, limit(BOB, SELL, 90, 5, DAY)) is None
    gtd = PlaceOrder(BOB, SYMBOL, SELL, LIMIT, GTD, 90, 1, "", OrderOptions(expire_time_ns=DAY_NS))
    assert refusal(venue, gtd) is None
    assert refusal(venue, stop_market()) is None
    assert refusal(venue, limit(BOB, SELL, 90, 5, IOC)) is NOT_IN_PHASE
    assert refusal(venue, limit(BOB, SELL, 90, 5, FOK)) is NOT_IN_PHASE
    assert refusal(venue, market(BOB, SELL, 5)) is NOT_IN_PHASE
    assert [view[1:] for view in venue.engine.depth(SYMBOL)] == [(100, 5, 1), (90, 11, 3)]


def test_post_only_orders_are_plain_while_an_auction_collects() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.limit(ALICE, BUY, 100, 5)
    for post_only in (PostOnly.REJECT, PostOnly.REPRICE):
        events = venue.do(
            PlaceOrder(BOB, SYMBOL, SELL, LIMIT, GTC, 90, 5, "", OrderOptions(post_only=post_only))
        )
        assert isinstance(events[0], OrderAccepted)
    assert [view[1:] for view in venue.engine.depth(SYMBOL)] == [(100, 5, 1), (90, 10, 2)]


def test_the_post_only_phase_takes_what_rests_without_trading() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 5)
    phase(venue, S.POST_ONLY)
    assert refusal(venue, limit(BOB, SELL, 100, 1)) is WOULD_TRADE
    assert refusal(venue, limit(BOB, SELL, 101, 1)) is None
    assert refusal(venue, limit(BOB, BUY, 101, 1)) is WOULD_TRADE
    assert refusal(venue, limit(BOB, BUY, 99, 1, IOC)) is NOT_IN_PHASE
    assert refusal(venue, market(BOB, SELL, 1)) is NOT_IN_PHASE
    assert refusal(venue, stop_market()) is None
    reprice = OrderOptions(post_only=PostOnly.REPRICE)
    venue.do(PlaceOrder(BOB, SYMBOL, SELL, LIMIT, GTC, 95, 1, "", reprice))
    assert [view[1:] for view in venue.engine.depth(SYMBOL)] == [(100, 5, 1), (101, 2, 2)]


def test_an_amend_in_the_post_only_phase_may_not_cross() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 110, 5)
    phase(venue, S.POST_ONLY)
    (event,) = venue.do(AmendOrder(BOB, 2, price_ticks=100))
    assert event.reason is WOULD_TRADE  # type: ignore[union-attr]
    assert venue.do(AmendOrder(BOB, 2, price_ticks=105))


def test_an_unknown_symbol_has_no_phase_and_no_schedule() -> None:
    venue = Venue()
    for command in (SetPhase("NO-SUCH", S.HALTED), SetSchedule("NO-SUCH", ())):
        (event,) = venue.do(command)
        assert event == CommandRejected(
            0, type(command).__name__, "NO-SUCH", RejectReason.UNKNOWN_SYMBOL
        )


def test_a_new_definition_keeps_the_phase() -> None:
    venue = Venue()
    phase(venue, S.HALTED)
    (event,) = venue.do(instrument(taker_fee_ppm=7))
    assert isinstance(event, InstrumentDefined)
    assert (event.status, event.taker_fee_ppm) == (S.HALTED, 7)
    assert status(venue) is S.HALTED
    venue.do(instrument(symbol="BTC-2", status=S.PRE_OPEN))
    assert venue.engine.instruments["BTC-2"].status is S.PRE_OPEN


def test_the_same_phase_may_be_set_again() -> None:
    venue = Venue()
    assert phase(venue, S.TRADING) == [changed(S.TRADING)]


def test_a_halt_makes_no_trades_and_trading_resumes_with_an_uncross() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 90, 5)
    for halt in (S.HALTED, S.CANCEL_ONLY, S.PRE_OPEN):
        assert phase(venue, halt) == [changed(halt)]
    events = phase(venue, S.TRADING)
    assert [type(event).__name__ for event in events] == [
        "AuctionUncrossed",
        "Trade",
        "ReferencePriceSet",
        "PhaseChanged",
    ]


def test_a_book_that_is_not_crossed_opens_without_an_uncross() -> None:
    venue = Venue()
    phase(venue, S.PRE_OPEN)
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 101, 5)
    assert phase(venue, S.POST_ONLY) == [changed(S.POST_ONLY)]


def test_from_a_halt_the_market_closes_without_trades() -> None:
    venue = Venue()
    phase(venue, S.PRE_OPEN)
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 90, 5)
    assert phase(venue, S.CLOSED) == [changed(S.CLOSED)]
    assert phase(venue, S.PRE_OPEN) == [changed(S.PRE_OPEN)]


def test_closing_ends_the_orders_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeper, "MAX_TIMERS", 2)
    venue = Venue()
    venue.do(instrument(symbol="BTC-2"))
    for price_ticks in (90, 91, 92):
        venue.limit(ALICE, BUY, price_ticks, 1, DAY)
    venue.limit(ALICE, BUY, 93, 1, DAY, symbol="BTC-2")
    venue.limit(ALICE, BUY, 94, 1)
    gtd = OrderOptions(expire_time_ns=DAY_NS)
    venue.do(PlaceOrder(ALICE, SYMBOL, BUY, LIMIT, GTD, 95, 1, "", gtd))
    assert phase(venue, S.CLOSED) == [changed(S.CLOSED)]
    assert venue.engine.next_due_ns == 0
    engine = reopened(venue)
    assert engine.next_due_ns == 0
    now = venue.time_ns
    first, second = venue.story(AdvanceTime()), venue.story(AdvanceTime())
    ended = [event for event in first + second if isinstance(event, OrderCanceled)]
    assert [(one.order_id, one.reason) for one in ended] == [
        (order_id, CancelReason.EXPIRED) for order_id in (1, 2, 3)
    ]
    assert len(first) == 2
    assert list(venue.engine.accounts[ALICE].orders) == [4, 5, 6]
    engine.apply(AdvanceTime(), now + 1)
    engine.apply(AdvanceTime(), now + 2)
    assert state_hash(engine) == state_hash(venue.engine)
    assert venue.engine.next_due_ns == DAY_NS


ENTRIES = (
    (8 * HOUR_NS, S.PRE_OPEN),
    (9 * HOUR_NS, S.TRADING),
    (17 * HOUR_NS, S.CLOSED),
)


def test_a_schedule_is_followed_day_after_day() -> None:
    venue = Venue()
    assert venue.story(SetSchedule(SYMBOL, ENTRIES)) == [ScheduleSet(SYMBOL, ENTRIES)]
    assert status(venue) is S.TRADING, "the present phase stays"
    seen = []
    for _ in range(4):
        due_ns = venue.engine.next_due_ns
        (event,) = venue.story(AdvanceTime(), due_ns)
        assert isinstance(event, PhaseChanged)
        assert event.reason is PhaseReason.SCHEDULE
        seen.append((due_ns, event.status))
    assert seen == [*ENTRIES, (DAY_NS + 8 * HOUR_NS, S.PRE_OPEN)]


def test_entries_that_were_missed_come_one_after_the_other() -> None:
    venue = Venue()
    venue.do(SetSchedule(SYMBOL, ENTRIES))
    events = catch_up(venue, DAY_NS + 8 * HOUR_NS)
    assert [event.status for event in events if isinstance(event, PhaseChanged)] == [
        S.PRE_OPEN,
        S.TRADING,
        S.CLOSED,
        S.PRE_OPEN,
    ]
    assert venue.engine.next_due_ns == DAY_NS + 9 * HOUR_NS


def test_a_schedule_can_be_replaced_and_taken_away() -> None:
    venue = Venue()
    venue.do(SetSchedule(SYMBOL, ENTRIES))
    other = ((0, S.HALTED),)
    venue.do(SetSchedule(SYMBOL, other))
    assert venue.engine.next_due_ns == DAY_NS
    assert venue.story(SetSchedule(SYMBOL, ())) == [ScheduleSet(SYMBOL, ())]
    assert venue.engine.next_due_ns > DAY_NS
    assert venue.engine.books[SYMBOL].session is None


@pytest.mark.parametrize(
    "entries",
    [
        tuple((n, S.TRADING) for n in range(17)),
        ((5, S.TRADING), (5, S.HALTED)),
        ((6, S.TRADING), (5, S.HALTED)),
        ((-1, S.TRADING),),
        ((DAY_NS, S.TRADING),),
    ],
)
def test_a_schedule_out_of_order_or_bounds_is_refused(entries) -> None:
    venue = Venue()
    before = snapshot(venue.engine)
    (event,) = venue.engine.apply(SetSchedule(SYMBOL, entries), venue.time_ns)
    assert event == CommandRejected(0, "SetSchedule", SYMBOL, RejectReason.INVALID_SCHEDULE)
    assert snapshot(venue.engine) == before


def test_a_schedule_survives_a_restart() -> None:
    venue = Venue()
    venue.do(SetSchedule(SYMBOL, ENTRIES))
    catch_up(venue, 8 * HOUR_NS)
    engine = reopened(venue)
    assert engine.next_due_ns == venue.engine.next_due_ns == 9 * HOUR_NS
    assert engine.apply(AdvanceTime(), 9 * HOUR_NS) == venue.story(AdvanceTime(), 9 * HOUR_NS)
    assert state_hash(engine) == state_hash(venue.engine)


def test_cancels_work_in_an_auction_too() -> None:
    venue = Venue()
    phase(venue, S.CLOSING_AUCTION)
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(ALICE, SELL, 90, 5)
    assert len(venue.story(CancelAllOrders(ALICE))) == 2


def test_a_market_never_opens_crossed() -> None:
    venue = Venue()
    phase(venue, S.PRE_OPEN)
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 100, 5)
    book = venue.engine.books[SYMBOL]
    assert book.is_crossed()
    phases = Phases(venue.engine.venue, Uncross(venue.engine.venue, Lifecycle(venue.engine.venue)))
    with pytest.raises(InvariantBroken, match="I6"):
        phases._enter(book, S.TRADING, PhaseReason.OPERATOR, 0, [])
