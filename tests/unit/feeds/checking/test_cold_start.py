"""Trades of a book whose older orders are missing: nothing sound is blamed, and what can be judged
is."""

import numpy as np
import pytest

from market.feeds.books.plain import PlainBooks
from market.feeds.checking.checker import Checker, Limits
from market.feeds.checking.report import Kind
from market.feeds.dbn.synthetic import SyntheticPlan, generate
from tests.unit.feeds.books.flow import flow
from tests.unit.feeds.checking.test_checker import check, found

YOUNGER = ("A B 2 100 7", "A B 3 100 4")
"""Order 1 lies before them, from before the beginning."""


def fill(order_id: int, size: int = 1) -> tuple[str, ...]:
    return ("T A 0 100 1 .", f"F B {order_id} 100 {size}")


def judged(*lines: str) -> tuple[int, int, int]:
    """Trades judged, of these such that consumed the front, and such with makers in doubt."""
    trades = check(flow(*lines))["trades"]
    return trades["judged"], trades["prefix"], trades["with_doubtful_makers"]


def test_an_order_from_before_keeps_a_place_that_the_book_does_not_know() -> None:
    report = check(flow(*YOUNGER, "M B 1 100 5", *fill(1)))
    assert set(found(report)) == {"unknown_modify"}
    assert (report["trades"]["judged"], report["trades"]["with_doubtful_makers"]) == (0, 1)
    assert judged(*YOUNGER, "M B 1 100 5", "T A 0 100 8 .", "F B 1 100 5 .", "F B 2 100 3") == (
        0, 0, 1,
    )  # fmt: skip


def test_trades_of_orders_that_were_added_since_are_judged() -> None:
    assert judged(*YOUNGER, *fill(2)) == (1, 1, 0)
    report = check(flow(*YOUNGER, *fill(3)))
    assert set(found(report)) == {Kind.TRADE_NOT_PREFIX}
    # Wherever order 1 lies: order 2 lies before order 3.
    assert judged(*YOUNGER, "M B 1 100 5", *fill(3)) == (1, 0, 0)
    assert judged("A B 2 100 7", "M B 1 100 5", "A B 3 100 4", *fill(3)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("since", "is_known"),
    [
        ("M B 1 100 6", True),
        ("M B 1 100 5", False),
        ("M B 1 100 4", False),
        ("C B 1 100 2", False),
        ("A B 1 100 5", True),
        ("M N 1 101 6", False),
        ("M B 1 - 6", False),
        ("M B 1 100 -", False),
        ("A B 1 100 -", False),
    ],
)
def test_its_place_is_known_once_it_went_to_the_back(since: str, is_known: bool) -> None:
    assert judged(*YOUNGER, "M B 1 100 5", since, *fill(1)) == (is_known, 0, not is_known)


def test_its_place_is_known_once_it_went_to_another_level_and_back() -> None:
    lines = (*YOUNGER, "M B 1 100 5", "M B 1 99 5", "M B 1 100 5")
    assert judged(*lines, *fill(1)) == (1, 0, 0)


def test_an_id_that_is_used_again_is_another_order() -> None:
    lines = ("M B 1 100 5", "C B 1 100 5", *YOUNGER, "A B 1 100 5")
    assert judged(*lines, *fill(1)) == (1, 0, 0)
    lines = ("M B 1 100 5", "M B 1 100 0", *YOUNGER, "A B 1 100 5")
    assert judged(*lines, *fill(1)) == (1, 0, 0)


@pytest.mark.parametrize("beginning", ["R N 0 - 0", "A B 9 90 1 +snapshot"])
def test_where_the_book_began_anew_an_unknown_order_is_no_excuse(beginning: str) -> None:
    late = ("M B 1 100 5", beginning, *YOUNGER, "M B 1 100 5", *fill(1))
    early = (beginning, *YOUNGER, "M B 1 100 5", *fill(1))
    for lines in (late, early):
        assert judged(*lines) == (1, 0, 0)


def test_a_feed_that_begins_again_may_begin_in_the_middle_again() -> None:
    books = PlainBooks()
    checker = Checker(books, PlainBooks)
    for beginning in (("R N 0 - 0",), ()):
        records = flow(*beginning, *YOUNGER, "M B 1 100 5", *fill(1))
        books.apply(records)
        checker.take(records, np.arange(len(records)))
        books.clear()
        checker.clear()
    trades = checker.finish()["trades"]
    assert (trades["judged"], trades["with_doubtful_makers"]) == (1, 1)


@pytest.mark.parametrize("style", ["cme", "itch"])
def test_a_sound_day_cut_anywhere_is_found_sound(style: str) -> None:
    plan = SyntheticPlan(20_000, 5, style=style, modify_share=0.3, trade_share=0.15)
    day = np.concatenate([part.copy() for part in generate(plan, 5_000)])
    doubtful = 0
    for start in (3_000, 8_111, 12_345, 17_000):
        report = check(day[start:], limits=Limits(min_prefix_percent=100))
        assert report["ok"]
        trades = report["trades"]
        assert trades["prefix"] == trades["judged"] > 0.8 * trades["trades"]
        doubtful += trades["with_doubtful_makers"]
    assert doubtful > 20
