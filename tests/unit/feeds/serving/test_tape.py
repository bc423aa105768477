"""Trades are looked at when somebody asks, and nothing is different for it."""

import numpy as np

from market.feeds.books.contract import BookKey
from market.feeds.serving.tape import FEW, MANY, BookTape, Tape
from tests.unit.feeds.serving.running_feed import KEY, record, records

OTHER = BookKey(2, 17)


def trades(count: int) -> np.ndarray:
    rows = [
        record("T", "B" if number % 3 else "A", number % 7, number % 5 + 1, number, key=key)
        for number in range(1, count + 1)
        for key in (KEY, OTHER)
    ]
    return records(*rows)


def one_by_one(rows: np.ndarray, key: BookKey) -> BookTape:
    tape = BookTape()
    for row in rows[rows["publisher_id"] == key.publisher_id]:
        names = ("price", "size", "side", "ts_recv", "sequence")
        tape.add(*(int(row[name]) for name in names))
    return tape


def test_batches_of_any_size_give_the_same_tape():
    for count, step in ((FEW // 4, 3), (FEW, 50), (MANY, 700)):
        rows, tape = trades(count), Tape()
        for start in range(0, len(rows), step):
            tape.take(rows[start : start + step])
        for key in (KEY, OTHER):
            expected = one_by_one(rows, key)
            assert tape.book(key).messages() == expected.messages()
            assert tape.book(key).sums() == expected.sums()


def test_trades_before_a_new_beginning_are_counted_and_forgotten():
    tape = Tape()
    tape.take(trades(3))
    tape.start_again()
    tape.take(record("T", "B", 9, 2, 1))
    (message,) = tape.book(KEY).messages()
    assert (message.number, tape.book(KEY).sums().count) == (4, 1)


def test_what_waits_does_not_change_with_the_buffer_that_it_came_in():
    rows, tape = trades(2).copy(), Tape()
    tape.take(rows)
    rows["price"] = 0
    assert tape.book(KEY).messages() == one_by_one(trades(2), KEY).messages()
