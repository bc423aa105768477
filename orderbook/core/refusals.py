"""The events that say that a command was refused, each with the reason."""

from orderbook.core.commands import AmendOrder, CancelOrder, Command, PlaceOrder
from orderbook.core.events import AmendRejected, CancelRejected, CommandRejected, OrderRejected
from orderbook.core.rejects import RejectReason
from orderbook.core.text import client_order_id_or_blank, symbol_or_blank


def order_rejected(command: PlaceOrder, reason: RejectReason) -> OrderRejected:
    return OrderRejected(
        command.account_id,
        symbol_or_blank(command.symbol),
        client_order_id_or_blank(command.client_order_id),
        reason,
    )


def cancel_rejected(command: CancelOrder, reason: RejectReason) -> CancelRejected:
    client_order_id = client_order_id_or_blank(command.client_order_id)
    return CancelRejected(command.account_id, command.order_id, client_order_id, reason)


def amend_rejected(command: AmendOrder, reason: RejectReason) -> AmendRejected:
    client_order_id = client_order_id_or_blank(command.client_order_id)
    return AmendRejected(command.account_id, command.order_id, client_order_id, reason)


def command_rejected(
    account_id: int, command: Command, subject: str, reason: RejectReason
) -> CommandRejected:
    """``subject``: the asset, symbol or account that the command was about."""
    return CommandRejected(account_id, type(command).__name__, subject, reason)
