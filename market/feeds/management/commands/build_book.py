"""``manage.py build_book``: the exact books of market-by-order files or of a stream."""

import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from market.feeds.books.contract import Books
from market.feeds.books.plain import PlainBooks
from market.feeds.checking.checker import COMPARE_RECORDS, Limits
from market.feeds.errors import FeedError
from market.feeds.management.mistakes import address
from market.feeds.output.files import STDOUT
from market.feeds.output.run import Plan, Result, Run, Targets
from market.feeds.output.snapshots import parse_interval
from market.feeds.own.times import moment_ns
from market.feeds.transport.client import FrameClient
from market.feeds.transport.sources import FileSource


class Command(BaseCommand):
    help = (
        "Builds the book of every instrument from market-by-order records: DBN files, one after "
        "the other, or a stream (--connect). Outputs appear when everything went well, or not at "
        "all. Exits with 2 and one line where that is not so, with 1 if --verify found violations."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="DBN files")
        parser.add_argument("--connect", metavar="HOST:PORT", help="a sender (see stream_mbo)")
        parser.add_argument("--engine", choices=("fast", "plain"), default="fast")
        parser.add_argument(
            "--batch", type=int, default=65_536, metavar="N", help="records of a file at a time"
        )
        parser.add_argument("--progress", action="store_true", help="show it without a terminal")
        _add_choice(parser)
        _add_outputs(parser)
        _add_checks(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self._console = Console(stderr=True)
        try:
            _check(options)
            plan = self._plan(options)
            with _source(options) as source, _terminable():
                result = self._run(Run(source, plan), source, options)
        except KeyboardInterrupt as error:
            raise CommandError("Interrupted; nothing was written.", returncode=2) from error
        except FeedError as error:
            raise CommandError(str(error.message), returncode=2) from error
        except (ValueError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        if result.report is not None and not result.report["ok"]:
            raise SystemExit(1)

    def _plan(self, options: dict[str, Any]) -> Plan:
        every = options["every"]
        return Plan(
            make_books=self._engine(options),
            engine=options["engine"],
            targets=Targets(
                options["json"], options["snapshots"], options["mbp10"], options["report"]
            ),
            depth=options["levels"],
            with_queues=options["queues"],
            every=None if every is None else parse_interval(every),
            symbols=frozenset(options["symbol"]),
            instrument_ids=frozenset(options["instrument"]),
            until_ns=None if options["until"] is None else _until_ns(options["until"]),
            verify=options["verify"] or options["reference_mbp"] is not None,
            limits=Limits(options["compare_every"], options["min_prefix"]),
            reference=options["reference_mbp"],
            batch_records=options["batch"],
            keep_partial=options["keep_partial"],
        )

    def _engine(self, options: dict[str, Any]) -> Callable[[], Books]:
        if options["engine"] == "plain":
            return PlainBooks
        from market.feeds.books import fast
        from market.feeds.management.warming import warm_books

        if not _shows(options):
            warm_books(self.stderr.write)
            return fast.FastBooks
        with self._progress(options) as progress:
            task = progress.add_task("compiling, first start only", total=None)

            def step(warmth: fast.Warmth) -> None:
                done = warmth.position - (warmth.loaded is None)
                progress.update(task, completed=done, total=warmth.total)

            fast.warm_up(step)
        return fast.FastBooks

    def _run(self, run: Run, source: FrameClient | FileSource, options: dict[str, Any]) -> Result:
        total = source.record_count if isinstance(source, FileSource) else None
        start_s = time.perf_counter()
        with self._progress(options) as progress:
            task = progress.add_task("building", total=total)
            result = run.run(lambda count: progress.advance(task, count))
        self._say(result, time.perf_counter() - start_s)
        return result

    def _say(self, result: Result, seconds: float) -> None:
        document, report = result.document, result.report
        self.stderr.write(
            f"{document['record_count']:,} records, {len(document['books'])} books, "
            f"{document['record_count'] / max(seconds, 1e-9):,.0f} records/s, "
            f"state {document['state_hash']}"
        )
        if report is not None:
            found = [
                f"{kind} {item['count']}"
                for kind, item in report["checks"].items()
                if item["count"]
            ]
            verdict = "no violations" if report["ok"] else f"{report['violations']} violations"
            self.stderr.write(f"verified: {verdict}; found: {', '.join(found) or 'nothing'}")

    def _progress(self, options: dict[str, Any]) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not _shows(options),
        )


def _shows(options: dict[str, Any]) -> bool:
    return bool(sys.stderr.isatty() or options["progress"])


def _add_choice(parser: CommandParser) -> None:
    parser.add_argument(
        "--symbol", action="append", default=[], metavar="S", help="only this one (repeatable)"
    )
    parser.add_argument(
        "--instrument", action="append", default=[], type=int, metavar="ID", help="by its number"
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="stop before the first record of this ts_recv: nanoseconds, or a moment in UTC",
    )


def _add_outputs(parser: CommandParser) -> None:
    parser.add_argument("--json", metavar="OUT", help="the books at the end; - is standard output")
    parser.add_argument("--levels", type=int, metavar="N", help="of each side; all without it")
    parser.add_argument("--queues", action="store_true", help="each level's orders, too")
    parser.add_argument(
        "--every", metavar="N|TIME", help="snapshots every N records, or 250ms, 1s, 5m, 1h"
    )
    parser.add_argument("--snapshots", metavar="OUT", help="where they go, one a line")
    parser.add_argument("--mbp10", metavar="OUT", help="ten levels after each event, one a line")
    parser.add_argument(
        "--keep-partial",
        action="store_true",
        help='write what there is of a damaged input, marked "complete": false',
    )


def _add_checks(parser: CommandParser) -> None:
    parser.add_argument("--verify", action="store_true", help="check every record and book")
    parser.add_argument("--report", metavar="OUT", help="what was found, by kind")
    parser.add_argument(
        "--reference-mbp",
        type=Path,
        metavar="FILE",
        help="the venue's own MBP-1, MBP-10 or BBO file: must be equal (implies --verify)",
    )
    parser.add_argument(
        "--min-prefix",
        type=float,
        default=Limits().min_prefix_percent,
        metavar="PERCENT",
        help="trades that must consume the front of their queue (default: 95; 100 if no icebergs)",
    )
    parser.add_argument(
        "--compare-every",
        type=int,
        default=COMPARE_RECORDS,
        metavar="N",
        help=f"records between comparisons of whole books (default: {COMPARE_RECORDS})",
    )


def _check(options: dict[str, Any]) -> None:
    """Raises ValueError for options that do not go together."""
    if bool(options["files"]) == bool(options["connect"]):
        raise ValueError("Give either files or --connect.")
    if (options["every"] is None) != (options["snapshots"] is None):
        raise ValueError("--every and --snapshots go together.")
    if options["report"] and not (options["verify"] or options["reference_mbp"]):
        raise ValueError("--report goes with --verify.")
    for name in ("batch", "levels", "compare_every"):
        if options[name] is not None and options[name] < 1:
            raise ValueError(f"--{name.replace('_', '-')} takes a number from 1.")
    if not 0 <= options["min_prefix"] <= 100:
        raise ValueError("--min-prefix takes a percentage from 0 to 100.")
    targets = [options[name] for name in ("json", "snapshots", "mbp10", "report")]
    given = [target for target in targets if target is not None]
    places = [target if target == STDOUT else Path(target).resolve() for target in given]
    if len(set(places)) < len(places):
        raise ValueError("Each output needs a place of its own.")
    if not given and not (options["verify"] or options["reference_mbp"]):
        raise ValueError("Nothing to do: give --json, --snapshots, --mbp10 or --verify.")
    if {path.resolve() for path in options["files"]} & set(places):
        raise ValueError("An output would replace an input.")


def _source(options: dict[str, Any]) -> FrameClient | FileSource:
    if options["files"]:
        return FileSource(options["files"])
    try:
        return FrameClient(*address(options["connect"]))
    except ArgumentTypeError as error:
        raise ValueError(f"--connect {error}.") from error


def _until_ns(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        return moment_ns(text)
    except ValueError as error:
        raise ValueError("--until takes nanoseconds or a moment like 2026-11-20T14:30.") from error


@contextmanager
def _terminable() -> Iterator[None]:
    """A request to end is treated like the keyboard's, so that nothing is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
