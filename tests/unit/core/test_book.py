"""The book as others see it: depth, updates and their ids."""

import pytest

from orderbook.core.book import MAX_EMPTY_LEVELS, Book
from orderbook.core.snapshot import restore, snapshot, state_hash
from tests.unit.core.venue import ALICE, BOB, BUY, SELL, SYMBOL, Venue, market


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def book(venue: Venue) -> Book:
    return venue.engine.books[SYMBOL]


def test_depth_lists_bids_best_first_then_asks_best_first(venue: Venue) -> None:
    for side, price_ticks in ((BUY, 98), (BUY, 99), (BUY, 99), (SELL, 102), (SELL, 101)):
        venue.limit(ALICE, side, price_ticks, 5)
    assert venue.engine.depth(SYMBOL) == [
        (BUY, 99, 10, 2),
        (BUY, 98, 5, 1),
        (SELL, 101, 5, 1),
        (SELL, 102, 5, 1),
    ]


def test_nothing_changed_drains_nothing(book: Book) -> None:
    assert book.drain_changes() is None


def test_changes_are_levels_as_they_are_now_with_contiguous_ids(venue: Venue, book: Book) -> None:
    venue.limit(ALICE, BUY, 98, 5)
    venue.limit(ALICE, BUY, 99, 5)
    venue.limit(ALICE, SELL, 101, 5)
    assert book.drain_changes() == (1, 3, [(BUY, 99, 5, 1), (BUY, 98, 5, 1), (SELL, 101, 5, 1)])
    assert book.drain_changes() is None
    venue.limit(ALICE, BUY, 99, 1)
    venue.cancel(ALICE, 1)
    assert book.drain_changes() == (4, 5, [(BUY, 99, 6, 2), (BUY, 98, 0, 0)])


def test_fills_change_levels(venue: Venue, book: Book) -> None:
    venue.limit(ALICE, SELL, 101, 5)
    venue.limit(ALICE, SELL, 102, 5)
    book.drain_changes()
    venue.do(market(BOB, BUY, 7))
    assert book.drain_changes() == (3, 4, [(SELL, 101, 0, 0), (SELL, 102, 3, 1)])


def test_a_refused_order_changes_no_level(venue: Venue, book: Book) -> None:
    venue.limit(ALICE, SELL, 0, 5)
    assert book.update_id == 0


def test_replaying_the_changes_gives_the_depth(venue: Venue, book: Book) -> None:
    copy: dict[tuple[object, int], tuple[int, int]] = {}
    for number in range(60):
        side = BUY if number % 3 else SELL
        venue.limit(1 + number % 2, side, 95 + (number * 7) % 11, 1 + number % 5)
        if number % 4 == 0:
            venue.cancel(1 + number % 2, number)
        update = book.drain_changes()
        for changed_side, price_ticks, quantity_lots, count in update[2] if update else ():
            if quantity_lots:
                copy[changed_side, price_ticks] = quantity_lots, count
            else:
                del copy[changed_side, price_ticks]
    assert copy == {(side, price): (lots, count) for side, price, lots, count in book.depth()}


def test_draining_leaves_no_trace_in_the_state(venue: Venue, book: Book) -> None:
    venue.limit(ALICE, BUY, 98, 5)
    before = state_hash(venue.engine)
    book.drain_changes()
    assert state_hash(venue.engine) == before


def test_update_ids_go_on_after_a_restart(venue: Venue) -> None:
    venue.limit(ALICE, BUY, 98, 5)
    venue.engine = restore(snapshot(venue.engine))
    book = venue.engine.books[SYMBOL]
    assert book.drain_changes() is None
    venue.limit(ALICE, BUY, 97, 5)
    assert book.drain_changes() == (2, 2, [(BUY, 97, 5, 1)])


def test_the_best_level_is_found_again_after_it_is_emptied(venue: Venue, book: Book) -> None:
    for price_ticks in (101, 102, 103):
        venue.limit(ALICE, SELL, price_ticks, 1)
    venue.cancel(ALICE, 2)
    venue.cancel(ALICE, 1)
    assert book.asks.best is not None
    assert book.asks.best.price_ticks == 103
    venue.cancel(ALICE, 3)
    assert book.asks.best is None


def test_levels_that_one_order_emptied_are_told_as_gone(venue: Venue, book: Book) -> None:
    """More of them than are kept empty."""
    swept = MAX_EMPTY_LEVELS + 12
    for price_ticks in range(101, 101 + swept + 1):
        venue.limit(ALICE, SELL, price_ticks, 1)
    book.drain_changes()
    venue.do(market(BOB, BUY, swept))
    changes = book.drain_changes()
    assert changes is not None
    assert changes[2] == [(SELL, price_ticks, 0, 0) for price_ticks in range(101, 101 + swept)]
    assert venue.engine.depth(SYMBOL) == [(SELL, 101 + swept, 1, 1)]


def test_a_level_that_comes_and_goes_is_noted_once_however_late_the_drain(
    venue: Venue, book: Book
) -> None:
    """Each round empties more levels than are kept, so that all are forgotten and made anew."""
    prices, order_id = range(1, MAX_EMPTY_LEVELS + 3), 0
    for _ in range(3):
        for price_ticks in prices:
            order_id += 1
            venue.limit(ALICE, BUY, price_ticks, 1)
            venue.cancel(ALICE, order_id)
    assert len(book.bids.levels) < len(prices)
    assert len(book.bids.changed) == len(prices)
    venue.limit(ALICE, BUY, 1, 1)
    changes = book.drain_changes()
    assert changes is not None
    assert changes[2] == [(BUY, price, 0, 0) for price in reversed(prices[1:])] + [(BUY, 1, 1, 1)]
    venue.limit(ALICE, BUY, 1, 1)
    assert book.drain_changes() == (changes[1] + 1, changes[1] + 1, [(BUY, 1, 2, 2)])


def test_an_emptied_level_that_has_orders_again_is_kept_with_them(venue: Venue, book: Book) -> None:
    venue.limit(ALICE, BUY, 500, 1)
    venue.cancel(ALICE, 1)
    venue.limit(ALICE, BUY, 500, 2)
    for order_id in range(3, MAX_EMPTY_LEVELS + 3):
        venue.limit(ALICE, BUY, order_id, 1)
        venue.cancel(ALICE, order_id)
    assert list(book.bids.levels) == [500]
    assert book.depth() == [(BUY, 500, 2, 1)]
