"""The engine's queue on Redis: channels-redis' layer with one round trip a message and end.

The layer as it comes sends a message in four round trips and receives it in four more, half of them
to keep a copy of what was popped until it has been handled. The venue needs no such copy: the queue
may lose anything, because a gateway sends again what is not answered (``gateway.py``). Under load a
batch passes the queue twice, so this is a good part of what an order costs.
"""

import time
import uuid
from typing import Any

from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from redis.asyncio.client import Redis
from redis.commands.core import AsyncScript

_SEND = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""
"""Drops what has expired, refuses what is too much, appends, and lets an unread queue expire."""


class RedisQueueLayer(RedisChannelLayer):  # type: ignore[misc]
    """As its parent, for messages that may be lost and channels that each are on one server; groups
    are not its business.

    Overrides how a message is put into and taken from a channel's sorted set, and uses names that
    the parent keeps for itself: tests/integration/test_redis_queue.py watches its new versions.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._scripts: dict[Redis, AsyncScript] = {}

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Raises ChannelFull, or what redis-py raises where the server cannot be reached."""
        assert self.require_valid_channel_name(channel)
        index = self.consistent_hash(channel)
        now = time.time()
        expired = int(now) - int(self.expiry)
        capacity = self.get_capacity(channel)
        put = self._send_script(self.connection(index))
        arguments = [expired, capacity, now, self.serialize(message), int(self.expiry)]
        if not await put(keys=[self.prefix + channel], args=arguments):
            raise ChannelFull

    async def new_channel(self, prefix: str = "specific") -> str:
        """A channel of its own key. The parent's share one for a process, whose messages it sorts
        by channel in memory and with a task for each: more work than the rest of a receive."""
        return f"{prefix}.{uuid.uuid4().hex}"

    def _send_script(self, connection: Redis) -> AsyncScript:
        script = self._scripts.get(connection)
        if script is None:
            script = self._scripts[connection] = connection.register_script(_SEND)
        return script

    async def receive_single(self, channel: str) -> tuple[str, dict[str, Any]]:
        """Waits for the oldest message of a channel; gives it with its full channel name.

        A message that is popped and then lost with its reader is lost for good.
        """
        assert self.require_valid_channel_name(channel, receive=True)
        key, index = self.prefix + channel, self.consistent_hash(channel)
        popped = None
        while popped is None:
            popped = await self.connection(index).bzpopmin(key, timeout=self.brpop_timeout)
        return channel, self.deserialize(popped[1])
