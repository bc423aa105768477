"""The load programs of bench/ against a whole venue in full mode, as `make` starts them."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.mbo_file import SNAPSHOT, Record
from bench.venue import BASE_DIR, Venue, own_venue
from config.private_services import PrivatePostgres, PrivateRedis
from tests.support.embedded_venue import LONG_DEADLINE_S
from tests.unit.bench.builders import record, write_dbn
from tests.unit.bench.test_mbo_plan import uncrossed_flow

pytestmark = pytest.mark.slow

DATABASE = "replay_mbo"
SNAPSHOT_ORDERS = 60
FLOW_RECORDS = 240
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def venue(postgres_server: PrivatePostgres, redis_server: PrivateRedis) -> Iterator[Venue]:
    """Without demo and bots, which these tests do not need, so that it starts sooner."""
    postgres_server.create_database(DATABASE)
    settings = {
        "DATABASE_URL": postgres_server.url_of(DATABASE),
        "REDIS_URL": redis_server.url,
        "ORDER_RATE_PER_S": "0",
        "DEMO_FUNDS": json.dumps({"USDT": "100000000", "BTC": "10000"}),
        "LOAD_DEMO": "0",
        "RUN_BOTS": "0",
        "LOG_LEVEL": "WARNING",
        "COMMAND_DEADLINE_S": LONG_DEADLINE_S,
    }
    with own_venue(settings) as running:
        yield running


def run(
    venue: Venue, tmp_path: Path, module: str, *arguments: str
) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON object that it printed last, and what it told besides."""
    ready_file = tmp_path / "ready.json"
    ready_file.write_text(json.dumps(venue.facts))
    done = subprocess.run(
        (
            sys.executable, "-m", module, *arguments,
            "--url", venue.url, "--ready-file", str(ready_file),
        ),
        cwd=BASE_DIR, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def recorded_flow() -> list[Record]:
    """What was there before, a snapshot, and what happens to it. The snapshot's prices lie outside
    of the flow's, so that nothing ever crosses."""
    before = [record("A", "B", 5_000, 90, 1), record("A", "A", 5_001, 95, 1), record("R")]
    snapshot = [
        record("A", side, 10_000 + number, price, number % 7 + 1, flags=SNAPSHOT)
        for number in range(SNAPSHOT_ORDERS)
        for side, price in (("B", 70 - number % 9), ("A", 140 + number % 9))
        if (number % 2 == 0) == (side == "B")
    ]
    flow = uncrossed_flow(random.Random(5), FLOW_RECORDS, clear_share=0)
    trade = [record("T", "B", 0, 100, 5), record("F", "B", 1, 100, 5)]
    return [*before, *snapshot, *flow, *trade]


def test_a_recorded_flow_leaves_the_recorded_book(venue: Venue, tmp_path: Path) -> None:
    records = recorded_flow()
    path = write_dbn(tmp_path / "flow.dbn.zst", records, zstd=True, version=1, symbol="FLOW")
    code, result, told = run(venue, tmp_path, "bench.replay_mbo", str(path), "--connections", "8")
    assert code == 0, told
    assert result["equal"]
    assert result["records"] == len(records)
    assert result["symbol"] == "FLOW-USD"
    assert result["orders"] + result["cancels"] > FLOW_RECORDS
    assert result["errors"] == {}
    assert result["traded"] == 0
    assert result["resting_orders"] >= SNAPSHOT_ORDERS
    assert result["requests_per_s"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]


def test_a_book_that_differs_is_told_level_by_level(venue: Venue, tmp_path: Path) -> None:
    crossed = [record("A", "B", 1, 10.5, 5), record("A", "A", 2, 10.25, 3)]
    path = write_dbn(tmp_path / "crossed.dbn", crossed, symbol="CROSSED")
    code, result, told = run(venue, tmp_path, "bench.replay_mbo", str(path))
    assert code == 1
    assert not result["equal"]
    assert result["recording_crossed"]
    assert result["traded"] == 1
    assert result["first_differences"] == [
        "bids 10.5: expected (5, 1), found (2, 1)",
        "asks 10.25: expected (3, 1), found None",
    ]
    assert "bids 10.5: expected (5, 1), found (2, 1)" in told


def test_the_order_benchmark_counts_what_the_venue_has(venue: Venue, tmp_path: Path) -> None:
    venue.manage(
        "list_instrument", "BTC-USDT", "--tick-size", "0.01", "--lot-size", "0.00001",
        "--base-decimals", "8", "--quote-decimals", "8", "--max-quantity", "1000",
    )  # fmt: skip
    code, result, told = run(
        venue, tmp_path, "bench.bench_orders",
        "--seconds", "1.5", "--warm-up", "0.3", "--connections", "8", "--traders", "2",
    )  # fmt: skip
    assert code == 0, told
    assert result["consistent"]
    assert result["acknowledged"] == result["orders_found"] > 0
    assert result["orders_per_s"] > 0
    assert result["rejected"] == 0
    assert result["batch_mean"] >= 1
    assert result["projector_lag_ms"] is not None
    assert result["cpu_us_per_order"]["engine"] > 0


def test_a_file_that_is_no_recording_is_refused_before_a_venue_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a recording")
    done = subprocess.run(
        (sys.executable, "-m", "bench.replay_mbo", str(path)),
        cwd=BASE_DIR, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be read as a DBN file" in done.stderr
    assert "Traceback" not in done.stderr
