"""What is due at a known time: one timer for each (kind, key), fired in one defined order.

The engine has no clock. Timers fire when an ``AdvanceTime`` command says that their time has come,
earliest first; at one time by kind, then by key. Timers follow from the rest of the state wherever
that is possible, so that a snapshot need not hold them.
"""

from enum import IntEnum
from typing import Final

from sortedcontainers import SortedList

from orderbook.core.units import MAX_TIME_NS

Key = int | str


AT_ONCE_NS: Final = 0
"""Due before anything else: the next command has to be an ``AdvanceTime``."""


class TimerKind(IntEnum):
    """In the order in which timers of one moment fire. What the key is stands with each kind."""

    UNCROSS = 0
    """Symbol: its uncross, which made as many trades as one command may, goes on."""

    EXPIRY = 1
    """Order id: the order ends."""
    DEAD_MAN = 2
    """Account id: its orders are canceled."""
    SCHEDULE = 3
    """Symbol: the next entry of its schedule is due."""
    PHASE_END = 4
    """Symbol: its volatility auction ends."""
    INDICATION = 5
    """Symbol: its collecting auction publishes what an uncross would do."""


class Timers:
    __slots__ = ("_queue", "_times_ns", "next_ns")

    def __init__(self) -> None:
        self._queue: SortedList = SortedList()
        """(time_ns, kind, key)"""
        self._times_ns: dict[tuple[TimerKind, Key], int] = {}
        self.next_ns = MAX_TIME_NS
        """When the first one is due."""

    def set(self, kind: TimerKind, key: Key, time_ns: int) -> None:
        """Starts a timer, or moves it."""
        self.clear(kind, key)
        self._times_ns[kind, key] = time_ns
        self._queue.add((time_ns, kind, key))
        if time_ns < self.next_ns:
            self.next_ns = time_ns

    def clear(self, kind: TimerKind, key: Key) -> None:
        """Stops a timer, if it runs."""
        time_ns = self._times_ns.pop((kind, key), None)
        if time_ns is not None:
            self._queue.remove((time_ns, kind, key))
            self._update()

    def time_of(self, kind: TimerKind, key: Key) -> int:
        """When the timer is due; 0 where it does not run."""
        return self._times_ns.get((kind, key), 0)

    def pop_due(self, time_ns: int) -> tuple[TimerKind, Key] | None:
        """Stops the first timer that is due at ``time_ns`` and names it; None where none is."""
        if self.next_ns > time_ns or not self._queue:
            return None
        _, kind, key = self._queue.pop(0)
        del self._times_ns[kind, key]
        self._update()
        return kind, key

    def _update(self) -> None:
        self.next_ns = self._queue[0][0] if self._queue else MAX_TIME_NS
