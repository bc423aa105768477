"""A seed is all that a run depends on, and a plan that fails can be made smaller."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from orderbook.gateway.gateway import Gateway
from tests.simulation.__main__ import _explain, _one
from tests.simulation.breaks import BREAKS
from tests.simulation.campaign import Result, Summary
from tests.simulation.event_kinds import EVENT_KINDS
from tests.simulation.plan import KINDS, OPERATIONS, Plan, make_plan
from tests.simulation.runner import run
from tests.simulation.shrink import names_of, shrink

ROOT = Path(__file__).resolve().parents[2]
SEED = 30
"""One with very many faults."""
PROCESS_TIMEOUT_S = 240


@pytest.fixture(autouse=True)
def databases_of_their_own(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def trace_of(plan: Plan) -> str:
    lines: list[str] = []
    run(plan, write=lines.append)
    return "\n".join(lines)


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    first = trace_of(make_plan(SEED))
    assert len(first.splitlines()) > 100
    assert trace_of(make_plan(SEED)) == first


def test_another_seed_gives_another_trace() -> None:
    assert trace_of(make_plan(SEED)) != trace_of(make_plan(SEED + 1))


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_the_hash_seed_of_python_makes_no_difference(hash_seed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", str(SEED)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT_S,
        check=False,
    )
    shown = done.stdout.splitlines()
    here = run(make_plan(SEED))
    assert f"{here.steps} steps, trace {here.digest}" in shown, done.stdout[-2000:] + done.stderr


def test_a_plan_that_fails_shrinks_to_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that forgets to send again loses a command only where a message is lost."""

    async def never(gateway: Gateway) -> None:
        return None

    monkeypatch.setattr(Gateway, "_resend_forever", never)

    def is_unanswered(plan: Plan) -> bool:
        return run(plan).outcomes["unknown"] > 0

    whole = next(
        plan
        for plan in map(make_plan, range(1, 200))
        if len(plan.operations) == OPERATIONS[0]
        and any(one.kind == "message lost" for one in plan.message_faults)
        and is_unanswered(plan._replace(faults=[]))
    )
    whole = whole._replace(faults=[])
    small = shrink(whole, is_unanswered, seconds=300.0)
    assert is_unanswered(small)
    assert [one.kind for one in small.message_faults] == ["message lost"]
    assert len(small.operations) < len(whole.operations)
    assert small == whole.keep(names_of(small, whole))


def test_leaving_out_parts_of_a_plan_leaves_the_others() -> None:
    plan = make_plan(SEED)
    assert plan.keep(plan.items()) == plan
    assert plan.keep([]).operations == []
    assert plan.keep(["o3"]).operations == [plan.operations[3]]


def test_a_run_of_many_seeds_fails_where_a_kind_of_fault_never_happened() -> None:
    every = dict.fromkeys(KINDS, 1)

    def summary(**injected: int) -> Summary:
        result = Result(1, "", 1, Counter(every | injected), Counter(), Counter(), "")
        return Summary([result] * 100, 1.0)

    assert summary().is_good
    assert summary(crash=0).never_injected == ["crash"]
    assert not summary(crash=0).is_good


def test_a_run_of_many_seeds_fails_where_a_kind_of_event_never_happened() -> None:
    events = Counter(dict.fromkeys(EVENT_KINDS, 1))
    injected = Counter(dict.fromkeys(KINDS, 1))
    result = Result(1, "", 1, injected, Counter(), events, "")
    assert Summary([result] * 200, 1.0).is_good
    del events["TradeBusted"]
    assert Summary([result] * 200, 1.0).never_happened == ["TradeBusted"]
    assert not Summary([result] * 200, 1.0).is_good


def test_a_failure_is_explained_with_a_plan_that_repeats_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, broken = BREAKS["an order trades outside of the price band"]
    with broken():
        plan = next(plan for plan in map(make_plan, range(1, 60)) if run(plan).failure)
        _explain(plan)
        shown = capsys.readouterr().out
        keep = shown.partition("KEEP=")[2].split()[0]
        assert _one(plan.seed, keep) == 1
    assert f"seed {plan.seed}: I8" in shown
    assert "minimal plan" in shown
    assert len(keep.split(",")) < len(plan.items())
    assert _one(plan.seed, keep) == 0


def test_the_digest_is_of_the_whole_trace() -> None:
    lines: list[str] = []
    report = run(make_plan(SEED), write=lines.append)
    assert report.digest == hashlib.sha256("".join(lines).encode()).hexdigest()
