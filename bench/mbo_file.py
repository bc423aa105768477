"""Market-by-order files in Databento's encoding (DBN 1 to 3, plain or zstd), as plain records."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from databento_dbn import (
    F_SNAPSHOT,
    F_TOB,
    UNDEF_PRICE,
    Compression,
    DBNDecoder,
    DBNError,
    MBOMsg,
    Metadata,
)

PRICE_UNITS = 10**9
"""Prices are integers in units of a thousand-millionth."""
NO_PRICE: int = UNDEF_PRICE
SNAPSHOT: int = F_SNAPSHOT
TOP_OF_BOOK: int = F_TOB
READ_BYTES = 1 << 20
NS_PER_DAY = 86_400 * 10**9
_COMPRESSIONS: tuple[Compression, Compression] = (Compression.NONE, Compression.ZSTD)  # type: ignore[assignment]
_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


class Record(NamedTuple):
    """One market-by-order record; docs/performance.md says which actions change a book."""

    ts_recv: int
    """Nanoseconds since the epoch, UTC: the time by which a recording is ordered and cut."""
    action: str
    side: str
    order_id: int
    price: int
    size: int
    flags: int


class Recording(NamedTuple):
    """A file and the one instrument of it that is looked at."""

    path: Path
    instrument_id: int
    publisher_id: int
    name: str

    def records(self, until_ns: int | None = None, limit: int | None = None) -> Iterator[Record]:
        """The instrument's records in order, those before ``until_ns`` and at most ``limit``."""
        count = 0
        for message in _messages(self.path):
            if not isinstance(message, MBOMsg) or message.instrument_id != self.instrument_id:
                continue
            if message.publisher_id != self.publisher_id:
                continue
            if count == limit or (until_ns is not None and message.ts_recv >= until_ns):
                return
            count += 1
            yield _record(message)


class NotMarketByOrder(Exception):
    """The file is not a DBN file, or holds no market-by-order record that was asked for."""


def open_recording(path: Path, instrument_id: int | None = None) -> Recording:
    """The recording of ``instrument_id``, or of the first instrument that the file mentions.

    Raises NotMarketByOrder or OSError.
    """
    symbols: dict[int, str] = {}
    try:
        for message in _messages(path):
            if isinstance(message, Metadata):
                symbols = _symbols(message)
            elif isinstance(message, MBOMsg) and instrument_id in (None, message.instrument_id):
                found = message.instrument_id
                name = symbols.get(found, f"MBO{found}")
                return Recording(path, found, int(message.publisher_id), name)
    except DBNError as error:
        raise NotMarketByOrder(f"{path} cannot be read as a DBN file: {error}") from error
    raise NotMarketByOrder(
        f"{path} has no market-by-order record"
        + (f" of instrument {instrument_id}" if instrument_id is not None else "")
    )


def time_of_day_ns(first_ns: int, clock: str) -> int:
    """The moment that ``clock`` ("22:39" or "22:39:30", UTC) names on the day of ``first_ns``."""
    shown = datetime.strptime(clock, "%H:%M:%S" if clock.count(":") == 2 else "%H:%M")
    seconds = shown.hour * 3600 + shown.minute * 60 + shown.second
    return first_ns - first_ns % NS_PER_DAY + seconds * 10**9


def iso_time(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9:09}Z"


def _record(message: MBOMsg) -> Record:
    return Record(
        message.ts_recv,
        str(message.action),
        str(message.side),
        message.order_id,
        message.price,
        message.size,
        int(message.flags),
    )


def _symbols(metadata: Metadata) -> dict[int, str]:
    return {
        int(interval["symbol"]): raw_symbol
        for raw_symbol, intervals in metadata.mappings.items()
        for interval in intervals
        if interval["symbol"].isdigit()
    }


def _messages(path: Path) -> Iterator[object]:
    with path.open("rb") as file:
        yield from _decoded(file)


def _decoded(file: BinaryIO) -> Iterator[object]:
    compressed = file.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
    file.seek(0, io.SEEK_SET)
    decoder = DBNDecoder(compression=_COMPRESSIONS[compressed])
    while data := file.read(READ_BYTES):
        decoder.write(data)
        yield from decoder.decode()
