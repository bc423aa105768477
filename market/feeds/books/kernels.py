"""Applying records to the fast books, compiled. ``layout`` says what the tables are."""

from typing import Any

import numpy as np

from market.feeds.books.compiling import kernel, part
from market.feeds.books.contract import ANOMALIES, Anomaly
from market.feeds.books.hashing import bucket_of, find_book, find_order, free_order, new_order
from market.feeds.books.layout import (
    BOOKS_USED,
    LAST_RANK,
    NODES_USED,
    ORDERS_USED,
    SPARE_NODES,
    UNHASHED,
    Rows,
    Tables,
)
from market.feeds.books.lookahead import LOOK_RECORDS, is_large, look_ahead
from market.feeds.books.queues import empty_book, empty_side, join_level, leave_level, touch
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOB,
    MODIFY,
    NO_PRICE,
    NO_SIZE,
    NONE,
    TRADE,
    Records,
)

UNKNOWN_CANCEL = ANOMALIES.index(Anomaly.UNKNOWN_CANCEL)
UNKNOWN_MODIFY = ANOMALIES.index(Anomaly.UNKNOWN_MODIFY)
DUPLICATE_ADD = ANOMALIES.index(Anomaly.DUPLICATE_ADD)
OVER_CANCEL = ANOMALIES.index(Anomaly.OVER_CANCEL)
SIDE_CHANGE = ANOMALIES.index(Anomaly.SIDE_CHANGE)
PRICELESS = ANOMALIES.index(Anomaly.NO_PRICE)
ZERO_SIZE = ANOMALIES.index(Anomaly.ZERO_SIZE)
NO_SIDE = ANOMALIES.index(Anomaly.NO_SIDE)
UNKNOWN_ACTION = ANOMALIES.index(Anomaly.UNKNOWN_ACTION)

DONE, MORE_ORDERS, MORE_NODES, MORE_BOOKS = range(4)
"""Why ``apply_records`` returned."""

NOTHING, RESIZE, REMOVE, MOVE, INSERT, INSERT_ANONYMOUS = range(6)
"""What a record does to its order."""


@part
def judge_add(tables: Tables, book: Any, record: Any) -> Any:
    """What to do, and with which order (0: a new one)."""
    nobody = np.uint32(0)
    if record.flags & FLAG_SNAPSHOT == 0:
        tables.books[book].in_snapshot = 0
    elif tables.books[book].in_snapshot == 0:
        empty_book(tables, book)
        tables.books[book].in_snapshot = 1
    replaces = record.flags & FLAG_TOB != 0
    if record.side != BID and record.side != ASK:
        tables.counters[NO_SIDE] += 1
        return NOTHING, nobody
    if record.price == NO_PRICE and not replaces:
        tables.counters[PRICELESS] += 1
        return NOTHING, nobody
    sized = record.size != NO_SIZE or record.price == NO_PRICE
    if not sized or (record.size == 0 and not replaces):
        tables.counters[ZERO_SIZE] += 1
        return NOTHING, nobody
    if replaces:
        empty_side(tables, np.uint32(2 * book + (record.side == ASK)))
        if record.price == NO_PRICE or record.size == 0:
            return NOTHING, nobody
        return INSERT_ANONYMOUS, nobody
    index = find_order(tables, book, record.order_id)
    if index == 0:
        return INSERT, index
    tables.counters[DUPLICATE_ADD] += 1
    return MOVE, index


@part
def judge_cancel(tables: Tables, book: Any, record: Any) -> Any:
    tables.books[book].in_snapshot = 0
    if record.size == 0:
        tables.counters[ZERO_SIZE] += 1
        return NOTHING, np.uint32(0)
    index = find_order(tables, book, record.order_id)
    if index == 0:
        tables.counters[UNKNOWN_CANCEL] += 1
        return NOTHING, index
    resting = tables.orders[index].size
    if record.size < resting:
        return RESIZE, index
    if record.size > resting:
        tables.counters[OVER_CANCEL] += 1
    return REMOVE, index


