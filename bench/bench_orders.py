"""Orders a second through the whole venue: POST /api/v1/orders over keep-alive connections.

Every connection sends its next request when the last one is answered, which the venue does after
the journal's commit. The flow: passive limit orders a few ticks behind a middle price, marketable
IOC orders that take them, cancels of orders that rest, and a mass cancel where a trader has too
many, so that the book stays bounded. Only the POSTs of single orders count.

Without --url it starts a venue of its own in full mode: web, engine, projector, worker, beat and
bots on private PostgreSQL and Redis servers. Afterwards it counts each trader's orders through
GET /orders: what was acknowledged must be there. Prints a table to stderr and one JSON object last.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from bench.cpu import CpuTimes
from bench.load import (
    Address,
    Connection,
    Latencies,
    connect,
    error_code,
    request_head,
    with_body,
    without_body,
)
from bench.venue import Samples, Venue, VenueUnusable, own_venue, parse_metrics

SYMBOL = "BTC-USDT"
TRADERS = 16
"""Fewer than connections: the venue's limit of orders a second holds for each of them."""
FUNDS = {"USDT": "100000000", "BTC": "10000"}
PASSIVE_TICKS = 50
MARKETABLE_TICKS = 10
MAX_LOTS = 40
MAX_MARKETABLE_LOTS = 120
MARKETABLE_SHARE = 0.25
NEAR_TICKS = 20
CANCEL_SHARE = 0.25
"""Of the orders that rest further away than NEAR_TICKS, which are hardly filled before it, the part
that is canceled by the next request."""
MAX_RESTING = 200
"""Orders that a connection lets rest before it cancels all of its trader's."""
SCRAPE_EVERY_S = 5.0
STOP_PATIENCE_S = 10.0
PAGE_LIMIT = 500
LOT = Decimal("0.001")
_RESTS = b'"status":"open"'


class Trader(NamedTuple):
    name: str
    token: str


class Flow:
    """The requests of one connection, from a seed."""

    def __init__(self, address: Address, trader: Trader, middle: Decimal, seed: int) -> None:
        self._random = random.Random(seed)
        headers = {"authorization": f"Bearer {trader.token}"}
        self._post = request_head(address, "POST", "/api/v1/orders", headers)
        self._delete = request_head(address, "DELETE", "/api/v1/orders/client:%s", headers)
        self._delete_all = without_body(
            request_head(address, "DELETE", f"/api/v1/orders?symbol={SYMBOL}", headers)
        )
        self._prefix = f"{int(time.time()):x}-{seed}-"
        self._number = 0
        self._resting = 0
        self._offset = 0
        self._middle_ticks = int(middle * 100)

    def order(self) -> bytes:
        draw = self._random
        buys = draw.random() < 0.5
        marketable = draw.random() < MARKETABLE_SHARE
        if marketable:
            offset, lots = -MARKETABLE_TICKS, draw.randint(1, MAX_MARKETABLE_LOTS)
        else:
            offset, lots = draw.randint(1, PASSIVE_TICKS), draw.randint(1, MAX_LOTS)
        self._offset = offset
        ticks = self._middle_ticks + (-offset if buys else offset)
        self._number += 1
        body = (
            f'{{"symbol":"{SYMBOL}","side":"{"buy" if buys else "sell"}","type":"limit",'
            f'"price":"{ticks // 100}.{ticks % 100:02}","quantity":"{lots * LOT}",'
            f'"time_in_force":"{"IOC" if marketable else "GTC"}",'
            f'"client_order_id":"{self._prefix}{self._number}"}}'
        )
        return with_body(self._post, body.encode())

    def after(self, body: bytes) -> bytes | None:
        """The cancel that follows the answer to an order, if one does."""
        if _RESTS not in body:
            return None
        self._resting += 1
        if self._resting > MAX_RESTING:
            self._resting = 0
            return self._delete_all
        if self._offset > NEAR_TICKS and self._random.random() < CANCEL_SHARE:
            self._resting -= 1
            client_order_id = f"{self._prefix}{self._number}".encode()
            return without_body(self._delete.replace(b"%s", client_order_id))
        return None


