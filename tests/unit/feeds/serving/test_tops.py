"""The compiled books write the same tops as are made from the plain ones."""

import json

import numpy as np
import pytest

from market.feeds.books.contract import BookKey
from market.feeds.books.fast import PAGE_BOOKS, FastBooks
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.synthetic import SyntheticPlan, generate
from market.feeds.serving.tops import take_tops
from tests.unit.feeds.books.flow import KEY, flow


@pytest.mark.parametrize("ladder", ["narrow", "wide"])
def test_both_books_give_the_same_tops_after_each_batch(ladder):
    plan = SyntheticPlan(seed=3, record_count=4_000, instruments=3, ladder=ladder)
    records = np.concatenate([batch.copy() for batch in generate(plan)])
    plain, fast = PlainBooks(), FastBooks()
    for start in range(0, len(records), 250):
        batch = records[start : start + 250]
        plain.apply(batch)
        fast.apply(batch)
        tops = take_tops(plain, 10)
        assert tops
        assert sorted(take_tops(fast, 10)) == sorted(tops)


def test_what_has_not_changed_is_not_written_again():
    fast = FastBooks()
    fast.apply(flow("A B 1 100 5", "A A 2 101 7 i=8"))
    assert [top.key.instrument_id for top in take_tops(fast, 5)] == [7, 8]
    assert take_tops(fast, 5) == []
    fast.apply(flow("A B 3 99 1 i=8"))
    assert [top.key.instrument_id for top in take_tops(fast, 5)] == [8]
    assert fast.changed() == []


def test_more_books_than_a_page_has_are_all_written():
    fast, plain = FastBooks(), PlainBooks()
    count = 2 * PAGE_BOOKS + 1
    records = flow(*(f"A B 1 {number} 5 i={number}" for number in range(1, count + 1)))
    for books in (fast, plain):
        books.apply(records)
    assert sorted(take_tops(fast, 10)) == take_tops(plain, 10)
    fast.clear()
    assert len(take_tops(fast, 10)) == count


@pytest.mark.parametrize(
    ("lines", "bids", "asks", "is_crossed"),
    [
        (["R N 0 - 0"], [], [], False),
        (["A B 1 -5 3"], [[-5 * 10**9, 3, 1]], [], False),
        (["A B 1 2 3", "A A 2 2 4"], [[2 * 10**9, 3, 1]], [[2 * 10**9, 4, 1]], True),
        (["A B 1 0 4294967294", "A B 2 0 4294967294"], [[0, 8589934588, 2]], [], False),
    ],
)
def test_the_text_of_unusual_books(lines, bids, asks, is_crossed):
    fast, plain = FastBooks(), PlainBooks()
    for books in (fast, plain):
        books.apply(flow(*lines))
    (top,) = take_tops(fast, 10)
    assert [top] == take_tops(plain, 10)
    told = json.loads(top.text)
    assert (told["bids"], told["asks"], top.is_crossed) == (bids, asks, is_crossed)
    assert BookKey(told["publisher_id"], told["instrument_id"]) == KEY


def test_the_longest_numbers_fit():
    records = flow(*(f"A B {number} 0 4294967294" for number in range(1, 201)))
    records["price"] = -(2**63) + np.arange(200)
    records["ts_recv"] = 2**64 - 1
    records["sequence"] = 2**32 - 1
    records["publisher_id"], records["instrument_id"] = 2**16 - 1, 2**32 - 1
    fast, plain = FastBooks(), PlainBooks()
    for books in (fast, plain):
        books.apply(records)
    assert take_tops(fast, 100) == take_tops(plain, 100)
