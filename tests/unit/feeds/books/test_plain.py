import numpy as np
import pytest

from market.feeds.books.contract import (
    QUEUE_DTYPE,
    Anomaly,
    BookHead,
    BookImage,
    BookKey,
    Level,
    state_hash,
    top_dtype,
)
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import FLAG_LAST, NO_PRICE, NO_SIZE, PRICE_UNITS
from tests.unit.feeds.books.flow import KEY, START_NS, flow, sides

BASIS = ("A B 1 100 5", "A B 2 100 7", "A B 3 99 1", "A A 4 101 2", "A A 5 102 3")


def built(*lines: str) -> PlainBooks:
    books = PlainBooks()
    books.apply(flow(*lines))
    return books


def counted(books: PlainBooks) -> dict[Anomaly, int]:
    return {kind: count for kind, count in books.counters().items() if count}


def test_levels_are_best_first_and_queues_in_order_of_arrival() -> None:
    books = built(*BASIS)
    assert sides(books) == (
        [(100, [(1, 5), (2, 7)]), (99, [(3, 1)])],
        [(101, [(4, 2)]), (102, [(5, 3)])],
    )
    bids, asks = books.levels(KEY, 1)
    assert bids == [Level(100 * PRICE_UNITS, 12, 2)]
    assert asks == [Level(101 * PRICE_UNITS, 2, 1)]
    assert books.levels(KEY, 0) == ([], [])


