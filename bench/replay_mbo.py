"""Replays a recorded market-by-order flow (a DBN file) through the venue's public API.

Each recorded order becomes an order of one of two accounts, one for bids and one for asks: add =
limit order, cancel = cancel, modify = cancel and new, clear = cancel all. At the end the venue's
book must equal, level by level (price, size, number of orders), what a few lines of plain Python
compute from the same records (bench/mbo_depth.py). docs/performance.md says more.

Without --url it starts a venue of its own in full mode, lists the instrument and funds the two
accounts as its operator. Prints progress and a table to stderr, and one JSON object last; exits
with 1 where the books differ, with 2 where there was nothing to compare.
"""

import argparse
import asyncio
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.load import Address, Latencies
from bench.mbo_depth import Depth, Levels, differences, expected_depth
from bench.mbo_file import (
    NO_PRICE,
    PRICE_UNITS,
    NotMarketByOrder,
    Recording,
    iso_time,
    open_recording,
    time_of_day_ns,
)
from bench.mbo_plan import ASK, BID, Kind, Planner, Step
from bench.mbo_run import WINDOW, Replay, Requests, decimal_text
from bench.venue import Venue, VenueUnusable, own_venue

QUOTE = "USD"
FUNDS_MINOR = 10**18
"""Deposited for the bids' account in quote; below a quarter of all that may exist of an asset."""
FUNDS_LOTS = 10**15
MAX_BASE_LENGTH = 10
MAX_BOOK_LEVELS = 5_000
"""Levels of a side that the venue's API shows."""
SHOWN_DIFFERENCES = 10
PROGRESS_EVERY_S = 0.2
IO_ERRORS = (httpx.HTTPError, OSError, TimeoutError, ValueError)
console = Console(stderr=True)


class Unplayable(Exception):
    """A recording that cannot become orders of this venue."""


class Job(NamedTuple):
    """What is replayed, as the first pass over the records found it."""

    recording: Recording
    until_ns: int | None
    limit: int | None
    record_count: int
    step_count: int
    first_ns: int
    last_ns: int
    tick: int
    """The largest price step that all prices are multiples of, in the recording's units."""
    expected: Depth

    def steps(self) -> Iterator[Step]:
        return Planner(WINDOW).steps(self.recording.records(self.until_ns, self.limit))


def look_at(options: argparse.Namespace) -> Job:
    """The first pass. Raises NotMarketByOrder, Unplayable or OSError."""
    recording = open_recording(options.file, options.instrument_id)
    first = next(recording.records())
    until_ns = time_of_day_ns(first.ts_recv, options.until) if options.until else None
    count, tick, last_ns = 0, 0, first.ts_recv
    for record in recording.records(until_ns, options.limit):
        count, last_ns = count + 1, record.ts_recv
        if record.action in ("A", "M") and record.price != NO_PRICE:
            if record.price <= 0:
                raise Unplayable(f"a price is {record.price}; the venue has positive prices only")
            tick = math.gcd(tick, record.price)
    if not count or not tick:
        raise Unplayable("no record before the cut adds an order")
    job = Job(
        recording, until_ns, options.limit, count, 0, first.ts_recv, last_ns, tick,
        expected_depth(recording.records(until_ns, options.limit)),
    )  # fmt: skip
    return job._replace(step_count=sum(1 for _ in job.steps()))


# -- the venue's side -------------------------------------------------------------------------


class Market(NamedTuple):
    symbol: str
    tokens: dict[str, str]
    """Access token of the account for each side."""


