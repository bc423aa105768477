import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.feeds.books.contract import top_dtype
from market.feeds.books.fast import FastBooks
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import Records
from market.feeds.dbn.synthetic import SyntheticPlan, generate
from tests.property.feeds.comparing import (
    assert_resumes,
    assert_same_orders,
    assert_same_rows,
    assert_same_top,
    batches,
    events,
    final_state,
)
from tests.property.feeds.hostile import any_bytes, few_ids, noise

BATCH_SIZES = (1, 2, 7, 1000)
often = settings(max_examples=300, deadline=None)


def small_file(seed: int) -> Records:
    """Few orders, so that all of them can be compared after every record."""
    plan = SyntheticPlan(
        record_count=300,
        seed=seed,
        instruments=1 + seed % 3,
        publishers=1 + seed % 2,
        ladder=("narrow", "wide")[seed % 2],
        style=("cme", "itch")[seed // 2 % 2],
        clear_every=(0, 50)[seed // 4 % 2],
        resting_orders=20,
    )
    return np.concatenate([batch.copy() for batch in generate(plan)])


def large_file(seed: int) -> Records:
    plan = SyntheticPlan(
        record_count=6_000,
        seed=seed,
        instruments=1 + seed % 4,
        ladder=("narrow", "wide")[seed % 2],
        style=("cme", "itch")[seed // 2 % 2],
        clear_every=2_000,
    )
    return np.concatenate([batch.copy() for batch in generate(plan)])


def assert_same_after_each(parts: list[Records], look: int) -> None:
    """Tops after each part, every order after each ``look``-th and the last."""
    fast, plain = FastBooks(order_capacity=2), PlainBooks()
    for number, part in enumerate(parts, 1):
        fast.apply(part)
        plain.apply(part)
        assert_same_top(fast, plain)
        if number % look == 0 or number == len(parts):
            assert_same_orders(fast, plain)


@often
@given(few_ids() | any_bytes())
def test_whatever_comes_both_books_are_the_same_after_each_record(records: Records) -> None:
    assert_same_after_each(list(batches(records, 1)), look=1)


@often
@given(few_ids() | any_bytes(), st.sampled_from((1, 2, 10)), st.sampled_from((1, 7, 1000)))
def test_whatever_comes_both_give_the_same_rows(records: Records, depth: int, size: int) -> None:
    assert_same_rows(records, depth, size)


@often
@given(few_ids(), st.integers(0, 60))
def test_images_of_whatever_came_are_enough_to_go_on(records: Records, cut: int) -> None:
    assert_resumes(records, min(cut, len(records)))


@settings(max_examples=100, deadline=None)
@given(few_ids(), st.lists(st.sampled_from(("apply", "top 1", "top 3", "clear", "load"))))
def test_calls_in_any_order_leave_the_same_books(records: Records, calls: list[str]) -> None:
    fast, plain = FastBooks(order_capacity=2), PlainBooks()
    parts = np.array_split(np.arange(len(records)), len(calls) or 1)
    for call, part in zip(calls, parts, strict=False):
        chosen = records[part]
        assert _called(fast, call, chosen) == _called(plain, call, chosen)
        assert_same_orders(fast, plain)
        assert_same_top(fast, plain)


def _called(books, call: str, records: Records) -> object:
    if call.startswith("top"):
        depth = int(call[4:])
        out = np.zeros(len(records), top_dtype(depth))
        return out[: books.apply_with_top(records, depth, out)].tobytes()
    books.apply(records)
    if call == "clear":
        books.clear()
    if call == "load":
        for key in books.keys()[:1]:
            books.load(books.image(key))
    return None


@pytest.mark.parametrize("seed", range(100))
def test_generated_files_give_the_same_books_after_each_record(seed: int) -> None:
    records = small_file(seed)
    assert_same_after_each(list(batches(records, 1)), look=1)
    assert assert_same_rows(records, 1 + seed % 10, 64) > 0
    assert_resumes(records, len(records) // 2)
    whole = final_state(records, len(records))
    for size in BATCH_SIZES:
        assert final_state(records, size) == whole


@pytest.mark.parametrize("seed", range(100, 110))
def test_longer_generated_files_give_the_same_books_after_each_event(seed: int) -> None:
    records = large_file(seed)
    assert_same_after_each(list(events(records)), look=500)
    assert_resumes(records, len(records) // 3)


@pytest.mark.parametrize("seed", range(10))
def test_long_noise_gives_the_same_books(seed: int) -> None:
    records = noise(seed, 5_000)
    assert_same_after_each(list(batches(records, 250)), look=1)
    assert_same_rows(records, 3, 500)
    whole = final_state(records, len(records))
    for size in BATCH_SIZES:
        assert final_state(records, size) == whole
