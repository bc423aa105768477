"""Reasons in words, for operators; accounts have their own wording of the same."""

from orderbook.core.commands import (
    AdvanceTime,
    CancelAllOrders,
    CancelOrder,
    Command,
    SetAccountStatus,
    SetKillSwitch,
    SetPhase,
)
from orderbook.core.units import CancelReason, PhaseReason, SelfTradePrevention

CANCELS = {
    CancelReason.USER: "its owner canceled it",
    CancelReason.OPERATOR: "an operator canceled it",
    CancelReason.IOC_REMAINDER: "an IOC order's remainder never rests",
    CancelReason.FOK_UNFILLABLE: "a FOK order fills whole or not at all, and it could not",
    CancelReason.MARKET_REMAINDER: "the other side of the book had no more for a market order",
    CancelReason.FILL_LIMIT: "it made as many trades as one order may make at once",
    CancelReason.ACCOUNT_CLOSED: "its account was closed",
    CancelReason.REPLACED: "its owner replaced it with another order",
    CancelReason.EXPIRED: "its time was over",
    CancelReason.SELF_TRADE: "it met an order of its own account; self-trade prevention ended it",
    CancelReason.PRICE_BAND: "what was left could only trade outside the price band",
    CancelReason.POST_ONLY: "it is post-only and would have traded",
    CancelReason.OTHER_LEG: "another order of its list traded, was set off or ended",
    CancelReason.KILL_SWITCH: "a kill switch was engaged",
    CancelReason.DEAD_MAN: "its account's dead man's switch was not renewed in time",
    CancelReason.DISCONNECTED: "its account's connection ended, and it had asked for that",
    CancelReason.INSUFFICIENT_BALANCE: "it was set off, and its account could not pay for it",
    CancelReason.NO_LIQUIDITY: "it was set off, and there was nothing to trade with",
    CancelReason.PHASE: "the instrument's phase does not take it",
    CancelReason.UNTRADEABLE: "what was left is less than one lot",
}

PHASES = {
    PhaseReason.OPERATOR: "by an operator",
    PhaseReason.SCHEDULE: "by the instrument's schedule",
    PhaseReason.VOLATILITY: "because a trade beyond the dynamic band was prevented",
    PhaseReason.VOLATILITY_END: "because the volatility auction was over",
}

SELF_TRADES = {
    SelfTradePrevention.NONE: "they trade",
    SelfTradePrevention.CANCEL_NEWEST: "the rest of the incoming order is canceled",
    SelfTradePrevention.CANCEL_OLDEST: "the resting order is canceled",
    SelfTradePrevention.CANCEL_BOTH: "both are canceled",
    SelfTradePrevention.DECREMENT: "both lose the smaller one's quantity without a trade",
}


def sender(command: Command) -> str:
    """Who or what a command came from, as far as it says."""
    match command:
        case AdvanceTime():
            return "the venue's clock"
        case CancelOrder(by_operator=True) | CancelAllOrders(by_operator=True) | SetPhase():
            return "an operator"
        case CancelAllOrders(on_disconnect=True):
            return "the end of the account's connection"
        case SetKillSwitch(account_id=0):
            return "an operator, for the whole venue"
        case SetKillSwitch() | SetAccountStatus():
            return "an operator, for the account"
        case _:
            account_id = getattr(command, "account_id", None)
            if account_id is None and (order := getattr(command, "order", None)) is not None:
                account_id = order.account_id
            return f"account {account_id}" if account_id is not None else "the venue"
