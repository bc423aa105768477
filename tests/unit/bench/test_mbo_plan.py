"""However the plan is executed, the book becomes the recorded one, and nothing ever trades."""

import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.mbo_depth import Depth, expected_depth
from bench.mbo_file import SNAPSHOT, TOP_OF_BOOK, Record
from bench.mbo_plan import ASK, BID, Kind, Planner, Step
from tests.unit.bench.builders import record

WINDOW = 1_000


def plan(records: list[Record], window: int = WINDOW) -> list[Step]:
    return list(Planner(window).steps(records))


class ToyVenue:
    """Limit orders by client order id; a trade is an error, because recordings show none."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, str], Step] = {}
        self.queues: dict[tuple[str, int], list[int]] = defaultdict(list)

    def execute(self, step: Step) -> None:
        if step.kind is Kind.CANCEL_ALL:
            self.orders = {key: one for key, one in self.orders.items() if key[0] != step.side}
        elif step.kind is Kind.CANCEL:
            del self.orders[step.side, step.client_order_id]
        else:
            assert not [one for one in self.orders.values() if _trades(step, one)]
            assert (step.side, step.client_order_id) not in self.orders
            self.orders[step.side, step.client_order_id] = step
            self.queues[step.side, step.price].append(step.number)

    def depth(self) -> Depth:
        sides: dict[str, dict[int, tuple[int, int]]] = {BID: {}, ASK: {}}
        for (side, _), one in self.orders.items():
            size, count = sides[side].get(one.price, (0, 0))
            sides[side][one.price] = (size + one.size, count + 1)
        return Depth(sides[BID], sides[ASK], 0)


def _trades(new: Step, resting: Step) -> bool:
    if new.side == resting.side:
        return False
    return new.price >= resting.price if new.side == BID else new.price <= resting.price


def execute_in_some_order(steps: list[Step], rng: random.Random, window: int) -> ToyVenue:
    """Always one of the steps that may begin now, chosen by chance."""
    venue, finished, waiting = ToyVenue(), set[int](), list(steps)
    while waiting:
        oldest = waiting[0]
        free = [
            step
            for step in waiting
            if finished.issuperset(step.after) and step.number < oldest.number + window
        ]
        alone = next((step for step in waiting if step.kind is Kind.CANCEL_ALL), None)
        if alone is not None:
            free = [step for step in free if step.number < alone.number] or [alone]
        step = rng.choice(free)
        venue.execute(step)
        finished.add(step.number)
        waiting.remove(step)
    return venue


def uncrossed_flow(rng: random.Random, count: int, *, clear_share: float = 0.02) -> list[Record]:
    """Adds, partial and whole cancels, modifies and clears around a price that wanders."""
    orders: dict[int, tuple[str, int, int]] = {}
    records: list[Record] = []
    for order_id in range(1, count + 1):
        draw = rng.random()
        if draw < clear_share:
            records.append(record("R"))
            orders.clear()
        elif draw < 0.45 and orders:
            known = rng.choice(list(orders))
            side, price, size = orders[known]
            cut = rng.choice([size, rng.randint(1, size)])
            records.append(record("C", side, known, price, cut))
            orders[known] = (side, price, size - cut)
            if cut == size:
                del orders[known]
        else:
            changed = order_id
            side = rng.choice([BID, ASK])
            if draw < 0.65 and orders:
                changed = rng.choice(list(orders))
                side = orders.pop(changed)[0]
            price = _passive(rng, side, orders)
            size = rng.randint(1, 9)
            records.append(record("A" if changed == order_id else "M", side, changed, price, size))
            orders[changed] = (side, price, size)
    return records


def _passive(rng: random.Random, side: str, orders: dict[int, tuple[str, int, int]]) -> int:
    others = [price for other, price, _ in orders.values() if other != side]
    if side == BID:
        return rng.randint(80, min([price - 1 for price in others], default=120))
    return rng.randint(max([price + 1 for price in others], default=81), 130)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), window=st.sampled_from([3, 20, WINDOW]))
def test_every_allowed_order_of_execution_gives_the_recorded_book_without_a_trade(seed, window):
    rng = random.Random(seed)
    records = uncrossed_flow(rng, 80)
    steps = plan(records, window)
    venue = execute_in_some_order(steps, rng, window)
    expected = expected_depth(records)
    assert venue.depth() == expected
    for arrivals in venue.queues.values():
        assert arrivals == sorted(arrivals)


def test_a_client_order_id_is_used_once():
    steps = plan(
        [
            record("A", "B", 7, 10, 5),
            record("M", "B", 7, 11, 5),
            record("C", "B", 7, 11, 2),
            record("C", "B", 7, 11, 3),
            record("A", "B", 7, 10, 5),
        ]
    )
    shown = [(step.kind.value, step.client_order_id, step.size) for step in steps]
    assert shown == [
        ("place", "7", 5),
        ("cancel", "7", 0),
        ("place", "7.1", 5),
        ("cancel", "7.1", 0),
        ("place", "7.2", 3),
        ("cancel", "7.2", 0),
        ("place", "7.3", 5),
    ]
    assert [step.after for step in steps[:4]] == [(), (0,), (1,), (2,)]


def test_an_order_waits_for_the_cancels_that_it_would_trade_with():
    steps = plan(
        [
            record("A", "A", 1, 10, 5),
            record("A", "A", 2, 12, 5),
            record("C", "A", 1, 10, 5),
            record("C", "A", 2, 12, 5),
            record("A", "B", 3, 11, 5),
        ]
    )
    assert steps[-1].after == (2,)


def test_a_snapshot_clears_what_was_there_and_nothing_else():
    first = plan([record("A", "B", 1, 10, 5, flags=SNAPSHOT)])
    assert [step.kind for step in first] == [Kind.PLACE]
    second = plan([record("A", "B", 1, 10, 5), record("A", "B", 2, 10, 5, flags=SNAPSHOT)])
    assert [step.kind for step in second] == [
        Kind.PLACE,
        Kind.CANCEL_ALL,
        Kind.CANCEL_ALL,
        Kind.PLACE,
    ]


def test_top_of_book_records_replace_their_side():
    records = [
        record("A", "B", 0, 10, 5, flags=TOP_OF_BOOK),
        record("A", "A", 0, 12, 5, flags=TOP_OF_BOOK),
        record("A", "B", 0, 11, 2, flags=TOP_OF_BOOK),
        record("A", "A", 0, None, 0, flags=TOP_OF_BOOK),
    ]
    venue = execute_in_some_order(plan(records), random.Random(1), WINDOW)
    assert venue.depth() == expected_depth(records)


@pytest.mark.parametrize("action", ["C", "M"])
def test_unknown_ids_are_counted(action):
    planner = Planner(WINDOW)
    steps = list(planner.steps([record(action, "B", 5, 10, 1)]))
    assert planner.unknown_ids == 1
    assert [step.kind for step in steps] == ([] if action == "C" else [Kind.PLACE])