def prepare(venue: Venue, job: Job, options: argparse.Namespace) -> Market:
    """Two funded accounts and the instrument: given ones, or new ones made as the operator."""
    if options.bid_token and options.ask_token and options.symbol:
        return Market(options.symbol, {BID: options.bid_token, ASK: options.ask_token})
    base = re.sub("[^A-Z0-9]", "", job.recording.name.upper())[:MAX_BASE_LENGTH] or "MBO"
    symbol = options.symbol or f"{base}-{QUOTE}"
    base, _, quote = symbol.rpartition("-")
    decimals = max(2, len(decimal_text(job.tick).partition(".")[2]))
    venue.manage(
        "list_instrument", symbol, "--tick-size", decimal_text(job.tick), "--lot-size", "1",
        "--base-decimals", "0", "--quote-decimals", str(decimals),
        "--max-quantity", str(FUNDS_LOTS),
    )  # fmt: skip
    (bidder, bid_token), (asker, ask_token) = venue.sign_up("bids"), venue.sign_up("asks")
    reason = f"replay of {job.recording.path.name}"
    funds = f"{Decimal(FUNDS_MINOR).scaleb(-decimals):f}"
    venue.manage("deposit", bidder, quote, funds, "--reason", reason)
    venue.manage("deposit", asker, base, str(FUNDS_LOTS), "--reason", reason)
    return Market(symbol, {BID: bid_token, ASK: ask_token})


def book_of(venue: Venue, symbol: str) -> tuple[Levels, Levels]:
    """Bids and asks in the recording's units."""
    book = venue.get(f"markets/{symbol}/book", levels=MAX_BOOK_LEVELS)
    bids, asks = (
        {
            int(Decimal(price) * PRICE_UNITS): (int(Decimal(size)), count)
            for price, size, count in side
        }
        for side in (book["bids"], book["asks"])
    )
    return bids, asks


def best(levels: Levels, *, descending: bool) -> Levels:
    """As many levels as the API shows."""
    return {price: levels[price] for price in sorted(levels, reverse=descending)[:MAX_BOOK_LEVELS]}


# -- a run ------------------------------------------------------------------------------------


def pace(rate: str, first_ns: int) -> Callable[[Step], float]:
    """When a step is due, in seconds: ``max``, a number of steps a second, or ``realtime`` with
    a speed: realtime, realtime*60. Raises ValueError."""
    if rate == "max":
        return lambda step: 0.0
    name, _, speed = rate.partition("*")
    factor = float(speed or 1) if name == "realtime" else float(rate)
    if not factor > 0:
        raise ValueError(f"{rate} is not a rate")
    if name == "realtime":
        return lambda step: (step.ts_recv - first_ns) / 1e9 / factor
    return lambda step: step.number / factor


async def run(replay: Replay, job: Job, connections: int, *, quiet: bool) -> float:
    with Progress(console=console, disable=quiet) as progress:
        task = progress.add_task("steps", total=job.step_count)

        async def show() -> None:
            while True:
                await asyncio.sleep(PROGRESS_EVERY_S)
                progress.update(task, completed=replay.done_count)

        showing = asyncio.create_task(show())
        seconds = await replay.run(connections)
        showing.cancel()
        progress.update(task, completed=replay.done_count)
    return seconds


def play(venue: Venue, job: Job, options: argparse.Namespace) -> dict[str, Any]:
    market = prepare(venue, job, options)
    address = Address.of(venue.url)
    requests = Requests(address, market.symbol, market.tokens)
    replay = Replay(address, requests, job.steps(), pace(options.rate, job.first_ns))
    seconds = uvloop.run(run(replay, job, options.connections, quiet=options.json))
    found = Depth(*book_of(venue, market.symbol), unknown_ids=0)
    return {**facts(job, market), **speed(replay, seconds, options), **compare(job, found, replay)}


def facts(job: Job, market: Market) -> dict[str, Any]:
    return {
        "file": job.recording.path.name,
        "instrument_id": job.recording.instrument_id,
        "symbol": market.symbol,
        "tick": decimal_text(job.tick),
        "first": iso_time(job.first_ns),
        "last": iso_time(job.last_ns),
        "records": job.record_count,
        "unknown_ids": job.expected.unknown_ids,
    }


