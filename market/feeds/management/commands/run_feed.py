"""``manage.py run_feed``: reads one feed, keeps its books, stores them and publishes them."""

import json
import re
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from market.feeds import priority
from market.feeds.errors import FeedError
from market.feeds.management.mistakes import address, database_told
from market.feeds.models import MAX_FEED_ID_LENGTH
from market.feeds.serving.process import FeedPlan, FeedProcess, FeedReport, report_json
from market.feeds.session import Batch
from orderbook.metrics import serve_metrics

_FEED_ID: Final = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_FEED_ID_LENGTH}}}", re.ASCII)
_SHOW_EVERY_S: Final = 0.5


def _feed_id(text: str) -> str:
    if not _FEED_ID.fullmatch(text):
        raise ArgumentTypeError(
            f"has 1 to {MAX_FEED_ID_LENGTH} letters, digits, hyphens and underscores"
        )
    return text


class Command(BaseCommand):
    help = (
        "Reads a feed of market-by-order records, from a sender (--connect, see stream_mbo) or "
        "from DBN files, builds the book of every instrument, stores everything as time series "
        "and publishes the books to the web processes: /feeds/ID/, /api/v1/feeds/ID/ and "
        "depth@feed:ID/SYMBOL on /ws/stream. Runs until the source ends, or Ctrl-C. See "
        "docs/feeds/serving.md."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "feed", type=_feed_id, metavar="ID", help="the feed's name in addresses"
        )
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="DBN files")
        parser.add_argument("--connect", type=address, metavar="HOST:PORT", help="a sender")
        parser.add_argument("--title", default="", help="what people read instead of ID")
        _add_output_arguments(parser)
        parser.add_argument(
            "--hold",
            action="store_true",
            help="after the end, keep the last books published until Ctrl-C",
        )
        parser.add_argument(
            "--patience",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long a sender may be away (30)",
        )
        parser.add_argument("--engine", choices=("fast", "plain"), default="fast")
        parser.add_argument(
            "--priority",
            choices=priority.CHOICES,
            default=priority.NORMAL,
            help="high: goes before other processes where the system permits it (as root, or with "
            "a limit rtprio), so that a busy machine does not delay the books",
        )
        parser.add_argument("--progress", action="store_true", help="show it without a terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["connect"]) == bool(options["files"]):
            raise CommandError("Name a sender by --connect, or files; not both.", returncode=2)
        serve_metrics()
        host, port = options["publish"]
        plan = FeedPlan(
            options["feed"],
            options["title"],
            options["connect"],
            tuple(options["files"]),
            options["stores"],
            host,
            port,
            options["patience"],
            options["priority"] == priority.HIGH,
        )
        shows = options["progress"] or sys.stderr.isatty()
        process = FeedProcess(plan, _books(options["engine"], self.stderr.write))
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: process.stop())
        try:
            with _shown(process, shows) as on_batch:
                report = process.run(self._started, on_batch, hold=options["hold"])
        except OSError as error:
            where = error.filename or f"{host}:{port}"
            raise CommandError(f"{where}: {error.strerror or error}", returncode=2) from error
        except FeedError as error:
            raise CommandError(error.message, returncode=2) from error
        self._tell(report, as_json=options["json"])

    def _started(self, address: str) -> None:
        self.stderr.write(f"Published at {address}.")

    def _tell(self, report: FeedReport, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(report_json(report)))
        if report.error is not None:
            raise CommandError(report.error.message, returncode=1)
        if not as_json:
            stats = report.stats
            self.stderr.write(
                f"{stats.record_count:,} records of {stats.book_count:,} books in "
                f"{report.seconds:.1f} s; latency p99 {stats.overall.p99_us / 1000:.2f} ms."
            )


def _add_output_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--store",
        default=True,
        action="store_true",
        dest="stores",
        help="store records, best prices, trades and books (the default)",
    )
    parser.add_argument("--no-store", action="store_false", dest="stores", help="store nothing")
    parser.add_argument(
        "--publish",
        type=partial(address, least_port=0),
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where web processes fetch the books (127.0.0.1, and a free port)",
    )


def _books(engine: str, say: Callable[[str], None]) -> Any:
    """The compiled books say when they have to be compiled first."""
    if engine == "plain":
        from market.feeds.books.plain import PlainBooks

        return PlainBooks()
    from market.feeds.books.fast import FastBooks
    from market.feeds.management.warming import warm_books

    warm_books(say)
    return FastBooks()


@contextmanager
def _shown(process: FeedProcess, shows: bool) -> Iterator[Callable[[Batch], None]]:
    if not shows:
        yield lambda batch: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("waiting for records", total=None)
        shown_s = 0.0

        def show(batch: Batch) -> None:
            nonlocal shown_s
            now_s = time.monotonic()
            if now_s - shown_s >= _SHOW_EVERY_S:
                shown_s = now_s
                stats = process.reader.stats()
                text = (
                    f"{stats.record_count:,} records, {stats.records_per_s:,}/s, "
                    f"p99 {stats.recent.p99_us / 1000:.2f} ms"
                )
                bar.update(task, description=text)

        yield show
