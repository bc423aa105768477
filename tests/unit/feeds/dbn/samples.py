"""Files as others write them: heads by the databento_dbn package, records laid out by hand."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import zstandard

from market.feeds.dbn.records import ADD, BID, FLAG_LAST, MBO_DTYPE, MBO_RTYPE, Records

VERSIONS = (1, 2, 3)
START_NS = 1_700_000_000_000_000_000
END_NS = START_NS + 60 * 10**9


@dataclass
class Interval:
    start_date: dt.date
    end_date: dt.date
    symbol: str


@dataclass
class Mapping:
    raw_symbol: str
    intervals: Sequence[Any]


def head(
    version: int = 3,
    symbols: dict[int, str] | None = None,
    schema: Any = databento_dbn.Schema.MBO,
    *,
    ts_out: bool = False,
    end_ns: int | None = END_NS,
) -> bytes:
    symbols = {7: "ABCD"} if symbols is None else symbols
    day = dt.date(2023, 11, 14)
    intervals = {
        name: [Interval(day, day + dt.timedelta(1), str(number))]
        for number, name in symbols.items()
    }
    return databento_dbn.Metadata(
        dataset="TEST.MBO",
        start=START_NS,
        end=end_ns,
        stype_in=databento_dbn.SType.RAW_SYMBOL,
        stype_out=databento_dbn.SType.INSTRUMENT_ID,
        schema=schema,
        symbols=list(intervals),
        partial=["PART"],
        not_found=["NONE1", "NONE2"],
        mappings=[Mapping(name, items) for name, items in intervals.items()],
        ts_out=ts_out,
        version=version,
    ).encode()


def adds(count: int, instrument_id: int = 7) -> Records:
    """Orders that are told apart by their id and sequence, the number of the record."""
    records = np.zeros(count, MBO_DTYPE)
    numbers = np.arange(count)
    records["length"] = 14
    records["rtype"] = MBO_RTYPE
    records["publisher_id"] = 2
    records["instrument_id"] = instrument_id
    records["ts_event"] = START_NS + numbers
    records["ts_recv"] = START_NS + numbers + 500
    records["order_id"] = numbers + 1
    records["price"] = 10**9 * (numbers % 100 + 1)
    records["size"] = 1
    records["flags"] = FLAG_LAST
    records["action"] = ADD
    records["side"] = BID
    records["sequence"] = numbers
    return records


def other_record(rtype: int = 0x17, words: int = 20) -> bytes:
    """Of another kind than market by order; 0x17 is a message of the gateway."""
    return bytes([words, rtype]).ljust(words * 4, b"\0")


def compressed(*frames: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return b"".join(compressor.compress(frame) for frame in frames)


def saved(folder: Path, *parts: bytes, name: str = "sample.dbn") -> Path:
    path = folder / name
    path.write_bytes(b"".join(parts))
    return path
