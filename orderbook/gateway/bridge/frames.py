"""What travels over the bridge: MessagePack behind four bytes of length, and the limits of it.

A command asks and is answered under the number that it chose; deliveries come in between. What a
command may send is typed down to the messages for the engine, so that nothing else gets into the
venue's queue. The rest of what a queue may do (lose, repeat, reorder) holds here as well.
"""

import asyncio
import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from orderbook.gateway.protocol import Answer, Envelope, Publication, Query, QueryResult

MAX_REQUEST_BYTES = 8 * 1024 * 1024
"""Largest frame to the venue; MAX_BATCH_COMMANDS of the largest commands take half of it."""
MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Largest frame to a command: a publication of MAX_HELD_COMMANDS, or the balances of everybody."""
REST_OF_FRAME_S = 20.0
"""How long a frame that has begun may take to be complete."""
_LENGTH_BYTES = 4

Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.!-]{1,99}\Z")]
"""Of a channel or a group."""


class BrokenFrame(Exception):
    """What came is no frame of this bridge, or not all of one; the connection is of no more use."""


class Commands(Struct, frozen=True, tag_field="type", tag="commands", forbid_unknown_fields=True):
    reply_to: Name
    batch: bytes


class Ask(Struct, frozen=True, tag_field="type", tag="query", forbid_unknown_fields=True):
    id: bytes
    reply_to: Name
    query: bytes


EngineMessage = Commands | Ask
"""As the gateway sends them (``gateway.py``, ``pending_queries.py``)."""


class Hello(Struct, frozen=True, array_like=True, tag=True):
    """The first frame of a connection, which is for one layer."""

    version: str
    layer: str


class OpenChannel(Struct, frozen=True, array_like=True, tag=True):
    """Asks for a channel of its own, whose messages are delivered from then on."""

    number: int
    prefix: Annotated[str, Meta(pattern=r"^[a-z]{1,20}\Z")]


class JoinGroup(Struct, frozen=True, array_like=True, tag=True):
    number: int
    group: Name
    channel: Name


class LeaveGroup(Struct, frozen=True, array_like=True, tag=True):
    """Closes the channel, too: a feed that leaves opens another one."""

    number: int
    group: Name
    channel: Name


class Send(Struct, frozen=True, array_like=True, tag=True):
    """For the engine's queue."""

    number: int
    message: EngineMessage


class Welcome(Struct, frozen=True, array_like=True, tag=True):
    pass


class Refused(Struct, frozen=True, array_like=True, tag=True):
    """The venue closes the connection after it."""

    reason: str


class Done(Struct, frozen=True, array_like=True, tag=True):
    number: int
    channel: str = ""
    """Answer to OpenChannel."""


class Full(Struct, frozen=True, array_like=True, tag=True):
    """The engine's queue took nothing."""

    number: int


class Delivery(Struct, frozen=True, array_like=True, tag=True):
    channel: str
    message: dict[str, Any]
    """Strings and bytes."""


Request = OpenChannel | JoinGroup | LeaveGroup | Send
FromVenue = Welcome | Refused | Done | Full | Delivery

decode_hello = msgspec.msgpack.Decoder(Hello).decode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_from_venue = msgspec.msgpack.Decoder(FromVenue).decode
_encode = msgspec.msgpack.Encoder().encode


def to_frame(content: Struct, limit: int) -> bytes:
    """Raises ValueError where it is larger than ``limit`` bytes."""
    encoded = _encode(content)
    if len(encoded) > limit:
        raise ValueError(f"a message of {len(encoded)} bytes is too large for the bridge")
    return len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded


async def read_frame(reader: asyncio.StreamReader, limit: int) -> bytes | None:
    """What the next frame holds; None where the other end has closed the connection.

    Waits for its first byte as long as it takes. Raises BrokenFrame, or ConnectionError.
    """
    first = await reader.read(1)
    if not first:
        return None
    try:
        async with asyncio.timeout(REST_OF_FRAME_S):
            size = int.from_bytes(first + await reader.readexactly(_LENGTH_BYTES - 1), "big")
            if not 0 < size <= limit:
                raise BrokenFrame(f"a frame of {size} bytes")
            return await reader.readexactly(size)
    except TimeoutError:
        raise BrokenFrame("a frame that did not end in time") from None
    except asyncio.IncompleteReadError:
        raise BrokenFrame("a frame without its end") from None


def version() -> str:
    """Of everything that may be in a frame: a venue and a command that differ do not speak.

    A venue that runs on while its sources are replaced is of the version that it was started with.
    """
    schemas = msgspec.json.schema_components(
        (Request, FromVenue, list[Envelope], list[Answer], Query, QueryResult, Publication)
    )
    text = msgspec.json.encode(_without_descriptions(schemas), order="sorted")
    return hashlib.sha256(text).hexdigest()


def _without_descriptions(schema: Any) -> Any:
    """Docstrings are no part of the version."""
    if isinstance(schema, dict):
        return {
            name: _without_descriptions(part)
            for name, part in schema.items()
            if name != "description"
        }
    if isinstance(schema, list | tuple):
        return [_without_descriptions(part) for part in schema]
    return schema