class Load:
    """All connections of a run, and what was counted while ``measuring``."""

    def __init__(self, address: Address, flows: list[Flow]) -> None:
        self._address = address
        self._flows = flows
        self._flow_of: dict[Connection, Flow] = {}
        self._canceling: dict[Connection, bool] = {}
        self._connections: list[Connection] = []
        self._busy = 0
        self._idle = asyncio.Event()
        self._stopping = False
        self.measuring = False
        self.acknowledged = 0
        """From the first order on, so that it can be compared with the venue."""
        self.unknown = 0
        """Orders without a clear answer, which may have been executed."""
        self.orders = Latencies()
        self.cancels = Latencies()
        self.errors: Counter[str] = Counter()
        self.cancel_errors: Counter[str] = Counter()

    async def start(self) -> None:
        for flow in self._flows:
            connection = await connect(self._address, self._answered, self._lost)
            self._connections.append(connection)
            self._flow_of[connection] = flow
        for connection, flow in self._flow_of.items():
            self._busy += 1
            self._canceling[connection] = False
            connection.send(flow.order())

    async def stop(self) -> None:
        """Lets what is under way be answered, then closes."""
        self._stopping = True
        if self._busy:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), STOP_PATIENCE_S)
        self.unknown += self._busy
        for connection in self._connections:
            connection.close()

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        flow = self._flow_of[connection]
        if self._canceling[connection]:
            if self.measuring:
                self.cancels.add(connection.latency_s)
                if status != httpx.codes.OK:
                    self.cancel_errors[error_code(body)] += 1
            following = None
        else:
            following = self._order_answered(connection, flow, status, body)
        if self._stopping:
            self._end_one()
            return
        self._canceling[connection] = following is not None
        connection.send(following or flow.order())

    def _order_answered(
        self, connection: Connection, flow: Flow, status: int, body: bytes
    ) -> bytes | None:
        if self.measuring:
            self.orders.add(connection.latency_s)
        if status == httpx.codes.CREATED:
            self.acknowledged += 1
            return flow.after(body)
        code = error_code(body)
        self.unknown += code == "outcome_unknown"
        if self.measuring:
            self.errors[code] += 1
        return None

    def _lost(self, connection: Connection) -> None:
        """A broken connection stays out; the run goes on with the others and tells."""
        self._end_one()
        self.unknown += not self._canceling[connection]
        self.errors["connection_lost"] += 1

    def _end_one(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()


# -- a run ------------------------------------------------------------------------------------


class Window(NamedTuple):
    """The measured time: seconds, and the venue's own numbers from its beginning to its end."""

    seconds: float
    scrapes: list[Samples]
    cpu_s: dict[str, float]
    """CPU seconds by part of the venue; empty for a venue that is not our own."""


async def drive(load: Load, venue: Venue, warm_up_s: float, seconds: float) -> Window:
    async with httpx.AsyncClient(base_url=venue.url, timeout=60.0) as client:
        await load.start()
        await asyncio.sleep(warm_up_s)
        scrapes = [await _scrape(client)]
        cpu = CpuTimes(Path(venue.facts["pid_folder"])) if venue.facts else None
        started = time.perf_counter()
        load.measuring = True
        while (left := seconds - (time.perf_counter() - started)) > 0:
            await asyncio.sleep(min(left, SCRAPE_EVERY_S))
            if left > SCRAPE_EVERY_S:
                scrapes.append(await _scrape(client))
        load.measuring = False
        elapsed = time.perf_counter() - started
        cpu_s = cpu.spent() if cpu else {}
        scrapes.append(await _scrape(client))
        await load.stop()
    return Window(elapsed, scrapes, cpu_s)


async def _scrape(client: httpx.AsyncClient) -> Samples:
    answer = await client.get("/metrics")
    return parse_metrics(answer.text) if answer.status_code == httpx.codes.OK else {}


def measure(venue: Venue, options: argparse.Namespace) -> dict[str, Any]:
    traders = [Trader(*venue.sign_up("bench")) for _ in range(options.traders)]
    middle = Decimal(options.price) if options.price else middle_price(venue)
    address = Address.of(venue.url)
    flows = [
        Flow(address, traders[number % len(traders)], middle, options.seed * 1_000 + number)
        for number in range(options.connections)
    ]
    load = Load(address, flows)
    window = uvloop.run(drive(load, venue, options.warm_up, options.seconds))
    found = sum(count_orders(venue, trader) for trader in traders)
    accepted = len(load.orders) - load.errors.total()
    return {
        "orders_per_s": round(accepted / window.seconds, 1),
        **load.orders.summary_ms(),
        "batch_mean": batch_mean(window.scrapes),
        **projector_lag(window.scrapes),
        "cpu_us_per_order": cpu_us_per_order(window.cpu_s, accepted),
        "rejected": load.errors.total(),
        "errors": dict(load.errors),
        "cancels_per_s": round(len(load.cancels) / window.seconds, 1),
        "cancel_p99_ms": load.cancels.summary_ms()["p99_ms"],
        "cancel_errors": dict(load.cancel_errors),
        "acknowledged": load.acknowledged,
        "outcome_unknown": load.unknown,
        "orders_found": found,
        "consistent": load.acknowledged <= found <= load.acknowledged + load.unknown,
        "seconds": round(window.seconds, 2),
        "connections": options.connections,
        "traders": options.traders,
        "web_processes": options.web_processes,
    }


def middle_price(venue: Venue) -> Decimal:
    """Between the best prices now, or the price that the demo venue begins with."""
    bbo = venue.get(f"markets/{SYMBOL}/bbo")
    prices = [Decimal(bbo[side][0]) for side in ("bid", "ask") if bbo.get(side)]
    return sum(prices, Decimal(0)) / len(prices) if prices else Decimal(65_000)


def count_orders(venue: Venue, trader: Trader) -> int:
    """How many orders the venue says that the trader has placed, over all pages."""
    count, cursor = 0, None
    while True:
        params = {"limit": PAGE_LIMIT, **({"cursor": cursor} if cursor else {})}
        page = venue.get("orders", trader.token, **params)
        count += len(page["results"])
        cursor = page["next"]
        if not cursor:
            return count


def batch_mean(scrapes: list[Samples]) -> float | None:
    """Commands in one commit of the journal, over the window; None without /metrics."""
    name = "rialto_journal_batch_commands"
    first, last = scrapes[0], scrapes[-1]
    commits = last.get(f"{name}_count", 0) - first.get(f"{name}_count", 0)
    commands = last.get(f"{name}_sum", 0) - first.get(f"{name}_sum", 0)
    return round(commands / commits, 1) if commits else None


def projector_lag(scrapes: list[Samples]) -> dict[str, float | None]:
    """At the window's end and the largest one seen, in milliseconds."""
    name = "rialto_projector_lag_seconds"
    seen = [round(scrape[name] * 1000, 1) for scrape in scrapes if name in scrape]
    return {
        "projector_lag_ms": seen[-1] if seen else None,
        "projector_lag_max_ms": max(seen, default=None),
    }


def cpu_us_per_order(cpu_s: dict[str, float], orders: int) -> dict[str, int]:
    """Microseconds of CPU that each part spent for one order, and all together."""
    if not orders:
        return {}
    parts = {name: round(seconds / orders * 1e6) for name, seconds in sorted(cpu_s.items())}
    return {**parts, "total": sum(parts.values())}


# -- command line -----------------------------------------------------------------------------


@contextmanager
def chosen_venue(options: argparse.Namespace) -> Iterator[Venue]:
    if options.url:
        facts = json.loads(options.ready_file.read_text()) if options.ready_file else None
        yield Venue(options.url, facts)
        return
    settings = {
        "WEB_PROCESSES": str(options.web_processes),
        "DEMO_FUNDS": json.dumps(FUNDS),
        "LOG_LEVEL": "WARNING",
    }
    with own_venue(settings) as venue:
        yield venue


def show(result: dict[str, Any]) -> None:
    table = Table(title="single-order POSTs", show_header=False)
    for name, value in result.items():
        table.add_row(name, str(value))
    Console(stderr=True).print(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.bench_orders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", help="a venue that runs already, such as http://127.0.0.1:8000")
    parser.add_argument(
        "--ready-file", type=Path, help="that run_full wrote for the venue of --url: for CPU times"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="measured time (30)")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before it (5)")
    parser.add_argument("--connections", type=int, default=64, help="keep-alive connections (64)")
    parser.add_argument("--traders", type=int, default=TRADERS, help=f"accounts ({TRADERS})")
    parser.add_argument("--web-processes", type=int, default=1, help="of the own venue (1)")
    parser.add_argument("--price", help="middle of the flow (between the best prices)")
    parser.add_argument("--seed", type=int, default=1, help="of the flow (1)")
    parser.add_argument("--json", action="store_true", help="no table, only the JSON object")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    try:
        with chosen_venue(options) as venue:
            result = measure(venue, options)
    except (VenueUnusable, httpx.HTTPError, OSError, ValueError) as error:
        print(f"bench-orders: {error}", file=sys.stderr)
        return 2
    if not options.json:
        show(result)
    print(json.dumps(result))
    return 0 if result["consistent"] else 1


if __name__ == "__main__":
    sys.exit(main())
