"""What the process that reads a feed tells web processes, and what they ask of it.

Each message is MessagePack after its length (u32, little-endian). The process says ``Hello``, then
``FeedStats`` about twice a second, and for every watched book its newest ``BookState``; a web
process says which books it watches. Pure: bytes to values and back. Web processes import this, so
it knows nothing of numpy and numba.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from market.feeds.serving.errors import BadPublication

VERSION: Final = 1
PUBLISHED_LEVELS: Final = 50
"""Best levels of a side that are published."""
PUBLISHED_TRADES: Final = 100
"""Last trades of a book that are published."""
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_WATCHED: Final = 1_000
"""Books that one web process may watch at a time."""
LENGTH_BYTES: Final = 4

BookId = tuple[int, int]
"""(publisher_id, instrument_id)"""
PriceLevel = tuple[int, int, int]
"""(price in 1e-9, size, orders)"""


class InstrumentName(Struct, frozen=True, array_like=True):
    publisher_id: int
    instrument_id: int
    symbol: str


class Hello(Struct, frozen=True, array_like=True, tag=True):
    """First on every connection, and again when instruments were added."""

    version: int
    feed_id: str
    run_id: int
    """Another one after a restart of the process: what was known of its books is void."""
    instruments: list[InstrumentName]


class TradeMessage(Struct, frozen=True, array_like=True):
    number: int
    """Of the book's trade in this run, from 1 on."""
    price: int
    size: int
    side: str
    """The aggressor's: B bought, A sold, N unknown."""
    ts_recv: int
    sequence: int


class TradeSums(Struct, frozen=True, array_like=True):
    """Of a book's trades since the run began, or its source began again."""

    open: int | None = None
    high: int | None = None
    low: int | None = None
    last: int | None = None
    volume: int = 0
    count: int = 0


class BookState(Struct, frozen=True, array_like=True, tag=True):
    """A book as it was at one moment between two batches."""

    publisher_id: int
    instrument_id: int
    update_id: int
    """One more with each state that is published of the book in this run."""
    record_count: int
    """Records of the feed that had been applied."""
    ts_recv: int
    ts_event: int
    sequence: int
    state: str
    """init, syncing, live or gap: see ``market.feeds.states.FeedState``."""
    is_cold_start: bool
    """Its first record was neither a clear nor of a snapshot: orders from before are missing."""
    is_crossed: bool
    bids: list[PriceLevel]
    asks: list[PriceLevel]
    trades: list[TradeMessage]
    """Oldest first."""
    sums: TradeSums


class LatencyStats(Struct, frozen=True, array_like=True):
    """From the scheduled send time of records to the book with its top ten ready; microseconds."""

    record_count: int
    p50_us: int
    p99_us: int
    p99_9_us: int
    max_us: int


class StorageStats(Struct, frozen=True, array_like=True):
    queued_records: int
    queued_bytes: int
    behind_s: float
    dropped_records: int


class FeedStats(Struct, frozen=True, array_like=True, tag=True):
    """The feed as a whole."""

    state: str
    """connecting, live, ended or failed."""
    state_text: str
    time_ns: int
    """Of this process's clock, when the figures were taken."""
    started_ns: int
    record_count: int
    records_per_s: int
    batch_count: int
    book_count: int
    crossed_count: int
    """Books whose newest state is crossed."""
    gap_count: int
    """How often frames were lost for good."""
    restart_count: int
    anomalies: dict[str, int]
    recent: LatencyStats
    """Of the last seconds."""
    overall: LatencyStats
    storage: StorageStats | None
    """None where nothing is stored."""


class Watch(Struct, frozen=True, array_like=True, tag=True):
    """All books that a web process wants from now on."""

    books: list[BookId]


Published = Hello | BookState | FeedStats

_encoder = msgspec.msgpack.Encoder()
_published = msgspec.msgpack.Decoder(Published)
_asked = msgspec.msgpack.Decoder(Watch)


def encode(message: Published | Watch) -> bytes:
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "little") + body


def body_length(prefix: bytes, limit: int = MAX_MESSAGE_BYTES) -> int:
    """Raises BadPublication for a length that no message has."""
    length = int.from_bytes(prefix, "little")
    if not 0 < length <= limit:
        raise BadPublication(f"A message of {length} bytes was announced.")
    return length


def decode_published(body: bytes) -> Published:
    return _decoded(_published, body)  # type: ignore[no-any-return]


def decode_watch(body: bytes) -> Watch:
    return _decoded(_asked, body)  # type: ignore[no-any-return]


def _decoded(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise BadPublication(f"A message cannot be read: {error}") from error
