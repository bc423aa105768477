"""Batches: best effort, and all or nothing."""

import random

import pytest

from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    CancelOrder,
    Deposit,
    PlaceOrder,
    SetAccountLimits,
    SetReferencePrice,
    Withdraw,
)
from orderbook.core.events import (
    BalanceChanged,
    BatchExecuted,
    BatchRejected,
    CancelRejected,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderRejected,
    Trade,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    MAX_BATCH_COMMANDS,
    SECOND_NS,
    CancelReason,
    PostOnly,
    SelfTradePrevention,
    Side,
)
from tests.unit.core.special_orders import stop
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
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
    market,
)

R = RejectReason
OTHER = "BTC-EUR"


@pytest.fixture
def venue() -> Venue:
    """Bob bids 90: order 1. Alice asks 110: order 2."""
    venue = Venue()
    venue.limit(BOB, BUY, 90, 10, client_order_id="old")
    venue.limit(ALICE, SELL, 110, 10)
    return venue


def batch(*commands: PlaceOrder | AmendOrder | CancelOrder, account_id: int = BOB) -> Batch:
    return Batch(account_id, commands)


def all_of(*commands: PlaceOrder | AmendOrder | CancelOrder) -> Batch:
    return Batch(BOB, commands, all_or_nothing=True)


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


class TestBestEffort:
    def test_each_command_is_executed_or_refused_as_if_alone(self, venue: Venue) -> None:
        executed, *events = venue.story(
            batch(
                limit(BOB, BUY, 95, 1),
                limit(BOB, BUY, 95, 0),
                AmendOrder(BOB, 1, price_ticks=91),
                market(BOB, BUY, 2),
                CancelOrder(BOB, 0, "old"),
                CancelOrder(BOB, 99),
            )
        )
        assert executed == BatchExecuted(BOB, (1, 1, 1, 2, 1, 1))
        assert kinds(events) == [
            OrderAccepted,
            OrderRejected,
            OrderAmended,
            OrderAccepted,
            Trade,
            OrderCanceled,
            CancelRejected,
        ]

    def test_its_balances_come_once_and_last(self, venue: Venue) -> None:
        events = venue.do(batch(limit(BOB, BUY, 95, 1), limit(BOB, BUY, 96, 1)))
        assert kinds(events) == [BatchExecuted, OrderAccepted, OrderAccepted, BalanceChanged]

    def test_a_later_command_sees_what_an_earlier_one_did(self, venue: Venue) -> None:
        executed, *events = venue.story(
            batch(limit(BOB, BUY, 95, 1, client_order_id="x"), CancelOrder(BOB, 0, "x"))
        )
        assert executed == BatchExecuted(BOB, (1, 1))
        assert kinds(events) == [OrderAccepted, OrderCanceled]


@pytest.mark.parametrize("all_or_nothing", [False, True])
@pytest.mark.parametrize(
    ("commands", "index"),
    [
        ((), 0),
        ((CancelOrder(BOB, 1),) * (MAX_BATCH_COMMANDS + 1), 0),
        ((CancelOrder(BOB, 1), limit(ALICE, BUY, 95, 1)), 1),
    ],
)
def test_a_batch_has_so_many_commands_of_one_account(
    venue: Venue, commands: tuple[PlaceOrder | CancelOrder, ...], index: int, all_or_nothing: bool
) -> None:
    before = state_hash(venue.engine)
    events = venue.engine.apply(Batch(BOB, commands, all_or_nothing), venue.time_ns)
    assert events == [BatchRejected(BOB, index, R.INVALID_BATCH)]
    assert state_hash(venue.engine) == before


def test_the_largest_batch_is_executed(venue: Venue) -> None:
    executed = venue.do(batch(*[limit(BOB, BUY, 95, 1)] * MAX_BATCH_COMMANDS))[0]
    assert executed == BatchExecuted(BOB, (1,) * MAX_BATCH_COMMANDS)