@part
def judge_modify(tables: Tables, book: Any, record: Any) -> Any:
    tables.books[book].in_snapshot = 0
    nobody = np.uint32(0)
    if record.side != BID and record.side != ASK:
        tables.counters[NO_SIDE] += 1
        return NOTHING, nobody
    if record.price == NO_PRICE:
        tables.counters[PRICELESS] += 1
        return NOTHING, nobody
    if record.size == NO_SIZE:
        tables.counters[ZERO_SIZE] += 1
        return NOTHING, nobody
    index = find_order(tables, book, record.order_id)
    if record.size == 0:
        tables.counters[ZERO_SIZE] += 1
        return (NOTHING if index == 0 else REMOVE), index
    if index == 0:
        tables.counters[UNKNOWN_MODIFY] += 1
        return INSERT, index
    order = tables.orders[index]
    level = tables.nodes[order.level]
    if (level.side & 1) != (record.side == ASK):
        tables.counters[SIDE_CHANGE] += 1
        return MOVE, index
    rank = record.price if record.side == ASK else ~record.price
    if rank == level.rank and (record.size <= order.size or order.next == 0):
        return RESIZE, index  # the last of its queue need not go to its back
    return MOVE, index


@part
def judge(tables: Tables, book: Any, record: Any) -> Any:
    action = record.action
    if action == ADD:
        return judge_add(tables, book, record)
    if action == CANCEL:
        return judge_cancel(tables, book, record)
    if action == MODIFY:
        return judge_modify(tables, book, record)
    if action == CLEAR:
        empty_book(tables, book)
        tables.books[book].in_snapshot = 1
    elif action != TRADE and action != FILL and action != NONE:
        tables.counters[UNKNOWN_ACTION] += 1
        tables.books[book].in_snapshot = 0
    return NOTHING, np.uint32(0)


@part
def resize(tables: Tables, index: Any, record: Any) -> None:
    order = tables.orders[index]
    size = record.size
    if record.action == CANCEL:
        size = np.uint32(order.size - size)
    level = tables.nodes[order.level]
    touch(tables, level.side, level.rank)
    level.size += np.uint64(size) - np.uint64(order.size)
    order.size = size


@part
def change(tables: Tables, book: Any, record: Any) -> None:
    """What one record does to its book."""
    deed, index = judge(tables, book, record)
    if deed == NOTHING:
        return
    if deed == RESIZE:
        resize(tables, index, record)
        return
    if deed in (REMOVE, MOVE):
        level = tables.nodes[tables.orders[index].level]
        touch(tables, level.side, level.rank)
        leave_level(tables, index)
        if deed == REMOVE:
            free_order(tables, index)
            return
    else:
        owner = np.uint32(UNHASHED) if deed == INSERT_ANONYMOUS else book
        index = new_order(tables, owner, record.order_id)
    side = np.uint32(2 * book + (record.side == ASK))
    rank = record.price if record.side == ASK else ~record.price
    touch(tables, side, rank)
    join_level(tables, index, side, rank, record.size)


@part
def update_line(tables: Tables, side: Any, line: Any) -> Any:
    """Writes a side's best levels into ``line``. Returns whether it was otherwise.

    Where there are more levels than that, what happens behind them is of no interest from now on.
    """
    state = tables.sides[side]
    found = tables.nodes[state.entry].next if state.entry != 0 else np.uint32(0)
    bound = np.int64(LAST_RANK)
    differs = False
    for place in range(line.shape[1]):
        price, size, count = np.int64(NO_PRICE), np.int64(0), np.int64(0)
        bound = np.int64(LAST_RANK)
        if found != 0:
            level = tables.nodes[found]
            bound = level.rank
            price = bound if side & 1 else ~bound
            size, count = np.int64(level.size), np.int64(level.count)
            found = level.next
        differs |= (line[0, place] != price) | (line[1, place] != size) | (line[2, place] != count)
        line[0, place], line[1, place], line[2, place] = price, size, count
    state.bound = bound
    state.stale = 0
    return differs


@part
def update_top(tables: Tables, book: Any, lines: Any) -> Any:
    differs = False
    for half in range(2):
        side = np.uint32(2 * book + half)
        if tables.sides[side].stale != 0:
            differs |= update_line(tables, side, lines[side])
    return differs


@part
def write_row(rows: Rows, row: Any, index: Any, record: Any, lines: Any, book: Any) -> None:
    head = rows.heads[row]
    head.record = index
    head.publisher_id = record.publisher_id
    head.instrument_id = record.instrument_id
    head.ts_recv = record.ts_recv
    head.ts_event = record.ts_event
    head.sequence = record.sequence
    head.flags = record.flags
    for half in range(2):
        line = lines[np.uint32(2 * book + half)]
        for place in range(line.shape[1]):
            rows.prices[row, half, place] = line[0, place]
            rows.sizes[row, half, place] = line[1, place]
            rows.counts[row, half, place] = line[2, place]


