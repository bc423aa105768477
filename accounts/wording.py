"""Notifications and reasons in words, for pages, the API and mail."""

from collections.abc import Mapping
from typing import Any

from accounts.models import Notification
from orderbook.core.rejects import MESSAGES, RejectReason
from orderbook.core.units import CancelReason
from orderbook.gateway.decimals import minor_to_text
from orderbook.gateway.display import grouped

_CANCELS = {
    CancelReason.USER: "You canceled it.",
    CancelReason.OPERATOR: "The venue's operator canceled it.",
    CancelReason.IOC_REMAINDER: "What an IOC order does not fill at once is canceled.",
    CancelReason.FOK_UNFILLABLE: "It could not be filled as a whole, so none of it was.",
    CancelReason.MARKET_REMAINDER: "The book held no more orders for it.",
    CancelReason.FILL_LIMIT: "It made as many trades as one order may make at once.",
    CancelReason.ACCOUNT_CLOSED: "The account was closed.",
    CancelReason.REPLACED: "You replaced it with another order.",
    CancelReason.EXPIRED: "Its time was up.",
    CancelReason.SELF_TRADE: "It met another order of yours; self-trade prevention ended it.",
    CancelReason.PRICE_BAND: "What was left could only trade outside the instrument's price band.",
    CancelReason.POST_ONLY: "It is post-only and would have traded.",
    CancelReason.OTHER_LEG: "Another order of its list traded, was set off, or ended.",
    CancelReason.KILL_SWITCH: "A kill switch was engaged.",
    CancelReason.DEAD_MAN: "The dead man's switch was not renewed in time.",
    CancelReason.DISCONNECTED: "Its connection ended, and you asked for that.",
    CancelReason.INSUFFICIENT_BALANCE: "It was set off, and the balance no longer covered it.",
    CancelReason.NO_LIQUIDITY: "It was set off, and there was no order to trade with.",
    CancelReason.PHASE: "The market's phase does not take it.",
    CancelReason.UNTRADEABLE: "What was left was less than one lot.",
}


def plain_amount(minor: int, decimals: int | None) -> str:
    """Without trailing zeros, thousands apart: 150000, 8 -> "0.0015"; 10**11, 8 -> "1,000"."""
    if decimals is None:
        return f"{minor} minor units of"
    text = grouped(minor_to_text(minor, decimals))
    return text.rstrip("0").rstrip(".") if "." in text else text


def title_of(kind: str, data: Mapping[str, Any], decimals: Mapping[str, int]) -> str:
    """One line that says it all, such as "Bought 0.5 BTC for 12,500 USDT"."""
    match kind:
        case Notification.Kind.FILL:
            verb = "Bought" if data["side"] == "buy" else "Sold"
            base, quote = data["base"], data["quote"]
            base_text = plain_amount(data["base_minor"], decimals.get(base))
            quote_text = plain_amount(data["quote_minor"], decimals.get(quote))
            return f"{verb} {base_text} {base} for {quote_text} {quote}"
        case Notification.Kind.DEPOSIT | Notification.Kind.WITHDRAWAL:
            verb = "Received" if kind == Notification.Kind.DEPOSIT else "Paid out"
            asset = data["asset"]
            return f"{verb} {plain_amount(data['amount_minor'], decimals.get(asset))} {asset}"
        case Notification.Kind.CANCEL:
            return f"Order {data['order_id']} on {data['symbol']} was canceled"
        case Notification.Kind.TRIGGER:
            return f"Stop order {data['order_id']} on {data['symbol']} was set off"
        case Notification.Kind.BUST:
            return f"Trade {data['trade_id']} on {data['symbol']} was busted"
        case Notification.Kind.RECONCILIATION:
            return f"Reconciliation found {data['difference_count']} differences"
        case _:
            return f"{_refused(data)} was refused"


def message_of(kind: str, data: Mapping[str, Any]) -> str:
    """What there is to say beyond the title; may be empty."""
    match kind:
        case Notification.Kind.FILL:
            trades = data["trades"]
            return f"Order {data['order_id']}, {trades} trade{'s' if trades > 1 else ''}."
        case Notification.Kind.DEPOSIT | Notification.Kind.WITHDRAWAL:
            return f"Reference {data['reference']}." if data["reference"] else ""
        case Notification.Kind.CANCEL:
            return _CANCELS[CancelReason(data["reason"])]
        case Notification.Kind.TRIGGER:
            return "The last trade reached its stop price."
        case Notification.Kind.BUST:
            return f"The venue undid it; what order {data['order_id']} paid and received is back."
        case Notification.Kind.RECONCILIATION:
            return f"At sequence {data['sequence']}. The admin site shows run {data['run_id']}."
        case _:
            return MESSAGES[RejectReason(data["reason"])]


def _refused(data: Mapping[str, Any]) -> str:
    if "order_id" in data:
        return f"A change of order {data['order_id'] or data['client_order_id']}"
    return f"An order on {data['symbol']}"
