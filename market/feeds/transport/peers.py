"""One receiver as the sender sees it: its request, and the frames that it has not taken yet."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from itertools import islice
from socket import socket
from typing import Final, NamedTuple

from market.feeds.transport.errors import BadRequest
from market.feeds.transport.timeline import Planned

MAX_REQUEST_BYTES: Final = 4_096
_PACKETS_PER_CALL: Final = 64
_MAX_SEQUENCE: Final = 2**64


class Request(NamedTuple):
    """The line that a receiver sends after it has connected."""

    stream_id: str | None = None
    """With ``sequence``: the frame to go on with."""
    sequence: int = 0
    from_now: bool = False


def decode_request(line: bytes) -> Request:
    """Raises BadRequest."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadRequest("The request is not one line of a JSON object.")
    resume = message.get("resume")
    if resume is None:
        origin = message.get("from", "start")
        if origin not in ("start", "now"):
            raise BadRequest('"from" is "start" or "now".')
        return Request(from_now=origin == "now")
    stream_id = resume.get("stream_id") if isinstance(resume, dict) else None
    sequence = resume.get("sequence") if isinstance(resume, dict) else None
    if not isinstance(stream_id, str) or type(sequence) is not int:
        raise BadRequest('"resume" is {"stream_id": text, "sequence": number}.')
    if not 0 < sequence < _MAX_SEQUENCE:
        raise BadRequest(f"Sequences are 1 to {_MAX_SEQUENCE - 1}.")
    return Request(stream_id, sequence)


def encode_request(request: Request) -> bytes:
    message: dict[str, object] = {"from": "now" if request.from_now else "start"}
    if request.stream_id is not None:
        message = {"resume": {"stream_id": request.stream_id, "sequence": request.sequence}}
    return json.dumps(message).encode() + b"\n"


class Stage(Enum):
    GREETING = "greeting"
    """Its request has not come."""
    WAITING = "waiting"
    """The frame that it wants is not reached yet."""
    CATCHING_UP = "catching up"
    """It gets what the others have got already."""
    LIVE = "live"
    CLOSING = "closing"
    """It gets what is queued for it, and nothing more."""


class Packet(NamedTuple):
    """A frame as it is sent: the same views for every receiver."""

    pieces: tuple[memoryview | bytes, ...]
    size: int
    made_ns: int
    """By the monotonic clock."""


class Peer:
    """Frames that were queued and not taken are references, not copies."""

    def __init__(self, connection: socket, address: str, now_ns: int) -> None:
        self.connection = connection
        self.address = address
        self.stage = Stage.GREETING
        self.since_ns = self.progress_ns = now_ns
        """When it came; when it took something last, or had nothing to take."""
        self.request = Request()
        self.received = bytearray()
        self.replay: Iterator[Planned | None] | None = None
        """While it is catching up."""
        self.next_sequence = 0
        self.had_end = False
        self.is_blocked = False
        """Whether the connection takes no more now."""
        self.backlog_bytes = 0
        self._backlog: deque[Packet] = deque()
        self._sent_of_first = 0

    def oldest_ns(self) -> int | None:
        return self._backlog[0].made_ns if self._backlog else None

    def queue(self, packet: Packet) -> None:
        if not self._backlog:
            self.progress_ns = packet.made_ns
        self._backlog.append(packet)
        self.backlog_bytes += packet.size

    def flush(self, now_ns: int) -> None:
        """Sends what the connection takes. Raises OSError when it is broken."""
        while self._backlog:
            pieces: list[memoryview | bytes] = []
            for packet in islice(self._backlog, _PACKETS_PER_CALL):
                pieces.extend(packet.pieces)
            if self._sent_of_first:
                pieces = _without(pieces, self._sent_of_first)
            try:
                sent = self.connection.sendmsg(pieces)
            except BlockingIOError:
                self.is_blocked = True
                return
            self.progress_ns = now_ns
            self.backlog_bytes -= sent
            self._forget(sent)
            if self._sent_of_first:
                self.is_blocked = True
                return
        self.is_blocked = False

    def _forget(self, sent: int) -> None:
        sent += self._sent_of_first
        while self._backlog and sent >= self._backlog[0].size:
            sent -= self._backlog.popleft().size
        self._sent_of_first = sent

    def close(self) -> None:
        with suppress(OSError):
            self.connection.close()
        self._backlog.clear()
        self.backlog_bytes = 0


def _without(pieces: list[memoryview | bytes], count: int) -> list[memoryview | bytes]:
    """What lies behind the first ``count`` bytes."""
    for index, piece in enumerate(pieces):
        if count < len(piece):
            return [memoryview(piece)[count:], *pieces[index + 1 :]]
        count -= len(piece)
    return []
