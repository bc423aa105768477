"""A venue that answers as a test tells it to, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from bench.load import Address


class Request(NamedTuple):
    method: str
    path: str
    body: dict[str, Any]


class Reply(NamedTuple):
    status: int
    body: object
    pieces: int = 1
    """In how many writes the answer leaves."""


HANG_UP = Reply(0, None)
"""Closes the connection instead of answering."""
Script = Callable[[Request], Reply]


@asynccontextmanager
async def fake_venue(script: Script) -> AsyncIterator[Address]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (reply := script(await _read(reader))) is not HANG_UP:
            body = json.dumps(reply.body, separators=(",", ":")).encode()
            head = f"HTTP/1.1 {reply.status} Whatever\r\nContent-Length: {len(body)}\r\n\r\n"
            await _write(writer, head.encode() + body, reply.pieces)
        writer.close()

    async def serve_until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve_until_gone, "127.0.0.1", 0)
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, path, _ = head.split(" ", 2)
    headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, json.loads(body) if body else {})


async def _write(writer: asyncio.StreamWriter, data: bytes, pieces: int) -> None:
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)
