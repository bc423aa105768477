"""``manage.py record_market``: a market of this venue as a DBN file of market-by-order records."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from market.feeds.dbn.records import Records
from market.feeds.dbn.writing import DbnWriter
from market.feeds.errors import FeedError
from market.feeds.management.mistakes import database_told, require_place
from market.feeds.own.expression import DATASET, PUBLISHER_ID, instrument_id
from market.feeds.own.journal_recorder import JournalRecorder, sequence_before
from market.feeds.own.times import day_bounds_ns, moment_ns, moment_text
from orderbook.journal import JournalDamaged, last_sequence


class Command(BaseCommand):
    help = (
        "Writes what happened in the market of SYMBOL, as the journal has it, into a DBN file "
        "(zstd where the name ends in .zst). Begins with a snapshot of the book; without --day, "
        "--from or --to it takes the whole journal. Only reads: the venue may run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", help="such as BTC-USDT")
        parser.add_argument("out", type=Path, help="the file to write, *.dbn or *.dbn.zst")
        parser.add_argument("--day", help="a day, UTC, such as 2026-11-20")
        parser.add_argument("--from", dest="start", help="a moment, UTC: 2026-11-20T14:30")
        parser.add_argument("--to", dest="end", help="a moment, UTC, that is not in it any more")
        parser.add_argument("--progress", action="store_true", help="show it without a terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        require_place("OUT", options["out"])
        try:
            start_ns, end_ns = _bounds(options)
            result = _record(options, start_ns, end_ns)
        except (ValueError, OSError, FeedError, JournalDamaged) as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write(
                f"{result['records']:,} records of {result['symbol']} in {result['file']}, "
                f"{result['first'] or 'no time'} to {result['last'] or 'no time'}."
            )


def _bounds(options: dict[str, Any]) -> tuple[int, int | None]:
    if options["day"]:
        if options["start"] or options["end"]:
            raise ValueError("--day goes without --from and --to.")
        return day_bounds_ns(options["day"])
    start_ns = moment_ns(options["start"]) if options["start"] else 0
    end_ns = moment_ns(options["end"]) if options["end"] else None
    if end_ns is not None and end_ns <= start_ns:
        raise ValueError("--to must be later than --from.")
    return start_ns, end_ns


def _record(options: dict[str, Any], start_ns: int, end_ns: int | None) -> dict[str, Any]:
    symbol, path = options["symbol"], options["out"]
    last = last_sequence() if end_ns is None else sequence_before(end_ns)
    shown = (sys.stderr.isatty() or options["progress"]) and not options["json"]
    with Progress(console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task(f"recording {symbol}", total=last)
        recorder = JournalRecorder(
            symbol, sequence_before(start_ns), lambda count: progress.advance(task, count)
        )
        counts = _write(recorder, path, end_ns)
        progress.update(task, completed=last)
    return {
        "symbol": symbol,
        "file": str(path),
        "dataset": DATASET,
        "instrument_id": instrument_id(symbol),
        "sequence": recorder.sequence,
        **counts,
    }


def _write(recorder: JournalRecorder, path: Path, end_ns: int | None) -> dict[str, Any]:
    count, first_ns, last_ns = 0, 0, 0
    symbols = {instrument_id(recorder.symbol): recorder.symbol}
    with DbnWriter(path, dataset=DATASET, symbols=symbols, publisher_id=PUBLISHER_ID) as writer:
        for records in _records(recorder, end_ns):
            writer.write(records)
            first_ns = first_ns or int(records[0]["ts_recv"])
            last_ns = int(records[-1]["ts_recv"])
            count += len(records)
        if not recorder.has_begun:
            raise ValueError(f"There is no instrument {recorder.symbol} in that time.")
    return {
        "records": count,
        "first": moment_text(first_ns) if count else None,
        "last": moment_text(last_ns) if count else None,
    }


def _records(recorder: JournalRecorder, end_ns: int | None) -> Iterator[Records]:
    beginning = recorder.begin()
    if len(beginning):
        yield beginning
    yield from recorder.follow(end_ns)
