"""The fold of events onto orders, against the orders that the engine itself has."""

import copy
import random
from collections.abc import Callable, Iterator

import pytest

from orderbook.core.commands import AdvanceTime, Command
from orderbook.core.engine import Engine
from orderbook.core.events import (
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderTriggered,
    SelfTradePrevented,
    StopMoved,
    Trade,
)
from orderbook.core.order import Order, Stage
from orderbook.core.units import SECOND_NS, OrderType, Side, TimeInForce
from orderbook.gateway.tail import accounts_of
from orderbook.projections import Recorded
from tests.unit.core.special_flow import SpecialFlow
from tests.unit.core.test_changes_flow import Flow as ChangesFlow
from tests.unit.core.venue import ALICE, BOB, CAROL, SETUP
from trading.order_state import MAX_SUM_MINOR, OrderState, fold, touched_ids

ACCOUNTS = (ALICE, BOB, CAROL)
COMMANDS = 700
CHECKED_EVERY = 10
"""Commands after which it is looked at whether anything changed that should not."""
FUNDS_MINOR = 5_000_000
Step = tuple[Engine, list[Recorded]]


def special_steps(seed: int) -> Iterator[Step]:
    engine, flow = Engine(), SpecialFlow(seed, FUNDS_MINOR)
    for sequence in range(1, COMMANDS):
        events = flow.step(engine)
        yield engine, [Recorded(sequence, i, flow.time_ns, one) for i, one in enumerate(events)]


def changes_steps(seed: int) -> Iterator[Step]:
    engine, flow, rng = Engine(), ChangesFlow(seed), random.Random(seed)
    waiting: list[Command] = list(SETUP)
    for sequence in range(1, COMMANDS):
        flow.time_ns += rng.randint(1, SECOND_NS // 4)
        command = waiting.pop(0) if waiting else flow.next(engine)
        if engine.next_due_ns <= flow.time_ns:
            command = AdvanceTime()
        events = engine.apply(command, flow.time_ns)
        yield engine, [Recorded(sequence, i, flow.time_ns, one) for i, one in enumerate(events)]


def status_of(order: Order) -> str:
    stage = Stage.RESTING if order.special is None else order.special.stage
    if stage in (Stage.PENDING, Stage.WAITING):
        return stage.value
    return "partially_filled" if order.quantity_lots > order.open_lots() else "open"


def in_the_engine(engine: Engine) -> dict[int, tuple[object, ...]]:
    return {
        order.order_id: (
            order.quantity_lots,
            order.open_lots(),
            order.price_ticks,
            0 if order.special is None else order.special.stop_ticks,
            status_of(order),
        )
        for account_id in ACCOUNTS
        if account_id in engine.accounts
        for order in engine.accounts[account_id].orders.values()
    }


def as_folded(states: dict[int, OrderState]) -> dict[int, tuple[object, ...]]:
    return {
        state.id: (
            state.quantity_lots,
            state.remaining_lots,
            state.price_ticks,
            state.stop_ticks,
            state.status,
        )
        for state in states.values()
        if state.is_open
    }


@pytest.mark.parametrize("steps", [special_steps, changes_steps])
@pytest.mark.parametrize("seed", range(4))
def test_folded_orders_are_those_of_the_engine(
    steps: Callable[[int], Iterator[Step]], seed: int
) -> None:
    states: dict[int, OrderState] = {}
    happened = set()
    for number, (engine, records) in enumerate(steps(seed)):
        before = copy.deepcopy(states) if number % CHECKED_EVERY == 0 else None
        changed = fold(states, records)
        assert as_folded(states) == in_the_engine(engine), records
        assert changed <= touched_ids(records)
        if before is not None:
            assert {id for id, state in states.items() if before.get(id) != state} <= changed
        happened |= {type(record.event) for record in records}
    assert {OrderAmended, OrderTriggered, SelfTradePrevented, Trade} <= happened
    if steps is special_steps:
        assert {OrderArmed, StopMoved} <= happened


def own_of(account_id: int) -> Callable[[OrderAccepted], bool]:
    return lambda event: event.account_id == account_id


@pytest.mark.parametrize("seed", range(4))
def test_what_is_laid_over_older_rows_ends_as_the_whole_does(seed: int) -> None:
    """From rows at any moment, with records that they have already, and one account's alone."""
    rng = random.Random(seed)
    whole: dict[int, OrderState] = {}
    rows: list[dict[int, OrderState]] = [{}]
    records: list[Recorded] = []
    for _, some in special_steps(seed):
        fold(whole, some)
        records += some
        rows.append(copy.deepcopy(whole) if rng.random() < 0.02 else rows[-1])
    for account_id in ACCOUNTS:
        own = {id: state for id, state in whole.items() if state.account_id == account_id}
        about = [record for record in records if account_id in accounts_of(record)]
        for start in rows[:: COMMANDS // 10]:
            states = {
                id: copy.copy(state)
                for id, state in start.items()
                if state.account_id == account_id
            }
            fold(states, about, wanted=own_of(account_id))
            assert states == own


def test_sums_stop_where_a_column_does() -> None:
    """The same money may change hands again and again within one order's life."""
    order = OrderAccepted(
        1, ALICE, "BTC-USDT", Side.SELL, OrderType.LIMIT, TimeInForce.GTC, 1, 10**9, ""
    )
    most = 2**62
    fill = Trade(
        7, "BTC-USDT", "BTC", "USDT", 5, 1, 1, most, 1, ALICE, most // 10, 2, BOB, 0, Side.BUY
    )
    states: dict[int, OrderState] = {}
    fold(states, [Recorded(1, 0, 1, order), *(Recorded(2, i, 2, fill) for i in range(30))])
    assert states[1].quote_filled_minor == MAX_SUM_MINOR
    assert states[1].fee_minor == MAX_SUM_MINOR
    assert states[1].filled_lots == 30
