"""Balances: what each account has of each asset, split into available and held.

Promises: no balance is ever negative (``InvariantBroken`` I2 at once), a transfer neither makes
nor loses money, and ``drain_changes`` reports every balance that a command touched exactly once.

Every order moves balances several times, so each method of ``Ledger`` does its work in one place
rather than through the others. ``plain`` and ``matching`` write to balances themselves, for what
rests, is canceled and trades: they keep the same promises.
"""

from typing import Final

from orderbook.core.errors import InvariantBroken
from orderbook.core.events import BalanceChanged, Event

# The compiled build finds what is final at once, and what is imported by its name.
_Changed: Final = BalanceChanged


class Balance:
    """One account's balance of one asset. Written to by ``Ledger``, ``plain``, ``matching`` and
    restore."""

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


Holdings = dict[str, Balance]
"""An account's balances, by asset."""


class Ledger:
    """Moves money between balances and remembers which ones the running command touched."""

    __slots__ = ("supply", "touched", "traded_assets", "traders")

    def __init__(self) -> None:
        self.supply: dict[str, int] = {}
        """Per asset: deposits less withdrawals, in minor units."""
        self.touched: dict[str, Balance] = {}
        """By place: the balances that the running command changed, but those of ``traders``. Empty
        between commands."""
        self.traders: dict[int, Holdings] = {}
        """By account id, all balances of who traded in one book, of which those of both
        ``traded_assets`` changed. Nearly all changes are these, and so they are told in fewer
        steps. Empty between commands."""
        self.traded_assets: tuple[str, str] = ("", "")
        """Base and quote of the book in which they traded, by name."""

    def credit(self, balance: Balance, amount_minor: int) -> None:
        balance.available_minor += amount_minor
        self.touched[balance.place] = balance

    def debit(self, balance: Balance, amount_minor: int) -> None:
        available_minor = balance.available_minor - amount_minor
        if available_minor < 0:
            raise negative(balance, "available", available_minor)
        balance.available_minor = available_minor
        self.touched[balance.place] = balance

    def hold(self, balance: Balance, amount_minor: int) -> None:
        available_minor = balance.available_minor - amount_minor
        if available_minor < 0:
            raise negative(balance, "available", available_minor)
        balance.available_minor = available_minor
        balance.held_minor += amount_minor
        self.touched[balance.place] = balance

    def release(self, balance: Balance, amount_minor: int) -> None:
        held_minor = balance.held_minor - amount_minor
        if held_minor < 0:
            raise negative(balance, "held", held_minor)
        balance.held_minor = held_minor
        balance.available_minor += amount_minor
        self.touched[balance.place] = balance

    def trade_in(self, assets: tuple[str, str]) -> None:
        """Traders are those of another book from now on, or of its new definition."""
        self._touch_traders()
        self.traded_assets = assets

    def _touch_traders(self) -> None:
        for balances in self.traders.values():
            for asset in self.traded_assets:
                balance = balances[asset]
                self.touched[balance.place] = balance
        self.traders.clear()

    def drain_changes(self, events: list[Event]) -> None:
        """Appends a BalanceChanged for each touched balance, by account id, then asset."""
        touched, traders = self.touched, self.traders
        if not touched:
            one, other = self.traded_assets
            for account_id in sorted(traders):
                balances = traders[account_id]
                balance = balances[one]
                events.append(
                    _Changed(account_id, one, balance.available_minor, balance.held_minor)
                )
                balance = balances[other]
                events.append(
                    _Changed(account_id, other, balance.available_minor, balance.held_minor)
                )
            traders.clear()
            return
        if traders:
            self._touch_traders()
        for place in sorted(touched):
            balance = touched[place]
            events.append(
                _Changed(
                    balance.account_id, balance.asset, balance.available_minor, balance.held_minor
                )
            )
        touched.clear()


def negative(balance: Balance, part: str, value_minor: int) -> InvariantBroken:
    return InvariantBroken(
        "I2",
        f"account {balance.account_id} would have {value_minor} {part} minor units of "
        f"{balance.asset}",
    )
