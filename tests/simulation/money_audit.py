"""Every account's money, kept from what the journal says happened and held against what it says
that the accounts have."""

from collections import Counter

from orderbook.core.events import BalanceChanged, Deposited, Trade, TradeBusted, Withdrawn
from orderbook.core.units import FEE_ACCOUNT_ID, Side
from tests.simulation.errors import require

_Key = tuple[int, str]
"""(account id, asset)"""


class MoneyAudit:
    def __init__(self) -> None:
        self._due: Counter[_Key] = Counter()
        """What each account must have, held or not."""
        self._balances: dict[_Key, int] = {}
        self._supply: Counter[str] = Counter()
        self._touched: set[_Key] = set()
        self._trades: dict[int, Trade] = {}
        self._busted: set[int] = set()

    def deposit(self, event: Deposited) -> None:
        self._supply[event.asset] += event.amount_minor
        self._move(event.account_id, event.asset, event.amount_minor)

    def withdraw(self, event: Withdrawn) -> None:
        self._supply[event.asset] -= event.amount_minor
        self._move(event.account_id, event.asset, -event.amount_minor)

    def trade(self, event: Trade, where: str) -> None:
        require(
            0 <= event.maker_rebate_minor <= event.taker_fee_minor and event.maker_fee_minor >= 0,
            "I1",
            f"{where}: trade {event.trade_id} takes money from the fee account",
        )
        self._trades[event.trade_id] = event
        self._settle(event, 1)

    def bust(self, event: TradeBusted, where: str) -> None:
        trade = event.trade
        require(
            self._trades.get(trade.trade_id) == trade and trade.trade_id not in self._busted,
            "rules",
            f"{where}: trade {trade.trade_id} is busted again, or was never made like this",
        )
        self._busted.add(trade.trade_id)
        self._settle(trade, -1)

    def _settle(self, trade: Trade, sign: int) -> None:
        received, received_minor = trade.quote, trade.quote_minor
        paid, paid_minor = trade.base, trade.base_minor
        if trade.taker_side is Side.BUY:
            received, received_minor, paid, paid_minor = paid, paid_minor, received, received_minor
        taker, maker = trade.taker_account_id, trade.maker_account_id
        rebate_minor = trade.maker_rebate_minor
        self._move(taker, received, sign * (received_minor - trade.taker_fee_minor))
        self._move(taker, paid, -sign * paid_minor)
        self._move(maker, paid, sign * (paid_minor - trade.maker_fee_minor))
        self._move(maker, received, -sign * (received_minor - rebate_minor))
        self._move(FEE_ACCOUNT_ID, received, sign * (trade.taker_fee_minor - rebate_minor))
        self._move(FEE_ACCOUNT_ID, paid, sign * trade.maker_fee_minor)

    def _move(self, account_id: int, asset: str, amount_minor: int) -> None:
        if amount_minor:
            self._due[account_id, asset] += amount_minor
            self._touched.add((account_id, asset))

    def balance(self, event: BalanceChanged, where: str) -> None:
        require(
            event.available_minor >= 0 and event.held_minor >= 0,
            "I2",
            f"{where}: {event} is negative",
        )
        key = (event.account_id, event.asset)
        self._balances[key] = event.available_minor + event.held_minor
        self._touched.add(key)

    def check(self, where: str) -> None:
        """After each command."""
        for account_id, asset in sorted(self._touched):
            has, due = self._balances.get((account_id, asset), 0), self._due[account_id, asset]
            require(
                has == due,
                "I1",
                f"{where}: account {account_id} has {has} {asset}, and {due} by what it did",
            )
        if not self._touched:
            return
        self._touched.clear()
        totals: Counter[str] = Counter()
        for (_, asset), amount_minor in self._balances.items():
            totals[asset] += amount_minor
        for asset in sorted({*totals, *self._supply}):
            require(
                totals[asset] == self._supply[asset],
                "I1",
                f"{where}: accounts have {totals[asset]} {asset}, deposits less withdrawals are "
                f"{self._supply[asset]}",
            )
