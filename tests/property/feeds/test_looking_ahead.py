"""The fast books fetch ahead of their turn what records may need: here in tables of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.feeds.books import layout
from market.feeds.books.contract import BookKey
from market.feeds.books.fast import FastBooks
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import ADD, ASK, BID, CANCEL, FLAG_LAST, MBO_DTYPE, Records
from market.feeds.dbn.synthetic import SyntheticPlan, generate
from tests.property.feeds.comparing import assert_same_orders, batches
from tests.property.feeds.hostile import any_bytes, few_ids, noise


def assert_same(records: Records, size: int) -> None:
    fast, plain = FastBooks(order_capacity=2), PlainBooks()
    fast._tables.control[layout.LOOK_FROM] = 0
    for batch in batches(records, size):
        fast.apply(batch)
        plain.apply(batch)
    assert_same_orders(fast, plain)
    assert_kept_indices_are_of_tables(fast)


def assert_kept_indices_are_of_tables(books: FastBooks) -> None:
    tables = books._tables
    assert tables.coming["of_order"].max() < len(tables.order_buckets)
    assert tables.coming["of_level"].max() < len(tables.node_buckets)
    assert tables.coming["order"].max() < len(tables.orders)
    assert tables.orders["level"].max() < len(tables.nodes)


@settings(max_examples=200, deadline=None)
@given(few_ids(200) | any_bytes(200), st.sampled_from((1, 33, 41, 1_000)))
def test_whatever_comes_looking_ahead_changes_nothing(records: Records, size: int) -> None:
    assert_same(records, size)


@pytest.mark.parametrize("size", [1, 32, 33, 40, 41, 500, 6_000])
@pytest.mark.parametrize("ladder", ["narrow", "wide"])
def test_batches_of_any_size_give_the_same_books(size: int, ladder: str) -> None:
    plan = SyntheticPlan(record_count=6_000, instruments=3, ladder=ladder, clear_every=1_500)
    assert_same(np.concatenate([batch.copy() for batch in generate(plan)]), size)
    assert_same(noise(size, 4_000), size)


def test_tables_that_are_large_are_looked_at_ahead_and_stay_the_same() -> None:
    """Orders on levels of their own that come, grow the tables, move and go at random."""
    count, rng = layout.LARGE, np.random.default_rng(5)
    adds = np.zeros(count, MBO_DTYPE)
    adds["action"], adds["size"], adds["flags"] = ADD, 3, FLAG_LAST
    adds["order_id"] = rng.permutation(count) + 2**40
    adds["side"] = np.where(adds["order_id"] % 2, BID, ASK)
    adds["price"] = rng.permutation(count)
    cancels = adds[rng.permutation(count)]
    cancels["action"] = CANCEL
    fast, plain = FastBooks(order_capacity=2), PlainBooks()
    for records in (adds, cancels[: count // 2], adds[::2], cancels):
        fast.apply(records)
        plain.apply(records)
        key = BookKey(0, 0)
        assert fast.image(key).bids.tolist() == plain.image(key).bids.tolist()
        assert fast.image(key).asks.tolist() == plain.image(key).asks.tolist()
        assert fast.counters() == plain.counters()
    assert_kept_indices_are_of_tables(fast)
    assert fast._tables.coming["order"].any()


def test_small_tables_are_not_looked_at_ahead() -> None:
    books = FastBooks()
    books.apply(noise(1, 1_000))
    assert not books._tables.coming["of_order"].any()
