"""When records go out, and which go together: a fixed plan, made from the records alone.

A frame holds what is due within about a millisecond. Where frames begin and when they are due
follows from the file and the pace, not from the clock: a sender that is started again makes the
same frames with the same sequence numbers, and a client goes on where it was.
"""

from fractions import Fraction
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from market.feeds.dbn.records import Records
from market.feeds.transport.frames import MAX_FRAME_RECORDS

NS_PER_S: Final = 10**9
_FRAME_NS: Final = 10**6
_FRAMES_PER_S: Final = NS_PER_S // _FRAME_NS
_MAX_GAP_NS: Final = 366 * 86_400 * NS_PER_S
"""Differences of time are cut off here, so that no damaged time overflows."""
_MAX_DENOMINATOR: Final = 100
MAX_RATE: Final = 1_000_000_000


class PaceState(NamedTuple):
    """Where a pacer is within its stretch, at a frame's beginning."""

    record: int = 0
    origin_ns: int = -1
    """ts_recv that is due at once; below 0 until a record tells it."""
    high_ns: int = 0
    """The highest ts_recv so far."""


class Cuts(NamedTuple):
    """Where frames begin within an array of records, and when they are due, in nanoseconds from
    the stretch's beginning."""

    begins: list[int]
    due_ns: list[int]


class Pacer(Protocol):
    """Goes through one stretch, array by array."""

    def cut(self, records: Records) -> Cuts: ...

    def state_at(self, index: int) -> PaceState:
        """As of the beginning of that frame of the last cuts."""

    def end_ns(self) -> int:
        """When the next stretch begins, after the records that were seen."""


class Pace(Protocol):
    @property
    def is_timed(self) -> bool:
        """False: frames go out as fast as they are taken."""

    @property
    def name(self) -> str:
        """Two paces of one name make the same frames."""

    @property
    def rate(self) -> int | None:
        """Records a second, where it is fixed."""

    def pacer(self, state: PaceState) -> Pacer: ...


class SteadyPace:
    """``rate`` records a second, from 1 on, each frame on a grid of exact times."""

    is_timed = True

    def __init__(self, rate: int) -> None:
        if not 1 <= rate <= MAX_RATE:
            raise ValueError(f"a rate is 1 to {MAX_RATE} records a second")
        self.rate: int | None = rate
        self.name = f"rate {rate}"

    def pacer(self, state: PaceState) -> Pacer:
        assert self.rate is not None
        size = (self.rate + _FRAMES_PER_S // 2) // _FRAMES_PER_S
        return _CountingPacer(max(1, min(MAX_FRAME_RECORDS, size)), self.rate, state.record)


class MaxPace:
    """As fast as the clients take it."""

    is_timed = False
    rate: int | None = None
    name = "max"

    def pacer(self, state: PaceState) -> Pacer:
        return _CountingPacer(MAX_FRAME_RECORDS, None, state.record)


class EventPace:
    """As the records came, by ts_recv, ``speed`` times as fast (hundredths count).

    What is older than ``start_at_ns`` is due at once. A ts_recv below an earlier one of its file,
    or none, counts as that one.
    """

    is_timed = True
    rate: int | None = None

    def __init__(self, speed: Fraction, start_at_ns: int | None = None) -> None:
        self.speed = speed.limit_denominator(_MAX_DENOMINATOR)
        if not Fraction(1, _MAX_DENOMINATOR) <= self.speed <= MAX_RATE:
            raise ValueError(f"a speed is 0.01 to {MAX_RATE}")
        self.start_at_ns = start_at_ns
        self.name = f"speed {self.speed} from {start_at_ns}"

    def pacer(self, state: PaceState) -> Pacer:
        if state.origin_ns < 0 and self.start_at_ns is not None:
            state = state._replace(origin_ns=self.start_at_ns)
        return _EventPacer(self.speed, state)


class _CountingPacer:
    """The same number of records in each frame but a stretch's last."""

    def __init__(self, frame_records: int, rate: int | None, record: int) -> None:
        self._frame_records = frame_records
        self._rate = rate
        self._record = record
        self._begins: list[int] = []

    def cut(self, records: Records) -> Cuts:
        first = self._record
        step = self._frame_records
        self._record += len(records)
        self._begins = list(range(first + -first % step, self._record, step))
        return Cuts([at - first for at in self._begins], [self._due(at) for at in self._begins])

    def state_at(self, index: int) -> PaceState:
        return PaceState(self._begins[index])

    def end_ns(self) -> int:
        return self._due(self._record)

    def _due(self, record: int) -> int:
        return record * NS_PER_S // self._rate if self._rate else 0


class _EventPacer:
    """A frame ends with its millisecond, or when it is full."""

    def __init__(self, speed: Fraction, state: PaceState) -> None:
        self._speed = speed
        self._record, self._origin_ns, self._high_ns = state
        self._slot = -1
        self._frame_records = 0
        """Records of the frame that is not complete."""
        self._due_ns = 0
        self._begins: list[int] = []
        self._highs: NDArray[np.int64] = np.empty(0, np.int64)

    def cut(self, records: Records) -> Cuts:
        if not len(records):
            return Cuts([], [])
        highs = self._take_times(records)
        due = self._due(highs)
        slots = due // _FRAME_NS
        changed = np.flatnonzero(np.diff(slots, prepend=self._slot))
        begins = self._with_full_frames(changed.tolist(), len(records))
        self._begins = [self._record + at for at in begins]
        self._highs = highs[begins]
        self._slot = int(slots[-1])
        self._record += len(records)
        self._due_ns = int(due[-1])
        return Cuts(begins, due[begins].tolist())

    def state_at(self, index: int) -> PaceState:
        return PaceState(self._begins[index], self._origin_ns, int(self._highs[index]))

    def end_ns(self) -> int:
        return self._due_ns

    def _take_times(self, records: Records) -> NDArray[np.int64]:
        """The highest time up to each record; 0 where none has one yet."""
        # As signed numbers, "no time" and whatever lies beyond the year 2262 are below zero.
        times = records["ts_recv"].astype(np.int64)
        times[0] = max(int(times[0]), self._high_ns)
        highs = np.maximum.accumulate(np.maximum(times, 0))
        self._high_ns = int(highs[-1])
        if self._origin_ns < 0 and self._high_ns:
            self._origin_ns = int(highs[np.flatnonzero(highs)[0]])
        return highs

    def _due(self, highs: NDArray[np.int64]) -> NDArray[np.int64]:
        passed = np.clip(highs - max(0, self._origin_ns), 0, _MAX_GAP_NS)
        passed[highs == 0] = 0
        slow, fast = self._speed.denominator, self._speed.numerator
        if slow == fast:
            return passed
        # In two parts, which do not overflow.
        return passed // fast * slow + passed % fast * slow // fast

    def _with_full_frames(self, changed: list[int], count: int) -> list[int]:
        """Adds the beginnings of frames that a full one makes necessary."""
        begins: list[int] = []
        begin = -self._frame_records
        for end in [*changed, count]:
            full = range(begin + MAX_FRAME_RECORDS, end, MAX_FRAME_RECORDS)
            begins.extend(full)
            begin = full[-1] if full else begin
            if end < count:
                begins.append(end)
                begin = end
        self._frame_records = count - begin
        return begins