@pytest.mark.parametrize(
    ("line", "bids", "asks", "anomalies"),
    [
        ("C B 1 100 2", [(100, [(1, 3), (2, 7)]), (99, [(3, 1)])], None, {}),
        ("C B 1 100 5", [(100, [(2, 7)]), (99, [(3, 1)])], None, {}),
        ("C A 1 777 5", [(100, [(2, 7)]), (99, [(3, 1)])], None, {}),
        ("C B 3 99 1", [(100, [(1, 5), (2, 7)])], None, {}),
        ("C B 3 99 2", [(100, [(1, 5), (2, 7)])], None, {Anomaly.OVER_CANCEL: 1}),
        ("C B 3 99 -", [(100, [(1, 5), (2, 7)])], None, {Anomaly.OVER_CANCEL: 1}),
        ("C B 3 99 0", None, None, {Anomaly.ZERO_SIZE: 1}),
        ("C B 9 99 0", None, None, {Anomaly.ZERO_SIZE: 1}),
        ("C B 9 99 1", None, None, {Anomaly.UNKNOWN_CANCEL: 1}),
        ("M B 1 100 4", [(100, [(1, 4), (2, 7)]), (99, [(3, 1)])], None, {}),
        ("M B 1 100 5", None, None, {}),
        ("M B 1 100 6", [(100, [(2, 7), (1, 6)]), (99, [(3, 1)])], None, {}),
        ("M B 1 99 5", [(100, [(2, 7)]), (99, [(3, 1), (1, 5)])], None, {}),
        ("M B 3 98 1", [(100, [(1, 5), (2, 7)]), (98, [(3, 1)])], None, {}),
        (
            "M A 3 101 1",
            [(100, [(1, 5), (2, 7)])],
            [(101, [(4, 2), (3, 1)]), (102, [(5, 3)])],
            {Anomaly.SIDE_CHANGE: 1},
        ),
        (
            "M B 9 99 4",
            [(100, [(1, 5), (2, 7)]), (99, [(3, 1), (9, 4)])],
            None,
            {Anomaly.UNKNOWN_MODIFY: 1},
        ),
        ("M B 3 99 0", [(100, [(1, 5), (2, 7)])], None, {Anomaly.ZERO_SIZE: 1}),
        ("M B 9 99 0", None, None, {Anomaly.ZERO_SIZE: 1}),
        ("M B 3 99 -", None, None, {Anomaly.ZERO_SIZE: 1}),
        ("M N 3 99 0", None, None, {Anomaly.NO_SIDE: 1}),
        ("M B 3 - 0", None, None, {Anomaly.NO_PRICE: 1}),
        ("A N 9 - 0", None, None, {Anomaly.NO_SIDE: 1}),
        ("A B 9 - 0", None, None, {Anomaly.NO_PRICE: 1}),
        ("A B 1 99 0", None, None, {Anomaly.ZERO_SIZE: 1}),
        ("A B 9 99 -", None, None, {Anomaly.ZERO_SIZE: 1}),
        (
            "A B 1 100 5",
            [(100, [(2, 7), (1, 5)]), (99, [(3, 1)])],
            None,
            {Anomaly.DUPLICATE_ADD: 1},
        ),
        (
            "A A 3 101 5",
            [(100, [(1, 5), (2, 7)])],
            [(101, [(4, 2), (3, 5)]), (102, [(5, 3)])],
            {Anomaly.DUPLICATE_ADD: 1},
        ),
        ("R N 0 - 0", [], [], {}),
        ("R B 0 - 0", [], [], {}),
        ("T A 1 100 5", None, None, {}),
        ("F B 1 100 5", None, None, {}),
        ("N N 1 100 5", None, None, {}),
        ("X B 1 100 5", None, None, {Anomaly.UNKNOWN_ACTION: 1}),
        ("A B 9 98 4 +tob", [(98, [(9, 4)])], None, {}),
        ("A B 4 98 4 +tob", [(98, [(4, 4)])], None, {}),
        ("A B 9 - 4 +tob", [], None, {}),
        ("A B 9 - - +tob", [], None, {}),
        ("A B 9 98 0 +tob", [], None, {}),
        ("A B 9 98 - +tob", None, None, {Anomaly.ZERO_SIZE: 1}),
        ("A N 9 98 4 +tob", None, None, {Anomaly.NO_SIDE: 1}),
        ("A B 9 98 4 +snapshot", [(98, [(9, 4)])], [], {}),
        ("A N 9 98 4 +snapshot", [], [], {Anomaly.NO_SIDE: 1}),
        (
            "M B 9 99 4 +snapshot +tob",
            [(100, [(1, 5), (2, 7)]), (99, [(3, 1), (9, 4)])],
            None,
            {Anomaly.UNKNOWN_MODIFY: 1},
        ),
    ],
)
def test_a_record_does_what_the_rules_say(line, bids, asks, anomalies) -> None:
    before = sides(built(*BASIS))
    books = built(*BASIS, line)
    assert sides(books) == (
        before[0] if bids is None else bids,
        before[1] if asks is None else asks,
    )
    assert counted(books) == anomalies


@pytest.mark.parametrize(
    ("between", "survives"),
    [
        ("T N 0 1 1", True),
        ("F B 1 1 1", True),
        ("N N 0 1 1", True),
        ("A B 8 90 1", False),
        ("A N 8 90 1", False),
        ("C B 77 90 1", False),
        ("M B 1 100 5", False),
        ("X B 1 100 5", False),
        ("A B 8 90 1 +snapshot +tob", False),
    ],
)
def test_a_snapshot_goes_on_until_the_book_changes_otherwise(between: str, survives: bool) -> None:
    books = built("A B 1 100 5 +snapshot", between, "A A 2 101 5 +snapshot")
    bids, asks = sides(books)
    assert asks == [(101, [(2, 5)])]
    assert (100, [(1, 5)]) in bids if survives else (100, [(1, 5)]) not in bids


def test_a_clear_begins_a_snapshot_whatever_its_flags() -> None:
    books = built(*BASIS, "R N 0 - 0", "A B 1 100 5 +snapshot", "A B 2 100 5 +snapshot")
    assert sides(books) == ([(100, [(1, 5), (2, 5)])], [])


