"""Whether a deposit or a withdrawal may be made: every rule, in the documented order."""

from collections.abc import Mapping

from orderbook.core.accounts import Account
from orderbook.core.commands import Deposit, Withdraw
from orderbook.core.rejects import RejectReason
from orderbook.core.text import is_reference
from orderbook.core.units import FEE_ACCOUNT_ID, MAX_ID, MAX_SUPPLY_MINOR


def refuse_deposit(
    command: Deposit, account: Account | None, supply: Mapping[str, int]
) -> RejectReason | None:
    """``account`` is None where the deposit would open it; ``supply`` has every known asset."""
    if not FEE_ACCOUNT_ID < command.account_id <= MAX_ID:
        return RejectReason.UNKNOWN_ACCOUNT
    reason = _refuse_transfer(command, account, supply)
    if reason is not None:
        return reason
    if supply[command.asset] + command.amount_minor > MAX_SUPPLY_MINOR:
        return RejectReason.SUPPLY_LIMIT
    return None


def refuse_withdrawal(
    command: Withdraw, account: Account | None, supply: Mapping[str, int]
) -> RejectReason | None:
    if account is None:
        return RejectReason.UNKNOWN_ACCOUNT
    reason = _refuse_transfer(command, account, supply)
    if reason is not None:
        return reason
    balance = account.balances.get(command.asset)
    if balance is None or balance.available_minor < command.amount_minor:
        return RejectReason.INSUFFICIENT_BALANCE
    return None


def _refuse_transfer(
    command: Deposit | Withdraw, account: Account | None, supply: Mapping[str, int]
) -> RejectReason | None:
    if command.asset not in supply:
        return RejectReason.UNKNOWN_ASSET
    if command.amount_minor <= 0:
        return RejectReason.INVALID_AMOUNT
    if not is_reference(command.reference):
        return RejectReason.INVALID_REFERENCE
    if account is not None and command.reference in account.references:
        return RejectReason.DUPLICATE_REFERENCE
    return None
