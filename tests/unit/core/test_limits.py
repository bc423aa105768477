"""Account limits, kill switches and the dead man's switch."""

import pytest

from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    Command,
    ReplaceOrder,
    SetAccountLimits,
    SetKillSwitch,
)
from orderbook.core.events import (
    AccountLimitsSet,
    AmendRejected,
    BatchRejected,
    CancelAllAfterFired,
    CancelAllAfterSet,
    CancelRejected,
    CommandRejected,
    KillSwitchSet,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.units import (
    MAX_DEAD_MAN_NS,
    MAX_OPEN_ORDERS,
    MAX_RATE,
    MIN_DEAD_MAN_NS,
    SECOND_NS,
    CancelReason,
    SelfTradePrevention,
)
from tests.unit.core.venue import ALICE, BOB, BUY, IOC, SELL, SYMBOL, Venue, limit

R = RejectReason
NEWEST = SelfTradePrevention.CANCEL_NEWEST


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_limits_are_announced_as_they_were_set(venue: Venue) -> None:
    assert venue.do(SetAccountLimits(BOB, NEWEST, 3, 5, 8)) == [
        AccountLimitsSet(BOB, NEWEST, 3, 5, 8)
    ]
    account = venue.engine.accounts[BOB]
    assert (account.self_trade, account.max_open_orders) == (NEWEST, 3)
    venue.do(SetAccountLimits(BOB))
    assert (account.self_trade, account.max_open_orders) == (
        SelfTradePrevention.NONE,
        MAX_OPEN_ORDERS,
    )
    assert account.limits is None


def test_an_account_has_its_own_limit_of_open_orders(venue: Venue) -> None:
    venue.do(SetAccountLimits(BOB, max_open_orders=1))
    venue.limit(BOB, BUY, 100, 1)
    (refused,) = venue.limit(BOB, BUY, 100, 1)
    assert refused == OrderRejected(BOB, SYMBOL, "", R.TOO_MANY_OPEN_ORDERS)
    assert isinstance(venue.limit(BOB, BUY, 100, 1, IOC)[0], OrderAccepted)
    venue.limit(ALICE, BUY, 100, 1)
    assert isinstance(venue.limit(ALICE, BUY, 100, 1)[0], OrderAccepted)


def test_the_default_self_trade_prevention_holds_for_orders_that_do_not_say(venue: Venue) -> None:
    venue.do(SetAccountLimits(BOB, NEWEST))
    venue.limit(BOB, SELL, 100, 1)
    events = venue.limit(BOB, BUY, 100, 1)
    assert OrderCanceled(2, BOB, SYMBOL, "", 1, CancelReason.SELF_TRADE) in events


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (SetAccountLimits(0), R.UNKNOWN_ACCOUNT),
        (SetAccountLimits(99), R.UNKNOWN_ACCOUNT),
        (SetAccountLimits(BOB, max_open_orders=-1), R.INVALID_LIMITS),
        (SetAccountLimits(BOB, max_open_orders=MAX_OPEN_ORDERS + 1), R.INVALID_LIMITS),
        (SetAccountLimits(BOB, orders_per_second=MAX_RATE + 1), R.INVALID_LIMITS),
        (SetAccountLimits(BOB, messages_per_second=-1), R.INVALID_LIMITS),
        (SetKillSwitch(99, True), R.UNKNOWN_ACCOUNT),
        (CancelAllAfter(0, SECOND_NS), R.UNKNOWN_ACCOUNT),
        (CancelAllAfter(99, SECOND_NS), R.UNKNOWN_ACCOUNT),
        (CancelAllAfter(BOB, MIN_DEAD_MAN_NS - 1), R.INVALID_TIMEOUT),
        (CancelAllAfter(BOB, MAX_DEAD_MAN_NS + 1), R.INVALID_TIMEOUT),
        (CancelAllAfter(BOB, -1), R.INVALID_TIMEOUT),
    ],
)
def test_a_refusal_names_the_account_and_changes_nothing(
    venue: Venue, command: SetAccountLimits | SetKillSwitch | CancelAllAfter, reason: RejectReason
) -> None:
    before = state_hash(venue.engine)
    account_id = command.account_id
    assert venue.engine.apply(command, venue.time_ns) == [
        CommandRejected(account_id, type(command).__name__, str(account_id), reason)
    ]
    assert state_hash(venue.engine) == before


