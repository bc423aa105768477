"""Small random flows of records, and stores of them: what the tests of storage share."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from market.feeds.books.contract import BookImage, BookKey, state_hash
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MBO_DTYPE,
    MODIFY,
    NO_PRICE,
    NO_SIZE,
    NONE,
    TRADE,
    Records,
)
from market.feeds.models import Feed
from market.feeds.storage.plan import StoragePlan
from market.feeds.storage.recorder import Recorder

START_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9
KEYS = (BookKey(1, 7), BookKey(1, 900_000), BookKey(2, 7))
PLAN = StoragePlan(
    segment_records=128, commit_records=512, commit_s=0.0, snapshot_records=400, snapshot_s=9e9
)
"""Small, so that few records make many of everything."""


class Flow:
    """Records of several books: adds, cancels, modifies, trades, clears and snapshots."""

    def __init__(
        self, seed: int, keys: Sequence[BookKey] = KEYS, start_ns: int = START_NS, step_ns: int = 0
    ) -> None:
        self._random = random.Random(seed)
        self._keys = keys
        self._orders: dict[BookKey, list[int]] = {key: [] for key in keys}
        self._now = start_ns
        self._step_ns = step_ns or 20_000_000
        self._next_id = 1

    def take(self, count: int, *, clears: bool = True) -> Records:
        """At least so many records, cut to so many."""
        rows: list[tuple[Any, ...]] = []
        while len(rows) < count:
            rows += self._event(clears)
        return np.array(rows[:count], MBO_DTYPE)

    def pause(self) -> None:
        """What comes next comes later."""
        self._now += 1

    def begin_anew(self, key: BookKey) -> Records:
        """A snapshot, a moment later."""
        self.pause()
        return np.array(self._snapshot(key), MBO_DTYPE)

    def _event(self, clears: bool) -> list[tuple[Any, ...]]:
        draw = self._random
        key = draw.choice(self._keys)
        # Several records share a moment now and then.
        self._now += draw.choice((0, 1, draw.randrange(1, 2 * self._step_ns)))
        known = self._orders[key]
        kind = draw.random()
        if clears and kind < 0.004:
            return self._snapshot(key)
        price = draw.randrange(-20, 20) * 250_000_000
        side = draw.choice((BID, ASK))
        if kind < 0.5 or not known:
            known.append(self._next_id)
            return [self._row(key, ADD, side, self._new_id(), price, draw.randrange(1, 50))]
        order = draw.choice(known)
        if kind < 0.6:
            return [self._row(key, MODIFY, side, order, price, draw.randrange(0, 50))]
        if kind < 0.8:
            return [self._row(key, CANCEL, side, order, price, draw.randrange(1, 50))]
        return [
            self._row(key, TRADE, draw.choice((BID, ASK, NONE)), 0, price, 3, last=False),
            self._row(key, CANCEL, side, order, price, 3),
        ]

    def _snapshot(self, key: BookKey) -> list[tuple[Any, ...]]:
        self._orders[key] = []
        size = self._random.randrange(0, 30)
        rows = [self._row(key, CLEAR, NONE, 0, NO_PRICE, 0, FLAG_SNAPSHOT, last=not size)]
        for place in range(size):
            self._orders[key].append(self._next_id)
            price = self._random.randrange(-20, 20) * 250_000_000
            side = self._random.choice((BID, ASK))
            last = place == size - 1
            rows.append(
                self._row(key, ADD, side, self._new_id(), price, 5, FLAG_SNAPSHOT, last=last)
            )
        return rows

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _row(
        self,
        key: BookKey,
        action: int,
        side: int,
        order: int,
        price: int,
        size: int,
        flags: int = 0,
        *,
        last: bool = True,
    ) -> tuple[Any, ...]:
        flags |= FLAG_LAST if last else 0
        size = NO_SIZE if action == CLEAR else size
        return (
            14, 160, *key, self._now - 1_000, order, price, size, flags, 0, action, side,
            self._now, 1_000, self._next_id,
        )  # fmt: skip


def new_feed(name: str = "es") -> Feed:
    return Feed.objects.create(pk=name, title="A feed")


def recorder_of(feed: Feed, plan: StoragePlan = PLAN) -> Recorder:
    return Recorder(feed, {7: "ESZ4"}, PlainBooks, plan)


def store(
    recorder: Recorder, records: Records, *, run: int = 1, position: int = 0, chunk: int = 100
) -> None:
    """Hands the records over in chunks and stores them."""
    for start in range(0, len(records), chunk):
        recorder.take(run, position + start, records[start : start + chunk])
        if recorder.is_due():
            recorder.commit()
    recorder.commit()


def direct(records: Records, key: BookKey) -> BookImage:
    """The book built from the records themselves."""
    books = PlainBooks()
    books.apply(records)
    return books.image(key)


def until(records: Records, at_ns: int) -> Records:
    """What was received up to a moment, by the feed's clock."""
    clock = np.maximum.accumulate(records["ts_recv"])
    return records[: int(np.searchsorted(clock, np.uint64(at_ns), "right"))]


def same(one: BookImage, other: BookImage) -> bool:
    return one.head == other.head and state_hash([one]) == state_hash([other])


def joined(parts: Iterable[Records]) -> Records:
    return np.concatenate([np.empty(0, MBO_DTYPE), *parts])
