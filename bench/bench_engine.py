"""How fast the engine core applies commands, on its own: no journal, queue or network.

One seeded flow (see bench/engine_flow.py) goes through the whole engine (validation, balances,
fees, self-trade prevention, events) and, by turns in the same run, through the engines that a
Python user could install instead. Every engine runs in a process of its own, the fastest of its
runs counts, and all must make the same trades. Then: do the costs stay flat as the book grows?

The others may need a newer Python than the venue runs on. Then rialto runs on both: ``rialto`` is
what the venue gets, ``rialto-same-python`` compares the engines and not the interpreters. Where a
compiled build of the core fits, ``rialto-plain`` is the same interpreter without it.

Prints a table to stderr and one JSON object last. Exit code 1 where an engine made other trades.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.competitors import COMPETITORS, environment, find_python, install
from bench.engine_flatness import growth, memory, queue_cancels
from bench.engine_flow import make_flow
from orderbook import speedups

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = Path(__file__).with_name("adapters")
OWN = "rialto"
OWN_PLAIN = "rialto-plain"
OWN_SAME_PYTHON = "rialto-same-python"
OWN_ADAPTER = "bench.adapters.with_rialto"
NEEDS = "matching-engine"
"""It brings what the core needs to the other engines' environment: msgspec, sortedcontainers."""
FEWEST_RESTING = 1_000
TABLE_WIDTH = 110
"""Columns where the output is no terminal that says how wide it is."""


class Contender(NamedTuple):
    name: str
    python: str
    adapter: str
    missing: str = ""
    """Why it cannot run; "" where it can."""
    plain: bool = False
    """Whether a compiled build is to be left aside."""