class TestRates:
    """Two orders and four messages a second."""

    @pytest.fixture
    def venue(self) -> Venue:
        venue = Venue()
        venue.do(SetAccountLimits(BOB, orders_per_second=2, messages_per_second=4), SECOND_NS)
        return venue

    def test_orders_are_counted_in_seconds_of_the_clock(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.limit(BOB, BUY, 100, 0)
        assert venue.limit(BOB, BUY, 100, 1) == [
            OrderRejected(BOB, SYMBOL, "", R.TOO_MANY_ORDERS_A_SECOND)
        ]
        (refused,) = venue.do(limit(BOB, BUY, 100, 1), 2 * SECOND_NS - 1)
        assert refused == OrderRejected(BOB, SYMBOL, "", R.TOO_MANY_ORDERS_A_SECOND)
        assert isinstance(venue.do(limit(BOB, BUY, 100, 1), 2 * SECOND_NS)[0], OrderAccepted)

    def test_every_message_counts_refused_ones_too(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.do(CancelOrder(BOB, 99))
        venue.do(AmendOrder(BOB, 1, price_ticks=99))
        venue.do(ReplaceOrder(1, limit(BOB, BUY, 98, 1)))
        too_many = R.TOO_MANY_MESSAGES_A_SECOND
        assert venue.do(AmendOrder(BOB, 2, price_ticks=99)) == [AmendRejected(BOB, 2, "", too_many)]
        assert venue.do(CancelOrder(BOB, 2)) == [CancelRejected(BOB, 2, "", too_many)]
        assert venue.limit(BOB, BUY, 1, 1) == [OrderRejected(BOB, SYMBOL, "", too_many)]
        assert venue.do(ReplaceOrder(2, limit(BOB, BUY, 98, 1))) == [
            OrderRejected(BOB, SYMBOL, "", too_many)
        ]

    def test_mass_cancels_switches_and_operators_always_pass(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.limit(BOB, BUY, 100, 1)
        for _ in range(3):
            venue.do(CancelOrder(BOB, 99))
        assert isinstance(venue.do(CancelOrder(BOB, 1, by_operator=True))[0], OrderCanceled)
        assert isinstance(venue.do(CancelAllAfter(BOB, SECOND_NS))[0], CancelAllAfterSet)
        assert isinstance(venue.do(CancelAllOrders(BOB))[0], OrderCanceled)

    def test_each_command_of_a_batch_is_a_message(self, venue: Venue) -> None:
        venue.do(Batch(BOB, tuple(limit(BOB, BUY, price, 1) for price in (1, 2, 3))))
        assert len(venue.engine.accounts[BOB].orders) == 2
        cancels = (CancelOrder(BOB, 1), CancelOrder(BOB, 2))
        assert venue.do(Batch(BOB, cancels, all_or_nothing=True)) == [
            BatchRejected(BOB, 0, R.TOO_MANY_MESSAGES_A_SECOND)
        ]

    def test_the_counts_survive_a_snapshot(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.limit(BOB, BUY, 100, 1)
        engine = restore(snapshot(venue.engine))
        assert state_hash(engine) == state_hash(venue.engine)
        (refused,) = engine.apply(limit(BOB, BUY, 100, 1), venue.time_ns)
        assert refused == OrderRejected(BOB, SYMBOL, "", R.TOO_MANY_ORDERS_A_SECOND)

    def test_an_account_may_have_either_limit_alone(self, venue: Venue) -> None:
        venue.do(SetAccountLimits(BOB, orders_per_second=1))
        for _ in range(9):
            assert venue.do(CancelOrder(BOB, 99))[0].reason is R.UNKNOWN_ORDER  # type: ignore[union-attr]
        venue.limit(BOB, BUY, 100, 1)
        (refused,) = venue.limit(BOB, BUY, 100, 1)
        assert refused == OrderRejected(BOB, SYMBOL, "", R.TOO_MANY_ORDERS_A_SECOND)
        venue.do(SetAccountLimits(BOB, messages_per_second=99))
        for _ in range(3):
            assert isinstance(venue.limit(BOB, BUY, 100, 1)[0], OrderAccepted)

    def test_new_limits_go_on_with_the_counts(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.do(SetAccountLimits(BOB, messages_per_second=1))
        assert venue.limit(BOB, BUY, 100, 1) == [
            OrderRejected(BOB, SYMBOL, "", R.TOO_MANY_MESSAGES_A_SECOND)
        ]


def test_a_kill_switch_cancels_an_accounts_orders_and_takes_no_new_ones(venue: Venue) -> None:
    venue.limit(BOB, BUY, 100, 1)
    venue.limit(ALICE, BUY, 100, 1)
    assert venue.story(SetKillSwitch(BOB, True)) == [
        KillSwitchSet(BOB, True),
        OrderCanceled(1, BOB, SYMBOL, "", 1, CancelReason.KILL_SWITCH),
    ]
    assert venue.limit(BOB, BUY, 100, 1) == [OrderRejected(BOB, SYMBOL, "", R.KILL_SWITCH)]
    assert isinstance(venue.limit(ALICE, BUY, 100, 1)[0], OrderAccepted)
    assert venue.do(SetKillSwitch(BOB, False)) == [KillSwitchSet(BOB, False)]
    assert isinstance(venue.limit(BOB, BUY, 100, 1)[0], OrderAccepted)


def test_the_venues_kill_switch_cancels_every_order_by_age(venue: Venue) -> None:
    venue.limit(BOB, BUY, 100, 1)
    venue.limit(ALICE, BUY, 100, 1)
    venue.limit(BOB, BUY, 101, 1)
    killed = CancelReason.KILL_SWITCH
    assert venue.story(SetKillSwitch(0, True)) == [
        KillSwitchSet(0, True),
        OrderCanceled(1, BOB, SYMBOL, "", 1, killed),
        OrderCanceled(2, ALICE, SYMBOL, "", 1, killed),
        OrderCanceled(3, BOB, SYMBOL, "", 1, killed),
    ]
    engine = restore(snapshot(venue.engine))
    for account_id in (ALICE, BOB):
        (refused,) = engine.apply(limit(account_id, BUY, 100, 1), venue.time_ns)
        assert refused == OrderRejected(account_id, SYMBOL, "", R.KILL_SWITCH)
    assert venue.do(SetKillSwitch(0, False)) == [KillSwitchSet(0, False)]
    assert isinstance(venue.limit(BOB, BUY, 100, 1)[0], OrderAccepted)


def test_an_accounts_kill_switch_survives_a_snapshot(venue: Venue) -> None:
    venue.do(SetKillSwitch(BOB, True))
    engine = restore(snapshot(venue.engine))
    (refused,) = engine.apply(limit(BOB, BUY, 100, 1), venue.time_ns)
    assert refused == OrderRejected(BOB, SYMBOL, "", R.KILL_SWITCH)


class TestDeadMan:
    def fire(self, venue: Venue, time_ns: int) -> list[object]:
        return list(venue.story(AdvanceTime(), time_ns))

    def test_it_cancels_the_accounts_orders_unless_sent_again(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.limit(ALICE, BUY, 100, 1)
        assert venue.do(CancelAllAfter(BOB, SECOND_NS), 1_000) == [
            CancelAllAfterSet(BOB, 1_000 + SECOND_NS)
        ]
        venue.do(CancelAllAfter(BOB, 2 * SECOND_NS), 2_000)
        assert venue.engine.next_due_ns == 2_000 + 2 * SECOND_NS
        assert self.fire(venue, 2_000 + 2 * SECOND_NS - 1) == []
        assert self.fire(venue, 2_000 + 2 * SECOND_NS) == [
            CancelAllAfterFired(BOB),
            OrderCanceled(1, BOB, SYMBOL, "", 1, CancelReason.DEAD_MAN),
        ]
        assert self.fire(venue, 9 * SECOND_NS) == []
        assert isinstance(venue.limit(BOB, BUY, 100, 1)[0], OrderAccepted)

    def test_it_is_disarmed_by_zero(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.do(CancelAllAfter(BOB, SECOND_NS))
        assert venue.do(CancelAllAfter(BOB, 0)) == [CancelAllAfterSet(BOB, 0)]
        assert self.fire(venue, 9 * SECOND_NS) == []

    def test_it_survives_a_snapshot(self, venue: Venue) -> None:
        venue.limit(BOB, BUY, 100, 1)
        venue.do(CancelAllAfter(BOB, SECOND_NS))
        engine = restore(snapshot(venue.engine))
        assert state_hash(engine) == state_hash(venue.engine)
        assert engine.next_due_ns == venue.engine.next_due_ns
        events = engine.apply(AdvanceTime(), engine.next_due_ns)
        assert events[0] == CancelAllAfterFired(BOB)

    def test_a_closed_account_cannot_arm_it(self, venue: Venue) -> None:
        venue.close(BOB)
        command: Command = CancelAllAfter(BOB, SECOND_NS)
        assert venue.do(command) == [
            CommandRejected(BOB, "CancelAllAfter", str(BOB), R.ACCOUNT_CLOSED)
        ]
