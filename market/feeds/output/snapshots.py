"""Documents of all books on the way: every N records, or every so many seconds of the records.

A snapshot is taken where its time has come and an event has just ended. By time, its ``at`` is a
multiple of the interval and it holds all records before that moment; nothing is written for
intervals without a record. One JSON object a line.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.dbn.records import FLAG_LAST, FLAG_SNAPSHOT, Records

_UNITS_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9}


class Interval(NamedTuple):
    """One of the two is 0."""

    records: int
    nanoseconds: int


def parse_interval(text: str) -> Interval:
    """ "5000", "250ms", "1s", "5m", "1h". Raises ValueError."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h)?", text)
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is neither a number of records nor a time like 1s")
    number = int(match[1])
    return Interval(0, number * _UNITS_NS[match[2]]) if match[2] else Interval(number, 0)


class Cut(NamedTuple):
    end: int
    """Records of the batch to apply before the snapshot."""
    at: int
    """Its moment in nanoseconds; of one by records, their number so far."""


class Cutter:
    """Says where in each batch snapshots are due."""

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        self._taken = 0
        """Records of earlier batches."""
        self._now = 0
        """Greatest ``ts_recv`` of them."""
        self._last_flags = FLAG_LAST
        """Of the last record of the batch before."""
        self._due: int | None = None
        """The moment of a snapshot that waits for the end of its event."""

    def cuts(self, records: Records) -> list[Cut]:
        if not len(records):
            return []
        ends = self._event_ends(records["flags"])
        cuts: dict[int, int] = {}
        due, self._due = self._due, None
        points = self._by_count(len(records)) if self._interval.records else self._by_time(records)
        for position, at in [*([] if due is None else [(0, due)]), *points]:
            end = self._event_end(position, ends)
            if end is None:
                self._due = at
            else:
                cuts[end] = self._taken + end if self._interval.records else at
        self._taken += len(records)
        self._last_flags = int(records["flags"][-1])
        return [Cut(end, at) for end, at in cuts.items()]

    def _event_ends(self, flags: NDArray[np.uint8]) -> NDArray[np.intp]:
        """How many of the batch's records are taken where an event has just ended. A snapshot of
        the venue ends with its last record, too."""
        before = np.concatenate((np.array([self._last_flags], np.uint8), flags))
        ends = (before & FLAG_LAST) != 0
        in_snapshot = (before & FLAG_SNAPSHOT) != 0
        ends[:-1] |= in_snapshot[:-1] & ~in_snapshot[1:]
        return np.flatnonzero(ends)

    @staticmethod
    def _event_end(position: int, ends: NDArray[np.intp]) -> int | None:
        """The first end of an event from ``position`` on."""
        later = np.searchsorted(ends, position)
        return int(ends[later]) if later < len(ends) else None

    def _by_count(self, count: int) -> Iterator[tuple[int, int]]:
        step = self._interval.records
        for position in range(step - self._taken % step, count + 1, step):
            yield position, self._taken + position

    def _by_time(self, records: Records) -> Iterator[tuple[int, int]]:
        """Positions of records that are the first of another interval."""
        step = self._interval.nanoseconds
        times = np.concatenate((np.array([self._now], np.uint64), records["ts_recv"]))
        times = np.maximum.accumulate(times)
        self._now = int(times[-1])
        intervals = times // np.uint64(step)
        for position in np.flatnonzero(np.diff(intervals)).tolist():
            if self._taken + position:
                yield position, (int(intervals[position]) + 1) * step
