"""DBN files of market-by-order records: versions 1 to 3, plain or zstd, of any size.

Records are given as they lie in the file. A plain file is mapped into memory and its records are
views of the map; a zstd file is decompressed piece by piece. Either way memory does not grow with
the file. What is damaged or cut off is never passed over in silence: the whole records before it
are given, then BadFile is raised. Only a plain file cut exactly between two records, or a zstd file
between two frames, cannot be told from a shorter one: the format has no count of its records.
"""

import mmap
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from market.feeds.dbn.decompression import ZSTD_MAGIC, CompressionDamage, decompressed
from market.feeds.dbn.mapping import Release, open_map
from market.feeds.dbn.metadata import (
    MBO_SCHEMA,
    MIXED_SCHEMA,
    PREFIX_SIZE,
    SCHEMA_NAMES,
    Damage,
    decode_metadata,
    metadata_size,
)
from market.feeds.dbn.records import Records
from market.feeds.dbn.scanning import Scanner, Taken
from market.feeds.errors import BadFile

BATCH_RECORDS: Final = 65_536


def open_dbn(path: Path | str) -> "DbnFile":
    """Reads the head of a file. Raises BadFile where it is not a DBN file, not of market-by-order
    records, of an unknown version, damaged, or cannot be read at all."""
    return DbnFile(Path(path))


class DbnFile:
    """One open file; a context manager. Several iterators over it may be in use at a time, also
    by several threads."""

    version: int
    dataset: str
    start_ns: int
    end_ns: int | None
    symbols: Mapping[int, str]
    """By instrument id, from the metadata; symbol mapping records among the others add to it."""
    record_count: int | None
    """Records that a plain file of schema mbo has room for, so many if it holds no others; None
    where it cannot be known beforehand: zstd, or a file of mixed records."""
    metadata_bytes: bytes
    """The head as it lies in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map = open_map(path)
        self._compressed = self._map[:4] == ZSTD_MAGIC
        try:
            self.metadata_bytes = self._head()
            metadata = decode_metadata(self.metadata_bytes)
            if metadata.schema not in (MBO_SCHEMA, MIXED_SCHEMA):
                raise Damage(f"holds {_schema_name(metadata.schema)}, not mbo", PREFIX_SIZE + 16)
        except Damage as damage:
            self.close()
            raise self._bad(damage) from damage
        self.version = metadata.version
        self.dataset = metadata.dataset
        self.start_ns = metadata.start_ns
        self.end_ns = metadata.end_ns
        self._symbols = dict(metadata.symbols)
        self.symbols = self._symbols
        self._scanner = Scanner(has_ts_out=metadata.has_ts_out)
        self._body = len(self.metadata_bytes)
        self._lock = threading.Lock()
        self._skipped = 0
        self._known_to = self._body
        """How far others than market-by-order records have been counted."""
        self._uniform_to = self._body
        """How far the file is known to hold nothing but market-by-order records: the quick way to
        any of them."""
        self.record_count = None
        if not self._compressed and metadata.schema == MBO_SCHEMA:
            self.record_count = (len(self._map) - self._body) // self._scanner.step

    @property
    def is_compressed(self) -> bool:
        return self._compressed

    @property
    def skipped_count(self) -> int:
        """Records of other kinds that were met so far, each once however often it is read."""
        return self._skipped

    @property
    def size_bytes(self) -> int:
        """Of the file as it is on the disk."""
        return len(self._map)

    def batches(self, size: int = BATCH_RECORDS, start: int = 0) -> Iterator[Records]:
        """Market-by-order records in file order, from record number ``start`` on, in read-only
        arrays of 1 to ``size``. Raises BadFile after the whole records before what is wrong."""
        if size < 1 or start < 0:
            raise ValueError("a batch has at least one record, and the first record is number 0")
        return self._guarded(
            self._streamed(size, start) if self._compressed else self._mapped(size, start)
        )

    def close(self) -> None:
        """Batches that are still held stay valid: the map goes with the last of them."""
        with suppress(BufferError):
            self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _head(self) -> bytes:
        if not self._compressed:
            head = self._map[: metadata_size(self._map[:PREFIX_SIZE])]
        else:
            head = self._compressed_head()
        if len(head) < metadata_size(head[:PREFIX_SIZE]):
            raise Damage("ends within its metadata", len(head))
        return head

    def _compressed_head(self) -> bytes:
        held = bytearray()
        wanted = PREFIX_SIZE
        for piece in decompressed(self._map):
            held += piece
            if len(held) >= PREFIX_SIZE:
                wanted = metadata_size(bytes(held[:PREFIX_SIZE]))
            if len(held) >= wanted:
                break
        return bytes(held[:wanted])

    def _guarded(self, batches: Iterator[Records]) -> Iterator[Records]:
        try:
            yield from batches
        except Damage as damage:
            raise self._bad(damage) from damage

    def _mapped(self, size: int, start: int) -> Iterator[Records]:
        number = min(start, (self._uniform_to - self._body) // self._scanner.step)
        position = self._body + number * self._scanner.step
        release = Release(self._map, position)
        while position < len(self._map):
            release.behind(position)
            taken = self._take(self._map, position, size)
            if taken.position == position:
                raise Damage("ends within a record", position)
            records = taken.records[max(0, start - number) :]
            position = taken.position
            number += len(taken.records)
            if len(records):
                yield records

    def _streamed(self, size: int, start: int) -> Iterator[Records]:
        base, rest, number = self._body, b"", 0
        for block in _blocks(self._pieces(), size * self._scanner.step):
            data, position = rest + block, 0
            while (taken := self._take(data, position, size, base)).position > position:
                records = taken.records[max(0, start - number) :]
                position = taken.position
                number += len(taken.records)
                if len(records):
                    yield records
            base, rest = base + position, data[position:]
        if rest:
            raise Damage("ends within a record", base)

    def _pieces(self) -> Iterator[bytes]:
        """The decompressed data behind the head."""
        head = self._body
        for piece in decompressed(self._map):
            yield piece[head:]
            head = max(0, head - len(piece))

    def _take(self, data: bytes | mmap.mmap, position: int, size: int, base: int = 0) -> Taken:
        taken = self._scanner.take(data, position, size, base)
        begin, end = base + position, base + taken.position
        if taken.skipped:
            with self._lock:
                self._skipped += sum(base + at >= self._known_to for at in taken.skipped)
                self._known_to = max(self._known_to, end)
                self._symbols.update(taken.symbols)
        elif begin <= self._uniform_to < end:
            self._uniform_to = end
        return taken

    def _bad(self, damage: Damage) -> BadFile:
        where = f"byte {damage.offset}"
        if self._compressed and not isinstance(damage, CompressionDamage):
            where += " of the decompressed data"
        return BadFile(f"{self.path.name} {damage.what}, at {where}.")


def _blocks(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of ``size``; only the last is shorter. Raises what ``pieces``
    raises, after the bytes before it."""
    held: list[bytes] = []
    count = 0
    damage: Damage | None = None
    try:
        for piece in pieces:
            held.append(piece)
            count += len(piece)
            if count >= size:
                data = b"".join(held)
                rest = count % size
                for begin in range(0, count - rest, size):
                    yield data[begin : begin + size]
                held, count = [data[count - rest :]], rest
    except Damage as error:
        damage = error
    if count:
        yield b"".join(held)
    if damage:
        raise damage


def _schema_name(number: int) -> str:
    known = number < len(SCHEMA_NAMES)
    return f"records of schema {SCHEMA_NAMES[number] if known else number}"
