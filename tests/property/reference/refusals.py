"""What a refusal says. It repeats a text of the command only if that is well formed."""

import re

from orderbook.core import commands as c
from orderbook.core import events as e
from orderbook.core.rejects import RejectReason as R


def symbol_text(text: str) -> str:
    """The symbol if it is well formed, else nothing."""
    return text if re.fullmatch(r"[A-Z0-9][A-Z0-9-]{0,23}", text) else ""


def asset_text(text: str) -> str:
    """The asset if it is well formed, else nothing."""
    return text if re.fullmatch(r"[A-Z0-9][A-Z0-9-]{0,9}", text) else ""


def client_id_text(text: str) -> str:
    """The client order id if it is well formed, else nothing."""
    return text if re.fullmatch(r"[a-zA-Z0-9./:_\-]{1,36}", text) else ""


def refusal(command: c.Command, reason: R) -> e.Event:
    name = type(command).__name__
    match command:
        case c.PlaceOrder(account, symbol):
            client_id = client_id_text(command.client_order_id)
            return e.OrderRejected(account, symbol_text(symbol), client_id, reason)
        case c.ReplaceOrder():
            return refusal(command.order, reason)
        case c.CancelOrder(account, order_id, client_id):
            return e.CancelRejected(account, order_id, client_id_text(client_id), reason)
        case c.AmendOrder(account, order_id, client_id):
            return e.AmendRejected(account, order_id, client_id_text(client_id), reason)
        case c.CancelAllOrders(account):
            return e.CancelRejected(account, 0, "", reason)
        case c.Deposit(account, asset) | c.Withdraw(account, asset):
            return e.CommandRejected(account, name, asset_text(asset), reason)
        case c.DefineAsset(asset):
            return e.CommandRejected(0, name, asset_text(asset), reason)
        case c.BustTrade(trade):
            return e.CommandRejected(0, name, symbol_text(trade.symbol), reason)
        case c.OpenEpoch():
            return e.CommandRejected(0, name, "", reason)
        case (
            c.DefineInstrument(symbol)
            | c.SetPhase(symbol)
            | c.SetSchedule(symbol)
            | c.SetReferencePrice(symbol)
            | c.SetFeeSchedule(symbol)
        ):
            return e.CommandRejected(0, name, symbol_text(symbol), reason)
        case (
            c.SetAccountStatus(account)
            | c.SetAccountLimits(account)
            | c.SetKillSwitch(account)
            | c.CancelAllAfter(account)
        ):
            return e.CommandRejected(account, name, str(account), reason)
    raise AssertionError(command)
