"""What happens because time has passed: ``AdvanceTime``."""

from orderbook.core.commands import AdvanceTime
from orderbook.core.events import Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.timers import Key, TimerKind
from orderbook.core.units import MAX_TIMERS
from orderbook.core.venue import Venue


class Timekeeper:
    __slots__ = ("_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle) -> None:
        self._venue = venue
        self._lifecycle = lifecycle

    def advance(self, command: AdvanceTime, events: list[Event]) -> None:
        """Fires at most MAX_TIMERS due timers; what is left stays due."""
        venue = self._venue
        for _ in range(MAX_TIMERS):
            due = venue.timers.pop_due(venue.time_ns)
            if due is None:
                return
            self._fire(*due, events)

    def _fire(self, kind: TimerKind, key: Key, events: list[Event]) -> None:
        if kind is TimerKind.EXPIRY:
            self._expire(key, events)

    def _expire(self, order_id: Key, events: list[Event]) -> None:
        pass
