"""A command's end of the bridge: a channel layer whose queue and groups are in the venue's memory.

What the venue delivers waits in an in-memory layer of this process until it is received, with that
layer's capacity and expiry. A connection that is lost stays lost: then ``send`` raises
ConnectionError, ``receive`` waits for what never comes, and ``lost`` is set.
"""

import asyncio
import itertools
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer
from msgspec import Struct

from orderbook.errors import EngineUnavailable
from orderbook.gateway.bridge import frames
from orderbook.gateway.bridge.frames import (
    MAX_FRAME_BYTES,
    MAX_REQUEST_BYTES,
    BrokenFrame,
    Delivery,
    Done,
    EngineMessage,
    Full,
    Hello,
    JoinGroup,
    LeaveGroup,
    OpenChannel,
    Refused,
    Send,
    Welcome,
    read_frame,
    to_frame,
)

logger = logging.getLogger(__name__)

CAPACITY = 10_000
EXPIRY_S = 60
"""As in the venue's own layers (config/settings/embedded.py)."""
CONNECT_S = 10.0
"""How long a venue may take to answer a new connection."""


class BridgeLayer(InMemoryChannelLayer):  # type: ignore[misc]
    """Made by ``connect``; bound to the event loop that calls it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, **config: Any
    ) -> None:
        super().__init__(**{"capacity": CAPACITY, "expiry": EXPIRY_S, **config})
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Done | Full]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()

    @classmethod
    async def connect(cls, path: Path, layer: str, **config: Any) -> "BridgeLayer":
        """Raises EngineUnavailable where the venue refuses or does not answer, and what the
        operating system raises where nobody listens."""
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            async with asyncio.timeout(CONNECT_S):
                writer.write(to_frame(Hello(frames.version(), layer), MAX_REQUEST_BYTES))
                frame = await read_frame(reader, MAX_FRAME_BYTES)
            answer = None if frame is None else frames.decode_from_venue(frame)
        except (TimeoutError, BrokenFrame, msgspec.MsgspecError):
            answer = None
        if not isinstance(answer, Welcome):
            writer.close()
            told = answer.reason if isinstance(answer, Refused) else "The venue does not answer."
            raise EngineUnavailable(told)
        connected = cls(reader, writer, **config)
        connected._reading = asyncio.create_task(connected._read(), name=f"bridge {layer}")
        return connected

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    # -- the channel layer --------------------------------------------------------------------

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """To the engine's queue, whatever ``channel`` is called. Raises ChannelFull, ValueError for
        what is no message to the engine or too large, or ConnectionError."""
        request = Send(next(self._numbers), msgspec.convert(message, EngineMessage))
        if isinstance(await self._ask(request), Full):
            raise ChannelFull(channel)

    async def new_channel(self, prefix: str = "specific") -> str:
        opened = await self._ask(OpenChannel(next(self._numbers), prefix))
        assert isinstance(opened, Done)
        return opened.channel

    async def group_add(self, group: str, channel: str) -> None:
        await self._ask(JoinGroup(next(self._numbers), group, channel))

    async def group_discard(self, group: str, channel: str) -> None:
        await self._ask(LeaveGroup(next(self._numbers), group, channel))

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        raise NotImplementedError("only the engine publishes")

    # -- the connection -----------------------------------------------------------------------

    async def _ask(self, request: OpenChannel | JoinGroup | LeaveGroup | Send) -> Done | Full:
        if self.lost.is_set():
            raise ConnectionError("the venue has closed the connection")
        frame = to_frame(request, MAX_REQUEST_BYTES)
        future = asyncio.get_running_loop().create_future()
        self._asked[request.number] = future
        try:
            self._writer.write(frame)
            await self._writer.drain()
            answer: Done | Full = await future
        finally:
            del self._asked[request.number]
        return answer

    async def _read(self) -> None:
        try:
            while (frame := await read_frame(self._reader, MAX_FRAME_BYTES)) is not None:
                await self._take(frames.decode_from_venue(frame))
        except (BrokenFrame, msgspec.MsgspecError, ConnectionError) as error:
            logger.debug("the venue's connection broke: %r", error)
        finally:
            self.lost.set()
            self._writer.close()
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(ConnectionError("the venue has closed the connection"))

    async def _take(self, frame: Struct) -> None:
        match frame:
            case Delivery(channel, message):
                try:
                    await super().send(channel, message)
                except ChannelFull:
                    logger.warning("a message of the venue was dropped: nobody receives them")
            case Done(number=number) | Full(number=number):
                future = self._asked.get(number)
                if future is not None and not future.done():
                    future.set_result(frame)
