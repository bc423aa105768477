"""Accounts opened and closed, deposits and withdrawals."""

from orderbook.core.cancels import Cancels
from orderbook.core.commands import Deposit, SetAccountStatus, Withdraw
from orderbook.core.events import AccountStatusSet, Deposited, Event, Withdrawn
from orderbook.core.refusals import command_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.text import asset_or_blank
from orderbook.core.transfers import refuse_deposit, refuse_withdrawal
from orderbook.core.units import FEE_ACCOUNT_ID, MAX_ID, AccountStatus, CancelReason
from orderbook.core.venue import Venue


class Funds:
    __slots__ = ("_cancels", "_venue")

    def __init__(self, venue: Venue, cancels: Cancels) -> None:
        self._venue = venue
        self._cancels = cancels

    def set_account_status(self, command: SetAccountStatus, events: list[Event]) -> None:
        account_id = command.account_id
        if not FEE_ACCOUNT_ID < account_id <= MAX_ID:
            events.append(
                command_rejected(account_id, command, str(account_id), RejectReason.UNKNOWN_ACCOUNT)
            )
            return
        account = self._venue.registry.open(account_id)
        if command.status is AccountStatus.CLOSED:
            self._cancels.cancel_every(account, None, CancelReason.ACCOUNT_CLOSED, events)
        account.status = command.status
        account.review()
        events.append(AccountStatusSet(account_id, command.status))

    def deposit(self, command: Deposit, events: list[Event]) -> None:
        account = self._venue.registry.by_id.get(command.account_id)
        reason = refuse_deposit(command, account, self._venue.ledger.supply)
        if reason is not None:
            events.append(
                command_rejected(command.account_id, command, asset_or_blank(command.asset), reason)
            )
            return
        account_id, asset, amount_minor = command.account_id, command.asset, command.amount_minor
        if account is None:
            account = self._venue.registry.open(account_id)
            events.append(AccountStatusSet(account_id, account.status))
        if command.reference:
            account.references.add(command.reference)
        self._venue.ledger.supply[asset] += amount_minor
        self._venue.ledger.credit(account.balance(asset), amount_minor)
        events.append(Deposited(account_id, asset, amount_minor, command.reference))

    def withdraw(self, command: Withdraw, events: list[Event]) -> None:
        account = self._venue.registry.by_id.get(command.account_id)
        reason = refuse_withdrawal(command, account, self._venue.ledger.supply)
        if reason is not None:
            events.append(
                command_rejected(command.account_id, command, asset_or_blank(command.asset), reason)
            )
            return
        asset, amount_minor = command.asset, command.amount_minor
        assert account is not None
        if command.reference:
            account.references.add(command.reference)
        self._venue.ledger.debit(account.balances[asset], amount_minor)
        self._venue.ledger.supply[asset] -= amount_minor
        events.append(Withdrawn(command.account_id, asset, amount_minor, command.reference))
