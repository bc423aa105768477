"""The race of the engines is fair: one flow for all, and a digest that tells trades apart."""

import json
import sys
from pathlib import Path

import pytest

from bench import bench_engine, competitors
from bench.adapters import run as adapter_runner
from bench.adapters import with_rialto
from bench.bench_engine import OWN, Contender, main
from bench.competitors import COMPETITORS, LOCK, lock_of
from bench.engine_flatness import growth, memory, queue_cancels
from bench.engine_flow import (
    MARKETABLE_ACCOUNTS,
    MIDDLE_TICKS,
    PASSIVE_ACCOUNTS,
    PASSIVE_RANGE_TICKS,
    Operation,
    command_of,
    funded_engine,
    make_flow,
)
from orderbook.core.events import CancelRejected, OrderCanceled, OrderRejected, Trade

COUNT = 3_000


@pytest.fixture(scope="module")
def flow() -> list[Operation]:
    return make_flow(COUNT, 7)


def test_the_same_seed_gives_the_same_flow(flow):
    assert make_flow(COUNT, 7) == flow
    assert make_flow(COUNT, 8) != flow


def test_the_flow_has_the_promised_mix(flow):
    cancels = sum(not operation.lots for operation in flow)
    marketable = sum(operation.is_marketable for operation in flow)
    assert cancels == pytest.approx(0.4 * COUNT, rel=0.1)
    assert marketable == pytest.approx(0.1 * COUNT, rel=0.25)
    for operation in flow:
        if operation.lots:
            assert 0 < abs(operation.price_ticks - MIDDLE_TICKS) <= PASSIVE_RANGE_TICKS
            below = operation.price_ticks < MIDDLE_TICKS
            assert below == (operation.is_buy != operation.is_marketable)


def test_the_engine_refuses_nothing_and_no_account_meets_itself(flow):
    engine = funded_engine()
    trades = 0
    for number, operation in enumerate(flow):
        events = engine.apply(command_of(operation), number)
        assert not any(isinstance(event, OrderRejected | CancelRejected) for event in events)
        if not operation.lots:
            assert isinstance(events[0], OrderCanceled)
            assert events[0].order_id == operation.order_id
        for event in events:
            if isinstance(event, Trade):
                trades += 1
                assert event.maker_account_id in PASSIVE_ACCOUNTS
                assert event.taker_account_id in MARKETABLE_ACCOUNTS
    assert trades > COUNT / 20


def test_the_digest_tells_other_trades_apart(flow):
    same = adapter_runner.outcome(with_rialto, list(flow))
    again = adapter_runner.outcome(with_rialto, list(flow))
    less = adapter_runner.outcome(with_rialto, list(flow[: COUNT // 2]))
    assert same == again
    assert same["fills_sha256"] != less["fills_sha256"]
    assert same["trades"] > less["trades"] > 0


def test_every_competitor_is_pinned_with_hashes():
    for competitor in COMPETITORS:
        lock = lock_of(competitor.packages, LOCK.read_text())
        for package in competitor.packages:
            assert f"{package}==" in lock
        assert lock.count("--hash=sha256:") >= len(competitor.packages)
    with pytest.raises(KeyError):
        lock_of(("another-engine",), LOCK.read_text())


def test_a_race_prints_one_json_object_last(capfd):
    arguments = ["--operations", "400", "--repeat", "2", "--alone", "--json", "--no-flatness"]
    assert main(arguments) == 0
    report = json.loads(capfd.readouterr().out)
    own = report["engines"][OWN]
    assert report["operations"] == 400
    assert report["ops_per_s"][OWN] == max(own["runs"]) > 0
    assert len(own["runs"]) == 2
    assert own["trades"] > 0
    assert report["build"] in ("plain", "compiled")


STUB_ADAPTER = """
DISTRIBUTION = ""
def build(): return "plain"
def prepare(operations): return operations
def run(prepared): pass
def fills(prepared): yield 1, 1
"""


def test_an_engine_that_makes_other_trades_fails_the_race(monkeypatch, capfd, tmp_path):
    (tmp_path / "with_stub.py").write_text(STUB_ADAPTER)
    monkeypatch.setattr(bench_engine, "ROOT", f"{bench_engine.ROOT}:{tmp_path}")
    own = Contender(OWN, sys.executable, "bench.adapters.with_rialto")
    stub = Contender("stub", sys.executable, "with_stub")
    absent = Contender("absent", sys.executable, "none", missing="needs another Python")
    monkeypatch.setattr(bench_engine, "contenders", lambda *_: [own, stub, absent])
    assert main(["--operations", "400", "--repeat", "1", "--no-flatness"]) == 1
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert report["same_trades"] is False
    assert report["not_installed"] == {"absent": "needs another Python"}
    assert set(report["ratios"]) == {"stub"}
    assert "not installed" in err


def test_a_runner_that_dies_ends_the_race(monkeypatch, tmp_path):
    own = Contender(OWN, sys.executable, "no_such_adapter")
    monkeypatch.setattr(bench_engine, "contenders", lambda *_: [own])
    with pytest.raises(SystemExit, match="ended without an answer"):
        main(["--operations", "50", "--repeat", "1", "--json", "--no-flatness"])


def test_flatness_is_measured_on_books_of_the_promised_size():
    flat = growth(100, 1_000, 1_000, lambda _: None) | queue_cancels(1_000, 500, lambda _: None)
    assert (flat["resting_few"], flat["resting_many"], flat["queue_length"]) == (100, 1_000, 1_000)
    assert flat["operation_ns_few"] > 0
    assert flat["growth_ratio"] > 0
    assert all(flat[f"cancel_ns_{place}"] > 0 for place in ("head", "middle", "tail", "random"))
    worst_ns = max(flat["cancel_ns_middle"], flat["cancel_ns_tail"])
    assert flat["cancel_ratio"] == pytest.approx(worst_ns / flat["cancel_ns_head"], rel=0.01)


def test_resting_orders_take_memory():
    assert memory(20_000, lambda stage: None)["bytes_a_resting_order"] > 50


def test_an_installation_that_fails_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(competitors, "ENVIRONMENT", tmp_path)
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho 'ERROR: needs another Python' >&2\nexit 1\n")
    failing.chmod(0o755)
    assert competitors.install(failing, COMPETITORS[0]) == "needs another Python"
    working = tmp_path / "python-that-works"
    working.write_text("#!/bin/sh\nexit 0\n")
    working.chmod(0o755)
    assert competitors.install(working, COMPETITORS[0]) == ""
    assert competitors.install(failing, COMPETITORS[0]) == "", "done already, and not done again"


def test_the_python_that_is_found_works():
    assert Path(competitors.find_python()).exists()
