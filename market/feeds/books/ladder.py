"""The levels of a side, best first: skip lists without a best or worst price, compiled."""

from typing import Any

import numpy as np

from market.feeds.books.compiling import part
from market.feeds.books.hashing import bucket_of
from market.feeds.books.layout import MAX_HEIGHT, NODES_FREE, NODES_USED, RANDOM, Tables


@part
def new_node(tables: Tables, side: Any, rank: Any) -> Any:
    control = tables.control
    index = np.uint32(control[NODES_FREE])
    if index != 0:
        control[NODES_FREE] = tables.nodes[index].next
    else:
        index = np.uint32(control[NODES_USED])
        control[NODES_USED] += 1
    node = tables.nodes[index]
    node.rank = rank
    node.side = side
    node.size = 0
    node.count = 0
    node.next = 0
    node.previous = 0
    node.above = 0
    node.below = 0
    node.first = 0
    node.last = 0
    return index


@part
def find_level(tables: Tables, side: Any, rank: Any) -> Any:
    """The lowest node of its tower, or 0."""
    found = tables.node_buckets[bucket_of(tables, side, rank, tables.node_buckets)]
    while found != 0:
        node = tables.nodes[found]
        if node.rank == rank and node.side == side:
            break
        found = node.chained
    return found


@part
def random_height(tables: Tables) -> Any:
    value = np.uint64(tables.control[RANDOM])
    value ^= value << np.uint64(13)
    value ^= value >> np.uint64(7)
    value ^= value << np.uint64(17)
    tables.control[RANDOM] = np.int64(value)
    height = 1
    while value & np.uint64(3) == 0 and height < MAX_HEIGHT:
        height += 1
        value >>= np.uint64(2)
    return height


@part
def climb(tables: Tables, side: Any, rank: Any, height: Any) -> Any:
    """The entry of the lane from which to look for ``rank``, and the number of that lane.

    At least ``height``; higher only as long as that lane's first node is before ``rank``: what is
    near the best is found in a few steps, however many levels there are.
    """
    entry = tables.sides[side].entry
    if entry == 0:
        entry = new_node(tables, side, 0)
        tables.sides[side].entry = entry
    lane = 1
    while True:
        above = tables.nodes[entry].above
        if lane < height:
            if above == 0:
                above = new_node(tables, side, 0)
                tables.nodes[above].below = entry
                tables.nodes[entry].above = above
        else:
            if above == 0 or tables.nodes[above].next == 0 or tables.nodes[above].next_rank > rank:
                return entry, lane
        entry = above
        lane += 1


@part
def link(tables: Tables, before: Any, index: Any) -> None:
    """Puts a node into the lane of the one before it."""
    node, earlier = tables.nodes[index], tables.nodes[before]
    node.previous = before
    node.next = earlier.next
    node.next_rank = earlier.next_rank
    tables.nodes[earlier.next].previous = index
    earlier.next = index
    earlier.next_rank = node.rank


@part
def open_level(tables: Tables, side: Any, rank: Any) -> Any:
    """``rank`` has no level yet."""
    nodes = tables.nodes
    height = random_height(tables)
    before, lane = climb(tables, side, rank, height)
    index = np.uint32(0)
    while True:
        while nodes[before].next != 0 and nodes[before].next_rank < rank:
            before = nodes[before].next
        if lane <= height:
            above = index
            index = new_node(tables, side, rank)
            nodes[index].above = above
            nodes[above].below = index
            link(tables, before, index)
        if lane == 1:
            break
        before = nodes[before].below
        lane -= 1
    bucket = bucket_of(tables, side, rank, tables.node_buckets)
    nodes[index].chained = tables.node_buckets[bucket]
    tables.node_buckets[bucket] = index
    tables.sides[side].level_count += 1
    return index


@part
def close_level(tables: Tables, index: Any) -> None:
    """Takes a level out of every lane and of the hash table; its orders are not looked at."""
    nodes = tables.nodes
    level = nodes[index]
    level.count = 0  # a free node is no level, whoever looks at it
    tables.sides[level.side].level_count -= 1
    bucket = bucket_of(tables, level.side, level.rank, tables.node_buckets)
    link = tables.node_buckets[bucket]
    if link == index:
        tables.node_buckets[bucket] = level.chained
    else:
        while nodes[link].chained != index:
            link = nodes[link].chained
        nodes[link].chained = level.chained
    while index != 0:
        node = nodes[index]
        nodes[node.previous].next = node.next
        nodes[node.previous].next_rank = node.next_rank
        nodes[node.next].previous = node.previous
        node.next = tables.control[NODES_FREE]
        tables.control[NODES_FREE] = index
        index = node.above
