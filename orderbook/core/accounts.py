"""Accounts: who may trade, with what, and which ids they have used.

Promises: an account's client order id is unique among its open orders and the venue's
``CLIENT_ORDER_ID_MEMORY`` most recently finished ones; forgetting is first in, first out, and so
depends on nothing but the commands. References of deposits and withdrawals are never forgotten.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from orderbook.core.balances import Balance
from orderbook.core.fees import Volume
from orderbook.core.rates import RateLimits
from orderbook.core.units import (
    CLIENT_ORDER_ID_MEMORY,
    FEE_ACCOUNT_ID,
    MAX_OPEN_ORDERS,
    AccountStatus,
    SelfTradePrevention,
)

if TYPE_CHECKING:
    from orderbook.core.order import Order


class Account:
    __slots__ = (
        "account_id",
        "balances",
        "client_order_ids",
        "is_unrestricted",
        "kill_switch",
        "limits",
        "max_open_orders",
        "orders",
        "references",
        "self_trade",
        "status",
        "volumes",
    )

    def __init__(self, account_id: int, status: AccountStatus = AccountStatus.ACTIVE) -> None:
        self.account_id = account_id
        self.status = status
        self.balances: dict[str, Balance] = {}
        self.orders: dict[int, Order] = {}
        """Open orders by id, oldest first: ids only grow, and an amended order keeps its place."""
        self.client_order_ids: dict[str, int] = {}
        """Used client order ids with their order's id (0 where only the id is remembered)."""
        self.references: set[str] = set()
        self.self_trade = SelfTradePrevention.NONE
        """What holds for orders that do not say."""
        self.kill_switch = False
        self.max_open_orders = MAX_OPEN_ORDERS
        self.limits: RateLimits | None = None
        """None where the account may send as much as it can."""
        self.volumes: dict[str, Volume] = {}
        """By quote asset: what it traded in instruments with a fee schedule."""
        self.review()

    def review(self) -> None:
        """Has to follow each change of the status, the kill switch or the rate limits."""
        self.is_unrestricted = not self.has_restrictions()
        """Whether nothing about the account itself can refuse its orders."""

    def has_restrictions(self) -> bool:
        return (
            self.account_id == FEE_ACCOUNT_ID
            or self.status is not AccountStatus.ACTIVE
            or self.kill_switch
            or self.limits is not None
        )

    def find_order(self, order_id: int, client_order_id: str) -> Order | None:
        """The open order with this id or, where that is 0, with this client order id."""
        return self.orders.get(order_id or self.client_order_ids.get(client_order_id, 0))

    def balance(self, asset: str) -> Balance:
        """The balance of an asset; zero and recorded from now on where there was none."""
        balance = self.balances.get(asset)
        if balance is None:
            balance = self.balances[asset] = Balance(self.account_id, asset)
        return balance


class Accounts:
    """Every account by id, and the venue's memory of finished client order ids."""

    __slots__ = ("by_id", "finished_client_order_ids")

    def __init__(self) -> None:
        self.by_id: dict[int, Account] = {FEE_ACCOUNT_ID: Account(FEE_ACCOUNT_ID)}
        self.finished_client_order_ids: deque[tuple[Account, str]] = deque()

    def open(self, account_id: int) -> Account:
        """The account, made if there is none."""
        account = self.by_id.get(account_id)
        if account is None:
            account = self.by_id[account_id] = Account(account_id)
        return account

    def finish_client_order_id(self, account: Account, client_order_id: str) -> None:
        """The order with this id is done: remember the id, forget the oldest one if need be."""
        finished = self.finished_client_order_ids
        finished.append((account, client_order_id))
        if len(finished) > CLIENT_ORDER_ID_MEMORY:
            forgotten_account, forgotten_id = finished.popleft()
            del forgotten_account.client_order_ids[forgotten_id]
