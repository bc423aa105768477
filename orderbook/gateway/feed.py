"""What the engine publishes, read once per process and handed to every listener in it."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

import msgspec
from channels.layers import get_channel_layer

from orderbook.gateway.protocol import FANOUT_GROUP, PublishedBatch, decode_published

logger = logging.getLogger(__name__)

RECONNECT_S = 0.2
SILENCE_S = 3.0
"""The engine publishes at least once a second; longer silence means that messages are missing."""
REJOIN_S = 600.0
"""How often the group is joined again: in-memory layers forget members after a day."""


class Listener(Protocol):
    """Both are called on the server's loop, and must return quickly."""

    def on_batch(self, batch: PublishedBatch) -> None: ...

    def on_gap(self) -> None:
        """Messages were missed: whatever was derived from them must be read again. The next batch
        follows right after."""


class Feed:
    """``live`` says whether the engine has been heard lately."""

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self.last_sequence = -1
        """Last sequence that was published to this process; -1 before the first message."""
        self.live = False

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="feed")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        channel = ""
        joined_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if not channel or loop.time() - joined_at > REJOIN_S:
                    channel = channel or await self._layer.new_channel("feed")
                    await self._layer.group_add(FANOUT_GROUP, channel)
                    joined_at = loop.time()
                async with asyncio.timeout(SILENCE_S):
                    message = await self._layer.receive(channel)
            except TimeoutError:
                self._lose_touch()
                # A pub/sub layer forgets a channel whose receive is cancelled, as it just was.
                await self._leave(channel)
                channel = ""
                continue
            except Exception as error:
                logger.warning("the engine's publications cannot be received: %s", error)
                self._lose_touch()
                channel = ""
                await asyncio.sleep(RECONNECT_S)
                continue
            try:
                self._take(decode_published(message["data"]))
            except msgspec.MsgspecError:
                logger.exception("an unreadable publication was dropped")

    async def _leave(self, channel: str) -> None:
        with suppress(Exception):
            await self._layer.group_discard(FANOUT_GROUP, channel)

    def _lose_touch(self) -> None:
        self.live = False

    def _take(self, batch: PublishedBatch) -> None:
        if self.last_sequence >= batch.last_sequence and batch.entries:
            return
        gap = self.last_sequence != batch.previous_sequence
        self.last_sequence = batch.last_sequence
        self.live = True
        for listener in self._listeners:
            try:
                if gap:
                    listener.on_gap()
                listener.on_batch(batch)
            except Exception:
                logger.exception("a listener of the feed failed")


_feed: Feed | None = None


def set_feed(feed: Feed | None) -> None:
    global _feed
    _feed = feed


def get_feed() -> Feed:
    """The process's one reader of what the engine publishes; only web processes have one."""
    if _feed is None:
        raise RuntimeError("this process has no feed; the server's lifespan starts it")
    return _feed
