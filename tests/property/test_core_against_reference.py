"""The engine against a naive venue: the same events and the same state after every command.

Hypothesis sends it commands one after another and shrinks what fails; seeded venues go further at
less cost, and ``make property-long`` as far as one likes.
"""

from collections import Counter
from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from orderbook.core import commands as c
from orderbook.core.engine import Engine
from orderbook.core.events import Event, OrderAccepted, OrderAmended, Trade
from orderbook.core.invariants import check
from orderbook.core.snapshot import state_hash
from orderbook.core.units import SelfTradePrevention, Side
from tests.property.flow.commands import START_NS, Commands
from tests.property.flow.pair import SMALL, Pair, bounds_of_engine
from tests.property.flow.venues import VenueFailed, replay, run_venue, shrink

chances = st.randoms(use_true_random=False)
SEEDED_VENUES = 40
SEEDED_COMMANDS = 800
COMMON = [
    "AuctionIndicated",
    "AuctionUncrossed",
    "BatchExecuted",
    "BatchRejected",
    "CancelAllAfterFired",
    "IcebergRefreshed",
    "KillSwitchSet",
    "OrderAmended",
    "OrderArmed",
    "OrderListAccepted",
    "OrderTriggered",
    "SelfTradePrevented",
    "StopMoved",
    "Trade",
    "TradeBusted",
]
"""Events that a few seeded venues must have seen, or their commands prove little."""


class VenueMachine(RuleBasedStateMachine):
    """Both venues, with small limits; ``check`` of all invariants is part of each comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(bounds_of_engine(SMALL))
        self.pair = Pair()

    def teardown(self) -> None:
        self.stack.close()

    def send(self, rng: Random, *kinds: str) -> None:
        self.flow.chance.rng = rng
        time_ns = self.flow.time_ns()
        self.pair.advance(time_ns)
        command = self.flow.kinds[self.flow.chance.one(kinds)]() if kinds else self.flow.next()
        events = self.pair.do(command, time_ns)
        self.flow.trades += [event for event in events if isinstance(event, Trade)]

    @initialize(rng=chances)
    def open(self, rng: Random) -> None:
        self.flow = Commands(rng, self.pair.reference)
        for command in self.flow.setup():
            self.pair.do(command, START_NS)

    @rule(rng=chances)
    def order(self, rng: Random) -> None:
        self.send(rng, "order")

    @rule(rng=chances)
    def another_order(self, rng: Random) -> None:
        self.send(rng, "order")

    @rule(rng=chances)
    def dependent_orders(self, rng: Random) -> None:
        self.send(rng, "list", "batch")

    @rule(rng=chances)
    def change(self, rng: Random) -> None:
        self.send(rng, "amend", "replace", "cancel")

    @rule(rng=chances)
    def operate(self, rng: Random) -> None:
        self.send(rng, "market", "account", "money", "definition")

    @rule(rng=chances)
    def anything(self, rng: Random) -> None:
        self.send(rng)

    @rule()
    def restart(self) -> None:
        self.pair.restart()


TestEngineAndNaiveVenue = VenueMachine.TestCase
TestEngineAndNaiveVenue.settings = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_the_engine_does_what_the_naive_venue_does() -> None:
    """Longer venues, each from its seed; together they see what there is to see."""
    seen: Counter[str] = Counter()
    with bounds_of_engine(SMALL):
        for seed in range(SEEDED_VENUES):
            run_venue(seed, SEEDED_COMMANDS, Counter(), seen)
    assert [name for name in COMMON if not seen[name]] == []
    assert seen["Trade"] > 500


@pytest.mark.parametrize("seed", range(100, 104))
def test_a_replay_gives_the_same_state_and_trades_respect_limits(seed: int) -> None:
    """The venue restarted from snapshots again and again; its replay never."""
    with bounds_of_engine(SMALL):
        pair = run_venue(seed, SEEDED_COMMANDS, Counter(), Counter())
        twin = Engine()
        keeper = LimitKeeper()
        for command, time_ns in pair.sent:
            keeper.look_at(twin.apply(command, time_ns))
        check(twin)
    assert keeper.trades > 20
    assert state_hash(twin) == state_hash(pair.engine)


class LimitKeeper:
    """Looks at trades without any model: nobody pays more, or takes less, than the limit said, or
    trades with itself where it asked not to, outside auctions."""

    def __init__(self) -> None:
        self.orders: dict[int, OrderAccepted] = {}
        self.limits: dict[int, int] = {}
        self.trades = 0

    def look_at(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, OrderAccepted):
                self.orders[event.order_id] = event
                self.limits[event.order_id] = event.price_ticks
            elif isinstance(event, OrderAmended):
                self.limits[event.order_id] = event.price_ticks
            elif isinstance(event, Trade):
                self.look_at_trade(event)

    def look_at_trade(self, trade: Trade) -> None:
        self.trades += 1
        for order_id in (trade.maker_order_id, trade.taker_order_id):
            limit = self.limits[order_id]
            bought = self.orders[order_id].side is Side.BUY
            assert not limit or (
                trade.price_ticks <= limit if bought else trade.price_ticks >= limit
            )
        if not trade.in_auction:
            assert trade.price_ticks == self.limits[trade.maker_order_id]
        options = self.orders[trade.taker_order_id].options
        if options is not None and options.self_trade is not SelfTradePrevention.NONE:
            same = trade.maker_account_id == trade.taker_account_id
            assert trade.in_auction or not same


def test_a_difference_is_found_and_shrinks_to_the_commands_that_show_it() -> None:
    with bounds_of_engine(SMALL):
        pair = run_venue(1, 60, Counter(), Counter())
        # An instrument of which the naive venue hears nothing: its definition alone must be left.
        unseen = c.DefineInstrument("NEW-USDT", "NEW", "USDT", 1, 1, 0, 0, 0, 10)
        assert not replay(pair.sent)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "tests.property.reference.venue.ReferenceVenue.define_instrument",
                lambda self, command: None,
            )
            fewest = shrink([*pair.sent, (unseen, pair.sent[-1][1])], lambda one: bool(replay(one)))
    assert len(fewest) == 1
    assert isinstance(fewest[0][0], c.DefineInstrument)


def test_a_failing_venue_names_its_seed_and_its_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(pair: Pair) -> None:
        raise AssertionError("broken")

    monkeypatch.setattr(Pair, "compare_state", fails)
    with pytest.raises(VenueFailed, match="seed 7 failed at command 1"):
        run_venue(7, 10, Counter(), Counter())
