"""``manage.py generate_mbo``: a synthetic DBN file of market-by-order records, of any size."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from market.feeds.dbn.synthetic import LEVELS, STYLES, SyntheticPlan, generate
from market.feeds.dbn.writing import DbnWriter

DATASET = "RIALTO.SYN"


class Command(BaseCommand):
    help = (
        "Writes a seeded DBN file of books that never were, in which every invariant of market-by-"
        "order data holds: orders that are cancelled, modified or filled live, trades take the "
        "front of their queue, no book is crossed. The same options give the same file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        defaults = SyntheticPlan(0)
        parser.add_argument("out", type=Path, help="the file; zstd if it ends in .zst")
        parser.add_argument("--records", type=int, required=True, help="exactly so many")
        parser.add_argument("--seed", type=int, default=defaults.seed)
        parser.add_argument(
            "--ladder",
            choices=list(LEVELS),
            default=defaults.ladder,
            help="narrow: 50 prices; wide: 6,000 at odd distances, half of them below zero",
        )
        parser.add_argument(
            "--style",
            choices=STYLES,
            default=defaults.style,
            help="of fills: a modify with the remaining size (cme), a cancel of the traded (itch)",
        )
        parser.add_argument("--instruments", type=int, default=1, help="of each publisher")
        parser.add_argument("--publishers", type=int, default=1, help="all have the same ones")
        _add_flow_arguments(parser)
        parser.add_argument(
            "--dbn-version", type=int, choices=(1, 2, 3), default=3, help="of the file"
        )
        parser.add_argument("--progress", action="store_true", help="show it without a terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            plan = _plan(options)
            _write(plan, options)
            size = options["out"].stat().st_size
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            reason = f"{options['out']} cannot be written: {error.strerror or error}."
            raise CommandError(reason, returncode=2) from error
        seconds = time.monotonic() - began
        result = {
            "file": str(options["out"]),
            "records": plan.record_count,
            "bytes": size,
            "books": plan.books,
            "seed": plan.seed,
            "symbols": {str(number): symbol for number, symbol in plan.symbols.items()},
            "seconds": round(seconds, 3),
        }
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write(
                f"{plan.record_count:,} records of {plan.books} books in {options['out']}: "
                f"{size:,} bytes, {seconds:.1f} s."
            )


def _add_flow_arguments(parser: CommandParser) -> None:
    defaults = SyntheticPlan(0)
    for name in ("modify", "cancel", "trade"):
        share = getattr(defaults, f"{name}_share")
        parser.add_argument(
            f"--{name}-share", type=float, default=share, help=f"of all events ({share})"
        )
    parser.add_argument(
        "--partial-share",
        type=float,
        default=defaults.partial_share,
        help=f"of trades that leave something of their last maker ({defaults.partial_share})",
    )
    parser.add_argument(
        "--clear-every",
        type=int,
        default=defaults.clear_every,
        help="events from a clear or snapshot to the next, on average; 0: only the first",
    )
    parser.add_argument("--resting-orders", type=int, help="at most, in each book")
    parser.add_argument("--start-ns", type=int, default=defaults.start_ns, help="first event")
    parser.add_argument(
        "--records-per-second",
        type=float,
        default=defaults.records_per_second,
        help="of event time, on average",
    )


def _plan(options: dict[str, Any]) -> SyntheticPlan:
    names = ("seed", "instruments", "publishers", "ladder", "style", "clear_every", "start_ns")
    shares = ("modify_share", "cancel_share", "trade_share", "partial_share")
    others = ("resting_orders", "records_per_second")
    return SyntheticPlan(
        record_count=options["records"],
        **{name: options[name] for name in (*names, *shares, *others)},
    )


def _write(plan: SyntheticPlan, options: dict[str, Any]) -> None:
    writer = DbnWriter(
        options["out"], dataset=DATASET, symbols=plan.symbols, version=options["dbn_version"]
    )
    shown = sys.stderr.isatty() or options["progress"]
    with writer, Progress(console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("generating", total=plan.record_count)
        for records in generate(plan):
            writer.write(records)
            progress.advance(task, len(records))
