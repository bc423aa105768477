"""Short ways to write market-by-order records and the files that hold them."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databento_dbn import (
    Action,
    Compression,
    Encoding,
    MBOMsg,
    Metadata,
    Schema,
    Side,
    SType,
    Transcoder,
)

from bench.mbo_file import NO_PRICE, PRICE_UNITS, Record


@dataclass
class Interval:
    """The names that databento-dbn reads when it encodes a symbol's mapping."""

    start_date: datetime.date
    end_date: datetime.date
    symbol: str


@dataclass
class Mapping:
    raw_symbol: str
    intervals: Sequence[Any]


INSTRUMENT_ID = 17
START_NS = 1_700_000_000 * 10**9


def record(
    action: str,
    side: str = "N",
    order_id: int = 0,
    price: float | None = None,
    size: int = 0,
    *,
    flags: int = 0,
    after_s: float = 0,
) -> Record:
    units = NO_PRICE if price is None else round(price * PRICE_UNITS)
    ts_recv = START_NS + round(after_s * 10**9)
    return Record(ts_recv, action, side, order_id, units, size, flags)


def write_dbn(
    path: Path,
    records: list[Record],
    *,
    version: int = 3,
    zstd: bool = False,
    instrument_id: int = INSTRUMENT_ID,
    symbol: str = "TEST",
) -> Path:
    """A DBN file with these records, as databento-dbn encodes it."""
    interval = Interval(
        datetime.date(2023, 11, 14), datetime.date(2023, 11, 15), str(instrument_id)
    )
    metadata = Metadata(
        dataset="XNAS.ITCH",
        start=START_NS,
        stype_in=SType.RAW_SYMBOL,
        stype_out=SType.INSTRUMENT_ID,
        schema=Schema.MBO,
        symbols=[symbol],
        mappings=[Mapping(symbol, [interval])],
        version=version,
    )
    content = bytes(metadata) + b"".join(_encoded(one, instrument_id) for one in records)
    with path.open("wb") as file:
        if zstd:
            transcoder = Transcoder(file, Encoding.DBN, Compression.ZSTD)
            transcoder.write(content)
            transcoder.flush()
        else:
            file.write(content)
    return path


def _encoded(one: Record, instrument_id: int) -> bytes:
    message = MBOMsg(
        publisher_id=1,
        instrument_id=instrument_id,
        ts_event=one.ts_recv,
        order_id=one.order_id,
        price=one.price,
        size=one.size,
        action=Action(one.action),
        side=Side(one.side),
        ts_recv=one.ts_recv,
        flags=one.flags,
    )
    return bytes(message)