class TestAllOrNothing:
    def test_cancels_and_then_orders_are_executed(self, venue: Venue) -> None:
        executed, *events = venue.story(
            all_of(
                CancelOrder(BOB, 0, "old"),
                limit(BOB, BUY, 110, 3),
                limit(BOB, SELL, 120, 1),
            )
        )
        assert executed == BatchExecuted(BOB, (1, 2, 1))
        assert kinds(events) == [OrderCanceled, OrderAccepted, Trade, OrderAccepted]

    @pytest.mark.parametrize(
        ("commands", "index", "reason"),
        [
            ((AmendOrder(BOB, 1, price_ticks=91),), 0, R.INVALID_BATCH),
            ((limit(BOB, BUY, 95, 1), CancelOrder(BOB, 1)), 1, R.INVALID_BATCH),
            ((limit(BOB, BUY, 95, 1), market(BOB, BUY, 1)), 1, R.INVALID_BATCH),
            ((limit(BOB, BUY, 95, 1, IOC),), 0, R.INVALID_BATCH),
            ((CancelOrder(BOB, 1), CancelOrder(BOB, 99)), 1, R.UNKNOWN_ORDER),
            ((CancelOrder(BOB, 1), CancelOrder(BOB, 0, "old")), 1, R.UNKNOWN_ORDER),
            ((CancelOrder(BOB, 2),), 0, R.UNKNOWN_ORDER),
            ((limit(BOB, BUY, 95, 1), limit(BOB, BUY, 95, 0)), 1, R.INVALID_QUANTITY),
            ((limit(BOB, BUY, 95, 1), limit(BOB, SELL, 95, 1)), 1, R.BATCH_CROSSES_ITSELF),
            (
                (
                    limit(BOB, SELL, 105, 1),
                    limit(BOB, BUY, 104, 1),
                    limit(BOB, BUY, 105, 1),
                ),
                2,
                R.BATCH_CROSSES_ITSELF,
            ),
            (
                (
                    limit(BOB, BUY, 95, 1, client_order_id="x"),
                    limit(BOB, BUY, 95, 1, client_order_id="x"),
                ),
                1,
                R.DUPLICATE_CLIENT_ORDER_ID,
            ),
            (
                (CancelOrder(BOB, 1), limit(BOB, BUY, 95, 1, client_order_id="old")),
                1,
                R.DUPLICATE_CLIENT_ORDER_ID,
            ),
            ((limit(BOB, BUY, 95, 1, symbol="NO-SUCH"),), 0, R.UNKNOWN_SYMBOL),
        ],
    )
    def test_if_one_would_be_refused_nothing_happens(
        self,
        venue: Venue,
        commands: tuple[PlaceOrder | AmendOrder | CancelOrder, ...],
        index: int,
        reason: RejectReason,
    ) -> None:
        before = state_hash(venue.engine)
        events = venue.engine.apply(all_of(*commands), venue.time_ns)
        assert events == [BatchRejected(BOB, index, reason)]
        assert state_hash(venue.engine) == before

    def test_an_unknown_account_has_no_batch(self, venue: Venue) -> None:
        assert venue.do(Batch(99, (CancelOrder(99, 1),), all_or_nothing=True)) == [
            BatchRejected(99, 0, R.UNKNOWN_ACCOUNT)
        ]

    def test_orders_that_would_cross_in_other_instruments_do_not(self, venue: Venue) -> None:
        venue.do(instrument(symbol=OTHER))
        (executed, *_) = venue.do(
            all_of(limit(BOB, BUY, 95, 1), limit(BOB, SELL, 95, 1, symbol=OTHER))
        )
        assert executed == BatchExecuted(BOB, (1, 1))

    def test_the_money_is_that_for_all_orders_and_what_the_cancels_release(self) -> None:
        venue = Venue()
        venue.do(instrument(max_quantity_lots=10**9))
        half = FUNDS_MINOR // (2 * 100 * TICK_LOT_MINOR)
        venue.limit(BOB, BUY, 100, half)
        orders = [limit(BOB, BUY, 100, half), limit(BOB, BUY, 100, half)]
        assert venue.do(all_of(*orders)) == [BatchRejected(BOB, 1, R.INSUFFICIENT_BALANCE)]
        executed = venue.do(all_of(CancelOrder(BOB, 1), *orders))[0]
        assert executed == BatchExecuted(BOB, (1, 1, 1))
        assert venue.balance(BOB, "USDT") == (0, FUNDS_MINOR)

    def test_the_open_orders_are_counted_through(self, venue: Venue) -> None:
        venue.do(SetAccountLimits(BOB, max_open_orders=2))
        orders = [limit(BOB, BUY, 95, 1), limit(BOB, SELL, 120, 1)]
        assert venue.do(all_of(*orders)) == [BatchRejected(BOB, 1, R.TOO_MANY_OPEN_ORDERS)]
        assert venue.do(all_of(CancelOrder(BOB, 1), *orders))[0] == BatchExecuted(BOB, (1, 1, 1))

    def test_a_batch_within_the_accounts_rates_is_executed(self, venue: Venue) -> None:
        venue.do(SetAccountLimits(BOB, orders_per_second=1, messages_per_second=2))
        commands = (CancelOrder(BOB, 1), limit(BOB, BUY, 95, 1))
        assert venue.do(all_of(*commands))[0] == BatchExecuted(BOB, (1, 1))
        assert venue.do(all_of(CancelOrder(BOB, 3))) == [
            BatchRejected(BOB, 0, R.TOO_MANY_MESSAGES_A_SECOND)
        ]

    def test_post_only_looks_at_the_book_as_it_is(self, venue: Venue) -> None:
        post_only = OrderOptions(post_only=PostOnly.REJECT)
        order = PlaceOrder(BOB, SYMBOL, BUY, LIMIT, GTC, 110, 1, "", post_only)
        rejected = [BatchRejected(BOB, 1, R.POST_ONLY_WOULD_TRADE)]
        assert venue.do(all_of(limit(BOB, BUY, 110, 10), order)) == rejected

    @pytest.mark.parametrize("pause_ns", [0, SECOND_NS])
    def test_one_that_is_to_be_repriced_pays_its_own_limit(self, pause_ns: int) -> None:
        """The order before it takes away what it would have been moved by, or sets off an auction,
        in which nothing is moved."""
        venue = Venue()
        venue.limit(ALICE, SELL, 101, 1)
        venue.limit(ALICE, SELL, 110, 1)
        if pause_ns:
            venue.do(SetReferencePrice(SYMBOL, 100))
            venue.do(instrument(dynamic_band_ppm=15_000, pause_ns=pause_ns))
        taker = limit(BOB, BUY, 110, 2) if pause_ns else limit(BOB, BUY, 101, 1)
        reprice = OrderOptions(post_only=PostOnly.REPRICE)
        both = all_of(taker, PlaceOrder(BOB, SYMBOL, BUY, LIMIT, GTC, 105, 1_000, "", reprice))
        needed_ticks = taker.price_ticks * taker.quantity_lots + 105 * 1_000
        spare_minor = FUNDS_MINOR - (needed_ticks - 1) * TICK_LOT_MINOR
        venue.do(Withdraw(BOB, "USDT", spare_minor, ""))
        assert venue.do(both) == [BatchRejected(BOB, 1, R.INSUFFICIENT_BALANCE)]
        venue.do(Deposit(BOB, "USDT", TICK_LOT_MINOR, ""))
        assert isinstance(venue.do(both)[0], BatchExecuted)
        assert venue.engine.depth(SYMBOL) == [(BUY, 105, 1_000, 1), (SELL, 110, 1, 1)]

    def test_one_to_be_repriced_that_sells_needs_what_it_sells(self, venue: Venue) -> None:
        reprice = OrderOptions(post_only=PostOnly.REPRICE)
        moved = PlaceOrder(BOB, SYMBOL, SELL, LIMIT, GTC, 80, 1, "", reprice)
        venue.limit(ALICE, BUY, 91, 1)
        assert isinstance(venue.do(all_of(moved))[0], BatchExecuted)
        assert venue.engine.depth(SYMBOL)[2] == (SELL, 92, 1, 1)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_foreseen_of_a_batch_is_what_its_commands_do_alone(seed: int) -> None:
    """Random batches on random books: an accepted one does what its commands would do alone, and
    of a refused one some command would be refused alone, or it breaks a rule of batches."""
    rng = random.Random(seed)
    rules = {R.INVALID_BATCH, R.BATCH_CROSSES_ITSELF, R.POST_ONLY_WOULD_TRADE}
    accepted = 0
    for _ in range(20):
        together, alone = Venue(), Venue()
        before = [
            limit(rng.choice((ALICE, BOB)), rng.choice(list(Side)), rng.randint(95, 105), 5)
            for _ in range(12)
        ]
        limits = SetAccountLimits(BOB, rng.choice(list(SelfTradePrevention)), 10)
        for command in (limits, *before):
            together.do(command)
            alone.do(command)
        orders = list(together.engine.accounts[BOB].orders)
        cancels = [CancelOrder(BOB, id) for id in rng.sample(orders, min(2, len(orders)))]
        placed = [
            limit(BOB, rng.choice(list(Side)), rng.randint(96, 104), rng.randint(1, 9))
            for _ in range(rng.randint(1, 4))
        ]
        first, *events = together.story(all_of(*cancels, *placed))
        each = [event for command in (*cancels, *placed) for event in alone.story(command)]
        if isinstance(first, BatchExecuted):
            accepted += 1
            assert events == each
            assert together.engine.depth(SYMBOL) == alone.engine.depth(SYMBOL)
        else:
            assert isinstance(first, BatchRejected)
            assert first.reason in rules or any(isinstance(event, OrderRejected) for event in each)
    assert accepted


