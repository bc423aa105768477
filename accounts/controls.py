"""How operators contain an account: limits, kill switches, canceling all of its orders.

Each is a command to the engine and an audit entry, whatever comes of it. All raise CommandRefused,
EngineUnavailable or OutcomeUnknown; the caller has checked that the operator may.
"""

from typing import Any, NamedTuple

from orderbook import audit
from orderbook.core.commands import CancelAllOrders, Command, SetAccountLimits, SetKillSwitch
from orderbook.core.events import AccountLimitsSet, KillSwitchSet, OrderCanceled
from orderbook.core.rejects import RejectReason
from orderbook.core.units import SelfTradePrevention
from orderbook.errors import CommandRefused, EngineUnavailable, OutcomeUnknown
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Answer, Controls, GetControls
from orderbook.gateway.refusals import raise_if_refused

VENUE = 0
"""Stands for all accounts where a kill switch is set."""


class AccountControls(NamedTuple):
    """What holds for an account; 0: the venue's own limit, or none."""

    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    max_open_orders: int = 0
    orders_per_second: int = 0
    messages_per_second: int = 0
    kill_switch: bool = False
    venue_kill_switch: bool = False


def controls_of(account_id: int) -> AccountControls | None:
    """As the engine has them now; None where it cannot be asked. ``VENUE``: its switch alone."""
    try:
        answer = get_gateway().query_blocking(GetControls(account_id=account_id))
    except (EngineUnavailable, OutcomeUnknown):
        return None
    found: dict[str, Any] = {}
    for event in answer.events if isinstance(answer, Controls) else ():
        match event:
            case KillSwitchSet(account_id=0):
                found["venue_kill_switch"] = event.engaged
            case KillSwitchSet():
                found["kill_switch"] = event.engaged
            case AccountLimitsSet():
                names = AccountControls._fields[:4]
                found |= {name: getattr(event, name) for name in names}
    return AccountControls(**found)


def set_limits(account_id: int, limits: AccountControls, actor: audit.Actor) -> None:
    """Sets all but the switches, which have a command of their own."""
    values = {name: getattr(limits, name) for name in AccountControls._fields[:4]}
    command = SetAccountLimits(account_id, **values)
    details = {**values, "self_trade": limits.self_trade.value}
    _carry_out(command, actor, "account.limits", _target(account_id), details)


def set_kill_switch(account_id: int, actor: audit.Actor, *, engaged: bool) -> int:
    """Of an account or (``VENUE``) of everybody; gives how many orders it canceled."""
    action = f"kill_switch.{'engage' if engaged else 'release'}"
    answer = _carry_out(SetKillSwitch(account_id, engaged), actor, action, _target(account_id), {})
    return _canceled(answer)


def cancel_all(account_id: int, actor: audit.Actor) -> int:
    """Cancels every open order of an account as an operator; gives how many."""
    command = CancelAllOrders(account_id, by_operator=True)
    return _canceled(_carry_out(command, actor, "account.cancel_all", _target(account_id), {}))


def _target(account_id: int) -> str:
    return f"account {account_id}" if account_id != VENUE else "venue"


def _canceled(answer: Answer) -> int:
    return sum(isinstance(event, OrderCanceled) for event in answer.events)


def _carry_out(
    command: Command, actor: audit.Actor, action: str, target: str, details: dict[str, Any]
) -> Answer:
    try:
        answer = raise_if_refused(get_gateway().submit_blocking(command))
    except (CommandRefused, EngineUnavailable, OutcomeUnknown) as error:
        audit.record(actor, action, target, details=details, outcome=error.code)
        late = isinstance(error, CommandRefused) and error.reason is RejectReason.DEADLINE_PASSED
        if late:
            raise EngineUnavailable from error
        raise
    audit.record(actor, action, target, details=details, sequence=answer.sequence)
    return answer
