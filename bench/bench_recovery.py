"""How long the engine takes to recover from a journal of a million commands.

Writes the journal through the engine's own writer, in batches of a few hundred commands: half
passive limit orders, 40 % cancels, a tenth marketable ones, each order with a client order id. Then
recovers from it in fresh processes: with the newest snapshot that a venue would have at worst (one
is taken every --snapshot-every commands), and without any. Once on SQLite, as an embedded venue
does, and once on a private PostgreSQL server. Every recovery must end in the state that wrote the
journal. Prints a table, and one JSON object last; exits with 1 where a target was missed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.job import run_job
from bench.servers import embedded_environment, full_environment
from bench.venue import VenueUnusable

TARGETS_S = {"snapshot": 3.0, "none": 10.0}
"""Longest recovery of a million commands, by what it starts from."""
TARGET_COMMANDS = 1_000_000
console = Console(stderr=True)


@contextmanager
def _environment(database: str) -> Iterator[dict[str, str]]:
    context = embedded_environment() if database == "sqlite" else full_environment(with_redis=False)
    with context as environment:
        yield environment


def measure(database: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The best of --repeat runs each from a snapshot and from none."""
    with _environment(database) as environment, Progress(console=console) as progress:
        task = progress.add_task(f"{database}: writing", total=options.commands)
        written = run_job(
            "bench.recovery_job",
            "write",
            *("--commands", str(options.commands)),
            *("--snapshot-at", str(options.commands - options.snapshot_every)),
            environment=environment,
            on_progress=lambda done: progress.update(task, completed=done),
        )
        progress.update(task, completed=options.commands)
        runs = progress.add_task(f"{database}: recovering", total=2 * options.repeat)
        rows = []
        for start in TARGETS_S:
            if start == "none":
                run_job("bench.recovery_job", "forget", environment=environment)
            rows.append(_best(start, written, environment, options, lambda: progress.advance(runs)))
    return [{"database": database, **row} for row in rows]


def _best(
    start: str,
    written: dict[str, Any],
    environment: dict[str, str],
    options: argparse.Namespace,
    on_run: Callable[[], None],
) -> dict[str, Any]:
    results = []
    for _ in range(options.repeat):
        results.append(run_job("bench.recovery_job", "recover", environment=environment))
        on_run()
    best = min(results, key=lambda result: result["seconds"])
    if any(result["state_hash"] != written["state_hash"] for result in results):
        raise VenueUnusable("a recovery gave another state than the one that wrote the journal")
    replayed = written["commands"] - (written["snapshot_at"] if start == "snapshot" else 0)
    return {
        "from": start,
        "commands": written["commands"],
        "replayed": replayed,
        "open_orders": written["open_orders"],
        "seconds": best["seconds"],
        "slowest_s": max(result["seconds"] for result in results),
        "cpu_seconds": best["cpu_seconds"],
        "peak_mib": best["peak_mib"],
        "meets_target": (
            best["seconds"] < TARGETS_S[start] if written["commands"] >= TARGET_COMMANDS else None
        ),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(
        title="Recovery of the engine", caption="best of the runs; the target in brackets"
    )
    names = (
        "database",
        "from",
        "commands",
        "replayed",
        "open orders",
        "s",
        "slowest",
        "CPU s",
        "MiB",
    )
    for name in names:
        shown.add_column(name, justify="right")
    for row in rows:
        shown.add_row(
            row["database"],
            row["from"],
            f"{row['commands']:,}",
            f"{row['replayed']:,}",
            f"{row['open_orders']:,}",
            f"{row['seconds']:.2f} ({TARGETS_S[row['from']]:.0f})",
            f"{row['slowest_s']:.2f}",
            f"{row['cpu_seconds']:.2f}",
            str(row["peak_mib"]),
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=TARGET_COMMANDS)
    parser.add_argument("--snapshot-every", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs; the fastest one counts")
    parser.add_argument(
        "--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"]
    )
    options = parser.parse_args()
    try:
        rows = [row for database in options.databases for row in measure(database, options)]
    except VenueUnusable as error:
        console.print(f"[red]{error}[/red]")
        raise SystemExit(2) from None
    console.print(table(rows))
    sys.stdout.write(json.dumps({"recovery": rows}) + "\n")
    raise SystemExit(1 if any(row["meets_target"] is False for row in rows) else 0)


if __name__ == "__main__":
    main()
