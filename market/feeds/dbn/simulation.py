"""The books behind generated records, and the events that change them: one compiled loop.

A book is a ladder of levels, each with a doubly linked queue of orders, so that every event refers
to orders that live and every trade takes from the front of the best queue. Bids always lie below
asks. What it writes, and what is drawn from the generator, depends on the books and on how many
records are left of the whole, never on how many are asked for at a time.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_BAD_TS_RECV,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MBO_RTYPE,
    MODIFY,
    NO_PRICE,
    NONE,
    TRADE,
    Records,
)
from market.feeds.dbn.simulation_layout import World

CHUNK_RECORDS: Final = 65_536
"""The loop stops at the first end of an event behind so many."""
MAX_MAKERS: Final = 8
"""Of one aggressor."""
LONGEST_EVENT: Final = 3 * MAX_MAKERS
"""But for snapshots, in records."""
_SNAPSHOT_FLAGS: Final = FLAG_SNAPSHOT | FLAG_BAD_TS_RECV
_DELAY_NS: Final = 20_000
LARGEST_SIZE: Final = 2**32 - 2


def _compiled(function: Any) -> Any:
    return njit(function, cache=True, nogil=True, error_model="numpy")


@_compiled
def fill(
    out: Records, world: World, all_rules: NDArray[np.void], rng: np.random.Generator, left: int
) -> int:
    """Writes events until ``CHUNK_RECORDS`` or more are written, at most ``left``; returns how
    many. ``out`` has room for the longest event behind a chunk."""
    state, rules = world.state[0], all_rules[0]
    n = 0
    while n < CHUNK_RECORDS and n < left:
        begin = n
        is_new = state.opened_books < len(world.books)
        number = state.opened_books if is_new else int(rng.random() * len(world.books))
        book, levels, orders = world.books[number], world.levels[number], world.orders[number]
        _tick(state, world.sequences, book, rng)
        if is_new:
            state.opened_books += 1
            for _order in range(rules.opening_orders):
                _draw_order(state, rules, book, levels, orders, rng)
            n = _clear(out, n, state, rules, book, levels, orders, 0, left)
        elif rng.random() < rules.clear_share:
            kind = int(rng.random() * 3)
            n = _clear(out, n, state, rules, book, levels, orders, kind, left)
        else:
            n = _event(out, n, state, rules, book, levels, orders, rng, left)
        out[n - 1].flags |= FLAG_LAST
        state.ts_event += int(_exponential(rng, rules.gap_ns * (n - begin)))
    return n


@_compiled
def _event(out, n, state, rules, book, levels, orders, rng, left):  # type: ignore[no-untyped-def]
    """One event of one book. The number of its orders is kept between bounds: a full book has no
    adds, a nearly empty one has them instead of cancels."""
    kind = rng.random()
    modifies = rules.modify_share
    cancels = modifies + rules.cancel_share
    trades = cancels + rules.trade_share
    is_cancel = modifies <= kind < cancels
    is_full, is_thin = book.live == len(orders), book.live < len(orders) // 4
    book.in_snapshot = False
    if book.live < 2 or (kind >= trades and not is_full) or (is_cancel and is_thin):
        slot = _draw_order(state, rules, book, levels, orders, rng)
        order = orders[slot]
        return _write_order(out, n, state, rules, book, levels, order, ADD, order.size)
    if kind < modifies:
        return _modify(out, n, state, rules, book, levels, orders, rng)
    if kind < cancels or kind >= trades or left - n < 3:
        return _cancel(out, n, state, rules, book, levels, orders, rng)
    return _trade(out, n, state, rules, book, levels, orders, rng, left)


@_compiled
def _cancel(out, n, state, rules, book, levels, orders, rng):  # type: ignore[no-untyped-def]
    slot = orders[int(rng.random() * book.live)].slot
    order = orders[slot]
    if rng.random() < rules.partial_share and order.size > 1 and not rules.is_cme:
        gone = 1 + int(rng.random() * (order.size - 1))
        order.size -= gone
        return _write_order(out, n, state, rules, book, levels, order, CANCEL, gone)
    n = _write_order(out, n, state, rules, book, levels, order, CANCEL, order.size)
    _remove(book, levels, orders, slot)
    return n


@_compiled
def _modify(out, n, state, rules, book, levels, orders, rng):  # type: ignore[no-untyped-def]
    """A new price in half of the cases, else a smaller or a larger size."""
    slot = orders[int(rng.random() * book.live)].slot
    order = orders[slot]
    size, level = order.size, order.level
    kind = rng.random()
    if kind < 0.5:
        moved = _passive_level(rules, book, levels, rng, order.is_ask)
        level = moved if moved >= 0 else level
        size = _draw_size(rules, rng)
    elif kind < 0.75:
        size = 1 + int(rng.random() * size)
    else:
        size = min(size + _draw_size(rules, rng), LARGEST_SIZE)
    if level != order.level or size > order.size:
        _unlink(book, levels, orders, slot)
        _link(book, levels, orders, slot, order.is_ask, level)
    order.size = size
    return _write_order(out, n, state, rules, book, levels, order, MODIFY, size)


@_compiled
def _trade(out, n, state, rules, book, levels, orders, rng, left):  # type: ignore[no-untyped-def]
    """An aggressor takes the front of the best queue, and of the next levels where it wants more
    makers than there are. It buys the less, the higher the market stands."""
    height = (book.bid + book.ask) / (2 * len(levels))
    takes_ask = rng.random() * 0.8 + 0.1 > height
    if (book.ask == len(levels)) if takes_ask else (book.bid < 0):
        takes_ask = not takes_ask
    makers = 1
    while makers < MAX_MAKERS and rng.random() < 0.4:
        makers += 1
    state.last_order += 1
    aggressor = state.last_order if rules.is_cme else 0
    end = min(left, n + LONGEST_EVENT)
    while makers > 0 and end - n >= 3:
        level = book.ask if takes_ask else book.bid
        if level < 0 or level == len(levels):
            break
        at_once = min(makers, (end - n - 1) // 2) if rules.is_cme else 1
        partial = at_once == makers and rng.random() < rules.partial_share
        taken = _fills(
            out, n, state, rules, book, levels[level], orders, rng, at_once, aggressor, partial
        )
        n = _taken(out, n, taken, state, rules, book, levels, orders)
        makers -= taken
    return n


@_compiled
def _fills(  # type: ignore[no-untyped-def]
    out, n, state, rules, book, level, orders, rng, makers, aggressor, partial
):
    """T and then the F of each maker at one level, as many as it has; returns how many. The last
    maker may keep something."""
    slot = level.first
    total = count = 0
    while slot >= 0 and count < makers:
        order = orders[slot]
        traded = order.size
        count += 1
        if partial and count == makers and traded > 1:
            traded = 1 + int(rng.random() * (traded - 1))
        side = ASK if order.is_ask else BID
        _write(out[n + count], state, rules, book, FILL, side, order.order, level.price, traded)
        total += traded
        slot = order.after
    side = BID if orders[level.first].is_ask else ASK
    total = min(total, LARGEST_SIZE)
    _write(out[n], state, rules, book, TRADE, side, aggressor, level.price, total)
    return count


@_compiled
def _taken(out, n, count, state, rules, book, levels, orders):  # type: ignore[no-untyped-def]
    """What becomes of the makers whose fills were written at ``n``."""
    fills = n + 1
    n = fills + count
    for maker in range(count):
        level = book.ask if out[fills].side == ASK else book.bid
        slot = levels[level].first
        order = orders[slot]
        traded = int(out[fills + maker].size)
        order.size -= traded
        if order.size > 0 and rules.is_cme:
            n = _write_order(out, n, state, rules, book, levels, order, MODIFY, order.size)
        else:
            n = _write_order(out, n, state, rules, book, levels, order, CANCEL, traded)
        if order.size == 0:
            _remove(book, levels, orders, slot)
    return n


@_compiled
def _clear(out, n, state, rules, book, levels, orders, kind, left):  # type: ignore[no-untyped-def]
    """0: R and a snapshot, 1: a snapshot without R, 2: R alone, after which the book is empty."""
    if n + book.live + 1 > left:
        kind = 2
    if kind == 1 and (book.in_snapshot or book.live == 0):
        kind = 0
    book.in_snapshot = True
    if kind != 1:
        _write(out[n], state, rules, book, CLEAR, NONE, 0, NO_PRICE, 0)
        out[n].flags = 0 if kind == 2 else _SNAPSHOT_FLAGS
        n += 1
    if kind == 2:
        while book.live > 0:
            _remove(book, levels, orders, orders[0].slot)
        return n
    for is_ask in range(2):
        level = book.ask if is_ask else book.bid
        while 0 <= level < len(levels):
            slot = levels[level].first
            while slot >= 0:
                order = orders[slot]
                _write_order(out, n, state, rules, book, levels, order, ADD, order.size)
                out[n].flags = _SNAPSHOT_FLAGS
                n += 1
                slot = order.after
            level += 1 if is_ask else -1
    return n


@_compiled
def _write_order(  # type: ignore[no-untyped-def]
    out, n, state, rules, book, levels, order, action, size
):
    side = ASK if order.is_ask else BID
    price = levels[order.level].price
    _write(out[n], state, rules, book, action, side, order.order, price, size)
    return n + 1


@_compiled
def _write(  # type: ignore[no-untyped-def]
    record, state, rules, book, action, side, order, price, size
):
    """``order`` 0 is none."""
    record.length = 14
    record.rtype = MBO_RTYPE
    record.publisher_id = book.publisher + 1
    record.instrument_id = book.instrument_id
    record.ts_event = state.ts_event
    record.order_id = rules.id_base + np.uint64(order) if order else np.uint64(0)
    record.price = price
    record.size = size
    record.flags = 0
    record.channel_id = book.publisher
    record.action = action
    record.side = side
    record.ts_recv = state.ts_recv
    record.ts_in_delta = state.ts_in_delta
    record.sequence = state.sequence


@_compiled
def _tick(state, sequences, book, rng):  # type: ignore[no-untyped-def]
    """Times and sequence of the next event."""
    sequences[book.publisher] += 1
    state.sequence = sequences[book.publisher]
    delay = _DELAY_NS + int(rng.random() * _DELAY_NS)
    state.ts_recv = max(state.ts_recv, state.ts_event + delay)
    state.ts_in_delta = delay // 2


@_compiled
def _exponential(rng, mean):  # type: ignore[no-untyped-def]
    return -np.log(1.0 - rng.random()) * mean


@_compiled
def _draw_size(rules, rng):  # type: ignore[no-untyped-def]
    if rng.random() < rules.large_share:
        return LARGEST_SIZE // 2 + int(rng.random() * LARGEST_SIZE / 2)
    return 1 + int(_exponential(rng, rules.mean_size))


@_compiled
def _draw_order(state, rules, book, levels, orders, rng):  # type: ignore[no-untyped-def]
    """A new order in the book, behind its level's queue; its slot."""
    is_ask = rng.random() < 0.5
    level = _passive_level(rules, book, levels, rng, is_ask)
    if level < 0:
        is_ask = not is_ask
        level = _passive_level(rules, book, levels, rng, is_ask)
    slot = orders[book.live].slot
    book.live += 1
    state.last_order += 1 + int(rng.random() * 4)
    orders[slot].order = state.last_order
    orders[slot].size = _draw_size(rules, rng)
    _link(book, levels, orders, slot, is_ask, level)
    return slot


