"""Short recordings, and a replay of them against an engine in the same process."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from market.feeds.dbn.records import FLAG_LAST, MBO_DTYPE, MBO_RTYPE, NO_PRICE, Records
from market.feeds.own.replaying.participants import Desk, Participants
from market.feeds.own.replaying.planner import Planner, by_event, rows_of
from market.feeds.own.replaying.player import Pace, Player
from market.feeds.own.replaying.report import Report
from tests.unit.feeds.own.engine_gateway import ASKS, BIDS, SYMBOL, TAKERS, EngineGateway

TICK = 250_000_000


def records(lines: Iterable[str], *, every_last: bool = True) -> Records:
    """``"A B 7 100 5"``: action, side, order id, ticks, size; a trailing ``+`` is without
    FLAG_LAST, ``s`` is part of a snapshot, ``t`` replaces its side."""
    made = []
    for number, line in enumerate(lines):
        action, side, order_id, ticks, size, *marks = line.split()
        flags = FLAG_LAST if every_last and "+" not in marks else 0
        flags |= 32 * ("s" in marks) | 64 * ("t" in marks)
        price = NO_PRICE if ticks == "-" else int(ticks) * TICK
        made.append(
            (14, MBO_RTYPE, 1, 7, number, int(order_id), price, int(size), flags, 0, ord(action),
             ord(side), number, 0, number)
        )  # fmt: skip
    return np.array(made, MBO_DTYPE)


class Played(NamedTuple):
    report: Report
    planner: Planner
    player: Player
    gateway: EngineGateway

    def levels(self) -> dict[tuple[str, int], int]:
        """Everybody's quantity at each price in ticks."""
        book = self.gateway.engine.books[SYMBOL]
        return {
            (side, level.price_ticks): level.quantity_lots
            for side, levels in (("B", book.bids), ("A", book.asks))
            for level in levels
        }

    def recorded_levels(self) -> dict[tuple[str, int], int]:
        sizes: Counter[tuple[str, int]] = Counter()
        for order in self.planner.orders:
            sizes[order.side, order.price // TICK] += order.left
        return dict(+sizes)


def at_once(player: Player) -> Pace:
    return lambda ts_recv: 0.0


def interrupted_before(time_ns: int) -> Callable[[Player], Pace]:
    """Ctrl-C while the replay waits for what was recorded then."""

    def pace_of(player: Player) -> Pace:
        def pace(ts_recv: int) -> float:
            if ts_recv < time_ns:
                return 0.0
            player.stopping.set()
            return 60.0

        return pace

    return pace_of


def play(
    batches: Iterable[Records],
    gateway: EngineGateway | None = None,
    pace_of: Callable[[Player], Pace] = at_once,
) -> Played:
    gateway = gateway or EngineGateway()
    planner, report = Planner(), Report()
    desk = Desk(SYMBOL, Participants(BIDS, ASKS, TAKERS), TICK, "t")
    player = Player(gateway, desk, planner, report)
    gateway.listeners.append(player.on_batch)
    events = by_event(rows_of(batches))
    asyncio.run(player.play(events, pace_of(player)))
    return Played(report, planner, player, gateway)


def play_lines(*lines: str, gateway: EngineGateway | None = None) -> Played:
    return play([records(lines)], gateway)
