"""What happens because time has passed: ``AdvanceTime``."""

from collections.abc import Callable

from orderbook.core.cancels import Cancels
from orderbook.core.commands import AdvanceTime
from orderbook.core.events import CancelAllAfterFired, Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.phases import Phases
from orderbook.core.timers import Key, TimerKind
from orderbook.core.triggers import Triggers
from orderbook.core.units import MAX_TIMERS, CancelReason
from orderbook.core.venue import Venue


class Timekeeper:
    __slots__ = ("_cancels", "_lifecycle", "_of_a_market", "_triggers", "_venue")

    def __init__(
        self,
        venue: Venue,
        lifecycle: Lifecycle,
        cancels: Cancels,
        phases: Phases,
        triggers: Triggers,
    ) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._cancels = cancels
        self._triggers = triggers
        self._of_a_market: dict[TimerKind, Callable[[str, list[Event]], None]] = {
            TimerKind.UNCROSS: phases.go_on_uncrossing,
            TimerKind.SCHEDULE: phases.follow_schedule,
            TimerKind.PHASE_END: phases.end_volatility_auction,
            TimerKind.INDICATION: phases.publish,
        }
        """What the timers do that are an instrument's."""

    def advance(self, command: AdvanceTime, events: list[Event]) -> None:
        """Does what earlier commands left on the agenda; then fires at most MAX_TIMERS due timers,
        each with what follows from it, and none after one that made trades.

        What is left stays due, so that no command makes more trades than one uncross may.
        """
        venue, triggers = self._venue, self._triggers
        next_trade_id = venue.next_trade_id
        if venue.agenda:
            triggers.run(events)
            if venue.agenda and not triggers.waits_for_uncross():
                return
        for _ in range(MAX_TIMERS):
            due = venue.timers.pop_due(venue.time_ns)
            if due is None:
                return
            self._fire(*due, events)
            if venue.traded_books:
                triggers.run(events)
            if venue.next_trade_id != next_trade_id or venue.agenda:
                return

    def _fire(self, kind: TimerKind, key: Key, events: list[Event]) -> None:
        if kind is TimerKind.EXPIRY:
            assert isinstance(key, int)
            self._lifecycle.cancel(self._venue.expiring[key], CancelReason.EXPIRED, events)
        elif kind is TimerKind.DEAD_MAN:
            assert isinstance(key, int)
            self._fire_dead_man(key, events)
        else:
            assert isinstance(key, str)
            self._of_a_market[kind](key, events)

    def _fire_dead_man(self, account_id: int, events: list[Event]) -> None:
        events.append(CancelAllAfterFired(account_id))
        account = self._venue.registry.by_id[account_id]
        self._cancels.cancel_every(account, None, CancelReason.DEAD_MAN, events)
