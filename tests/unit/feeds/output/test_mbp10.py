import json
from pathlib import Path

import pytest
from databento_dbn import Action, BidAskPair, Compression, Encoding, MBP10Msg, Side, Transcoder

from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import NO_PRICE, PRICE_UNITS
from market.feeds.output.files import WholeFile
from market.feeds.output.mbp10 import Mbp10Writer
from tests.unit.feeds.books.flow import START_NS, flow

LINES = (
    "A B 1 100 5 .",
    "A A 2 101 5",
    "A B 3 80 5",
    "T B 0 101 2 .",
    "F A 2 101 2 .",
    "M A 2 101 3",
    "A B 4 99 5 i=8",
    "T A 0 99 1 i=9",
    "C B 1 100 5",
    *(f"A B {number} {number} 1" for number in range(40, 50)),
    "A B 5 30 1",
    "T A 0 80 1",
)


def written(tmp_path: Path, batch: int) -> bytes:
    path = tmp_path / "out"
    target = WholeFile(str(path))
    writer = Mbp10Writer(PlainBooks(), target)
    records = flow(*LINES)
    for start in range(0, len(records), batch):
        writer.apply(records[start : start + batch])
    target.finish()
    assert writer.row_count == path.read_bytes().count(b"\n")
    return path.read_bytes()


def test_a_trade_that_ends_its_event_comes_before_it(tmp_path: Path) -> None:
    path = tmp_path / "out"
    target = WholeFile(str(path))
    Mbp10Writer(PlainBooks(), target).apply(flow("A B 1 100 5", "A B 2 101 5 .", "T A 0 101 1"))
    target.finish()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["sequence"] for line in lines] == [0, 2, 2]
    bests = [int(line["levels"][0]["bid_px"]) // PRICE_UNITS for line in lines]
    assert bests == [100, 100, 101]


@pytest.fixture
def events(tmp_path: Path) -> list[dict]:
    return [json.loads(line) for line in written(tmp_path, 1_000).splitlines()]


def test_an_event_that_changed_ten_levels_and_every_trade_are_written(events) -> None:
    assert [(event["action"], event["sequence"]) for event in events[:7]] == [
        ("A", 1),
        ("A", 2),
        ("T", 3),
        ("M", 5),
        ("A", 6),
        ("T", 7),
        ("C", 8),
    ]
    assert [event["sequence"] for event in events[7:]] == [*range(9, 19), 20]


def test_levels_are_those_after_the_event_and_of_a_trade_those_before(events) -> None:
    trade, modify = events[2], events[3]
    assert [level["ask_sz"] for level in (trade["levels"][0], modify["levels"][0])] == [5, 3]
    assert trade["levels"] == events[1]["levels"]
    assert modify["levels"][0] == {
        "bid_px": str(100 * PRICE_UNITS),
        "ask_px": str(101 * PRICE_UNITS),
        "bid_sz": 5,
        "ask_sz": 3,
        "bid_ct": 1,
        "ask_ct": 1,
    }
    assert modify["levels"][1]["bid_px"] == str(80 * PRICE_UNITS)
    assert modify["levels"][1]["ask_px"] == str(NO_PRICE)
    assert len(modify["levels"]) == 10


def test_books_are_kept_apart(events) -> None:
    assert events[4]["hd"]["instrument_id"] == 8
    assert events[5]["hd"]["instrument_id"] == 9
    assert {level["bid_px"] for level in events[5]["levels"]} == {str(NO_PRICE)}


def test_the_depth_is_the_place_of_the_price(events) -> None:
    assert [event["depth"] for event in events[:4]] == [0, 1, 0, 0]
    assert events[7]["depth"] == 1


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_number_of_records_at_a_time_gives_the_same_lines(tmp_path: Path, batch) -> None:
    assert written(tmp_path, batch) == written(tmp_path, 1_000)


def test_a_line_is_what_databentos_package_prints(tmp_path: Path) -> None:
    empty = [BidAskPair() for _ in range(9)]
    message = MBP10Msg(
        1,
        7,
        START_NS + 10**9 - 500,
        101 * PRICE_UNITS,
        5,
        Action.ADD,
        Side.ASK,
        0,
        START_NS + 10**9,
        flags=128,
        sequence=1,
        levels=[BidAskPair(100 * PRICE_UNITS, 101 * PRICE_UNITS, 5, 5, 1, 1), *empty],
    )
    path = tmp_path / "theirs"
    with path.open("wb") as file:
        transcoder = Transcoder(
            file,
            Encoding.JSON,
            Compression.NONE,
            pretty_px=False,
            pretty_ts=False,
            map_symbols=False,
            has_metadata=False,
            input_version=3,
        )
        transcoder.write(bytes(message)[: message.record_size()])
        transcoder.flush()
    assert written(tmp_path, 1_000).splitlines()[0] == path.read_bytes().splitlines()[0]
