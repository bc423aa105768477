"""The plain books put their levels in order when somebody looks: when they do must not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.feeds.books.contract import BookKey
from market.feeds.books.plain import PlainBooks
from market.feeds.books.plain_book import PlainBook, _Side
from market.feeds.dbn.records import ADD, ASK, BID, CANCEL, FLAG_LAST, MBO_DTYPE, Records
from tests.property.feeds.comparing import assert_same_orders
from tests.property.feeds.hostile import few_ids

LOOKS = ("top", "best", "in_order", "packed")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from((1, -1)),
    st.sampled_from((0, 200)),
    st.lists(st.sampled_from((*range(-15, 15), -(2**63), 2**63 - 2, *LOOKS, "clear"))),
)
def test_levels_are_in_order_whenever_somebody_looks(
    sign: int, others: int, steps: list[int | str]
) -> None:
    """A price opens its level, or closes it where it is open."""
    side, open_prices = _Side(sign), set(range(100, 100 + others))
    for price in open_prices:
        side.open_level(price)[1] = 5
    for step in steps:
        if step == "clear":
            side.clear()
            open_prices.clear()
        elif isinstance(step, int):
            if step in open_prices:
                side.close_level(step)
            else:
                side.open_level(step)[1] = 5
            open_prices ^= {step}
        else:
            assert_look(side, str(step), sorted(open_prices, reverse=sign == 1))
    assert_look(side, "top", sorted(open_prices, reverse=sign == 1))


def assert_look(side: _Side, look: str, best_first: list[int]) -> None:
    if look == "best":
        assert side.best() == (best_first[0] if best_first else None)
    elif look == "in_order":
        assert [side.sign * rank for rank in side.in_order()] == best_first[::-1]
    elif look == "packed":
        assert side.packed()["price"].tolist() == best_first
    else:
        for depth in (0, 1, 3, 999):
            assert [level.price for level in side.top(depth)] == best_first[:depth]


@pytest.mark.parametrize("level_count", [1, 5, 64, 1_000])
def test_one_change_among_many_levels_and_many_among_few_are_put_right(level_count: int) -> None:
    rng, side = np.random.default_rng(level_count), _Side(-1)
    prices = rng.permutation(3 * level_count).tolist()
    open_prices = set(prices[:level_count])
    for price in open_prices:
        side.open_level(price)
    for changes in (1, 2, level_count // 8, level_count // 8 + 1, level_count):
        chosen = rng.choice(prices, changes, replace=False).tolist()
        for price in chosen + chosen[: changes // 2]:  # some go as they came
            if price in open_prices:
                side.close_level(price)
            else:
                side.open_level(price)
            open_prices ^= {price}
        assert [level.price for level in side.top(9_999)] == sorted(open_prices)


@settings(max_examples=300, deadline=None)
@given(few_ids(), st.lists(st.booleans(), min_size=60, max_size=60))
def test_who_looks_in_between_changes_nothing(records: Records, looks: list[bool]) -> None:
    seen, unseen = PlainBooks(), PlainBooks()
    for number, is_looked_at in zip(range(len(records)), looks, strict=False):
        one = records[number : number + 1]
        seen.apply(one)
        unseen.apply(one)
        if is_looked_at:
            keys = seen.keys()
            for key in keys:
                seen.is_crossed(key)
                seen.levels(key, 2)
    assert_same_orders(seen, unseen)


def test_nobody_looking_keeps_no_more_than_the_levels() -> None:
    """Prices that came and went are not remembered, however many."""
    books, key = PlainBooks(), BookKey(0, 0)
    records = np.zeros(2_000, MBO_DTYPE)
    records["size"], records["flags"] = 1, FLAG_LAST
    records["order_id"] = records["price"] = np.arange(2_000) // 2
    records["action"] = np.tile([ADD, CANCEL], 1_000)
    for side in (BID, ASK):
        records["side"] = side
        books.apply(records)
    book: PlainBook = books.book(key)
    for half in (book.bids, book.asks):
        assert [len(kept) for kept in (half.levels, half.ranks, half.opened, half.closed)] == [
            0
        ] * 4
