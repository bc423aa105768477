"""``manage.py replay_market``: a recorded day becomes a live market of this venue."""

import asyncio
import json
import os
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from config.server import APPLICATION, base_url, port_number, uvicorn_settings
from market.feeds.dbn.files import open_dbn
from market.feeds.management.mistakes import database_told, require_place
from market.feeds.own.replaying.running import Replay, Wish
from orderbook import garbage
from orderbook.errors import VenueError
from orderbook.gateway.bridge.joining import NoVenueRuns, joined_venue
from orderbook.gateway.feed import Feed, get_feed, set_feed
from orderbook.gateway.gateway import Gateway, get_gateway, set_gateway
from orderbook.journal import JournalDamaged

_FAILURES = (VenueError, JournalDamaged, ValueError, OSError, LookupError)
_SHOWN = (
    "symbol", "instrument", "first", "last", "records_played", "records", "seconds", "stopped",
    "trades", "equal_trades", "equal_trades_share", "fills", "equal_fills", "equal_fills_share",
)  # fmt: skip


class Command(BaseCommand):
    help = (
        "Plays the market-by-order records of a DBN file as orders of simulated participants, at "
        "their recorded times, and compares the engine's fills with the recorded ones. Lists the "
        "instrument where the venue has none of this name. It plays at the venue that runs; in "
        "embedded mode that is the one in the same DATA_DIR. Where none runs there, this command "
        "runs the embedded venue itself, pages and API included (PORT, HOST, DATA_DIR), and closes "
        "it after the replay unless --stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="DBN file (1 to 3, plain or zstd)")
        parser.add_argument("--symbol", help="BASE-QUOTE; default: the recorded name against USD")
        parser.add_argument("--instrument", help="id or symbol, of a file that holds several")
        parser.add_argument(
            "--speed", type=_speed, default=1.0,
            help="recorded seconds in a second, or max (default: 1, as it happened)",
        )  # fmt: skip
        parser.add_argument("--until", help="end there, UTC: 22:39 on the file's day, or a moment")
        parser.add_argument("--report", type=Path, help="write the whole report there, as JSON")
        parser.add_argument(
            "--clear-at-end", action="store_true", help="cancel what still rests of the recording"
        )
        parser.add_argument(
            "--fund", action="append", default=[], metavar="USER",
            help="give this user money and units of the instrument to take part with; repeatable",
        )  # fmt: skip
        parser.add_argument(
            "--stay", action="store_true", help="keep the venue open that this command runs"
        )
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or "8000")
        parser.add_argument("--progress", action="store_true", help="show it without a terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        if options["report"]:
            require_place("--report", options["report"])
        names = ("symbol", "instrument", "speed", "until", "clear_at_end")
        chosen = {name: options[name] for name in names}
        wish = Wish(options["file"], **chosen, traders=tuple(options["fund"]))
        shown = (sys.stderr.isatty() or options["progress"]) and not options["json"]
        with Progress(console=Console(stderr=True), disable=not shown) as progress:
            task = progress.add_task(f"replaying {wish.path.name}", total=None)

            def show(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            try:
                result = _play(wish, show, options)
            except _FAILURES as error:
                raise CommandError(str(error), returncode=2) from error
        if options["report"]:
            options["report"].write_text(json.dumps(result, indent=1) + "\n")
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            _print(result)


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise ArgumentTypeError("a speed is a number above 0, or max")
    return speed


def _play(wish: Wish, show: Callable[[int, int], None], options: dict[str, Any]) -> dict[str, Any]:
    try:
        return asyncio.run(_at_running_venue(wish, show))
    except NoVenueRuns:
        return _run_venue(wish, show, options)


async def _at_running_venue(wish: Wish, show: Callable[[int, int], None]) -> dict[str, Any]:
    """At a venue whose engine is a process of its own. Raises NoVenueRuns, or VenueEnded."""
    async with joined_venue() as venue:
        gateway, feed, replay = Gateway(), Feed(), Replay(wish)
        await gateway.start()
        set_gateway(gateway)
        set_feed(feed)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, replay.stop)
        try:
            await feed.start()
            garbage.settle()
            return await venue.while_it_runs(replay.run(gateway, feed, show))
        finally:
            await feed.stop()
            await gateway.stop()


def _run_venue(
    wish: Wish, show: Callable[[int, int], None], options: dict[str, Any]
) -> dict[str, Any]:
    """Runs the whole venue in this process and plays in it."""
    from config.embedded import AlreadyRunning, lock_taken_ahead

    try:
        with lock_taken_ahead():
            return _run_in_own_folder(wish, show, options)
    except AlreadyRunning as error:
        raise ValueError(
            f"The venue in {settings.DATA_DIR} does not answer. One that is starting does so in a "
            "moment; its log says what else is wrong."
        ) from error


def _run_in_own_folder(
    wish: Wish, show: Callable[[int, int], None], options: dict[str, Any]
) -> dict[str, Any]:
    """With the lock on DATA_DIR."""
    if not wish.path.exists():
        raise ValueError(f"There is no file {wish.path}.")
    open_dbn(wish.path).close()  # what is none is told before there is a venue
    for database in settings.DATABASES:
        call_command("migrate", database=database, verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    host, port = options["host"], options["port"]
    config = uvicorn.Config(
        APPLICATION, **uvicorn_settings(host=host, port=port, data_dir=settings.DATA_DIR)
    )
    server = _Venue(config, Replay(wish), show, stays=options["stay"])
    Console(stderr=True).print(f"Rialto is opening at {base_url(host, port)}/")
    with suppress(KeyboardInterrupt):  # which uvicorn raises again after an orderly stop
        server.run()
    if server.error is not None:
        raise server.error
    if server.result is None:
        raise ValueError("The venue did not open; its log says why.")
    return server.result


class _Venue(uvicorn.Server):
    """The web server and all that belongs to an embedded venue, with a replay beside them."""

    def __init__(
        self,
        config: uvicorn.Config,
        replay: Replay,
        show: Callable[[int, int], None],
        *,
        stays: bool,
    ) -> None:
        super().__init__(config)
        self._replay = replay
        self._show = show
        self._stays = stays
        self._task: asyncio.Task[None] | None = None
        self.result: dict[str, Any] | None = None
        self.error: Exception | None = None

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._task = asyncio.create_task(self._play(), name="replay")

    async def shutdown(self, sockets: Any = None) -> None:
        """The replay first, so that its last commands are answered and its report is whole."""
        self._replay.stop()
        if self._task is not None:
            await self._task
        await super().shutdown(sockets)

    async def _play(self) -> None:
        try:
            self.result = await self._replay.run(get_gateway(), get_feed(), self._show)
        except Exception as error:
            self.error = error
        if not self._stays or self.error is not None:
            self.should_exit = True


def _print(result: dict[str, Any]) -> None:
    table = Table(title="Recorded flow, played and compared", show_header=False)
    for name in _SHOWN:
        table.add_row(name, str(result[name]))
    for cause, count in result["differences"].items():
        if count:
            table.add_row(f"differs: {cause}", str(count))
    for auction in result["auctions"]:
        table.add_row("auction", str(auction))
    for part in ("refused", "counts", "passed_over"):
        for name, count in result[part].items():
            table.add_row(f"{part}: {name}", str(count))
    table.add_row("book: differing levels", str(result["book"]["differing_levels"]))
    Console().print(table)
