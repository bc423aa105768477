"""Two hundred seeds of the whole venue under faults: every promise holds in each of them."""

import os

from tests.simulation.campaign import run_campaign

SEEDS = 200


def test_every_promise_holds_under_every_fault() -> None:
    summary = run_campaign(range(1, SEEDS + 1), jobs=os.cpu_count() or 1)
    print(summary.describe())
    assert not summary.failures, f"make simulate SEED={summary.failures[0].seed}"
    assert not summary.never_injected
    assert not summary.never_happened
