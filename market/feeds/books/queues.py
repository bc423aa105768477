"""The queues of levels, compiled: orders join at the back, and leave from anywhere."""

from typing import Any

import numpy as np

from market.feeds.books.compiling import part
from market.feeds.books.hashing import free_order
from market.feeds.books.ladder import close_level, find_level, open_level
from market.feeds.books.layout import Tables


@part
def touch(tables: Tables, side: Any, rank: Any) -> None:
    """A level is about to change."""
    if rank <= tables.sides[side].bound:
        tables.sides[side].stale = 1


@part
def join_level(tables: Tables, index: Any, side: Any, rank: Any, size: Any) -> None:
    """The order goes to the back of the queue."""
    found = find_level(tables, side, rank)
    if found == 0:
        found = open_level(tables, side, rank)
    level = tables.nodes[found]
    order = tables.orders[index]
    last = level.last
    order.size = size
    order.level = found
    order.next = 0
    order.previous = last
    if last == 0:
        level.first = index
    else:
        tables.orders[last].next = index
    level.last = index
    level.size += size
    level.count += 1


@part
def leave_level(tables: Tables, index: Any) -> None:
    order = tables.orders[index]
    level = tables.nodes[order.level]
    if order.previous == 0:
        level.first = order.next
    else:
        tables.orders[order.previous].next = order.next
    if order.next == 0:
        level.last = order.previous
    else:
        tables.orders[order.next].previous = order.previous
    level.size -= order.size
    level.count -= 1
    if level.count == 0:
        close_level(tables, order.level)


@part
def empty_side(tables: Tables, side: Any) -> None:
    tables.sides[side].stale = 1
    entry = tables.sides[side].entry
    if entry == 0:
        return
    found = tables.nodes[entry].next
    while found != 0:
        index = tables.nodes[found].first
        while index != 0:
            after = tables.orders[index].next
            free_order(tables, index)
            index = after
        after_level = tables.nodes[found].next
        close_level(tables, found)
        found = after_level


@part
def empty_book(tables: Tables, book: Any) -> None:
    empty_side(tables, np.uint32(2 * book))
    empty_side(tables, np.uint32(2 * book + 1))