def speed(replay: Replay, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    everything = Latencies.merged(replay.latencies.values())
    return {
        "orders": replay.sent[Kind.PLACE],
        "cancels": replay.sent[Kind.CANCEL] + replay.sent[Kind.CANCEL_ALL],
        "seconds": round(seconds, 3),
        "requests_per_s": round(replay.sent.total() / seconds, 1) if seconds else None,
        **everything.summary_ms(),
        "connections": options.connections,
        "rate": options.rate,
        "retries": replay.retries,
        "errors": dict(replay.errors),
        "first_errors": [f"{step.client_order_id}: {code}" for step, code in replay.failures],
    }


def compare(job: Job, found: Depth, replay: Replay) -> dict[str, Any]:
    expected = job.expected
    bids, asks = best(expected.bids, descending=True), best(expected.asks, descending=False)
    wrong = {"bids": differences(bids, found.bids), "asks": differences(asks, found.asks)}
    crossed = bool(expected.bids and expected.asks) and max(expected.bids) >= min(expected.asks)
    return {
        "bid_levels": len(bids),
        "ask_levels": len(asks),
        "resting_orders": sum(count for _, count in (*bids.values(), *asks.values())),
        "recording_crossed": crossed,
        "traded": replay.traded_count,
        "first_traded": [
            f"{iso_time(step.ts_recv)} order {step.client_order_id} at {decimal_text(step.price)}"
            for step in replay.traded
        ],
        "differences": sum(map(len, wrong.values())),
        "first_differences": [
            f"{side} {decimal_text(price)}: expected {of_records}, found {of_venue}"
            for side, lines in wrong.items()
            for price, of_records, of_venue in lines[:SHOWN_DIFFERENCES]
        ],
        "equal": not any(wrong.values()),
    }


# -- command line -----------------------------------------------------------------------------


@contextmanager
def chosen_venue(options: argparse.Namespace) -> Iterator[Venue]:
    if options.url:
        ready = json.loads(options.ready_file.read_text()) if options.ready_file else None
        yield Venue(options.url, ready)
        return
    settings = {"ORDER_RATE_PER_S": "0", "DEMO_FUNDS": "{}", "LOG_LEVEL": "WARNING"}
    with console.status("starting a venue"), own_venue(settings) as venue:
        yield venue


def show(result: dict[str, Any]) -> None:
    table = Table(title="replay of recorded order flow", show_header=False)
    for name, value in result.items():
        table.add_row(name, "\n".join(value) if isinstance(value, list) else str(value))
    console.print(table)
    if not result["equal"]:
        console.print("The venue's book is NOT the recording's:", style="bold red")
        for line in result["first_differences"]:
            console.print(f"  {line}", highlight=False)
        if result["traded"]:
            console.print("  Orders that traded at once explain it: the recording is crossed there")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.replay_mbo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="DBN file (1 to 3, plain or zstd)")
    parser.add_argument("--until", help="cut at this time of the file's day, UTC, such as 22:39")
    parser.add_argument("--limit", type=int, help="cut after so many records")
    parser.add_argument("--instrument-id", type=int, help="of a file that holds several")
    parser.add_argument("--connections", type=int, default=64, help="keep-alive connections (64)")
    parser.add_argument(
        "--rate", default="max", help="max, steps a second, or realtime[*SPEED] (max)"
    )
    parser.add_argument("--url", help="a venue that runs already, such as http://127.0.0.1:8000")
    parser.add_argument(
        "--ready-file", type=Path, help="that run_full wrote for it: lets us be its operator"
    )
    parser.add_argument("--symbol", help="(the recording's, against USD)")
    parser.add_argument("--bid-token", help="with --ask-token and --symbol: existing accounts")
    parser.add_argument("--ask-token", help="and an instrument whose book is empty")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    return parser.parse_args(argv)


def main() -> int:
    options = arguments()
    try:
        pace(options.rate, 0)
        job = look_at(options)
        with chosen_venue(options) as venue:
            result = play(venue, job, options)
    except (NotMarketByOrder, Unplayable, VenueUnusable, *IO_ERRORS) as error:
        print(f"replay-mbo: {error}", file=sys.stderr)
        return 2
    if not options.json:
        show(result)
    print(json.dumps(result))
    return 0 if result["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
