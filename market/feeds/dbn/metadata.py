"""The head of a DBN file, versions 1 to 3: what it says, and how it is laid out.

Layout: ``b"DBN"``, the version (u8), the length of what follows (u32), then 100 bytes of fixed
fields, the length of a schema definition (u32, always 0), and four lists: symbols, partly resolved
ones, unresolved ones, and mappings of symbols to instruments. Symbols are text padded with zeros:
22 bytes in version 1, a length of the file's own from version 2. Version 3 pads the whole to a
multiple of 8. All numbers little-endian. Source: Databento's DBN specification.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

MAGIC: Final = b"DBN"
VERSIONS: Final = (1, 2, 3)
PREFIX_SIZE: Final = 8
MAX_METADATA_BYTES: Final = 256 << 20
"""More than any venue's instruments need; what claims to be larger is not believed."""
NO_TIME: Final = 2**64 - 1
MBO_SCHEMA: Final = 0
MIXED_SCHEMA: Final = 2**16 - 1
"""Records of any kinds, as a live session records them."""
SCHEMA_NAMES: Final = (
    *("mbo", "mbp-1", "mbp-10", "tbbo", "trades", "ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"),
    *("definition", "statistics", "status", "imbalance", "ohlcv-eod", "cmbp-1", "cbbo-1s"),
    *("cbbo-1m", "tcbbo", "bbo-1s", "bbo-1m"),
)
"""By number."""
INSTRUMENT_ID: Final = 0
RAW_SYMBOL: Final = 1
"""Kinds of symbols."""
MIXED_SYMBOLS: Final = 255
_SYMBOL_BYTES_V1: Final = 22
_SYMBOL_BYTES: Final = 71
_DATASET_BYTES: Final = 16
_FIXED_BYTES: Final = 100
_FIXED: Final = {1: "<HQQQQBBB", 2: "<HQQQBBBH", 3: "<HQQQBBBH"}
"""Schema, start, end, limit, (version 1: record count,) kind of symbols in, and out, whether
records carry a sending time, (from version 2: bytes of a symbol)."""


