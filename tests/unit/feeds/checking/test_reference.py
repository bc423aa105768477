"""A venue's own file of levels is equal to the books, or the difference is found at its event."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from databento_dbn import Action, BBOMsg, BidAskPair, MBP1Msg, MBP10Msg, RType, Schema, Side

from market.feeds.books.contract import Level
from market.feeds.books.plain import PlainBooks
from market.feeds.checking.checker import Checker
from market.feeds.checking.reference import Reference
from market.feeds.checking.report import Kind
from market.feeds.dbn.records import FLAG_LAST, NO_PRICE, Records
from market.feeds.errors import BadFile
from tests.unit.feeds.books.flow import KEY, START_NS, flow
from tests.unit.feeds.dbn.samples import compressed, head

LINES = (
    "A B 1 100 5",
    "A A 2 101 5",
    "A B 3 80 5 .",
    "A B 4 79 5",
    "T B 0 101 2 .",
    "F A 2 101 2 .",
    "M A 2 101 3",
    "A B 1 50 5 i=8",
    "C B 1 100 5",
    *(f"A B {number} {number} 1" for number in range(40, 52)),
)
SECOND = 10**9


def pairs(bids: list[Level], asks: list[Level], depth: int) -> list[BidAskPair]:
    none = Level(NO_PRICE, 0, 0)
    padded = ([*levels, *[none] * depth][:depth] for levels in (bids, asks))
    return [
        BidAskPair(bid.price, ask.price, bid.size, ask.size, bid.order_count, ask.order_count)
        for bid, ask in zip(*padded, strict=True)
    ]


def message(record, books: PlainBooks, depth: int, flags: int = FLAG_LAST) -> bytes:
    key = KEY._replace(instrument_id=int(record["instrument_id"]))
    levels = pairs(*books.levels(key, depth), depth)
    made = (MBP10Msg if depth == 10 else MBP1Msg)(
        key.publisher_id,
        key.instrument_id,
        int(record["ts_event"]),
        int(record["price"]),
        int(record["size"]),
        Action.ADD,
        Side.BID,
        0,
        int(record["ts_recv"]),
        flags=flags,
        sequence=int(record["sequence"]),
        levels=levels if depth == 10 else levels[0],
    )
    return bytes(made)[: made.record_size()]


def venue_rows(records: Records, depth: int) -> list[bytes]:
    """A row of each event, and before it one that does not end it and says nothing."""
    books, rows = PlainBooks(), []
    for number in range(len(records)):
        rows.append(message(records[number], empty_books(), depth, flags=0))
        books.apply(records[number : number + 1])
        if records["flags"][number] & FLAG_LAST:
            rows.append(message(records[number], books, depth))
    return rows


def test_of_several_rows_of_a_moment_the_last_counts(tmp_path) -> None:
    records = flow(*LINES)
    rows = [message(records[0], empty_books(), 1), *venue_rows(records, 1)]
    path = saved(tmp_path / "venue", Schema.MBP_1, rows)
    assert check(records, path)["ok"]


def interval_rows(records: Records) -> list[bytes]:
    """One a second: what was before it."""
    rows = []
    for second in range(1, len(records)):
        now_ns = START_NS + second * SECOND
        books = PlainBooks()
        books.apply(flow("N N 0 - 0"))
        books.apply(records[records["ts_recv"] < now_ns])
        if not records["flags"][second - 1] & FLAG_LAST:
            continue
        made = BBOMsg(
            RType.BBO_1S,
            *KEY,
            now_ns - 1,
            NO_PRICE,
            0,
            Side.NONE,
            now_ns,
            sequence=2**31,
            levels=pairs(*books.levels(KEY, 1), 1)[0],
        )
        rows.append(bytes(made)[: made.record_size()])
    return rows


def saved(path: Path, schema: Schema, rows: Iterable[bytes], *, zstd: bool = False) -> Path:
    data = head(schema=schema) + b"".join(rows)
    path.write_bytes(compressed(data) if zstd else data)
    return path


def check(records: Records, path: Path, batch: int = 1_000) -> dict:
    books = PlainBooks()
    checker = Checker(books, PlainBooks, reference=Reference(path))
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        books.apply(part)
        checker.take(part, np.arange(start, start + len(part)))
    return checker.finish()


@pytest.mark.parametrize(("schema", "depth"), [(Schema.MBP_1, 1), (Schema.MBP_10, 10)])
@pytest.mark.parametrize("zstd", [False, True])
@pytest.mark.parametrize("batch", [1, 4, 1_000])
def test_equal_levels_of_events_pass(tmp_path, schema, depth, zstd, batch) -> None:
    records = flow(*LINES)
    path = saved(tmp_path / "venue", schema, venue_rows(records, depth), zstd=zstd)
    report = check(records, path, batch)
    events = int((records["flags"] & FLAG_LAST != 0).sum())
    assert report["ok"]
    assert report["reference"] == {"rows": events, "compared": events, "outside": 0}


@pytest.mark.parametrize(("schema", "depth"), [(Schema.MBP_1, 1), (Schema.MBP_10, 10)])
def test_other_levels_are_found_at_their_event(tmp_path, schema, depth) -> None:
    records = flow(*LINES)
    venue = records.copy()
    venue["size"][6] = 2
    path = saved(tmp_path / "venue", schema, venue_rows(venue, depth))
    report = check(records, path)
    first = report["checks"][Kind.REFERENCE_DIFFERS]["first"]
    assert not report["ok"]
    assert first["record"] == 6
    assert (first["ours"]["asks"][0]["size"], first["reference"]["asks"][0]["size"]) == (3, 2)


def test_a_level_further_down_is_compared_too(tmp_path) -> None:
    records = flow(*LINES)
    venue = records.copy()
    venue["size"][2] = 6
    ten = saved(tmp_path / "ten", Schema.MBP_10, venue_rows(venue, 10))
    assert check(records, ten)["checks"][Kind.REFERENCE_DIFFERS]["first"]["record"] == 3


@pytest.mark.parametrize("batch", [1, 1_000])
def test_intervals_are_held_against_what_was_before_them(tmp_path, batch) -> None:
    records = flow(*LINES)
    path = saved(tmp_path / "venue", Schema.BBO_1S, interval_rows(records))
    report = check(records, path, batch)
    assert report["ok"]
    assert report["reference"]["compared"] > 10
    venue = records.copy()
    venue["price"][0] += 1
    path = saved(tmp_path / "other", Schema.BBO_1S, interval_rows(venue))
    assert check(records, path, batch)["checks"][Kind.REFERENCE_DIFFERS]["first"]["record"] == 1


def test_rows_outside_of_the_records_are_counted_and_not_compared(tmp_path) -> None:
    records = flow(*LINES)
    rows = venue_rows(records, 1)
    path = saved(tmp_path / "venue", Schema.MBP_1, rows)
    report = check(records[:5], path)
    assert report["ok"]
    assert report["reference"]["outside"] > 0


def test_what_is_no_such_file_is_an_error(tmp_path) -> None:
    for data in (b"", b"hello, world" * 9, head(schema=Schema.MBP_1)[:-9]):
        path = tmp_path / "other"
        path.write_bytes(data)
        with pytest.raises(BadFile, match="cannot be"):
            Reference(path)


@pytest.mark.parametrize("zstd", [False, True])
def test_a_file_that_is_cut_off_is_an_error(tmp_path, zstd: bool) -> None:
    records = flow(*LINES)
    path = saved(tmp_path / "venue", Schema.MBP_1, venue_rows(records, 1), zstd=zstd)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadFile, match="cannot be decoded"):
        check(records, path)


def test_a_file_without_levels_is_an_error(tmp_path) -> None:
    path = saved(tmp_path / "venue", Schema.MBO, [flow(*LINES).tobytes()])
    with pytest.raises(BadFile, match="holds no row"):
        Reference(path)


def test_a_file_of_another_instrument_is_a_violation(tmp_path) -> None:
    records = flow(*LINES)
    path = saved(tmp_path / "venue", Schema.MBP_1, venue_rows(records, 1))
    records["instrument_id"] = 99
    report = check(records, path)
    assert report["reference"]["compared"] == 0
    assert not report["ok"]


def empty_books() -> PlainBooks:
    books = PlainBooks()
    books.apply(flow("N N 0 - 0", "N N 0 - 0 i=8"))
    return books
