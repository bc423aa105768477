"""A load generator's HTTP client: keep-alive connections that cost as little CPU as possible.

Client and venue share the machine, so what the client uses the venue lacks. A connection has one
request under way, sends bytes that the caller has prepared, and calls back with status and body.
It reads only answers that announce their length, which is all that the venue sends here.
"""

import asyncio
import json
import time
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""An answer that is longer ends the run: nothing that a load asks for is."""
CONNECT_TIMEOUT_S = 60.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Address(NamedTuple):
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url} is not an address such as http://127.0.0.1:8000")
        return cls(parts.hostname, parts.port or 80)

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"


Answered = Callable[["Connection", int, bytes], None]
"""Called with the connection, the status and the body; may send the next request at once."""
Lost = Callable[["Connection"], None]
"""Called when a connection breaks; a request that was under way has no answer."""


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, answered: Answered, lost: Lost) -> None:
        self._answered = answered
        self._lost = lost
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self.sent_at = 0.0
        self.latency_s = 0.0
        """Of the last answered request: from handing it to the socket to its last byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self.sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(_HEAD_END)
        if head_end >= 0:
            end = head_end + 4 + _content_length(received, head_end)
            if len(received) >= end:
                self.latency_s = time.perf_counter() - self.sent_at
                self._received = received[end:]
                self._answered(self, int(received[9:12]), received[head_end + 4 : end])
                return
        if len(received) > MAX_ANSWER_BYTES:
            self.close()
        self._received = received

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._lost(self)

    def close(self) -> None:
        """Ends the connection without a call back."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()


def _content_length(received: bytes, head_end: int) -> int:
    start = received.find(_LENGTH, 0, head_end)
    if start < 0:
        start = received.lower().find(_LENGTH, 0, head_end)
        if start < 0:
            return 0
    start += len(_LENGTH)
    return int(received[start : received.find(b"\r\n", start)])


async def connect(address: Address, answered: Answered, lost: Lost) -> Connection:
    """Raises OSError or TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        _, connection = await loop.create_connection(
            lambda: Connection(answered, lost), address.host, address.port
        )
    return connection


def request_head(address: Address, method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Everything of a request up to its own last headers, which ``with_body`` adds."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {address.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def with_body(head: bytes, body: bytes) -> bytes:
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        head,
        len(body),
        body,
    )


def without_body(head: bytes) -> bytes:
    return head + b"\r\n"


def error_code(body: bytes) -> str:
    """The code of an answer in the venue's error shape."""
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "unreadable_answer"


class Latencies:
    """Every sample of a run, in seconds, so that percentiles are exact."""

    def __init__(self) -> None:
        self._samples_s = array("d")

    def __len__(self) -> int:
        return len(self._samples_s)

    def add(self, seconds: float) -> None:
        self._samples_s.append(seconds)

    @classmethod
    def merged(cls, parts: Iterable["Latencies"]) -> "Latencies":
        whole = cls()
        for part in parts:
            whole._samples_s.extend(part._samples_s)
        return whole

    def summary_ms(self) -> dict[str, float]:
        """p50_ms, p99_ms, p999_ms and max_ms by the nearest-rank rule; 0 without samples."""
        ordered = sorted(self._samples_s)
        shares = {"p50_ms": 500, "p99_ms": 990, "p999_ms": 999, "max_ms": 1000}
        return {name: _at_ms(ordered, per_mille) for name, per_mille in shares.items()}


def _at_ms(ordered: list[float], per_mille: int) -> float:
    """The smallest sample that at least so many of a thousand samples do not exceed."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * per_mille // 1000)
    return round(ordered[max(rank, 1) - 1] * 1000, 3)