class Damage(Exception):
    """What a file holds at ``offset`` cannot be what it should be."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


class Metadata(NamedTuple):
    version: int
    dataset: str
    schema: int
    """``MBO_SCHEMA``, ``MIXED_SCHEMA`` or another number."""
    start_ns: int
    end_ns: int | None
    has_ts_out: bool
    """Whether eight bytes with the time of sending follow each record."""
    symbols: Mapping[int, str]
    """By instrument id; where an id had several, the one named last."""


def metadata_size(prefix: bytes) -> int:
    """Bytes of the whole head, from its first ``PREFIX_SIZE``. Raises Damage."""
    if not prefix:
        raise Damage("is empty", 0)
    if prefix[:3] != MAGIC[: len(prefix)]:
        raise Damage("does not begin with DBN", 0)
    if len(prefix) < PREFIX_SIZE:
        raise Damage("ends within its metadata", len(prefix))
    version, length = prefix[3], int.from_bytes(prefix[4:8], "little")
    if version not in VERSIONS:
        raise Damage(f"has version {version}; 1, 2 and 3 are understood", 3)
    if not _FIXED_BYTES <= length <= MAX_METADATA_BYTES:
        raise Damage(f"claims {length} bytes of metadata", 4)
    return PREFIX_SIZE + length


def decode_metadata(data: bytes) -> Metadata:
    """``data`` is the whole head. Raises Damage."""
    version = data[3]
    reader = _Reader(data)
    dataset = reader.text(_DATASET_BYTES)
    values = struct.unpack_from(_FIXED[version], data, reader.offset)
    schema, start_ns, end_ns = values[:3]
    if version == 1:
        stype_in, stype_out, ts_out = values[5:]
        symbol_bytes = _SYMBOL_BYTES_V1
    else:
        stype_in, stype_out, ts_out, symbol_bytes = values[4:]
    reader.offset = PREFIX_SIZE + _FIXED_BYTES
    reader.take(reader.number())
    for _list in range(3):
        reader.take(reader.count(symbol_bytes) * symbol_bytes)
    return Metadata(
        version=version,
        dataset=dataset,
        schema=schema,
        start_ns=start_ns,
        end_ns=None if end_ns == NO_TIME else end_ns,
        has_ts_out=bool(ts_out),
        symbols=_mappings(reader, symbol_bytes, stype_in, stype_out),
    )


def encode_metadata(
    *,
    version: int,
    dataset: str,
    start_ns: int,
    end_ns: int | None,
    symbols: Mapping[int, str],
    dates: tuple[int, int],
) -> bytes:
    """The head of a file of market-by-order records; its size does not depend on the times.

    ``dates`` are the first day of the mappings and the day after their last, as yyyymmdd. Raises
    ValueError for a name that does not fit its field.
    """
    width = _SYMBOL_BYTES_V1 if version == 1 else _SYMBOL_BYTES
    ids_by_name: dict[str, list[int]] = {}
    for instrument_id, name in symbols.items():
        ids_by_name.setdefault(name, []).append(instrument_id)
    fixed: tuple[int, ...] = (MBO_SCHEMA, start_ns, NO_TIME if end_ns is None else end_ns, 0)
    fixed += (NO_TIME,) if version == 1 else ()
    fixed += (RAW_SYMBOL, INSTRUMENT_ID, 0)
    fixed += () if version == 1 else (width,)
    body = _padded(dataset, _DATASET_BYTES) + struct.pack(_FIXED[version], *fixed)
    body = body.ljust(_FIXED_BYTES, b"\0") + _u32(0)
    count = _u32(len(ids_by_name))
    body += count + b"".join(_padded(name, width) for name in ids_by_name) + _u32(0, 0)
    body += count + b"".join(
        _padded(name, width) + _intervals(ids, dates, width) for name, ids in ids_by_name.items()
    )
    if version == 3:
        body += bytes(-len(body) % 8)
    return MAGIC + bytes([version]) + _u32(len(body)) + body


def _intervals(instrument_ids: Iterable[int], dates: tuple[int, int], width: int) -> bytes:
    each = [_u32(*dates) + _padded(str(number), width) for number in instrument_ids]
    return _u32(len(each)) + b"".join(each)


def _padded(text: str, width: int) -> bytes:
    encoded = text.encode()
    if len(encoded) >= width or b"\0" in encoded:
        raise ValueError(f"{text!r} does not fit a field of {width} bytes")
    return encoded.ljust(width, b"\0")


def _u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _mappings(
    reader: "_Reader", symbol_bytes: int, stype_in: int, stype_out: int
) -> dict[int, str]:
    interval_bytes = 8 + symbol_bytes
    found: dict[int, str] = {}
    for _mapping in range(reader.count(symbol_bytes + 4)):
        name = reader.text(symbol_bytes)
        for _interval in range(reader.count(interval_bytes)):
            reader.take(8)
            symbol = reader.text(symbol_bytes)
            number, known_as = (name, symbol) if stype_in == INSTRUMENT_ID else (symbol, name)
            if stype_out != INSTRUMENT_ID and stype_in != INSTRUMENT_ID:
                continue
            if known_as and number.isascii() and number.isdigit() and int(number) < 2**32:
                found[int(number)] = known_as
    return found


class _Reader:
    """Takes one field after the other. Every method raises Damage where the head has no more."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = PREFIX_SIZE

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.offset:
            raise Damage("has metadata that do not fit their length", self.offset)
        field = self.data[self.offset : self.offset + size]
        self.offset += size
        return field

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def count(self, item_bytes: int) -> int:
        """A number of items, refused where the rest has no room for so many."""
        at = self.offset
        count = self.number()
        if count * item_bytes > len(self.data) - self.offset:
            raise Damage(f"has metadata with an impossible count of {count}", at)
        return count

    def text(self, size: int) -> str:
        at = self.offset
        try:
            return self.take(size).partition(b"\0")[0].decode()
        except UnicodeDecodeError as error:
            raise Damage("has text in its metadata that is not UTF-8", at) from error
