"""How fast market-by-order records change the books, on their own: no file, network or storage.

Generated flows, and recorded files where some are named, go through the fast books in batches of
65,536: applying alone, and with rows of the top of the book. Each figure is the median of the
runs, by the clock and by CPU time: the latter tells more where other work has the machine. The
start is measured, too: compiling the kernels, and finding them compiled.

Prints a table to stderr and one JSON object last.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from market.feeds.books.contract import top_dtype
from market.feeds.books.fast import FastBooks, warm_up
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import ADD, ASK, BID, CANCEL, FLAG_LAST, MBO_DTYPE, Records
from market.feeds.dbn.synthetic import SyntheticPlan, generate

ROOT = Path(__file__).resolve().parent.parent
BATCH_RECORDS = 65_536
DEEP_LEVELS = 100_000
"""Of each side of the deep flow: nearly each with one order, anywhere in the ladder."""
PLAIN_RECORDS = 500_000
FEWEST_RECORDS = 10_000
START = """
import time
began = time.perf_counter()
from market.feeds.books.fast import warm_up
warm_up()
print(time.perf_counter() - began)
"""


class Spent(NamedTuple):
    wall_s: float
    cpu_s: float


class Flow(NamedTuple):
    records: Records
    repeats: int
    """How often the records are applied in one run."""

    @property
    def total(self) -> int:
        return self.repeats * len(self.records)

    def batches(self) -> Iterator[Records]:
        for _ in range(self.repeats):
            for start in range(0, len(self.records), BATCH_RECORDS):
                yield self.records[start : start + BATCH_RECORDS]


def generated(**plan: Any) -> Records:
    return np.concatenate([batch.copy() for batch in generate(SyntheticPlan(**plan))])


def deep(count: int) -> Records:
    """An order on each level of both sides; then, at random, one moves elsewhere."""
    rng = np.random.default_rng(1)
    orders = 2 * DEEP_LEVELS
    moves = max(1, (count - orders) // 2)
    slots = rng.integers(0, orders, moves)
    by_slot = np.argsort(slots, kind="stable")
    first = np.flatnonzero(np.diff(slots[by_slot], prepend=-1))
    turns = np.empty(moves, np.int64)
    turns[by_slot] = np.arange(moves) - np.repeat(first, np.diff(first, append=moves))
    levels = np.concatenate([np.arange(orders) % DEEP_LEVELS, rng.integers(0, DEEP_LEVELS, moves)])
    all_slots = np.concatenate([np.arange(orders), slots])
    adds = np.zeros(orders + moves, MBO_DTYPE)
    adds["action"], adds["size"], adds["flags"] = ADD, 1, FLAG_LAST
    adds["side"] = np.where(all_slots < DEEP_LEVELS, BID, ASK)
    adds["price"] = np.where(all_slots < DEEP_LEVELS, -1 - levels, levels) * 10**7
    adds["order_id"] = all_slots
    adds["order_id"][orders:] += (orders * (turns + 1)).astype(np.uint64)
    cancels = adds[orders:].copy()
    cancels["action"] = CANCEL
    cancels["order_id"] -= np.uint64(orders)
    return np.concatenate([adds[:orders], np.stack([cancels, adds[orders:]], axis=1).ravel()])


def flows(count: int, files: list[Path]) -> dict[str, Callable[[], Flow]]:
    made: dict[str, Callable[[], Flow]] = {
        "narrow": lambda: Flow(generated(record_count=count, ladder="narrow"), 1),
        "narrow, 50 books": lambda: Flow(generated(record_count=count, instruments=50), 1),
        "wide": lambda: Flow(generated(record_count=count, ladder="wide"), 1),
        "deep": lambda: Flow(deep(count), 1),
    }
    for path in files:
        made[path.name] = lambda path=path: from_file(path, count)  # type: ignore[misc]
    return made


def from_file(path: Path, count: int) -> Flow:
    with open_dbn(path) as file:
        records = np.concatenate([batch.copy() for batch in file.batches()])
    return Flow(records, max(1, count // len(records)))


def apply_run(flow: Flow, depth: int) -> tuple[Spent, int]:
    """``depth`` 0: without rows. Also returns how many rows there were."""
    books, rows = FastBooks(), 0
    out = np.zeros(min(BATCH_RECORDS, len(flow.records)), top_dtype(max(depth, 1)))
    cpu, wall = time.thread_time(), time.perf_counter()
    for batch in flow.batches():
        if depth:
            rows += books.apply_with_top(batch, depth, out)
        else:
            books.apply(batch)
    return Spent(time.perf_counter() - wall, time.thread_time() - cpu), rows


def plain_run(flow: Flow) -> Spent:
    books, records = PlainBooks(), flow.records[:PLAIN_RECORDS]
    cpu, wall = time.thread_time(), time.perf_counter()
    books.apply(records)
    return Spent(time.perf_counter() - wall, time.thread_time() - cpu)


def rates(spent: list[Spent], count: int) -> dict[str, int]:
    wall = median(each.wall_s for each in spent)
    cpu = median(each.cpu_s for each in spent)
    return {"records_per_s": round(count / wall), "records_per_cpu_s": round(count / cpu)}


def measure(flow: Flow, runs: int, step: Callable[[], None]) -> dict[str, Any]:
    result: dict[str, Any] = {"records": flow.total}
    for name, depth in (("apply", 0), ("top_1", 1), ("top_10", 10)):
        spent = []
        for _ in range(runs):
            once, rows = apply_run(flow, depth)
            spent.append(once)
            step()
        result[name] = rates(spent, flow.total)
        if depth:
            result[name]["rows"] = rows
    plain = [plain_run(flow) for _ in range(min(runs, 3))]
    result["plain"] = rates(plain, min(PLAIN_RECORDS, len(flow.records)))
    step()
    books = FastBooks()
    books.apply(flow.records)
    keys = books.keys()
    images = [books.image(key) for key in keys]
    resting = sum(len(image.bids) + len(image.asks) for image in images)
    return {**result, "resting_orders": resting, "memory_bytes": books.memory_bytes}


def start_seconds() -> dict[str, float]:
    """Of a process, import included: with nothing compiled, and with everything."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "PYTHONPATH": str(ROOT)}
        command = (sys.executable, "-c", START)
        both = [
            float(subprocess.check_output(command, env=environment, cwd=ROOT, text=True))
            for _ in range(2)
        ]
    return {"compiling_s": round(both[0], 2), "compiled_s": round(both[1], 2)}


