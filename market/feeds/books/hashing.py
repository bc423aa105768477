"""Orders by their id and books by their key: the hash tables of the fast books, compiled.

Integers of unlike signs do not mix in compiled code (their sum would be a float), and an unsigned
index spares the test for a negative one: hence the conversions, here and in the other parts.
"""

from typing import Any

import numpy as np

from market.feeds.books.compiling import part
from market.feeds.books.layout import (
    BOOKS_USED,
    LAST_RANK,
    ORDERS_FREE,
    ORDERS_USED,
    SEED,
    UNHASHED,
    Tables,
)

MIX = np.uint64(0xD6E8FEB86659FD93)
SPREAD = np.uint64(0x9E3779B97F4A7C15)
HALF = np.uint64(32)


@part
def bucket_of(tables: Tables, owner: Any, value: Any, buckets: Any) -> Any:
    """``buckets`` is as long as a power of two."""
    mixed = np.uint64(value) ^ np.uint64(tables.control[SEED])
    mixed += np.uint64(owner) * SPREAD
    mixed = (mixed ^ (mixed >> HALF)) * MIX
    mixed ^= mixed >> HALF
    return mixed & np.uint64(len(buckets) - 1)


@part
def find_order(tables: Tables, book: Any, order_id: Any) -> Any:
    """Its index, or 0."""
    found = tables.order_buckets[bucket_of(tables, book, order_id, tables.order_buckets)]
    while found != 0:
        order = tables.orders[found]
        if order.order_id == order_id and order.book == book:
            break
        found = order.chained
    return found


@part
def new_order(tables: Tables, book: Any, order_id: Any) -> Any:
    """``book`` may be UNHASHED."""
    control = tables.control
    index = np.uint32(control[ORDERS_FREE])
    if index != 0:
        control[ORDERS_FREE] = tables.orders[index].next
    else:
        index = np.uint32(control[ORDERS_USED])
        control[ORDERS_USED] += 1
    order = tables.orders[index]
    order.order_id = order_id
    order.book = book
    if book != UNHASHED:
        bucket = bucket_of(tables, book, order_id, tables.order_buckets)
        order.chained = tables.order_buckets[bucket]
        tables.order_buckets[bucket] = index
    return index


@part
def free_order(tables: Tables, index: Any) -> None:
    order = tables.orders[index]
    if order.book != UNHASHED:
        bucket = bucket_of(tables, order.book, order.order_id, tables.order_buckets)
        link = tables.order_buckets[bucket]
        if link == index:
            tables.order_buckets[bucket] = order.chained
        else:
            while tables.orders[link].chained != index:
                link = tables.orders[link].chained
            tables.orders[link].chained = order.chained
    order.book = UNHASHED
    order.next = tables.control[ORDERS_FREE]
    tables.control[ORDERS_FREE] = index


@part
def find_book(tables: Tables, key: Any) -> Any:
    """Its index; a new one where the key was never seen."""
    table = tables.book_table
    slot = bucket_of(tables, 0, key, table)
    while table[slot] != 0:
        known = np.uint32(table[slot] - 1)
        if tables.books[known].key == key:
            return known
        slot = (slot + np.uint64(1)) & np.uint64(len(table) - 1)
    index = np.uint32(tables.control[BOOKS_USED])
    tables.control[BOOKS_USED] += 1
    table[slot] = index + 1
    tables.books[index].key = key
    for half in range(2):
        side = tables.sides[np.uint32(2 * index + half)]
        side.bound = LAST_RANK
        side.stale = 1
    return index
