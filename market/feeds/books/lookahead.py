"""Fetching into the processor's cache what the next records will need, compiled.

Where the tables are larger than the cache, nearly all of a record's time is waiting for memory:
its order's bucket, then the order, its level, the level's bucket, one after the other. The records
to come are known, so these waits can pass while earlier records are applied. No table changes
here, and what is fetched need not be right: the price of a C may not be that of its order, the
order may have gone when its turn comes, and what was found for another batch may be left over.
Every index that is kept is one of a table, though, and tables never shrink.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from market.feeds.books.compiling import part, rare
from market.feeds.books.hashing import bucket_of
from market.feeds.books.layout import COMING_RECORDS, LOOK_FROM, NODES_USED, ORDERS_USED, Tables
from market.feeds.dbn.records import ADD, ASK, Records

LOOK_RECORDS = 8
"""For so many records at a time: a call would cost too much for each."""
BUCKETS, HEADS, LEVELS, PLACES = 32, 24, 16, 8
"""How many records ahead what is fetched: the buckets of a record's order and level; the first of
each bucket; the level of the order, if it rests already; the bucket of that level, from which it
goes where it is closed. Each finds in the cache what the one before fetched."""
READ, KEEP, DATA = 0, 3, 1


def _fetch(_context: Any, table: Any, index: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, arguments[0])
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        item = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
            context, builder, kind, array, [place], wraparound=False
        )
        byte = builder.bitcast(item, cgutils.voidptr_t)
        words = [ir.Constant(ir.IntType(32), word) for word in (READ, KEEP, DATA)]
        kinds = ir.FunctionType(ir.VoidType(), [byte.type, *(word.type for word in words)])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte.type], kinds)
        builder.call(function, [byte, *words])
        return context.get_dummy_value()

    return types.void(table, index), generate


fetch: Any = intrinsic(_fetch)
"""``fetch(table, index)`` asks the processor for a row, and does not wait for it."""


@part
def is_large(tables: Tables) -> Any:
    control = tables.control
    return control[ORDERS_USED] + control[NODES_USED] > control[LOOK_FROM]


@part
def buckets_of(tables: Tables, record: Any) -> Any:
    """Of its order and of its level, as far as can be told."""
    owner = np.uint64(record.publisher_id) << np.uint64(32) | np.uint64(record.instrument_id)
    known = tables.book_table[bucket_of(tables, 0, owner, tables.book_table)]
    book = np.uint32(known - 1) if known != 0 else np.uint32(0)
    side = np.uint32(2 * book + (record.side == ASK))
    rank = record.price if record.side == ASK else ~record.price
    of_order = bucket_of(tables, book, record.order_id, tables.order_buckets)
    return of_order, bucket_of(tables, side, rank, tables.node_buckets)


@rare
def look_ahead(tables: Tables, records: Records, start: Any) -> None:
    """Before the record at ``start``, and again before each ``LOOK_RECORDS``-th behind it."""
    nodes, coming, last = tables.nodes, tables.coming, COMING_RECORDS - 1
    for index in range(start, min(start + LOOK_RECORDS, len(records) - BUCKETS)):
        found = coming[(index + BUCKETS) & last]
        found.of_order, found.of_level = buckets_of(tables, records[index + BUCKETS])
        fetch(tables.order_buckets, found.of_order)
        fetch(tables.node_buckets, found.of_level)
        found = coming[(index + HEADS) & last]
        order = tables.order_buckets[found.of_order]
        found.order = order if records[index + HEADS].action != ADD else np.uint32(0)
        fetch(tables.orders, order)
        fetch(nodes, tables.node_buckets[found.of_level])
        fetch(nodes, tables.orders[coming[(index + LEVELS) & last].order].level)
        level = nodes[tables.orders[coming[(index + PLACES) & last].order].level]
        bucket = bucket_of(tables, level.side, level.rank, tables.node_buckets)
        fetch(tables.node_buckets, bucket)
