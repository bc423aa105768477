"""The book that a recording leaves: each rule on its own."""

from bench.mbo_depth import differences, expected_depth
from bench.mbo_file import PRICE_UNITS, SNAPSHOT, TOP_OF_BOOK
from tests.unit.bench.builders import record

BID = record("A", "B", 1, 10, 5)
ASK = record("A", "A", 2, 11, 7)


def levels(*of_level: tuple[float, int, int]) -> dict[int, tuple[int, int]]:
    return {round(price * PRICE_UNITS): (size, count) for price, size, count in of_level}


def test_orders_of_a_price_are_one_level():
    depth = expected_depth([BID, ASK, record("A", "B", 3, 10, 2), record("A", "B", 4, 9.75, 1)])
    assert depth.bids == levels((10, 7, 2), (9.75, 1, 1))
    assert depth.asks == levels((11, 7, 1))


def test_a_cancel_subtracts_and_removes_at_zero():
    depth = expected_depth([BID, ASK, record("C", "B", 1, 10, 2), record("C", "A", 2, 11, 7)])
    assert depth.bids == levels((10, 3, 1))
    assert depth.asks == {}


def test_a_modify_sets_price_and_size():
    assert expected_depth([BID, record("M", "B", 1, 9, 8)]).bids == levels((9, 8, 1))


def test_trades_and_fills_change_nothing():
    noise = [record(action, "B", 1, 10, 5) for action in "TFN"]
    assert expected_depth([BID, *noise]).bids == levels((10, 5, 1))


def test_a_clear_empties_the_book():
    assert expected_depth([BID, ASK, record("R")])[:2] == ({}, {})


def test_a_snapshot_without_a_clear_starts_from_nothing():
    snapshot = record("A", "B", 9, 8, 1, flags=SNAPSHOT)
    more = record("A", "B", 10, 8, 1, flags=SNAPSHOT)
    assert expected_depth([BID, ASK, snapshot, more])[:2] == (levels((8, 2, 2)), {})


def test_unknown_ids_are_counted_and_a_modify_of_one_is_an_add():
    depth = expected_depth([record("C", "B", 5, 10, 1), record("M", "B", 6, 10, 4)])
    assert depth.bids == levels((10, 4, 1))
    assert depth.unknown_ids == 2


def test_a_top_of_book_record_replaces_its_side():
    top = record("A", "B", 0, 12, 3, flags=TOP_OF_BOOK)
    depth = expected_depth([BID, record("A", "B", 3, 9, 1), ASK, top])
    assert depth[:2] == (levels((12, 3, 1)), levels((11, 7, 1)))
    emptied = expected_depth([BID, ASK, record("A", "B", 0, None, 0, flags=TOP_OF_BOOK)])
    assert emptied[:2] == ({}, levels((11, 7, 1)))


def test_differences_name_levels_that_are_missing_wrong_or_too_many():
    expected, found = {1: (5, 1), 2: (4, 2), 3: (1, 1)}, {2: (4, 1), 3: (1, 1), 4: (9, 9)}
    assert differences(expected, found) == [
        (1, (5, 1), None),
        (2, (4, 2), (4, 1)),
        (4, None, (9, 9)),
    ]
