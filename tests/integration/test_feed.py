"""The feed on the layer that full mode uses: a silent engine costs no channel and no warning."""

import asyncio
import logging
import time
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer

from config.private_services import PrivateRedis
from orderbook.gateway import feed as feed_module
from orderbook.gateway.feed import Feed
from orderbook.gateway.protocol import FANOUT_GROUP, PublishedBatch, encode

WAIT_S = 60.0


class Heard:
    def __init__(self) -> None:
        self.sequences: list[int] = []

    def on_batch(self, batch: PublishedBatch) -> None:
        self.sequences.append(batch.last_sequence)

    def on_gap(self) -> None:
        pass


async def noticed_silence(feed: Feed) -> None:
    """Until the feed has waited for the engine in vain, and began to listen anew."""
    layer: Any = feed._layer
    channels: set[str] = set()
    async with asyncio.timeout(WAIT_S):
        while len(channels) < 3:
            channels.update(layer.channels)
            await asyncio.sleep(0.01)


async def test_an_engine_that_was_silent_is_heard_again(
    redis_server: PrivateRedis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(feed_module, "SILENCE_S", 0.1)
    layer = RedisPubSubChannelLayer(hosts=[redis_server.url], prefix="test-feed")
    monkeypatch.setattr(feed_module, "get_channel_layer", lambda: layer)
    feed, heard = Feed(), Heard()
    feed.subscribe(heard)
    await feed.start()
    await noticed_silence(feed)
    monkeypatch.setattr(feed_module, "SILENCE_S", WAIT_S)
    deadline = time.monotonic() + WAIT_S
    sequence = 0
    while not heard.sequences:
        assert time.monotonic() < deadline
        sequence += 1
        batch = PublishedBatch(sequence - 1, sequence, sequence, [], [])
        await layer.group_send(FANOUT_GROUP, {"type": "venue.batch", "data": encode(batch)})
        await asyncio.sleep(0.02)
    assert feed.live
    await feed.stop()
    assert [record.getMessage() for record in caplog.records] == []