def test_no_record_finds_an_anonymous_order() -> None:
    books = built("A B 9 98 4 +tob", "C B 9 98 4", "M B 9 97 4", "A B 8 98 1")
    assert sides(books)[0] == [(98, [(9, 4), (8, 1)]), (97, [(9, 4)])]
    assert counted(books) == {Anomaly.UNKNOWN_CANCEL: 1, Anomaly.UNKNOWN_MODIFY: 1}
    assert books.image(KEY).bids["anonymous"].tolist() == [1, 0, 0]


def test_orders_of_a_replaced_side_are_forgotten() -> None:
    books = built(*BASIS, "A B 9 98 4 +tob", "C B 1 100 5", "A B 2 100 1")
    assert counted(books) == {Anomaly.UNKNOWN_CANCEL: 1}
    assert sides(books)[0] == [(100, [(2, 1)]), (98, [(9, 4)])]


def test_prices_may_be_negative_and_far_apart() -> None:
    books = built("A B 1 -5 1", "A B 2 -500000 1", "A A 3 900000 1", "A A 4 -4 1")
    assert [price for price, _ in sides(books)[0]] == [-5, -500000]
    assert [price for price, _ in sides(books)[1]] == [-4, 900000]


def test_the_greatest_ids_are_kept_apart_from_anonymous_ones() -> None:
    greatest = 2**64 - 1
    books = built(f"A B {greatest} 5 1", f"A A {greatest} 7 2 +tob")
    assert sides(books) == ([(5, [(greatest, 1)])], [(7, [(greatest, 2)])])


def test_a_crossed_book_is_shown_crossed() -> None:
    books = built("A B 1 100 1", "A A 2 100 1")
    assert books.is_crossed(KEY)
    books.apply(flow("C A 2 100 1"))
    assert not books.is_crossed(KEY)


def test_books_do_not_touch_each_other() -> None:
    books = built(
        "A B 1 100 1", "A B 1 200 2 i=8", "A B 1 300 3 p=2", "R N 0 - 0 i=8", "C B 1 100 1"
    )
    keys = [BookKey(1, 7), BookKey(1, 8), BookKey(2, 7)]
    assert books.keys() == keys
    assert [sides(books, key)[0] for key in keys] == [[], [], [(300, [(1, 3)])]]
    assert books.head(BookKey(1, 8)).sequence == 3
    assert not counted(books)


def test_any_number_of_records_at_a_time_gives_the_same_books() -> None:
    records = flow(*(line for _ in range(3) for line in (*BASIS, "A A 9 99 1 i=8", "R N 0 - 0")))
    whole = PlainBooks()
    whole.apply(records[:-1])
    for size in range(1, len(records)):
        books = PlainBooks()
        for start in range(0, len(records) - 1, size):
            books.apply(records[start : min(start + size, len(records) - 1)])
        assert state_hash(map(books.image, books.keys())) == state_hash(
            map(whole.image, whole.keys())
        )
        assert books.head(KEY) == whole.head(KEY)
        assert books.record_count == whole.record_count == len(records) - 1
        assert books.counters() == whole.counters()


def test_the_head_is_that_of_the_last_record_whatever_it_did() -> None:
    books = built(*BASIS, "N N 0 - 0 q=77")
    assert books.head(KEY) == BookHead(
        START_NS + 5 * 10**9, START_NS + 5 * 10**9 - 500, 77, FLAG_LAST
    )


def test_a_book_that_was_never_seen_is_a_key_error() -> None:
    books = built(*BASIS)
    for read in (books.head, books.image, books.is_crossed, lambda key: books.levels(key, 1)):
        with pytest.raises(KeyError):
            read(BookKey(1, 99))


def test_changed_names_books_once() -> None:
    books = built(*BASIS, "A B 1 1 1 i=8")
    assert books.changed() == [KEY, BookKey(1, 8)]
    assert books.changed() == []
    books.apply(flow("N N 0 - 0 i=8"))
    assert books.changed() == [BookKey(1, 8)]
    books.load(books.image(KEY))
    assert books.changed() == [KEY]
    books.clear()
    assert books.changed() == [KEY, BookKey(1, 8)]


