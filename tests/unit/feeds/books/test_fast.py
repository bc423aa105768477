import numpy as np
import pytest

from market.feeds.books import kernels, layout
from market.feeds.books.contract import QUEUE_DTYPE, BookHead, BookImage, BookKey, Level, top_dtype
from market.feeds.books.fast import FastBooks, Warmth, warm_up
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    FLAG_LAST,
    MBO_DTYPE,
    NO_PRICE,
    NO_SIZE,
    PRICE_UNITS,
    Records,
)
from tests.unit.feeds.books.flow import KEY, flow, sides

LARGEST = NO_SIZE - 1
LEVELS = 20_000


def built(*lines: str) -> FastBooks:
    books = FastBooks(order_capacity=2)
    books.apply(flow(*lines))
    return books


def orders(prices: np.ndarray, side: int, action: int = ADD) -> Records:
    """One order at each price, with ids from 1 (bids) or from 2^40 (asks)."""
    records = np.zeros(len(prices), MBO_DTYPE)
    records["publisher_id"], records["instrument_id"] = KEY
    records["order_id"] = np.arange(len(prices)) + (1 if side == BID else 2**40)
    records["price"], records["side"], records["action"] = prices, side, action
    records["size"], records["flags"] = 1, FLAG_LAST
    return records


def test_queues_are_in_order_of_arrival_and_what_grows_goes_to_the_back() -> None:
    books = built("A B 1 100 5", "A B 2 100 7", "A B 3 100 1", "M B 2 100 8", "M B 1 100 4")
    assert sides(books) == ([(100, [(1, 4), (3, 1), (2, 8)])], [])


def test_the_last_of_a_queue_stays_where_it_is_when_it_grows() -> None:
    books = built("A B 1 100 5", "A B 2 100 7", "M B 2 100 9")
    assert sides(books) == ([(100, [(1, 5), (2, 9)])], [])
    assert books.levels(KEY, 1) == ([Level(100 * PRICE_UNITS, 14, 2)], [])


def test_books_that_were_never_seen_are_key_errors() -> None:
    books = built("A B 1 100 5")
    for read in (books.head, books.image, books.is_crossed):
        with pytest.raises(KeyError):
            read(BookKey(9, 9))
    with pytest.raises(KeyError):
        books.top(BookKey(9, 9), 1)
    with pytest.raises(KeyError):
        books.levels(BookKey(9, 9), 1)


def test_top_pads_with_levels_that_are_not_there() -> None:
    books = built("A B 1 100 5", "A B 2 100 7", "A A 3 101 1")
    bid_px, bid_sz, bid_ct, ask_px, ask_sz, ask_ct = books.top(KEY, 2)
    assert bid_px.tolist() == [100 * PRICE_UNITS, NO_PRICE]
    assert (bid_sz.tolist(), bid_ct.tolist()) == ([12, 0], [2, 0])
    assert ask_px.tolist() == [101 * PRICE_UNITS, NO_PRICE]
    assert (ask_sz.tolist(), ask_ct.tolist()) == ([1, 0], [1, 0])
    assert [column.dtype.str for column in (bid_px, bid_sz, bid_ct)] == ["<i8", "<u8", "<u4"]


def test_sizes_of_a_level_add_up_beyond_32_bits() -> None:
    records = orders(np.full(1_000, 5), ASK)
    records["size"] = LARGEST
    books = FastBooks(order_capacity=2)
    books.apply(records)
    assert books.levels(KEY, 1) == ([], [Level(5, 1_000 * LARGEST, 1_000)])


def test_prices_at_both_ends_are_in_order_on_both_sides() -> None:
    prices = np.array([0, -(2**63), 2**63 - 2, -1, 1])
    books = FastBooks(order_capacity=2)
    books.apply(orders(prices, BID))
    books.apply(orders(prices, ASK))
    bids, asks = books.levels(KEY, 9)
    assert [level.price for level in asks] == sorted(prices.tolist())
    assert bids == asks[::-1]
    assert books.is_crossed(KEY)


