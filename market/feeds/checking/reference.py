"""A venue's own MBP-1, MBP-10, TBBO or BBO file, to be compared with the books after each event.

A row of an event (its ``F_LAST`` set) says what the best levels were after all records up to its
``ts_recv`` and ``sequence``; a row of a BBO interval, what they were before its ``ts_recv``.
"""

import io
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import databento_dbn
from databento_dbn import BBOMsg, Compression, DBNDecoder, DBNError, MBP1Msg, MBP10Msg

from market.feeds.books.contract import BookKey, Level
from market.feeds.books.plain_book import PlainBook
from market.feeds.dbn.decompression import ZSTD_MAGIC
from market.feeds.dbn.records import FLAG_LAST, NO_PRICE
from market.feeds.errors import BadFile

READ_BYTES: Final = 1 << 18
Top = tuple[list[Level], list[Level]]


class ReferenceRow(NamedTuple):
    key: BookKey
    moment: tuple[int, int]
    """``ts_recv`` and sequence; the row holds what was before a record later than this."""
    depth: int
    top: Top


class Difference(NamedTuple):
    row: ReferenceRow
    ours: Top


class Reference:
    """Rows of one file, in order, handed out by book."""

    def __init__(self, path: Path) -> None:
        """Raises BadFile."""
        self._rows = _rows(path)
        self._next: ReferenceRow | None = next(self._rows, None)
        if self._next is None:
            raise BadFile(f"{path.name} holds no row of MBP-1, MBP-10, TBBO or BBO.")
        self._waiting: defaultdict[BookKey, deque[ReferenceRow]] = defaultdict(deque)
        self.row_count = 0
        self.compared_count = 0
        self.outside_count = 0
        """Rows from before the first or after the last event of their book."""

    def read_until(self, ts_recv: int) -> None:
        """Makes the rows up to a time ready. Raises BadFile."""
        while self._next is not None and self._next.moment[0] <= ts_recv:
            self._waiting[self._next.key].append(self._next)
            self.row_count += 1
            self._next = next(self._rows, None)

    def compare(
        self, key: BookKey, moment: tuple[int, int], before: Top | None, book: PlainBook
    ) -> Iterator[Difference]:
        """At the end of an event: rows of earlier moments are held against the levels ``before``
        it (None: no event before), rows of its own against the book."""
        rows = self._waiting[key]
        while rows and rows[0].moment <= moment:
            row = rows.popleft()
            if row.moment < moment:
                if before is None:
                    self.outside_count += 1
                    continue
                ours = before[0][: row.depth], before[1][: row.depth]
            elif rows and rows[0].moment == moment:
                continue
            else:
                ours = book.bids.top(row.depth), book.asks.top(row.depth)
            self.compared_count += 1
            if ours != row.top:
                yield Difference(row, ours)

    def finish(self) -> None:
        """Counts what is left, to the end of the file."""
        self.read_until(2**64)
        self.outside_count += sum(map(len, self._waiting.values()))
        self._waiting.clear()


def _rows(path: Path) -> Iterator[ReferenceRow]:
    for message in _messages(path):
        is_event = isinstance(message, MBP1Msg | MBP10Msg)
        if not is_event and not isinstance(message, BBOMsg):
            continue
        if is_event and not int(message.flags) & FLAG_LAST:
            continue
        pairs = message.levels
        bids = [Level(pair.bid_px, pair.bid_sz, pair.bid_ct) for pair in pairs]
        asks = [Level(pair.ask_px, pair.ask_sz, pair.ask_ct) for pair in pairs]
        yield ReferenceRow(
            BookKey(message.publisher_id, message.instrument_id),
            (message.ts_recv, message.sequence if is_event else -1),
            len(pairs),
            (_present(bids), _present(asks)),
        )


def _present(levels: list[Level]) -> list[Level]:
    return [level for level in levels if level.price != NO_PRICE]


def _messages(path: Path) -> Iterator[Any]:
    """Every message of a DBN file, plain or zstd. Raises BadFile."""
    try:
        with path.open("rb") as file:
            is_compressed = file.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
            file.seek(0)
            yield from _decoded(file, is_compressed)
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}.") from error
    except (DBNError, ValueError) as error:
        raise BadFile(f"{path.name} cannot be decoded: {error}.") from error


def _decoded(file: io.BufferedReader, is_compressed: bool) -> Iterator[Any]:
    compression = Compression.ZSTD if is_compressed else Compression.NONE
    decoder = DBNDecoder(compression=compression)  # type: ignore[arg-type]
    position = 0
    is_head = True
    while block := file.read(READ_BYTES):
        decoder.write(block)
        position += len(block)
        for message in decoder.decode():
            if is_head and isinstance(message, databento_dbn.Metadata):
                is_head = False
                continue
            yield message
    if is_head:
        raise ValueError(f"its head does not end by byte {position}")
    if rest := len(decoder.buffer()):
        raise ValueError(f"it ends within a record, {rest} bytes into it")
