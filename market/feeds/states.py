"""What is known of each book of a feed, kept cheaply beside the books."""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookKey
from market.feeds.dbn.records import (
    ADD,
    CLEAR,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MBO_RTYPE,
    NONE,
    RECORD_SIZE,
    TRADE,
    Records,
)

_LENGTH: Final = RECORD_SIZE // 4
_TABLE_BITS: Final = 16
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


class FeedState(StrEnum):
    INIT = "init"
    """Nothing of the book was seen."""
    SYNCING = "syncing"
    """A snapshot has begun and not ended: with a record with LAST, or with the first A, C or M
    that is not part of it."""
    LIVE = "live"
    GAP = "gap"
    """Records were lost for good. Only an R or a snapshot ends it."""


class BookStatus(NamedTuple):
    state: FeedState
    cold_start: bool
    """The book began neither with an R nor with a snapshot, and there was none since: orders from
    before may be missing."""


_UNSEEN: Final = BookStatus(FeedState.INIT, cold_start=False)
_NEUTRAL, _PLAIN, _SNAPSHOT, _SNAPSHOT_LAST, _CLEAR = range(5)


class StateTracker:
    """The states of all books after each array of records.

    An array without an R, a snapshot's record or a new book, while no snapshot is open, changes
    no state; finding that out takes a few passes over its columns, however many books there are.
    """

    def __init__(self) -> None:
        self._statuses: dict[int, BookStatus] = {}
        self._table: NDArray[np.uint64] = np.zeros(1 << _TABLE_BITS, np.uint64)
        """Known books by hash: a quick way to see that all of an array are known."""
        self._syncing = 0

    def take(self, records: Records) -> None:
        if not len(records):
            return
        keys = _keys(records)
        special = (records["action"] == CLEAR) | ((records["flags"] & FLAG_SNAPSHOT) != 0)
        if self._syncing or special.any() or self._holds_new(keys):
            self._change(records, keys)

    def restart(self) -> None:
        """All books begin anew."""
        self._statuses.clear()
        self._table[:] = 0
        self._syncing = 0

    def gap(self) -> None:
        """Records of any book may be missing."""
        for key, status in self._statuses.items():
            self._statuses[key] = status._replace(state=FeedState.GAP)
        self._syncing = 0

    def status(self, key: BookKey) -> BookStatus:
        return self._statuses.get(_packed(key), _UNSEEN)

    def statuses(self) -> dict[BookKey, BookStatus]:
        """Of every book that was seen, by key."""
        found = {_unpacked(packed): status for packed, status in self._statuses.items()}
        return dict(sorted(found.items()))

    def _holds_new(self, keys: NDArray[np.uint64]) -> bool:
        if keys[0] == keys[-1] and bool((keys == keys[0]).all()):
            return int(keys[0]) not in self._statuses
        unsure = keys[self._table[_slots(keys)] != keys]
        return any(key not in self._statuses for key in set(unsure.tolist()))

    def _change(self, records: Records, keys: NDArray[np.uint64]) -> None:
        kinds = _kinds(records)
        books, firsts, index = np.unique(keys, return_index=True, return_inverse=True)
        last = np.full(len(books), _NEUTRAL, np.uint8)
        # Of several values for one place the last one stays.
        telling = np.flatnonzero(kinds != _NEUTRAL)
        last[index[telling]] = kinds[telling]
        renewed = np.zeros(len(books), np.bool_)
        renewed[index[kinds >= _SNAPSHOT]] = True
        for number, key in enumerate(books.tolist()):
            old = self._statuses.get(key)
            if old is None:
                old = BookStatus(FeedState.INIT, cold_start=bool(kinds[firsts[number]] < _SNAPSHOT))
            new = _after(old, int(last[number]), renewed=bool(renewed[number]))
            self._syncing += (new.state is FeedState.SYNCING) - (old.state is FeedState.SYNCING)
            self._statuses[key] = new
        self._table[_slots(books)] = books


def _after(old: BookStatus, last: int, *, renewed: bool) -> BookStatus:
    """``last``: kind of the book's last record that says anything; ``renewed``: whether an R or a
    snapshot's record was among them."""
    cold_start = old.cold_start and not renewed
    if last == _SNAPSHOT:
        state = FeedState.SYNCING
    elif last == _NEUTRAL:
        state = FeedState.LIVE if old.state is FeedState.INIT else old.state
    elif old.state is FeedState.GAP and not renewed:
        state = FeedState.GAP
    else:
        state = FeedState.LIVE
    return BookStatus(state, cold_start)


def _kinds(records: Records) -> NDArray[np.uint8]:
    """What each record says about its book's state."""
    action, flags = records["action"], records["flags"]
    kinds = np.full(len(records), _PLAIN, np.uint8)
    kinds[(action == TRADE) | (action == FILL) | (action == NONE)] = _NEUTRAL
    kinds[action == CLEAR] = _CLEAR
    of_snapshot = ((flags & FLAG_SNAPSHOT) != 0) & ((action == ADD) | (action == CLEAR))
    kinds[of_snapshot] = _SNAPSHOT
    kinds[of_snapshot & ((flags & FLAG_LAST) != 0)] = _SNAPSHOT_LAST
    return kinds


def _keys(records: Records) -> NDArray[np.uint64]:
    """The first eight bytes of each record: its length and type, which all have in common, its
    publisher and its instrument."""
    return np.ndarray(len(records), np.dtype("<u8"), records.data, strides=(records.strides[0],))


def _slots(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    slots: NDArray[np.uint64] = (keys * _SPREAD) >> np.uint64(64 - _TABLE_BITS)
    return slots


def _packed(key: BookKey) -> int:
    return _LENGTH | MBO_RTYPE << 8 | key.publisher_id << 16 | key.instrument_id << 32


def _unpacked(packed: int) -> BookKey:
    return BookKey(packed >> 16 & 0xFFFF, packed >> 32)