class Runner:
    """One engine in a process of its own, which runs the flow whenever it is asked to."""

    def __init__(self, contender: Contender, flow_file: Path) -> None:
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        if contender.plain:
            variables["RIALTO_SPEEDUPS"] = "0"
        self.contender = contender
        self.seconds: list[float] = []
        self.process = subprocess.Popen(
            [contender.python, str(ADAPTERS / "run.py"), contender.adapter, str(flow_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
            text=True,
        )

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def run(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(float(self._answer()))

    def finish(self) -> dict[str, Any]:
        """What the engine did."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        outcome: dict[str, Any] = json.loads(self._answer())
        self.process.wait()
        return outcome

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.contender.name} ended without an answer; see above")
        return line


def contenders(console: Console, alone: bool) -> list[Contender]:
    own = [Contender(OWN, sys.executable, OWN_ADAPTER)]
    if speedups.state == speedups.COMPILED:
        own.append(Contender(OWN_PLAIN, sys.executable, OWN_ADAPTER, plain=True))
    if alone:
        return own
    console.print("[dim]preparing the other engines (once; build/bench-competitors)")
    python = find_python()
    interpreter = environment(python)
    others = [
        Contender(item.name, str(interpreter), item.adapter, install(interpreter, item))
        for item in COMPETITORS
    ]
    if python != sys.executable:
        missing = next(item.missing for item in others if item.name == NEEDS)
        own.append(Contender(OWN_SAME_PYTHON, str(interpreter), OWN_ADAPTER, missing))
    return own + others


def race(
    console: Console, entered: list[Contender], operations: int, seed: int, repeat: int
) -> dict[str, dict[str, Any]]:
    """Best times and outcomes by name. The engines take turns, so that noise meets all of them."""
    results: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack, console.status("making the flow") as status:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        flow_file = folder / "flow.json"
        flow_file.write_text(json.dumps(make_flow(operations, seed)))
        runners = [
            stack.enter_context(Runner(contender, flow_file))
            for contender in entered
            if not contender.missing
        ]
        for number in range(repeat):
            for runner in runners:
                status.update(f"run {number + 1} of {repeat}: {runner.contender.name}")
                runner.run()
        for runner in runners:
            status.update(f"comparing the trades: {runner.contender.name}")
            best = min(runner.seconds)
            results[runner.contender.name] = {
                "ops_per_s": round(operations / best),
                "seconds": round(best, 4),
                "runs": [round(operations / seconds) for seconds in runner.seconds],
                **runner.finish(),
            }
    return results


def ratios_of(results: dict[str, dict[str, Any]], own: str) -> dict[str, float]:
    """How many times as fast as each of the others this run of ours was; {} where it did not run.

    On the other engines' Python only they are compared with.
    """
    if own not in results:
        return {}
    ours = (OWN, OWN_PLAIN, OWN_SAME_PYTHON)
    return {
        name: round(results[own]["ops_per_s"] / item["ops_per_s"], 3)
        for name, item in results.items()
        if name != own and (own == OWN or name not in ours)
    }


def print_table(
    console: Console, entered: list[Contender], results: dict[str, dict[str, Any]]
) -> None:
    table = Table(
        "engine", "Python", "build", "ops/s", "rialto is", "on its Python", "trades", "same trades"
    )
    own = results[OWN]
    ratios, same_python = ratios_of(results, OWN), ratios_of(results, OWN_SAME_PYTHON)
    for contender in entered:
        result = results.get(contender.name)
        if result is None:
            table.add_row(contender.name, "", "", "not installed", "", "", "", contender.missing)
            continue
        table.add_row(
            f"{contender.name} {result['version']}",
            result["python"],
            result["build"],
            f"{result['ops_per_s']:,}",
            f"{ratios[contender.name]:.2f} x" if contender.name in ratios else "",
            f"{same_python[contender.name]:.2f} x" if contender.name in same_python else "",
            f"{result['trades']:,}",
            "yes" if result["fills_sha256"] == own["fills_sha256"] else "NO",
        )
    console.print(table)


def print_flatness(console: Console, flat: dict[str, float]) -> None:
    table = Table("flatness", "base", "measured", "ratio")
    table.add_row(
        "an operation, resting orders",
        f"{flat['resting_few']:,}: {flat['operation_ns_few']:,} ns",
        f"{flat['resting_many']:,}: {flat['operation_ns_many']:,} ns",
        f"{flat['growth_ratio']}",
    )
    for place in ("middle", "tail", "random"):
        ratio = flat[f"cancel_ns_{place}"] / flat["cancel_ns_head"]
        table.add_row(
            f"a cancel in a level of {flat['queue_length']:,}",
            f"head: {flat['cancel_ns_head']:,} ns",
            f"{place}: {flat[f'cancel_ns_{place}']:,} ns",
            f"{ratio:.3f}",
        )
    table.add_row("memory", "", f"{flat['bytes_a_resting_order']:,} bytes a resting order", "")
    console.print(table)


def measure_flatness(console: Console, options: argparse.Namespace) -> dict[str, float]:
    with console.status("flatness") as status:
        flat = memory(options.resting, status.update)
        flat |= growth(FEWEST_RESTING, options.resting, options.flat_operations, status.update)
        return flat | queue_cancels(options.queue, options.queue // 2, status.update)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-engine ARGS=",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--operations", type=int, default=200_000, help="operations in the flow (200,000)")
    add("--seed", type=int, default=1)
    add("--repeat", type=int, default=5, help="runs of each engine; the fastest counts (5)")
    add("--alone", action="store_true", help="leave out the other engines")
    add("--flatness", action="store_true", help="only measure how costs grow with the book")
    add("--no-flatness", action="store_true", help="only race")
    add("--resting", type=int, default=1_000_000, help="orders in the large book (1,000,000)")
    add("--queue", type=int, default=100_000, help="orders in the long queue (100,000)")
    add("--flat-operations", type=int, default=50_000, help="operations through each book")
    add("--json", action="store_true", help="print the JSON object only")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    console = Console(stderr=True, quiet=options.json)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    console.print(f"[dim]{options.operations:,} operations, {os.getloadavg()[0]:.1f} load average")
    report: dict[str, Any] = {"operations": options.operations, "seed": options.seed}
    same = True
    if not options.flatness:
        entered = contenders(console, options.alone)
        results = race(console, entered, options.operations, options.seed, options.repeat)
        print_table(console, entered, results)
        own = results[OWN]
        same = all(item["fills_sha256"] == own["fills_sha256"] for item in results.values())
        report |= {
            "ops_per_s": {name: item["ops_per_s"] for name, item in results.items()},
            "ratios": ratios_of(results, OWN),
            "ratios_same_python": ratios_of(results, OWN_SAME_PYTHON),
            "build": own["build"],
            "same_trades": same,
            "not_installed": {item.name: item.missing for item in entered if item.missing},
            "engines": results,
        }
    if not options.no_flatness:
        flat = measure_flatness(console, options)
        print_flatness(console, flat)
        report["flatness"] = flat
    print(json.dumps(report))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
