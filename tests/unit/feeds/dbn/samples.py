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
_SPANS = ("1S", "1M", "1H", "1D", "EOD")
_KINDS: Any = databento_dbn.RType
_RTYPES = {
    "TradeMsg": [_KINDS.MBP_0],
    "MBP1Msg": [_KINDS.MBP_1],
    "MBP10Msg": [_KINDS.MBP_10],
    "OHLCVMsg": [_KINDS.OHLCV_DEPRECATED, *(getattr(_KINDS, f"OHLCV_{s}") for s in _SPANS)],
    "StatusMsg": [_KINDS.STATUS],
    "InstrumentDefMsg": [_KINDS.INSTRUMENT_DEF],
    "ImbalanceMsg": [_KINDS.IMBALANCE],
    "ErrorMsg": [_KINDS.ERROR],
    "SymbolMappingMsg": [_KINDS.SYMBOL_MAPPING],
    "SystemMsg": [_KINDS.SYSTEM],
    "StatMsg": [_KINDS.STATISTICS],
    "CMBP1Msg": [_KINDS.CMBP_1],
    "CBBOMsg": [_KINDS.CBBO_1S, _KINDS.CBBO_1M, _KINDS.TCBBO],
    "BBOMsg": [_KINDS.BBO_1S, _KINDS.BBO_1M],
}


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


def other_kinds() -> dict[int, set[int]]:
    """Sizes of records of other kinds than market by order, by their type, in any version."""
    version = databento_dbn
    found: dict[int, set[int]] = {}
    for kinds in (version.v1, version.v2, version.v3):
        for name, rtypes in _RTYPES.items():
            for rtype in rtypes:
                found.setdefault(int(rtype), set()).add(getattr(kinds, name).size_hint)
    return found


def other_record(rtype: int = 0x17, size: int = 80) -> bytes:
    """Of another kind than market by order; 0x17 is a message of the gateway."""
    return bytes([size // 4, rtype]).ljust(size, b"\0")


def compressed(*frames: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return b"".join(compressor.compress(frame) for frame in frames)


def saved(folder: Path, *parts: bytes, name: str = "sample.dbn") -> Path:
    path = folder / name
    path.write_bytes(b"".join(parts))
    return path
