import pytest

from market.book import DepthGap, ReplicaBook
from market.values import BookLevel
from tests.unit.market.builders import depth, level, update


def book() -> ReplicaBook:
    return ReplicaBook(depth(7, level("buy", 99, 5, 2), level("buy", 98, 1), level("sell", 101, 3)))


def test_levels_come_best_first():
    replica = book()
    replica.apply(update(8, 9, level("buy", 100, 4), level("sell", 103, 1)))
    assert [one.price_ticks for one in replica.bids(10)] == [100, 99, 98]
    assert [one.price_ticks for one in replica.asks(10)] == [101, 103]
    assert replica.bids(1) == (BookLevel(100, 4, 1),)


def test_an_update_replaces_and_removes_levels():
    replica = book()
    replica.apply(update(8, 8, level("buy", 99, 2, 1), level("sell", 101, 0)))
    assert replica.bids(1) == (BookLevel(99, 2, 1),)
    assert replica.asks(1) == ()
    assert replica.update_id == 8


def test_removing_an_unknown_level_is_harmless():
    replica = book()
    replica.apply(update(8, 8, level("sell", 500, 0)))
    assert len(replica.asks(10)) == 1


def test_an_update_that_is_known_already_changes_nothing():
    replica = book()
    assert replica.apply(update(5, 7, level("buy", 99, 1_000))) is False
    assert replica.bids(1) == (BookLevel(99, 5, 2),)


def test_an_update_that_is_known_in_part_is_taken_whole():
    replica = book()
    assert replica.apply(update(6, 9, level("buy", 99, 6))) is True
    assert replica.update_id == 9
    assert replica.bids(1)[0].quantity_lots == 6


def test_a_missing_update_is_refused_and_leaves_the_book_as_it_was():
    replica = book()
    with pytest.raises(DepthGap):
        replica.apply(update(9, 9, level("buy", 99, 1)))
    assert replica.update_id == 7
    assert replica.bids(1)[0].quantity_lots == 5
