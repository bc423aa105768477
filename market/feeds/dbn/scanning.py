"""Finds the market-by-order records in a stretch of a DBN file's bytes.

Where there is nothing else, which is nearly always, the records are the bytes themselves, looked at
all at once. Only where another kind of record turns up is a batch of them walked one by one.
"""

import mmap
import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from market.feeds.dbn.metadata import Damage
from market.feeds.dbn.records import MBO_DTYPE, MBO_RTYPE, RECORD_SIZE, Records

_WORD: Final = 4
"""A record's length is given in these."""
_TS_OUT_BYTES: Final = 8
_MAPPING_RTYPE: Final = 0x16
_OTHER_SIZES: Final = {
    0x00: (48,),
    0x01: (80,),
    0x0A: (368,),
    0x11: (56,),
    0x12: (40,),
    0x13: (360, 400, 520),
    0x14: (112,),
    0x15: (80, 320),
    _MAPPING_RTYPE: (80, 176),
    0x17: (80, 320),
    0x18: (64, 80),
    **dict.fromkeys((0x20, 0x21, 0x22, 0x23, 0x24), (56,)),
    **dict.fromkeys((0xB1, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4), (80,)),
}
"""Bytes of each kind of record but market by order, in any of the versions. What is of no such kind
or size is damage: the odds are small that random bytes pass for a record to be skipped."""
_MAPPING_NAME: Final = {80: (38, 22), 176: (89, 71)}
"""Where a symbol mapping record of a size has the instrument's own symbol: offset and bytes."""


class Taken(NamedTuple):
    records: Records
    """Read-only; a view of the data where nothing stood between them."""
    skipped: list[int]
    """Positions of records of other kinds that were passed over."""
    position: int
    """Where to go on; unchanged where the data have no whole record any more."""
    symbols: dict[int, str]
    """What symbol mapping records among the skipped ones said."""


class Scanner:
    """For one file: ``base`` is the offset in it of the data's first byte."""

    def __init__(self, *, has_ts_out: bool) -> None:
        self._extra = _TS_OUT_BYTES * has_ts_out
        self.step = RECORD_SIZE + self._extra
        self._head = self.step // _WORD | MBO_RTYPE << 8

    def take(self, data: bytes | mmap.mmap, position: int, limit: int, base: int = 0) -> Taken:
        """At most ``limit`` records from ``position`` on. Raises Damage if it starts with none."""
        count = min(limit, (len(data) - position) // self.step)
        if count > 0:
            heads = np.ndarray((count,), "<u2", data, position, (self.step,))
            fits = heads == self._head
            good = count if fits.all() else int(fits.argmin())
            if good:
                end = position + good * self.step
                return Taken(self._contiguous(data, position, good), [], end, {})
        return self._walk(data, position, limit, base)

    def _contiguous(self, data: bytes | mmap.mmap, position: int, count: int) -> Records:
        if self.step == RECORD_SIZE:
            return np.frombuffer(data, MBO_DTYPE, count, position)
        rows = np.frombuffer(data, "u1", count * self.step, position).reshape(count, self.step)
        return self._own(rows[:, :RECORD_SIZE])

    @staticmethod
    def _own(rows: NDArray[np.uint8]) -> Records:
        records = rows.copy(order="C").view(MBO_DTYPE).reshape(-1)
        records["length"] = RECORD_SIZE // _WORD
        records.flags.writeable = False
        return records

    def _walk(self, data: bytes | mmap.mmap, position: int, limit: int, base: int) -> Taken:
        starts: list[int] = []
        skipped: list[int] = []
        symbols: dict[int, str] = {}
        while len(starts) < limit and position + 2 <= len(data):
            size, rtype = data[position] * _WORD, data[position + 1]
            wrong = self._wrong(size, rtype)
            if wrong and not starts and not skipped:
                raise Damage(wrong, base + position)
            if wrong or position + size > len(data):
                break
            if rtype == MBO_RTYPE:
                starts.append(position)
            else:
                skipped.append(position)
            if rtype == _MAPPING_RTYPE:
                self._learn(data[position : position + size], symbols)
            position += size
        rows = np.frombuffer(data, "u1")
        if not starts:
            return Taken(np.empty(0, MBO_DTYPE), skipped, position, symbols)
        return Taken(
            self._own(sliding_window_view(rows, RECORD_SIZE)[starts]), skipped, position, symbols
        )

    def _wrong(self, size: int, rtype: int) -> str | None:
        if rtype == MBO_RTYPE:
            fits = size == self.step
        elif rtype in _OTHER_SIZES:
            fits = size - self._extra in _OTHER_SIZES[rtype]
        else:
            return f"has a record of the unknown type {rtype}"
        return None if fits else f"has a record of type {rtype} that claims {size} bytes"

    def _learn(self, record: bytes, symbols: dict[int, str]) -> None:
        at, width = _MAPPING_NAME[len(record) - self._extra]
        (instrument_id,) = struct.unpack_from("<I", record, 4)
        name = record[at : at + width].partition(b"\0")[0]
        if name:
            symbols[instrument_id] = name.decode(errors="replace")
