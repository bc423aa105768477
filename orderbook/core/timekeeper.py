"""What happens because time has passed: ``AdvanceTime``."""

from orderbook.core.cancels import Cancels
from orderbook.core.commands import AdvanceTime
from orderbook.core.events import CancelAllAfterFired, Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.timers import Key, TimerKind
from orderbook.core.units import MAX_TIMERS, CancelReason
from orderbook.core.venue import Venue


class Timekeeper:
    __slots__ = ("_cancels", "_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle, cancels: Cancels) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._cancels = cancels

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
            assert isinstance(key, int)
            self._lifecycle.cancel(self._venue.expiring[key], CancelReason.EXPIRED, events)
        elif kind is TimerKind.DEAD_MAN:
            assert isinstance(key, int)
            self._fire_dead_man(key, events)

    def _fire_dead_man(self, account_id: int, events: list[Event]) -> None:
        events.append(CancelAllAfterFired(account_id))
        account = self._venue.registry.by_id[account_id]
        self._cancels.cancel_every(account, None, CancelReason.DEAD_MAN, events)
