"""One replay from its file to its report, in whatever process has a gateway and a feed."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import price_text
from market.feeds.own.replaying.participants import Desk
from market.feeds.own.replaying.planner import Planner, by_event, rows_of
from market.feeds.own.replaying.player import Pace, Player
from market.feeds.own.replaying.preparing import Stage, default_symbol, prepare
from market.feeds.own.replaying.recording import Recording, first_time_ns, look_at
from market.feeds.own.replaying.report import Report
from market.feeds.own.replaying.steps import ASK, BID
from market.feeds.own.times import moment_ns, moment_text
from orderbook.core.commands import CancelAllOrders
from orderbook.core.units import SECOND_NS, Side
from orderbook.gateway.feed import Feed
from orderbook.gateway.gateway import Gateway
from orderbook.gateway.protocol import Depth, GetDepth

PROGRESS_EVERY_S = 0.25
SHOWN_LEVELS = 10

Progress = Callable[[int, int], None]
"""(records done, records in all)"""


class Wish(NamedTuple):
    """What the command was asked for."""

    path: Path
    symbol: str | None
    instrument: str | None
    speed: float
    """Recorded seconds in one of the clock; 0: as fast as it goes."""
    until: str | None
    clear_at_end: bool
    traders: tuple[str, ...] = ()
    """User names of those who are given funds to take part."""


class Replay:
    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends it after the commands that are under way; there is a report all the same."""
        self._stopping.set()

    async def run(self, gateway: Gateway, feed: Feed, progress: Progress) -> dict[str, Any]:
        """Raises FeedError, VenueError or ValueError."""
        wish = self._wish
        with open_dbn(wish.path) as file:
            until_ns = moment_ns(wish.until, first_time_ns(file)) if wish.until else None
            recording = await asyncio.to_thread(look_at, file, wish.instrument, until_ns)
            symbol = wish.symbol or default_symbol(recording.name)
            stage = await prepare(gateway, recording, symbol, wish.traders)
            planner, report = Planner(), Report()
            desk = Desk(symbol, stage.participants, stage.tick, secrets.token_hex(3))
            player = Player(gateway, desk, planner, report)
            player.stopping = self._stopping
            feed.subscribe(player)
            showing = asyncio.create_task(_show(player, recording, progress))
            started = time.monotonic()
            try:
                events = by_event(rows_of(recording.batches()))
                await player.play(events, pace(wish.speed, recording.first_ns))
            finally:
                showing.cancel()
                feed.unsubscribe(player)
            seconds = time.monotonic() - started
            progress(player.records_done, recording.record_count)
            result = {
                **_facts(recording, stage, player, seconds),
                "stopped": self._stopping.is_set(),
                **report.result(),
                "passed_over": dict(sorted((+planner.counts).items())),
                "book": await _compare_books(gateway, stage, planner),
            }
            if wish.clear_at_end:
                for account_id in stage.participants[:2]:
                    await gateway.submit(CancelAllOrders(account_id, symbol))
        return result


def pace(speed: float, first_ns: int) -> Pace:
    """When an event of the recording is due, with its first one due now."""
    if not speed:
        return lambda ts_recv: 0.0
    started = time.monotonic()
    return lambda ts_recv: (ts_recv - first_ns) / SECOND_NS / speed - (time.monotonic() - started)


async def _show(player: Player, recording: Recording, progress: Progress) -> None:
    while True:
        progress(player.records_done, recording.record_count)
        await asyncio.sleep(PROGRESS_EVERY_S)


def _facts(recording: Recording, stage: Stage, player: Player, seconds: float) -> dict[str, Any]:
    return {
        "file": recording.file.path.name,
        "instrument": recording.name,
        "instrument_id": recording.instrument_id,
        "publisher_id": recording.publisher_id,
        "symbol": stage.symbol,
        "tick": price_text(recording.tick),
        "first": moment_text(recording.first_ns),
        "last": moment_text(recording.last_ns),
        "records": recording.record_count,
        "records_played": player.records_done,
        "seconds": round(seconds, 3),
        "records_per_s": round(player.records_done / seconds) if seconds else None,
    }


async def _compare_books(gateway: Gateway, stage: Stage, planner: Planner) -> dict[str, Any]:
    """The venue's levels, everybody's orders in them, beside the recorded ones."""
    depth = await gateway.query(GetDepth(stage.symbol))
    assert isinstance(depth, Depth)
    engine = {
        (BID if level.side is Side.BUY else ASK, level.price_ticks * stage.tick): (
            level.quantity_lots,
            level.order_count,
        )
        for level in depth.levels
    }
    sizes: Counter[tuple[str, int]] = Counter()
    orders: Counter[tuple[str, int]] = Counter()
    for order in planner.orders:
        if order.left > 0:
            sizes[order.side, order.price] += order.left
            orders[order.side, order.price] += 1
    recorded = {level: (size, orders[level]) for level, size in sizes.items()}
    differing = sorted(
        level
        for level in recorded.keys() | engine.keys()
        if recorded.get(level) != engine.get(level)
    )
    return {
        "levels": len(recorded),
        "orders": orders.total(),
        "differing_levels": len(differing),
        "first_differing": [
            [side, price_text(price), recorded.get((side, price)), engine.get((side, price))]
            for side, price in differing[:SHOWN_LEVELS]
        ],
    }
