"""The venue's end of the bridge: serves its in-memory channel layers to commands beside it.

On the venue's own loop, and never in its way: a command that sends what it should not, stops in the
middle of a frame, or does not read what it asked for, loses its connection and nothing else
happens. What the engine sends to such a command waits in the layer, which is bounded, and expires.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from channels.exceptions import ChannelFull
from django.conf import settings

from orderbook.gateway.bridge import frames
from orderbook.gateway.bridge.address import make_folder
from orderbook.gateway.bridge.frames import (
    MAX_FRAME_BYTES,
    MAX_REQUEST_BYTES,
    BrokenFrame,
    Delivery,
    Done,
    Full,
    JoinGroup,
    LeaveGroup,
    OpenChannel,
    Refused,
    Request,
    Send,
    Welcome,
    read_frame,
    to_frame,
)

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 32
"""A command has two: one a layer."""
MAX_CHANNELS = 8
"""Of one connection; a gateway and a feed have one each."""
HELLO_S = 10.0
"""How long a connection may take to say what it wants."""
STALL_S = 20.0
"""How long a command may read nothing of what waits for it."""
_BROKEN = (BrokenFrame, msgspec.MsgspecError, TimeoutError)


class BridgeServer:
    """For whoever holds the lock on DATA_DIR: a socket that is there already is of a dead venue."""

    def __init__(self, path: Path, layers: Mapping[str, Any]) -> None:
        self._path = path
        self._layers = layers
        self._version = frames.version()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises OSError where there can be no socket."""
        make_folder(self._path.parent)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, str(self._path))
        self._path.chmod(0o600)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if (layer := await self._greet(reader, writer)) is not None:
                await _Connection(layer, reader, writer).run()
        except ConnectionError:
            logger.info("a command ended without closing its connection")
        except _BROKEN as error:
            logger.warning("a command's connection was closed: %r", error)
            writer.transport.abort()
        except asyncio.CancelledError:
            # The venue stops. Nobody waits for this task, and a stream would log that it ended so.
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        """The layer that the connection is for; None where there will be none."""
        async with asyncio.timeout(HELLO_S):
            frame = await read_frame(reader, MAX_REQUEST_BYTES)
        if frame is None:
            return None
        hello = frames.decode_hello(frame)
        if len(self._connections) > MAX_CONNECTIONS:
            await _write(writer, Refused("Too many commands are connected to the venue."))
            return None
        if hello.version != self._version:
            reason = "The venue was started with another version of the program; start it again."
            await _write(writer, Refused(reason))
            return None
        if hello.layer not in self._layers:
            raise BrokenFrame(f"no layer {hello.layer!r}")
        await _write(writer, Welcome())
        return self._layers[hello.layer]


class _Connection:
    """Of one command to one layer. It sends to the engine, and has channels that are its own."""

    def __init__(
        self, layer: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._layer = layer
        self._reader = reader
        self._writer = writer
        self._forwarding: dict[str, asyncio.Task[None]] = {}
        """By channel."""
        self._groups: set[tuple[str, str]] = set()
        """(group, channel)"""

    async def run(self) -> None:
        """Until the command closes it. Raises ConnectionError or one of _BROKEN else."""
        try:
            while (frame := await read_frame(self._reader, MAX_REQUEST_BYTES)) is not None:
                await _write(self._writer, await self._do(frames.decode_request(frame)))
        finally:
            for group, channel in self._groups:
                await self._layer.group_discard(group, channel)
            for task in self._forwarding.values():
                task.cancel()

    async def _do(self, request: Request) -> Done | Full:
        match request:
            case Send():
                return await self._send(request)
            case OpenChannel():
                return Done(request.number, await self._open(request.prefix))
            case JoinGroup():
                self._require_own(request.channel)
                await self._layer.group_add(request.group, request.channel)
                self._groups.add((request.group, request.channel))
            case LeaveGroup():
                self._require_own(request.channel)
                await self._layer.group_discard(request.group, request.channel)
                self._groups.discard((request.group, request.channel))
                self._forwarding.pop(request.channel).cancel()
        return Done(request.number)

    async def _send(self, request: Send) -> Done | Full:
        self._require_own(request.message.reply_to)
        message = msgspec.to_builtins(request.message, builtin_types=(bytes,))
        try:
            await self._layer.send(settings.ENGINE_QUEUE, message)
        except ChannelFull:
            return Full(request.number)
        return Done(request.number)

    async def _open(self, prefix: str) -> str:
        if len(self._forwarding) >= MAX_CHANNELS:
            raise BrokenFrame("too many channels")
        channel: str = await self._layer.new_channel(prefix)
        self._forwarding[channel] = asyncio.create_task(
            self._forward(channel), name=f"bridge {channel}"
        )
        return channel

    def _require_own(self, channel: str) -> None:
        if channel not in self._forwarding:
            raise BrokenFrame(f"{channel!r} is no channel of this connection")

    async def _forward(self, channel: str) -> None:
        """Ends the connection where the command does not read."""
        try:
            while True:
                message = await self._layer.receive(channel)
                try:
                    await _write(self._writer, Delivery(channel, message))
                except ValueError as error:
                    logger.warning("a message to a command was dropped: %s", error)
        except (ConnectionError, TimeoutError):
            self._writer.transport.abort()


async def _write(writer: asyncio.StreamWriter, content: msgspec.Struct) -> None:
    """Raises TimeoutError where the command does not read, or ConnectionError."""
    writer.write(to_frame(content, MAX_FRAME_BYTES))
    async with asyncio.timeout(STALL_S):
        await writer.drain()