@pytest.mark.parametrize("shape", ["upwards", "downwards", "shuffled"])
def test_a_ladder_of_many_levels_is_in_order_whatever_order_they_came_in(shape: str) -> None:
    prices = np.arange(-LEVELS // 2, LEVELS // 2) * 7
    rng = np.random.default_rng(1)
    came = {"upwards": prices, "downwards": prices[::-1], "shuffled": rng.permutation(prices)}
    books = FastBooks(order_capacity=2)
    books.apply(orders(came[shape], BID))
    books.apply(orders(came[shape], ASK))
    bids, asks = books.levels(KEY, LEVELS)
    assert [level.price for level in asks] == prices.tolist()
    assert bids == asks[::-1]
    gone = rng.permutation(LEVELS)[: LEVELS - 10]
    books.apply(orders(came[shape], BID, CANCEL)[gone])
    left = np.sort(np.delete(came[shape], gone))[::-1]
    assert [level.price for level in books.levels(KEY, LEVELS)[0]] == left.tolist()
    assert books.levels(KEY, LEVELS)[1] == asks


def test_room_that_orders_and_levels_leave_is_used_again() -> None:
    adds = orders(np.arange(1_000), BID)
    cancels = orders(np.arange(1_000), BID, CANCEL)
    books = FastBooks(order_capacity=2)
    for number in range(20):
        books.apply(adds)
        books.apply(cancels)
        if number == 2:
            memory = books.memory_bytes
    assert books.levels(KEY, 1) == ([], [])
    assert books.memory_bytes == memory


def test_as_many_books_as_there_are_instruments() -> None:
    records = orders(np.full(30_000, 5), BID)
    records["instrument_id"] = np.arange(30_000) * 143_165
    records["publisher_id"] = np.arange(30_000) % 3
    books = FastBooks(order_capacity=2)
    books.apply(records)
    columns = records["publisher_id"].tolist(), records["instrument_id"].tolist()
    keys = sorted(zip(*columns, strict=True))
    assert books.keys() == books.changed() == keys
    assert books.changed() == []
    assert all(books.levels(key, 2) == ([Level(5, 1, 1)], []) for key in books.keys()[::100])


def test_ids_of_one_book_are_not_those_of_another() -> None:
    books = built("A B 1 100 5", "A B 1 100 6 i=8", "C B 1 - - i=8")
    assert sides(books) == ([(100, [(1, 5)])], [])
    assert sides(books, BookKey(1, 8)) == ([], [])


def test_records_that_are_a_read_only_or_strided_view_are_taken() -> None:
    records = orders(np.arange(10), BID)
    twice = np.repeat(records, 2)
    mapped = np.frombuffer(records.tobytes(), MBO_DTYPE)
    one, other = FastBooks(order_capacity=2), FastBooks(order_capacity=2)
    one.apply(mapped)
    other.apply(twice[::2])
    assert one.image(KEY).bids.tolist() == other.image(KEY).bids.tolist()
    assert len(one.image(KEY).bids) == 10
    assert len(kernels.apply_records.signatures) == 1  # type: ignore[attr-defined]


def test_room_for_one_row_is_not_compiled_for_anew() -> None:
    books, records, out = FastBooks(), orders(np.arange(3), BID), np.zeros(1, top_dtype(1))
    assert books.apply_with_top(records[:1], 1, out) == 1
    assert out["bid_sz"].tolist() == [[int(records["size"][0])]]
    assert len(kernels.apply_records.signatures) == 1  # type: ignore[attr-defined]


def test_what_is_no_records_is_refused() -> None:
    for wrong in (np.zeros(3, np.uint8), np.zeros((2, 2), MBO_DTYPE)):
        with pytest.raises(ValueError, match="not market-by-order records"):
            FastBooks().apply(wrong)


def test_rows_of_the_wrong_depth_or_too_few_of_them_are_refused() -> None:
    books, records = FastBooks(), orders(np.arange(3), BID)
    with pytest.raises(ValueError, match="depth"):
        books.apply_with_top(records, 2, np.zeros(3, top_dtype(1)))
    with pytest.raises(ValueError, match="depth"):
        books.apply_with_top(records, 0, np.zeros(3, top_dtype(1)))
    with pytest.raises(ValueError, match="room"):
        books.apply_with_top(records, 1, np.zeros(2, top_dtype(1)))
    with pytest.raises(ValueError, match="contiguous"):
        books.apply_with_top(records, 1, np.zeros(6, top_dtype(1))[::2])
    assert books.keys() == []


def test_a_change_behind_the_top_gives_no_row() -> None:
    books, out = FastBooks(), np.zeros(4, top_dtype(1))
    assert books.apply_with_top(flow("A B 1 100 5", "A A 2 101 5"), 1, out) == 2
    behind = flow("A B 3 99 1", "C B 3 99 1", "A A 4 102 1", "M A 4 103 1")
    assert books.apply_with_top(behind, 1, out) == 0
    assert books.apply_with_top(flow("C B 1 100 5"), 1, out) == 1
    assert (out[0]["bid_px"][0], out[0]["ask_px"][0]) == (NO_PRICE, 101 * PRICE_UNITS)
    assert (out[0]["record"], out[0]["flags"]) == (0, FLAG_LAST)


def test_a_clear_forgets_orders_and_keeps_heads_and_counters() -> None:
    books = built("A B 1 100 5", "C B 9 - -", "A A 2 101 1 q=17")
    head, counters = books.head(KEY), books.counters()
    books.changed()
    books.clear()
    assert sides(books) == ([], [])
    assert (books.head(KEY), books.counters(), books.record_count) == (head, counters, 3)
    assert books.changed() == [KEY]
    assert books.image(KEY).in_snapshot
    books.apply(flow("A B 1 99 5"))
    assert sides(books) == ([(99, [(1, 5)])], [])


def test_room_of_levels_that_a_clear_gave_back_counts_no_orders() -> None:
    """What fills the hash table of levels anew knows levels by their counts."""
    books = built("A B 1 100 5", "A B 2 99 5", "A A 3 101 1", "R N 0 - -")
    used = int(books._tables.control[layout.NODES_USED])
    assert used > 3
    assert books._tables.nodes["count"][:used].tolist() == [0] * used


def image(*bids: tuple[int, int, int, int]) -> BookImage:
    queue = np.array(list(bids), QUEUE_DTYPE)
    return BookImage(KEY, BookHead(1, 2, 3, 4), True, queue, np.zeros(0, QUEUE_DTYPE))


def test_an_image_replaces_the_book_and_counts_nothing() -> None:
    books = built("A B 1 100 5", "A A 2 101 1", "C B 9 - -")
    counters = books.counters()
    books.load(image((7, 90, 2, 1), (5, 90, 1, 0), (6, 80, 3, 0)))
    loaded = books.image(KEY)
    assert loaded.bids.tolist() == [(7, 90, 2, 1), (5, 90, 1, 0), (6, 80, 3, 0)]
    assert (len(loaded.asks), loaded.head, loaded.in_snapshot) == (0, (1, 2, 3, 4), True)
    assert (books.counters(), books.record_count) == (counters, 3)


@pytest.mark.parametrize(
    "orders_",
    [
        [(1, 90, 0, 0)],
        [(1, 90, NO_SIZE, 0)],
        [(1, NO_PRICE, 1, 0)],
        [(1, 90, 1, 0), (2, 91, 1, 0)],
        [(1, 90, 1, 0), (1, 89, 1, 0)],
        [(1, 90, 1, 0), (2, 90, 1, 1)],
        [(1, 90, 1, 1), (2, 89, 1, 1)],
    ],
)
def test_an_image_that_no_book_can_have_is_refused_and_changes_nothing(orders_: list) -> None:
    books = built("A B 1 100 5")
    with pytest.raises(ValueError, match="image"):
        books.load(image(*orders_))
    assert sides(books) == ([(100, [(1, 5)])], [])


def test_a_resting_order_takes_no_more_memory_than_documented() -> None:
    books = FastBooks(order_capacity=2)
    books.apply(orders(np.zeros(2**16 - 1, np.int64), BID))
    per_order = layout.ORDER_DTYPE.itemsize + 4
    assert books.memory_bytes < 2 * per_order * 2**16 + 2**16


def test_warming_up_tells_of_every_kernel_before_and_after_it() -> None:
    told: list[Warmth] = []
    warm_up(told.append)
    names = ["apply_records", "rebuild", "read_levels", "read_orders", "write_tops"]
    assert [warmth.kernel for warmth in told] == [name for name in names for _ in range(2)]
    assert [warmth.loaded is None for warmth in told] == [True, False] * len(names)
    assert {(warmth.position, warmth.total) for warmth in told} == {(n, 5) for n in range(1, 6)}