def test_clear_forgets_orders_and_keeps_the_rest() -> None:
    books = built(*BASIS, "C B 99 1 1")
    head = books.head(KEY)
    books.clear()
    assert sides(books) == ([], [])
    assert (books.head(KEY), books.record_count) == (head, 6)
    assert counted(books) == {Anomaly.UNKNOWN_CANCEL: 1}
    books.apply(flow("A B 1 1 1", "C B 1 1 1"))
    assert counted(books) == {Anomaly.UNKNOWN_CANCEL: 1}


def test_an_image_is_enough_to_go_on_from() -> None:
    beginning = ("A B 9 98 4 +tob", *BASIS, "A A 6 99 1 i=8 +snapshot")
    rest = ("M B 2 100 7", "C A 4 101 1", "M B 9 97 2", "A A 7 99 1 i=8 +snapshot")
    whole = built(*beginning, *rest)
    books = PlainBooks()
    for image in map((begun := built(*beginning)).image, begun.keys()):
        books.load(image)
    assert books.record_count == 0
    books.apply(flow(*beginning, *rest)[len(beginning) :])
    assert state_hash(map(books.image, books.keys())) == state_hash(map(whole.image, whole.keys()))
    for key in (KEY, BookKey(1, 8)):
        assert books.image(key)[1:3] == whole.image(key)[1:3]


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([(1, 5, 0, 0)], []),
        ([(1, 5, NO_SIZE, 0)], []),
        ([(1, NO_PRICE, 1, 0)], []),
        ([(1, 5, 1, 0), (2, 6, 1, 0)], []),
        ([], [(1, 6, 1, 0), (2, 5, 1, 0)]),
        ([(1, 5, 1, 0)], [(1, 6, 1, 0)]),
        ([(1, 5, 1, 1), (2, 4, 1, 1)], []),
        ([(1, 5, 1, 0), (2, 5, 1, 1)], []),
    ],
)
def test_an_image_that_no_book_can_have_is_refused_and_changes_nothing(bids, asks) -> None:
    books = built(*BASIS)
    before = sides(books)
    image = BookImage(
        KEY, BookHead(0, 0, 0, 0), False, np.array(bids, QUEUE_DTYPE), np.array(asks, QUEUE_DTYPE)
    )
    with pytest.raises(ValueError, match=r"order|size"):
        books.load(image)
    assert sides(books) == before


def test_rows_tell_of_events_that_changed_the_top() -> None:
    records = flow(
        "A B 1 100 5 .",
        "A A 2 101 5",
        "A B 3 99 5",
        "A B 4 100 5 .",
        "C B 4 100 5",
        "A B 1 50 2 i=8",
        "C B 1 100 5",
    )
    books, out = PlainBooks(), np.empty(7, top_dtype(1))
    rows = out[: books.apply_with_top(records, 1, out)]
    assert rows["record"].tolist() == [1, 5, 6]
    assert rows["instrument_id"].tolist() == [7, 8, 7]
    assert (rows["bid_px"][:, 0] // PRICE_UNITS).tolist() == [100, 50, 99]
    assert rows["bid_sz"][:, 0].tolist() == [5, 2, 5]
    assert rows["ask_px"][:, 0].tolist() == [101 * PRICE_UNITS, NO_PRICE, 101 * PRICE_UNITS]
    assert rows["ask_ct"][:, 0].tolist() == [1, 0, 1]
    assert books.record_count == 7


def test_rows_need_room_and_a_depth() -> None:
    with pytest.raises(ValueError, match="row for each"):
        PlainBooks().apply_with_top(flow(*BASIS), 1, np.empty(2, top_dtype(1)))
    with pytest.raises(ValueError, match="depth"):
        PlainBooks().apply_with_top(flow(*BASIS), 0, np.empty(9, top_dtype(1)))
