"""What the simulation has found, each as the smallest plan that showed it."""

from collections import Counter
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from orderbook.core.commands import PlaceOrder
from orderbook.core.units import OrderType, Side, TimeInForce
from tests.simulation.drawing import SYMBOL
from tests.simulation.flow import SETUP
from tests.simulation.plan import ENGINES, Fault, MessageFault, Operation, Plan
from tests.simulation.runner import run

HOUR_MS = 3_600_000
ORDER = PlaceOrder(1, SYMBOL, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 100, 5)


@pytest.fixture(autouse=True)
def databases_of_their_own(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.mark.parametrize(("first", "second"), [ENGINES, ENGINES[::-1]])
def test_a_leader_whose_clock_is_ahead_makes_the_next_one_forget_no_answer(
    first: str, second: str
) -> None:
    """The order is executed, its answers are lost, and the leader dies. The next one, an hour
    ahead, writes one row and loses its lock. The third finds the order an hour before the journal's
    end and must know it all the same when the gateway sends it again."""
    first_reply = len(SETUP) + 1
    plan = Plan(
        seed=1,
        end_ms=9_000,
        snapshot_every=10**9,
        message_faults=[
            MessageFault("message lost", "replies", n, 0)
            for n in range(first_reply, first_reply + 7)
        ],
        faults=[
            Fault("clock jump", 1_000, second, HOUR_MS, 600),
            Fault("crash", 1_060, first, 1, 0),
            Fault("session broken", 1_700, "", 0, 0),
        ],
        operations=[Operation(1_050, "gateway-1", ORDER)],
    )
    assert run(plan).failure is None


def test_who_is_refused_for_a_deadline_is_promised_nothing() -> None:
    """A leader whose clock is ahead refuses an order as late and dies. A copy of the order is still
    under way and reaches the next leader in time, which executes it."""
    told: Counter[str] = Counter()
    for first in ENGINES:
        plan = Plan(
            seed=1,
            end_ms=9_000,
            snapshot_every=10**9,
            message_faults=[MessageFault("message doubled", "commands", len(SETUP) + 1, 3_000)],
            faults=[
                Fault("clock jump", 1_000, first, 7_000, 60_000),
                Fault("crash", 1_100, first, 1, 0),
            ],
            operations=[Operation(1_050, "gateway-1", ORDER)],
        )
        report = run(plan)
        assert report.failure is None
        told += report.outcomes
    assert told["unknown"] == 1