def table(results: dict[str, dict[str, Any]]) -> Table:
    shown = Table("Flow", title="Million records a second, by the clock (by CPU time)")
    columns = ("apply", "top_1", "top_10", "plain")
    for name in columns:
        shown.add_column(name.replace("_", " "), justify="right")
    for flow, result in results.items():
        cells = (
            f"{result[name]['records_per_s'] / 1e6:.1f}"
            f" ({result[name]['records_per_cpu_s'] / 1e6:.1f})"
            for name in columns
        )
        shown.add_row(flow, *cells)
    return shown


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="DBN files to apply as well")
    parser.add_argument("--records", type=int, default=2_000_000, help="a run (2,000,000)")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts (5)")
    options = parser.parse_args()
    if options.records < FEWEST_RECORDS or options.runs < 1:
        parser.error(f"at least {FEWEST_RECORDS:,} records and 1 run are needed")
    return options


def main() -> None:
    options = arguments()
    console = Console(stderr=True)
    load_before = os.getloadavg()[0]
    start = start_seconds()
    warm_up()
    makers = flows(options.records, options.files)
    results = {}
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Applying", total=len(makers) * (3 * options.runs + 1))
        for name, make in makers.items():
            progress.update(task, description=name)
            results[name] = measure(make(), options.runs, lambda: progress.advance(task))
    console.print(table(results))
    load = {"cpus": os.cpu_count(), "before": load_before, "after": os.getloadavg()[0]}
    print(json.dumps({"runs": options.runs, "flows": results, "start": start, "load": load}))


if __name__ == "__main__":
    main()
