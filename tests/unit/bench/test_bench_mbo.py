"""What the benchmark of feeds counts as good enough, and what it shows."""

import io
import subprocess
import sys
import time
from typing import Any

import pytest
from rich.console import Console

from bench import bench_mbo
from bench.bench_mbo import Usage, arguments_of, is_within_target, middle, table_of

PARTS = ("sender", "builder", "storing", "postgres", "web")


def run(**changes: Any) -> dict[str, Any]:
    latency = {"p50": 0.5, "p99": changes.pop("p99", 5.0), "p99_9": 9.0, "max": 12.0}
    storage = {"dropped_records": 0, "is_whole": True}
    return {
        "rate": 500_000,
        "measured_seconds": 60.0,
        "achieved_rate": 499_990,
        "latency_ms": latency,
        "gaps": 0,
        "error": None,
        "storage": storage,
        "readers": {"readers": 100},
        "cpu_cores": dict.fromkeys(PARTS, 0.125),
        "memory_mib": {"builder": 300, "web": 150},
        "machine_load": {"before": 0.4, "after": 1.5},
        **changes,
    }


def test_a_run_within_the_target():
    assert is_within_target(run())
    assert is_within_target(run(storage=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"p99": 10.0},
        {"achieved_rate": 490_000},
        {"gaps": 1},
        {"error": "The sender failed."},
        {"storage": {"dropped_records": 1, "is_whole": False}},
    ],
)
def test_what_is_late_slow_or_lost_is_not_within_the_target(changes):
    assert not is_within_target(run(**changes))


def test_the_median_of_runs_is_the_one_of_the_middle_p99():
    runs = [run(p99=30.0), run(p99=1.0), run(p99=4.0)]
    assert middle(runs) is runs[2]
    assert middle(runs[:2]) is runs[0]
    assert middle(runs[:1]) is runs[0]


def test_the_table_shows_every_column_without_a_terminal():
    shown = io.StringIO()
    console = Console(file=shown, width=bench_mbo.TABLE_WIDTH)
    console.print(table_of([run(), run(storage=None, readers={})]))
    text = shown.getvalue()
    for name in ("achieved", "lost", "p99.9", *PARTS, "MiB", "load"):
        assert name in text
    assert "…" not in text
    assert "not stored" in text
    assert "450" in text  # MiB of all parts


def test_cpu_and_memory_of_a_child_are_those_of_storing():
    spin = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r} + 'input()'])"
    process = subprocess.Popen((sys.executable, "-c", child), stdin=subprocess.PIPE)
    try:
        usage = Usage({"builder": process.pid})
        deadline = time.monotonic() + 60
        while usage.spent("storing") < 0.2 and time.monotonic() < deadline:
            time.sleep(0.05)
        cpu = usage.stop()
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    assert cpu["storing"] >= 0.2
    assert cpu["builder"] < cpu["storing"]
    assert usage.memory_mib["storing"] > 1


def test_what_is_measured_unless_told_otherwise():
    arguments = arguments_of([])
    assert (arguments.rate, arguments.seconds, arguments.readers) == (500_000, 60, 100)
    assert arguments.stores
    assert (arguments.repeat, arguments.priority) == (1, "high")