def test_a_cancel_of_a_batch_says_who_asked(venue: Venue) -> None:
    events = venue.do(all_of(CancelOrder(BOB, 1)))
    assert events[1] == OrderCanceled(1, BOB, SYMBOL, "old", 10, CancelReason.USER)


class TestTradesOfOneBatch:
    @pytest.fixture(autouse=True)
    def three(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("orderbook.core.batches.MAX_COMMAND_TRADES", 3)

    @pytest.fixture
    def venue(self) -> Venue:
        venue = Venue()
        for _ in range(6):
            venue.limit(ALICE, SELL, 100, 1)
        return venue

    @pytest.mark.parametrize("all_or_nothing", [False, True])
    def test_orders_that_could_trade_on_are_canceled(
        self, venue: Venue, all_or_nothing: bool
    ) -> None:
        orders = (
            limit(BOB, BUY, 100, 2),
            limit(BOB, BUY, 100, 2),
            limit(BOB, BUY, 100, 1),
            limit(BOB, BUY, 99, 1),
        )
        events = venue.do(Batch(BOB, orders, all_or_nothing))
        assert sum(isinstance(event, Trade) for event in events) == 3
        ended = [(e.order_id, e.reason) for e in events if isinstance(e, OrderCanceled)]
        assert ended == [(8, CancelReason.FILL_LIMIT), (9, CancelReason.FILL_LIMIT)]
        assert venue.engine.depth(SYMBOL) == [(BUY, 99, 1, 1), (SELL, 100, 3, 3)]

    def test_a_fill_or_kill_order_is_filled_with_what_is_left_or_not_at_all(
        self, venue: Venue
    ) -> None:
        two, one = limit(BOB, BUY, 100, 2, FOK), limit(BOB, BUY, 100, 1, FOK)
        events = venue.do(batch(two, two, one))
        ended = [(e.order_id, e.reason) for e in events if isinstance(e, OrderCanceled)]
        assert ended == [(8, CancelReason.FOK_UNFILLABLE)]
        assert venue.engine.depth(SYMBOL) == [(SELL, 100, 3, 3)]

    def test_the_next_command_may_trade_again(self, venue: Venue) -> None:
        venue.do(batch(limit(BOB, BUY, 100, 3)))
        events = venue.limit(BOB, BUY, 100, 3)
        assert sum(isinstance(event, Trade) for event in events) == 3

    def test_what_it_sets_off_waits_once_they_are_made(self, venue: Venue) -> None:
        venue.do(stop(CAROL, BUY, 100, 2))
        venue.do(stop(CAROL, BUY, 100, 1))
        events = venue.do(batch(market(BOB, BUY, 2), market(BOB, BUY, 1)))
        traded = [e.taker_order_id for e in events if isinstance(e, Trade)]
        assert traded == [9, 9, 7, 7], "what was set off has a limit of its own"
        assert [e.reason for e in events if isinstance(e, OrderCanceled)] == [
            CancelReason.FILL_LIMIT
        ]
        assert venue.engine.next_due_ns == 0
        (trade, *_) = venue.story(AdvanceTime())
        assert isinstance(trade, Trade)
        assert trade.taker_order_id == 8
