"""A settled process: what it was built of costs a collection nothing any more."""

import gc
from collections.abc import Iterator

import pytest

from orderbook import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_settled_process_has_next_to_nothing_to_look_at() -> None:
    kept = [[number] for number in range(10_000)]
    garbage.settle()
    assert gc.get_freeze_count() > len(kept)
    assert len(gc.get_objects()) < len(kept) / 10
    assert gc.get_threshold() == garbage.THRESHOLDS


def test_cycles_that_come_later_are_still_collected() -> None:
    garbage.settle()
    for _ in range(1_000):
        cycle: list[object] = []
        cycle.append(cycle)
    assert gc.collect() >= 999
