"""No balance is ever negative: what would make one so raises, and changes nothing."""

from collections.abc import Callable

import pytest

from orderbook.core.balances import Balance, Ledger
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import BalanceChanged, Event

Move = Callable[[Ledger, Balance, Balance], object]

TOO_MUCH: dict[str, Move] = {
    "an order's event holds": lambda ledger, one, other: one.hold(6),
    "a cancel's event releases": lambda ledger, one, other: one.release(4),
    "hold": lambda ledger, one, other: ledger.hold(one, 6),
    "release": lambda ledger, one, other: ledger.release(one, 4),
    "debit": lambda ledger, one, other: ledger.debit(one, 6),
    "swap": lambda ledger, one, other: ledger.swap(one, other, 6, 1),
    "swap of what is held": lambda ledger, one, other: ledger.swap_held(one, other, 4, 1),
}


def balances() -> tuple[Ledger, Balance, Balance]:
    """Five available and three held, and an empty one."""
    return Ledger(), Balance(7, "USDT", 5, 3), Balance(7, "BTC")


@pytest.mark.parametrize("move", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_balance_that_would_be_negative_stops_the_engine(move: Move) -> None:
    ledger, one, other = balances()
    with pytest.raises(InvariantBroken, match=r"I2.*account 7 would have -1 .* of USDT"):
        move(ledger, one, other)
    assert (one.available_minor, one.held_minor) == (5, 3)
    assert (other.available_minor, other.held_minor) == (0, 0)
    assert not ledger.touched


def test_changes_are_told_once_each_by_account_then_asset() -> None:
    ledger, one, other = balances()
    first = Balance(2, "USDT")
    ledger.hold(one, 5)
    ledger.release(one, 1)
    ledger.swap_held(one, first, 7, 7)
    ledger.swap(first, other, 2, 9)
    ledger.debit(other, 1)
    events: list[Event] = []
    ledger.drain_changes(events)
    assert events == [
        BalanceChanged(2, "USDT", 5, 0),
        BalanceChanged(7, "BTC", 8, 0),
        BalanceChanged(7, "USDT", 1, 0),
    ]
    ledger.drain_changes(events)
    assert len(events) == 3
