"""No balance is ever negative: what would make one so raises. Each that changed is told once."""

from collections.abc import Callable

import pytest

from orderbook.core.balances import Balance, Ledger
from orderbook.core.commands import Batch, DefineAsset, Deposit
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import BalanceChanged, Event
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FUNDS_MINOR,
    LOT_MINOR,
    SELL,
    SETUP,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
)

Move = Callable[[Ledger, Balance, Balance], object]

TOO_MUCH: dict[str, Move] = {
    "hold": lambda ledger, one, other: ledger.hold(one, 6),
    "release": lambda ledger, one, other: ledger.release(one, 4),
    "debit": lambda ledger, one, other: ledger.debit(one, 6),
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
    ledger.release(one, 7)
    ledger.debit(one, 7)
    ledger.credit(first, 7)
    ledger.debit(first, 2)
    ledger.credit(other, 9)
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


def traded(ledger: Ledger) -> tuple[Balance, Balance, Balance]:
    """Account 2 traded BTC for USDT with account 7."""
    ledger.trade_in(("BTC", "USDT"))
    base, quote, other = Balance(7, "BTC", 5), Balance(7, "USDT", 3, 1), Balance(2, "BTC", 8)
    ledger.traders[7] = {"BTC": base, "USDT": quote, "ETH": Balance(7, "ETH", 4)}
    ledger.traders[2] = {"BTC": other, "USDT": Balance(2, "USDT", 6)}
    return base, quote, other


TRADERS_CHANGES = [
    BalanceChanged(2, "BTC", 8, 0),
    BalanceChanged(2, "USDT", 6, 0),
    BalanceChanged(7, "BTC", 5, 0),
    BalanceChanged(7, "USDT", 3, 1),
]


def test_both_assets_of_each_trader_are_told_and_no_other() -> None:
    ledger, events = Ledger(), list[Event]()
    traded(ledger)
    ledger.drain_changes(events)
    assert events == TRADERS_CHANGES
    ledger.drain_changes(events)
    assert events == TRADERS_CHANGES


def test_traders_and_what_else_changed_are_told_once_each_in_one_order() -> None:
    ledger, events = Ledger(), list[Event]()
    base, _, other = traded(ledger)
    ledger.credit(base, 1)
    ledger.debit(other, 8)
    ledger.credit(Balance(3, "ETH"), 9)
    ledger.drain_changes(events)
    assert events == [
        BalanceChanged(2, "BTC", 0, 0),
        TRADERS_CHANGES[1],
        BalanceChanged(3, "ETH", 9, 0),
        BalanceChanged(7, "BTC", 6, 0),
        TRADERS_CHANGES[3],
    ]
    assert not ledger.touched
    assert not ledger.traders


def test_traders_of_two_books_are_told_in_one_order() -> None:
    ledger, events = Ledger(), list[Event]()
    traded(ledger)
    ledger.trade_in(("ETH", "USDT"))
    ledger.traders[2] = {"ETH": Balance(2, "ETH", 1), "USDT": Balance(2, "USDT", 6)}
    ledger.drain_changes(events)
    assert events == [TRADERS_CHANGES[0], BalanceChanged(2, "ETH", 1, 0), *TRADERS_CHANGES[1:]]


def test_a_batch_that_trades_in_two_books_tells_each_balance_once_and_in_one_order() -> None:
    venue = Venue([*SETUP, DefineAsset("ETH", 6), instrument(symbol="ETH-USDT", base="ETH")])
    venue.do(Deposit(CAROL, "ETH", FUNDS_MINOR, ""))
    venue.limit(ALICE, SELL, 100, 2)
    venue.limit(CAROL, SELL, 50, 1, symbol="ETH-USDT")
    events = venue.do(
        Batch(BOB, (limit(BOB, BUY, 100, 1), limit(BOB, BUY, 50, 1, symbol="ETH-USDT")))
    )
    assert [event for event in events if isinstance(event, BalanceChanged)] == [
        BalanceChanged(ALICE, "BTC", FUNDS_MINOR - 2 * LOT_MINOR, LOT_MINOR),
        BalanceChanged(ALICE, "USDT", FUNDS_MINOR + 100 * TICK_LOT_MINOR, 0),
        BalanceChanged(BOB, "BTC", FUNDS_MINOR + LOT_MINOR, 0),
        BalanceChanged(BOB, "ETH", LOT_MINOR, 0),
        BalanceChanged(BOB, "USDT", FUNDS_MINOR - 150 * TICK_LOT_MINOR, 0),
        BalanceChanged(CAROL, "ETH", FUNDS_MINOR - LOT_MINOR, 0),
        BalanceChanged(CAROL, "USDT", FUNDS_MINOR + 50 * TICK_LOT_MINOR, 0),
    ]
    events = venue.limit(BOB, BUY, 100, 1)
    assert [(e.account_id, e.asset) for e in events if isinstance(e, BalanceChanged)] == [
        (ALICE, "BTC"),
        (ALICE, "USDT"),
        (BOB, "BTC"),
        (BOB, "USDT"),
    ]


def test_assets_are_told_by_name_whichever_is_the_base() -> None:
    venue = Venue([*SETUP, instrument(symbol="USDT-BTC", base="USDT", quote="BTC")])
    venue.limit(ALICE, SELL, 100, 1, symbol="USDT-BTC")
    events = venue.limit(BOB, BUY, 100, 1, symbol="USDT-BTC")
    assert [(e.account_id, e.asset) for e in events if isinstance(e, BalanceChanged)] == [
        (ALICE, "BTC"),
        (ALICE, "USDT"),
        (BOB, "BTC"),
        (BOB, "USDT"),
    ]
