"""The checks are checked: each promise is broken on purpose, and the simulation must say which."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.simulation.breaks import BREAKS
from tests.simulation.errors import Violation
from tests.simulation.plan import make_plan
from tests.simulation.runner import run

pytestmark = pytest.mark.plain_core

SEEDS = range(1, 13)
"""Where a break shows depends on the commands and faults, so some seeds may miss it."""


@pytest.fixture(autouse=True)
def databases_of_their_own(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def first_violation() -> Violation | None:
    for seed in SEEDS:
        failure = run(make_plan(seed)).failure
        if failure is not None:
            return failure
    return None


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_and_named(name: str) -> None:
    invariant, broken = BREAKS[name]
    with broken():
        failure = first_violation()
    assert failure is not None
    assert failure.invariant == invariant, failure


def test_every_invariant_is_broken_by_something() -> None:
    every = {f"I{n}" for n in range(1, 10)} | {"rules"}
    assert {invariant for invariant, _ in BREAKS.values()} == every


def test_nothing_is_found_where_nothing_is_broken() -> None:
    assert first_violation() is None
