"""The last step of the engine's pipeline: answers to gateways, events to everyone.

Both leave only after the commit. Either may be lost: a gateway asks again, a feed sees the gap.
"""

import asyncio
import logging
from typing import Any

import msgspec
from channels.layers import get_channel_layer

from orderbook.gateway.protocol import FANOUT_GROUP, DepthUpdate, Level, Publication, encode

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
        self._messages: list[tuple[str, dict[str, Any]]] = []

    def answers(self, reply_to: str, encoded: bytes) -> None:
        """``encoded``: a list of answers."""
        self._messages.append((reply_to, {"type": "replies", "batch": encoded}))

    def result(self, reply_to: str, query_id: bytes, encoded: bytes) -> None:
        message = {"type": "query.result", "id": query_id, "result": encoded}
        self._messages.append((reply_to, message))

    async def send(self) -> None:
        layer = get_channel_layer("engine")
        for channel, message in self._messages:
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
        self._replies: list[msgspec.Raw] = []
        self._held_commands = 0
        self._depth: dict[str, _MergedDepth] = {}
        self._wake = asyncio.Event()

    def add(
        self,
        last_sequence: int,
        time_ns: int,
        replies: list[bytes],
        depth: list[DepthUpdate],
    ) -> None:
        """``replies``: encoded lists of answers that hold every command up to the last one."""
        commands = last_sequence - self._last
        if self._held_commands + commands > MAX_HELD_COMMANDS:
            logger.warning("publications dropped: the fan-out layer does not keep up")
            self._published = self._last
            self._replies = []
            self._held_commands = 0
            self._depth = {}
        self._last = last_sequence
        self._time_ns = time_ns
        self._replies += map(msgspec.Raw, replies)
        self._held_commands += commands
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
            data = encode(self._taken())
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await layer.group_send(FANOUT_GROUP, {"type": "venue.batch", "data": data})
            except Exception as error:
                logger.warning("a publication was lost: %s", error)
            await asyncio.sleep(INTERVAL_S)

    def _taken(self) -> Publication:
        """What waits; from here on it counts as published."""
        publication = Publication(
            self._published,
            self._last,
            self._time_ns,
            self._replies,
            [merged.update() for merged in self._depth.values()],
        )
        self._published, self._replies, self._depth = self._last, [], {}
        self._held_commands = 0
        return publication


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