@part
def see(tables: Tables, book: Any, record: Any) -> None:
    seen = tables.books[book]
    seen.ts_recv = record.ts_recv
    seen.ts_event = record.ts_event
    seen.sequence = record.sequence
    seen.flags = record.flags
    seen.changed = 1


@part
def shortage(tables: Tables) -> Any:
    """What the next record may not find enough of, or DONE."""
    control = tables.control
    if control[ORDERS_USED] >= len(tables.orders):
        return MORE_ORDERS
    if control[NODES_USED] + SPARE_NODES > len(tables.nodes):
        return MORE_NODES
    if control[BOOKS_USED] >= len(tables.books):
        return MORE_BOOKS
    return DONE


@kernel
def apply_records(
    tables: Tables, records: Records, start: int, lines: Any, rows: Rows, row_count: int
) -> tuple[int, int, int]:
    """Applies records from ``start`` on: (the first that was not applied, rows, why it stopped).

    Where ``lines`` has one for each side (prices, sizes and counts of its best levels), a row is
    written for each record with FLAG_LAST that changed a line, which is brought up to date.
    """
    key, book = np.uint64(0), np.uint32(0)
    look = start if is_large(tables) else len(records)
    for index in range(start, len(records)):
        missing = shortage(tables)
        if missing != DONE:
            return index, row_count, missing
        if index == look:
            look_ahead(tables, records, index)
            look += LOOK_RECORDS
        record = records[index]
        owner = np.uint64(record.publisher_id) << np.uint64(32) | np.uint64(record.instrument_id)
        if owner != key or index == start:
            key, book = owner, find_book(tables, owner)
        see(tables, book, record)
        change(tables, book, record)
        if len(lines) != 0 and record.flags & FLAG_LAST != 0 and update_top(tables, book, lines):
            write_row(rows, row_count, index, record, lines, book)
            row_count += 1
    return len(records), row_count, DONE


@kernel
def rebuild(tables: Tables, orders: bool, levels: bool, books: bool) -> None:
    """Fills hash tables that are empty and new."""
    if orders:
        for position in range(1, tables.control[ORDERS_USED]):
            order = tables.orders[position]
            if order.book != UNHASHED:
                bucket = bucket_of(tables, order.book, order.order_id, tables.order_buckets)
                order.chained = tables.order_buckets[bucket]
                tables.order_buckets[bucket] = position
    if levels:
        for position in range(1, tables.control[NODES_USED]):
            level = tables.nodes[position]
            if level.count != 0:
                bucket = bucket_of(tables, level.side, level.rank, tables.node_buckets)
                level.chained = tables.node_buckets[bucket]
                tables.node_buckets[bucket] = position
    if books:
        table = tables.book_table
        for position in range(tables.control[BOOKS_USED]):
            slot = bucket_of(tables, 0, tables.books[position].key, table)
            while table[slot] != 0:
                slot = (slot + np.uint64(1)) & np.uint64(len(table) - 1)
            table[slot] = position + 1


@kernel
def read_levels(tables: Tables, side: int, prices: Any, sizes: Any, counts: Any) -> int:
    """A side's best levels, at most as many as there is room for; how many they are."""
    entry = tables.sides[side].entry
    found = tables.nodes[entry].next if entry != 0 else np.uint32(0)
    length = 0
    while found != 0 and length < len(prices):
        level = tables.nodes[found]
        prices[length] = level.rank if side & 1 else ~level.rank
        sizes[length] = level.size
        counts[length] = level.count
        found = level.next
        length += 1
    return length


@kernel
def read_orders(tables: Tables, side: int, rows: Any) -> int:
    """Every order of a side into ``rows`` of ``QUEUE_DTYPE``: as many as its levels count."""
    entry = tables.sides[side].entry
    found = tables.nodes[entry].next if entry != 0 else np.uint32(0)
    length = 0
    while found != 0:
        level = tables.nodes[found]
        index = level.first
        while index != 0 and length < len(rows):
            order = tables.orders[index]
            row = rows[length]
            row.order_id = order.order_id
            row.price = level.rank if side & 1 else ~level.rank
            row.size = order.size
            row.anonymous = 1 if order.book == UNHASHED else 0
            index = order.next
            length += 1
        found = level.next
    return length
