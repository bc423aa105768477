"""Balances: what each account has of each asset, split into available and held.

Promises: no balance is ever negative (``InvariantBroken`` I2 at once), a transfer neither makes
nor loses money, and ``drain_changes`` reports every balance that a command touched exactly once.
"""

from orderbook.core.errors import InvariantBroken
from orderbook.core.events import BalanceChanged, Event


class Balance:
    """One account's balance of one asset. Only ``Ledger`` and restore write to it."""

    __slots__ = ("account_id", "asset", "available_minor", "held_minor", "touched")

    def __init__(
        self, account_id: int, asset: str, available_minor: int = 0, held_minor: int = 0
    ) -> None:
        self.account_id = account_id
        self.asset = asset
        self.available_minor = available_minor
        self.held_minor = held_minor
        self.touched = False


def _sort_key(balance: Balance) -> tuple[int, str]:
    return balance.account_id, balance.asset


class Ledger:
    """Moves money between balances and remembers which ones the running command touched."""

    __slots__ = ("_touched", "supply")

    def __init__(self) -> None:
        self.supply: dict[str, int] = {}
        """Per asset: deposits less withdrawals, in minor units."""
        self._touched: list[Balance] = []

    def credit(self, balance: Balance, amount_minor: int) -> None:
        balance.available_minor += amount_minor
        if not balance.touched:
            balance.touched = True
            self._touched.append(balance)

    def debit(self, balance: Balance, amount_minor: int) -> None:
        available_minor = balance.available_minor - amount_minor
        if available_minor < 0:
            raise _negative(balance, "available", available_minor)
        balance.available_minor = available_minor
        if not balance.touched:
            balance.touched = True
            self._touched.append(balance)

    def debit_held(self, balance: Balance, amount_minor: int) -> None:
        held_minor = balance.held_minor - amount_minor
        if held_minor < 0:
            raise _negative(balance, "held", held_minor)
        balance.held_minor = held_minor
        if not balance.touched:
            balance.touched = True
            self._touched.append(balance)

    def hold(self, balance: Balance, amount_minor: int) -> None:
        self.debit(balance, amount_minor)
        balance.held_minor += amount_minor

    def release(self, balance: Balance, amount_minor: int) -> None:
        self.debit_held(balance, amount_minor)
        balance.available_minor += amount_minor

    def drain_changes(self, events: list[Event]) -> None:
        """Appends a BalanceChanged for each touched balance, by account id, then asset."""
        touched = self._touched
        if len(touched) > 1:
            touched.sort(key=_sort_key)
        for balance in touched:
            balance.touched = False
            events.append(
                BalanceChanged(
                    balance.account_id, balance.asset, balance.available_minor, balance.held_minor
                )
            )
        touched.clear()


def _negative(balance: Balance, part: str, value_minor: int) -> InvariantBroken:
    return InvariantBroken(
        "I2",
        f"account {balance.account_id} would have {value_minor} {part} minor units of "
        f"{balance.asset}",
    )