@_compiled
def _passive_level(rules, book, levels, rng, is_ask):  # type: ignore[no-untyped-def]
    """A level that does not cross, the likelier the nearer to the other side; -1 where there is
    none. An empty book begins in the middle, an empty side next to the other."""
    distance = int(_exponential(rng, rules.depth))
    anywhere = rng.random()
    has_bid, has_ask, middle = book.bid >= 0, book.ask < len(levels), len(levels) // 2
    if not has_bid and not has_ask:
        return middle
    if not (has_ask if is_ask else has_bid):
        distance = 0
    if is_ask:
        room = len(levels) - 1 - book.bid
        if not has_bid:
            room = len(levels) - book.ask
    else:
        room = book.ask
        if not has_ask:
            room = book.bid + 1
    if room <= 0:
        return -1
    below = distance if distance < room else int(anywhere * room)
    return len(levels) - room + below if is_ask else room - 1 - below


@_compiled
def _link(book, levels, orders, slot, is_ask, level):  # type: ignore[no-untyped-def]
    order, queue = orders[slot], levels[level]
    order.is_ask = is_ask
    order.level = level
    order.before = queue.last
    order.after = -1
    if queue.last >= 0:
        orders[queue.last].after = slot
    else:
        queue.first = slot
    queue.last = slot
    if is_ask:
        book.ask = min(book.ask, level)
    else:
        book.bid = max(book.bid, level)


@_compiled
def _unlink(book, levels, orders, slot):  # type: ignore[no-untyped-def]
    order = orders[slot]
    queue = levels[order.level]
    if order.before >= 0:
        orders[order.before].after = order.after
    else:
        queue.first = order.after
    if order.after >= 0:
        orders[order.after].before = order.before
    else:
        queue.last = order.before
    if queue.first >= 0:
        return
    if order.is_ask:
        while book.ask < len(levels) and levels[book.ask].first < 0:
            book.ask += 1
    else:
        while book.bid >= 0 and levels[book.bid].first < 0:
            book.bid -= 1


@_compiled
def _remove(book, levels, orders, slot):  # type: ignore[no-untyped-def]
    _unlink(book, levels, orders, slot)
    book.live -= 1
    place, end = orders[slot].place, book.live
    moved = orders[end].slot
    orders[place].slot = moved
    orders[moved].place = place
    orders[end].slot = slot
    orders[slot].place = end
