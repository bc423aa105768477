"""``manage.py stream_mbo``: market-by-order records over TCP, from files or from a market."""

import json
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

from market.feeds import priority
from market.feeds.errors import FeedError
from market.feeds.management.mistakes import database_told
from market.feeds.own.times import moment_ns
from market.feeds.transport.pacing import EventPace, MaxPace, Pace, SteadyPace
from market.feeds.transport.sending import file_server, live_server
from market.feeds.transport.server import MAX_PEERS, FrameServer, Limits
from market.feeds.transport.sources import FileSource
from orderbook import garbage
from orderbook.errors import VenueError

DEFAULT_PORT: Final = 7500
_SHOW_EVERY_NS: Final = 500_000_000
_REALTIME: Final = Fraction(1)
"""This very object stands for a speed that was not asked for."""


def _speed(text: str) -> Fraction | None:
    """None stands for max."""
    if text == "max":
        return None
    try:
        # A float first: the fraction of a text may have any number of digits.
        return Fraction(1) if text == "realtime" else Fraction(float(text)).limit_denominator(100)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError("is realtime, max or a number such as 10 or 0.5") from error


class Command(BaseCommand):
    help = (
        "Sends market-by-order records to any number of clients at a steady pace: from DBN files "
        "(versions 1 to 3, plain or zstd), one after the other, or live from a market of this "
        "venue (--market). Ends when every client has the whole stream; a client that comes late "
        "gets it from the beginning, one that was disconnected goes on where it was, also after "
        "the sender was started again. See docs/feeds/transport.md."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="DBN files")
        parser.add_argument("--market", metavar="SYMBOL", help="this market, live; no files then")
        pace = parser.add_mutually_exclusive_group()
        pace.add_argument("--rate", type=int, metavar="N", help="records a second, exactly")
        pace.add_argument(
            "--speed",
            type=_speed,
            default=_REALTIME,
            help="realtime (as ts_recv says; the default), a number (so many times as fast), or "
            "max (as fast as the clients take it)",
        )
        parser.add_argument(
            "--start-at",
            metavar="TIME",
            help="with realtime or a number: what is older than this moment (UTC, such as "
            "2023-12-25T23:00) is sent at once",
        )
        parser.add_argument("--loop", action="store_true", help="begin again, without end")
        parser.add_argument(
            "--priority",
            choices=priority.CHOICES,
            default=priority.NORMAL,
            help="high: goes before other processes where the system permits it, so that a busy "
            "machine does not delay the stream",
        )
        parser.add_argument("--progress", action="store_true", help="show it without a terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
        _add_connection_arguments(parser)

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        limits = Limits(
            backlog_bytes=options["backlog_mib"] << 20,
            backlog_s=options["backlog_seconds"],
            linger_s=options["linger"],
        )
        try:
            if options["market"]:
                self._stream_market(options, limits)
            else:
                self._stream_files(options, limits)
        except OSError as error:
            where = f"{options['host']}:{options['port']}"
            raise CommandError(f"{where}: {error.strerror or error}", returncode=2) from error
        except (ValueError, VenueError) as error:
            raise CommandError(str(error), returncode=2) from error

    def _stream_market(self, options: dict[str, Any], limits: Limits) -> None:
        from market.feeds.own.market_source import MarketSource

        source = MarketSource(options["market"])
        with live_server(
            source, host=options["host"], port=options["port"], limits=limits
        ) as server:
            self._run(server, options, None)

    def _stream_files(self, options: dict[str, Any], limits: Limits) -> None:
        with (
            FileSource(options["files"]) as source,
            file_server(
                source,
                _pace(options),
                loop=options["loop"],
                host=options["host"],
                port=options["port"],
                wait_peers=options["wait_clients"],
                limits=limits,
            ) as server,
        ):
            self._run(server, options, None if options["loop"] else source.record_count)

    def _run(self, server: FrameServer, options: dict[str, Any], total: int | None) -> None:
        self._say_where(server, options)
        stopped = False

        def stop(*_: object) -> None:
            nonlocal stopped
            stopped = True
            server.stop()

        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, stop)
        granted = priority.raise_own() if options["priority"] == priority.HIGH else priority.NORMAL
        garbage.settle()
        begun_ns, begun_cpu_s = time.monotonic_ns(), time.process_time()
        try:
            with _shown(server, options, total) as on_turn:
                server.run(on_turn)
        except FeedError as error:
            # Everybody was told; what was sent before is whole.
            raise CommandError(
                f"{error} Sent before it: {server.progress().record_count} records.", returncode=1
            ) from error
        seconds = (time.monotonic_ns() - begun_ns) / 1e9
        cpu_seconds = time.process_time() - begun_cpu_s
        facts = {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu_seconds, 3),
            "priority": granted,
        }
        self._report(server, options, facts, complete=not stopped)

    def _say_where(self, server: FrameServer, options: dict[str, Any]) -> None:
        host, port = server.address
        if options["json"] or not options["port"]:
            self.stdout.write(json.dumps({"listening": f"{host}:{port}", "port": port}))
        else:
            self.stdout.write(f"Listening on {host}:{port}.")
        self.stdout.flush()

    def _report(
        self,
        server: FrameServer,
        options: dict[str, Any],
        facts: dict[str, object],
        *,
        complete: bool,
    ) -> None:
        progress = server.progress()
        if options["json"]:
            report = {
                "complete": complete,
                "records": progress.record_count,
                "last_sequence": progress.sequence,
                "restarts": progress.lap_count,
                "dropped_clients": progress.dropped_count,
                "max_behind_ms": round(progress.max_behind_ns / 1e6, 3),
                **facts,
            }
            self.stdout.write(json.dumps(report))
            return
        how = "The whole stream was sent" if complete else "Stopped"
        self.stdout.write(
            f"{how}: {progress.record_count:,} records, last sequence {progress.sequence}, "
            f"{progress.dropped_count} clients disconnected for not keeping up."
        )


