"""Writes DBN files of market-by-order records that every reader of versions 1 to 3 understands."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import numpy as np
import zstandard

from market.feeds.dbn.decompression import ZSTD_MAGIC
from market.feeds.dbn.metadata import NO_TIME, VERSIONS, encode_metadata
from market.feeds.dbn.records import MBO_DTYPE, MBO_RTYPE, RECORD_SIZE, Records

Compression = Literal["none", "zstd"]

_LEVEL: Final = 3
_RAW_BLOCK_BYTES: Final = 128 << 10
"""A zstd block holds no more."""
_SINGLE_SEGMENT_4_BYTE_SIZE: Final = 0b1010_0000
"""A zstd frame's descriptor: its content's size follows in four bytes, there is no checksum."""
_HEADS: Final = RECORD_SIZE // 4 | MBO_RTYPE << 8


class DbnWriter:
    """A context manager. The file appears under its name when the block ends without an error, and
    only then: until it is whole it has a hidden name beside it.

    The head's start and end are the first and the last time of receipt, the end exclusive.
    Symbols are mapped for all days from the one to the other. ``compression`` None means zstd where
    the name ends in .zst; ``publisher_id`` None means any. Raises ValueError for names that do not
    fit, and for what are not records, or not the publisher's; OSError.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        dataset: str,
        symbols: Mapping[int, str],
        publisher_id: int | None = None,
        version: int = 3,
        compression: Compression | None = None,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"DBN has no version {version}; 1, 2 and 3 can be written")
        self.path = Path(path)
        self.record_count = 0
        self._version, self._dataset, self._symbols = version, dataset, dict(symbols)
        self._publisher_id = publisher_id
        self._is_zstd = compression == "zstd" or (
            compression is None and self.path.suffix == ".zst"
        )
        self._first_ns: int | None = None
        self._last_ns = 0
        head = self._head()
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self._file = self._part.open("wb")
        except OSError as error:
            # By the name that the caller knows.
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._file.write(head)
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._body = compressor.compressobj() if self._is_zstd else None

    def write(self, records: Records) -> None:
        """Appends records, which may be of any memory layout. They are copied before it returns."""
        if records.dtype != MBO_DTYPE:
            raise ValueError("these are not market-by-order records")
        records = np.ascontiguousarray(records)
        if not len(records):
            return
        if (records.view("<u2").reshape(len(records), -1)[:, 0] != _HEADS).any():
            raise ValueError("a record's length or type is not that of market by order")
        if self._publisher_id is not None and (records["publisher_id"] != self._publisher_id).any():
            raise ValueError(f"a record's publisher is not {self._publisher_id}")
        first, last = int(records["ts_recv"].min()), int(records["ts_recv"].max())
        self._first_ns = first if self._first_ns is None else min(first, self._first_ns)
        self._last_ns = max(last, self._last_ns)
        data = records.view("u1").data
        self._file.write(self._body.compress(data) if self._body else data)
        self.record_count += len(records)

    def close(self) -> None:
        """Finishes the file and gives it its name. Nothing can be written after it."""
        if self._file.closed:
            return
        try:
            if self._body:
                self._file.write(self._body.flush())
            self._file.seek(0)
            self._file.write(self._head())
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Gives up: nothing is left of what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _head(self) -> bytes:
        """Of the same size whatever was written: the last one is put in place of the first."""
        start_ns = self._first_ns or 0
        head = encode_metadata(
            version=self._version,
            dataset=self._dataset,
            start_ns=start_ns,
            end_ns=min(self._last_ns + 1, NO_TIME),
            symbols=self._symbols,
            dates=(_day(start_ns), _day(self._last_ns, days_later=1)),
        )
        return _stored_frame(head) if self._is_zstd else head


def _day(time_ns: int, days_later: int = 0) -> int:
    """As yyyymmdd, UTC."""
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC) + timedelta(days_later)
    return int(moment.strftime("%Y%m%d"))


def _stored_frame(data: bytes) -> bytes:
    """A zstd frame that holds the data uncompressed: its size depends on theirs alone. Source: RFC
    8878, sections 3.1.1.1 and 3.1.1.2."""
    parts = [ZSTD_MAGIC, bytes([_SINGLE_SEGMENT_4_BYTE_SIZE]), len(data).to_bytes(4, "little")]
    for begin in range(0, len(data), _RAW_BLOCK_BYTES):
        block = data[begin : begin + _RAW_BLOCK_BYTES]
        is_last = begin + len(block) == len(data)
        parts += [(len(block) << 3 | is_last).to_bytes(3, "little"), block]
    return b"".join(parts)
