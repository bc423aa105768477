"""Balances: what each account has of each asset, split into available and held.

Promises: no balance is ever negative (``InvariantBroken`` I2 at once), a transfer neither makes
nor loses money, and ``drain_changes`` reports every balance that a command touched exactly once.

Every order moves balances several times, so each method of ``Ledger`` does its work in one place
rather than through the others.
"""

from orderbook.core.errors import InvariantBroken
from orderbook.core.events import BalanceChanged, Event


class Balance:
    """One account's balance of one asset. Written to by its methods, ``Ledger`` and restore."""

    __slots__ = ("account_id", "asset", "available_minor", "held_minor", "place")

    def __init__(
        self, account_id: int, asset: str, available_minor: int = 0, held_minor: int = 0
    ) -> None:
        self.account_id = account_id
        self.asset = asset
        self.available_minor = available_minor
        self.held_minor = held_minor
        self.place = f"{account_id:020} {asset}"
        """Sorts by account id, then asset, as a tuple would; but text is compared faster."""

    def hold(self, amount_minor: int) -> BalanceChanged:
        """For a command that touches no other balance; else the ledger has to know of it."""
        available_minor = self.available_minor - amount_minor
        if available_minor < 0:
            raise _negative(self, "available", available_minor)
        self.available_minor = available_minor
        self.held_minor = held_minor = self.held_minor + amount_minor
        return BalanceChanged(self.account_id, self.asset, available_minor, held_minor)

    def release(self, amount_minor: int) -> BalanceChanged:
        """As ``hold``."""
        held_minor = self.held_minor - amount_minor
        if held_minor < 0:
            raise _negative(self, "held", held_minor)
        self.held_minor = held_minor
        self.available_minor = available_minor = self.available_minor + amount_minor
        return BalanceChanged(self.account_id, self.asset, available_minor, held_minor)


class Ledger:
    """Moves money between balances and remembers which ones the running command touched."""

    __slots__ = ("supply", "touched")

    def __init__(self) -> None:
        self.supply: dict[str, int] = {}
        """Per asset: deposits less withdrawals, in minor units."""
        self.touched: dict[str, Balance] = {}
        """By place: the balances that the running command changed. Empty between commands."""

    def credit(self, balance: Balance, amount_minor: int) -> None:
        balance.available_minor += amount_minor
        self.touched[balance.place] = balance

    def debit(self, balance: Balance, amount_minor: int) -> None:
        available_minor = balance.available_minor - amount_minor
        if available_minor < 0:
            raise _negative(balance, "available", available_minor)
        balance.available_minor = available_minor
        self.touched[balance.place] = balance

    def hold(self, balance: Balance, amount_minor: int) -> None:
        available_minor = balance.available_minor - amount_minor
        if available_minor < 0:
            raise _negative(balance, "available", available_minor)
        balance.available_minor = available_minor
        balance.held_minor += amount_minor
        self.touched[balance.place] = balance

    def release(self, balance: Balance, amount_minor: int) -> None:
        held_minor = balance.held_minor - amount_minor
        if held_minor < 0:
            raise _negative(balance, "held", held_minor)
        balance.held_minor = held_minor
        balance.available_minor += amount_minor
        self.touched[balance.place] = balance

    def swap(self, payer: Balance, receiver: Balance, paid_minor: int, received_minor: int) -> None:
        """A party to fills pays one asset out of what is available, and receives the other one."""
        available_minor = payer.available_minor - paid_minor
        if available_minor < 0:
            raise _negative(payer, "available", available_minor)
        payer.available_minor = available_minor
        receiver.available_minor += received_minor
        self.touched[payer.place] = payer
        self.touched[receiver.place] = receiver

    def swap_held(
        self, payer: Balance, receiver: Balance, paid_minor: int, received_minor: int
    ) -> None:
        """The same out of what is held."""
        held_minor = payer.held_minor - paid_minor
        if held_minor < 0:
            raise _negative(payer, "held", held_minor)
        payer.held_minor = held_minor
        receiver.available_minor += received_minor
        self.touched[payer.place] = payer
        self.touched[receiver.place] = receiver

    def drain_changes(self, events: list[Event]) -> None:
        """Appends a BalanceChanged for each touched balance, by account id, then asset."""
        touched = self.touched
        for place in sorted(touched):
            balance = touched[place]
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
