"""How long orders wait when the leading engine is killed and the standby takes over.

A PostgreSQL and a Redis server of its own, two engines, and clients that order without end. The
leader gets SIGKILL --kills times; the time counts from the signal to the first order that the next
leader acknowledges. --freeze-s stops the leader with SIGSTOP for that long instead: the standby
ends its session after it was silent for a while, and the woken one must not be heard again. Every
answer is compared with the journal afterwards. Prints a table, and one JSON object last; exits
with 1 where a kill took a second or longer, or an answer was wrong.
"""

import argparse
import json
import statistics
import sys
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.job import run_job
from bench.servers import full_environment
from bench.venue import VenueUnusable

TARGET_S = 1.0
"""From SIGKILL to the first acknowledged order."""
console = Console(stderr=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with full_environment(with_redis=True) as environment, Progress(console=console) as progress:
        task = progress.add_task("takeovers", total=options.kills)
        return run_job(
            "bench.failover_job",
            *("--folder", environment["DATA_DIR"]),
            *("--blows", str(options.kills)),
            *("--freeze-s", str(options.freeze_s)),
            environment=environment,
            on_progress=lambda done: progress.update(task, completed=done),
        )


def summary(report: dict[str, Any], freeze_s: float) -> dict[str, Any]:
    seconds = report["takeovers_s"]
    return {
        "signal": "SIGSTOP" if freeze_s else "SIGKILL",
        "median_s": round(statistics.median(seconds), 3),
        "max_s": max(seconds),
        "meets_target": None if freeze_s else max(seconds) < TARGET_S,
        **report,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--freeze-s", type=float, default=0.0, metavar="S")
    options = parser.parse_args()
    try:
        result = summary(measure(options), options.freeze_s)
    except VenueUnusable as error:
        console.print(f"[red]{error}[/red]")
        raise SystemExit(2) from None
    table = Table(title=f"{result['signal']} of the leader to the first order of the next one")
    for name in ("takeovers", "median s", "max s", "acknowledged", "unknown", "faults"):
        table.add_column(name, justify="right")
    table.add_row(
        str(len(result["takeovers_s"])),
        f"{result['median_s']:.3f}",
        f"{result['max_s']:.3f}",
        f"{result['acknowledged']:,}",
        str(result["outcome_unknown"]),
        str(len(result["faults"])),
    )
    console.print(table)
    for fault in result["faults"]:
        console.print(f"[red]{fault}[/red]")
    sys.stdout.write(json.dumps(result) + "\n")
    raise SystemExit(1 if result["faults"] or result["meets_target"] is False else 0)


if __name__ == "__main__":
    main()
