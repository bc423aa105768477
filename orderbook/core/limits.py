"""What operators and owners set to contain an account: limits, kill switches, dead man's switch."""

from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.cancels import Cancels
from orderbook.core.commands import CancelAllAfter, Command, SetAccountLimits, SetKillSwitch
from orderbook.core.events import AccountLimitsSet, CancelAllAfterSet, Event, KillSwitchSet
from orderbook.core.rates import RateLimits
from orderbook.core.refusals import command_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.timers import TimerKind
from orderbook.core.units import (
    FEE_ACCOUNT_ID,
    MAX_DEAD_MAN_NS,
    MAX_OPEN_ORDERS,
    MAX_RATE,
    MIN_DEAD_MAN_NS,
    AccountStatus,
    CancelReason,
)
from orderbook.core.venue import Venue

VENUE_ID: Final = 0
"""In ``SetKillSwitch``: everybody."""


class Limits:
    __slots__ = ("_cancels", "_venue")

    def __init__(self, venue: Venue, cancels: Cancels) -> None:
        self._venue = venue
        self._cancels = cancels

    def set_account_limits(self, command: SetAccountLimits, events: list[Event]) -> None:
        account = self._trader(command.account_id)
        if account is None:
            _refuse(command.account_id, command, RejectReason.UNKNOWN_ACCOUNT, events)
            return
        if not _within_bounds(command):
            _refuse(command.account_id, command, RejectReason.INVALID_LIMITS, events)
            return
        account.self_trade = command.self_trade
        account.max_open_orders = command.max_open_orders or MAX_OPEN_ORDERS
        account.limits = _rate_limits(command, account.limits)
        account.review()
        events.append(
            AccountLimitsSet(
                command.account_id,
                command.self_trade,
                command.max_open_orders,
                command.orders_per_second,
                command.messages_per_second,
            )
        )

    def set_kill_switch(self, command: SetKillSwitch, events: list[Event]) -> None:
        account_id = command.account_id
        if account_id == VENUE_ID:
            self._venue.kill_switch = command.engaged
            events.append(KillSwitchSet(VENUE_ID, command.engaged))
            if command.engaged:
                self._cancels.cancel_everybody(None, None, CancelReason.KILL_SWITCH, events)
            return
        account = self._trader(account_id)
        if account is None:
            _refuse(account_id, command, RejectReason.UNKNOWN_ACCOUNT, events)
            return
        account.kill_switch = command.engaged
        account.review()
        events.append(KillSwitchSet(account_id, command.engaged))
        if command.engaged:
            self._cancels.cancel_every(account, None, CancelReason.KILL_SWITCH, events)

    def cancel_all_after(self, command: CancelAllAfter, events: list[Event]) -> None:
        account_id, timeout_ns = command.account_id, command.timeout_ns
        account = self._trader(account_id)
        if account is None:
            _refuse(account_id, command, RejectReason.UNKNOWN_ACCOUNT, events)
            return
        if account.status is not AccountStatus.ACTIVE:
            _refuse(account_id, command, RejectReason.ACCOUNT_CLOSED, events)
            return
        if timeout_ns and not MIN_DEAD_MAN_NS <= timeout_ns <= MAX_DEAD_MAN_NS:
            _refuse(account_id, command, RejectReason.INVALID_TIMEOUT, events)
            return
        deadline_ns = 0
        if timeout_ns:
            deadline_ns = self._venue.time_ns + timeout_ns
            self._venue.timers.set(TimerKind.DEAD_MAN, account_id, deadline_ns)
        else:
            self._venue.timers.clear(TimerKind.DEAD_MAN, account_id)
        events.append(CancelAllAfterSet(account_id, deadline_ns))

    def _trader(self, account_id: int) -> Account | None:
        """The account, unless it is unknown or the venue's own, which is no trader."""
        if account_id == FEE_ACCOUNT_ID:
            return None
        return self._venue.registry.by_id.get(account_id)


def _refuse(account_id: int, command: Command, reason: RejectReason, events: list[Event]) -> None:
    events.append(command_rejected(account_id, command, str(account_id), reason))


def _within_bounds(command: SetAccountLimits) -> bool:
    return (
        0 <= command.max_open_orders <= MAX_OPEN_ORDERS
        and 0 <= command.orders_per_second <= MAX_RATE
        and 0 <= command.messages_per_second <= MAX_RATE
    )


def _rate_limits(command: SetAccountLimits, before: RateLimits | None) -> RateLimits | None:
    """New limits go on with the counts of the running second; None where there are none."""
    if not command.orders_per_second and not command.messages_per_second:
        return None
    limits = before or RateLimits(0, 0)
    limits.orders_per_second = command.orders_per_second
    limits.messages_per_second = command.messages_per_second
    return limits
