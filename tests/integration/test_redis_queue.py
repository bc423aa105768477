"""The engine's queue on a real Redis server: order, limits, expiry, a server that forgets."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from channels.exceptions import ChannelFull
from redis.asyncio import Redis

from config.private_services import PrivateRedis
from orderbook.gateway.redis_queue import RedisQueueLayer

CAPACITY = 5


@pytest.fixture
async def layer(redis_server: PrivateRedis) -> AsyncIterator[RedisQueueLayer]:
    layer = RedisQueueLayer(
        hosts=[redis_server.url], prefix=f"test-{uuid.uuid4().hex}", capacity=CAPACITY, expiry=60
    )
    yield layer
    await layer.close_pools()


async def test_messages_arrive_once_and_in_the_order_in_which_they_were_sent(
    layer: RedisQueueLayer,
) -> None:
    for number in range(CAPACITY):
        await layer.send("engine", {"type": "commands", "batch": bytes([number])})
    received = [(await layer.receive("engine"))["batch"] for _ in range(CAPACITY)]
    assert received == [bytes([number]) for number in range(CAPACITY)]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive("engine"), 0.1)


async def test_each_gateway_gets_its_own_replies(layer: RedisQueueLayer) -> None:
    mine, other = await layer.new_channel("gateway"), await layer.new_channel("gateway")
    await layer.send(other, {"type": "replies", "batch": b"theirs"})
    await layer.send(mine, {"type": "replies", "batch": b"mine"})
    assert await layer.receive(mine) == {"type": "replies", "batch": b"mine"}
    assert await layer.receive(other) == {"type": "replies", "batch": b"theirs"}


async def test_a_waiting_reader_is_woken(layer: RedisQueueLayer) -> None:
    waiting = asyncio.create_task(layer.receive("engine"))
    await asyncio.sleep(0)
    await layer.send("engine", {"type": "commands"})
    assert await asyncio.wait_for(waiting, 60) == {"type": "commands"}


async def test_a_full_queue_says_so_and_takes_more_once_it_was_read(
    layer: RedisQueueLayer,
) -> None:
    for _ in range(CAPACITY):
        await layer.send("engine", {"type": "commands"})
    with pytest.raises(ChannelFull):
        await layer.send("engine", {"type": "commands"})
    await layer.receive("engine")
    await layer.send("engine", {"type": "commands"})


async def test_what_nobody_reads_expires(
    layer: RedisQueueLayer, redis_server: PrivateRedis
) -> None:
    await layer.send("engine", {"type": "commands"})
    async with Redis.from_url(redis_server.url) as server:
        assert 0 < await server.ttl(f"{layer.prefix}engine") <= 60
        await server.zadd(f"{layer.prefix}engine", {b"of long ago": 1.0})
    await layer.send("engine", {"type": "commands", "batch": b"second"})
    assert "batch" not in await layer.receive("engine")
    assert (await layer.receive("engine"))["batch"] == b"second"


async def test_a_server_that_forgot_the_script_learns_it_again(
    layer: RedisQueueLayer, redis_server: PrivateRedis
) -> None:
    await layer.send("engine", {"type": "commands", "batch": b"before"})
    async with Redis.from_url(redis_server.url) as server:
        await server.script_flush()
    await layer.send("engine", {"type": "commands", "batch": b"after"})
    assert (await layer.receive("engine"))["batch"] == b"before"
    assert (await layer.receive("engine"))["batch"] == b"after"
