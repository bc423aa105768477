"""The last step of the engine's pipeline: answers to gateways, events to everyone.

Both leave only after the commit. Either may be lost: a gateway asks again, a feed sees the gap.
"""

import asyncio
import logging
from collections import defaultdict
from typing import Any

import msgspec
from channels.layers import get_channel_layer

from orderbook.core.events import Event
from orderbook.gateway.protocol import FANOUT_GROUP, DepthUpdate, Level, PublishedBatch, encode

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
"""Longest silence of a leader; a feed that misses the last message of a burst learns of it so."""
INTERVAL_S = 0.02
"""Shortest time between two messages: under load one carries the batches of that time."""
MAX_HELD_COMMANDS = 50_000
"""Commands that may wait to be published; beyond it the oldest are dropped, which is a gap."""
SEND_TIMEOUT_S = 2.0


class Replies:
    """Answers and query results of one batch, by the gateway that asked."""

    def __init__(self) -> None:
        self._answers: dict[str, list[msgspec.Raw]] = defaultdict(list)
        self._results: list[tuple[str, dict[str, Any]]] = []

    def answer(self, reply_to: str, encoded: bytes) -> None:
        self._answers[reply_to].append(msgspec.Raw(encoded))

    def result(self, reply_to: str, query_id: bytes, encoded: bytes) -> None:
        message = {"type": "query.result", "id": query_id, "result": encoded}
        self._results.append((reply_to, message))

    async def send(self) -> None:
        layer = get_channel_layer("engine")
        messages = [
            (channel, {"type": "replies", "batch": encode(answers)})
            for channel, answers in self._answers.items()
        ]
        for channel, message in (*messages, *self._results):
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await layer.send(channel, message)
            except Exception as error:
                logger.warning("a reply was not sent and will be asked for again: %s", error)


class Publisher:
    """Merges committed batches while one message is under way, so that a slow layer costs
    freshness and never the engine's time."""

    def __init__(self, sequence: int) -> None:
        self._published = sequence
        self._last = sequence
        self._time_ns = 0
        self._entries: list[tuple[int, int, list[Event]]] = []
        self._depth: dict[str, _MergedDepth] = {}
        self._wake = asyncio.Event()

    def add(
        self,
        last_sequence: int,
        time_ns: int,
        entries: list[tuple[int, int, list[Event]]],
        depth: list[DepthUpdate],
    ) -> None:
        if len(self._entries) + len(entries) > MAX_HELD_COMMANDS:
            logger.warning("publications dropped: the fan-out layer does not keep up")
            self._published = self._last
            self._entries = []
            self._depth = {}
        self._last = last_sequence
        self._time_ns = time_ns
        self._entries += entries
        for update in depth:
            self._depth.setdefault(update.symbol, _MergedDepth(update)).merge(update)
        self._wake.set()

    async def run(self) -> None:
        layer = get_channel_layer()
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            batch = PublishedBatch(
                self._published,
                self._last,
                self._time_ns,
                self._entries,
                [merged.update() for merged in self._depth.values()],
            )
            self._published, self._entries, self._depth = self._last, [], {}
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await layer.group_send(
                        FANOUT_GROUP, {"type": "venue.batch", "data": encode(batch)}
                    )
            except Exception as error:
                logger.warning("a publication was lost: %s", error)
            await asyncio.sleep(INTERVAL_S)


class _MergedDepth:
    """Consecutive updates of one symbol as one: the last value of each level counts."""

    def __init__(self, update: DepthUpdate) -> None:
        self._symbol = update.symbol
        self._first = update.first_update_id
        self._last = update.last_update_id
        self._levels: dict[tuple[Any, int], Level] = {}

    def merge(self, update: DepthUpdate) -> None:
        self._last = update.last_update_id
        for level in update.levels:
            self._levels[level.side, level.price_ticks] = level

    def update(self) -> DepthUpdate:
        return DepthUpdate(self._symbol, self._first, self._last, list(self._levels.values()))