def _add_connection_arguments(parser: CommandParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help=f"{DEFAULT_PORT}; 0 takes a free one and prints it as a line of JSON",
    )
    parser.add_argument(
        "--wait-clients",
        type=int,
        default=1,
        metavar="N",
        help="files: begin when N clients are there (1); 0 begins at once",
    )
    parser.add_argument(
        "--backlog-mib",
        type=int,
        default=128,
        help="a client that has so much to take yet is disconnected (128)",
    )
    parser.add_argument(
        "--backlog-seconds",
        type=float,
        default=10,
        help="and so is one that leaves a frame untaken for so long (10)",
    )
    parser.add_argument(
        "--linger",
        type=float,
        default=2,
        metavar="SECONDS",
        help="after the end, how long to wait for clients whose connection broke (2)",
    )


def _check(options: dict[str, Any]) -> None:
    if bool(options["files"]) == bool(options["market"]):
        raise CommandError("Name the files to stream, or a market with --market.", returncode=2)
    has_pace = options["rate"] is not None or options["speed"] is not _REALTIME
    if options["market"] and (options["loop"] or has_pace or options["start_at"]):
        raise CommandError(
            "A market is live: --loop, --rate, --speed and --start-at are of files.", returncode=2
        )
    if not options["host"]:
        raise CommandError("--host is an address to listen at; 0.0.0.0 is all.", returncode=2)
    if not 0 <= options["wait_clients"] <= MAX_PEERS:
        raise CommandError(f"--wait-clients is 0 to {MAX_PEERS}.", returncode=2)
    if options["start_at"] and (options["rate"] is not None or options["speed"] is None):
        raise CommandError("--start-at goes with --speed realtime or a number.", returncode=2)
    if not 0 <= options["port"] < 65_536:
        raise CommandError("--port is 0 to 65535.", returncode=2)
    for name, least in (
        ("backlog_mib", 1),
        ("backlog_seconds", 0.1),
        ("linger", 0),
    ):
        if not options[name] >= least:
            option = name.replace("_", "-")
            raise CommandError(f"--{option} is {least} or more.", returncode=2)


def _pace(options: dict[str, Any]) -> Pace:
    """Raises ValueError."""
    rate, speed, start_at = options["rate"], options["speed"], options["start_at"]
    if speed is None:
        return MaxPace()
    start_ns = moment_ns(start_at) if start_at else None
    option = f"--speed {speed}" if rate is None else f"--rate {rate}"
    try:
        return EventPace(speed, start_ns) if rate is None else SteadyPace(rate)
    except ValueError as error:
        raise ValueError(f"{option}: {error}.") from error


@contextmanager
def _shown(
    server: FrameServer, options: dict[str, Any], total: int | None
) -> Iterator[Callable[[], None] | None]:
    """A bar on stderr. It is drawn by the sending thread, twice a second: a thread that draws
    would hold the sender up whenever it likes."""
    if not (options["progress"] or sys.stderr.isatty()):
        yield None
        return
    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )
    task = bar.add_task("streaming", total=total, rate="")
    shown_ns, shown_records = time.monotonic_ns(), 0

    def show() -> None:
        nonlocal shown_ns, shown_records
        now_ns = time.monotonic_ns()
        if now_ns - shown_ns < _SHOW_EVERY_NS:
            return
        progress = server.progress()
        rate = (progress.record_count - shown_records) * 10**9 // (now_ns - shown_ns)
        shown_ns, shown_records = now_ns, progress.record_count
        clients = f"{progress.peer_count} clients" if progress.peer_count != 1 else "1 client"
        bar.update(task, completed=progress.record_count, rate=f"{rate:,}/s to {clients}")
        bar.refresh()

    with bar:
        yield show
        bar.update(task, completed=server.progress().record_count)
        bar.refresh()
