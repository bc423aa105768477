"""Self-trade prevention: what happens when an order meets a resting one of its own account.

The taker's rule holds. Cancel newest, cancel oldest, cancel both, and decrement-and-cancel, as in
the self-match prevention of the large derivatives and crypto exchanges.
"""

from orderbook.core.events import Event, SelfTradePrevented
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order
from orderbook.core.units import CancelReason, SelfTradePrevention


def prevent(
    lifecycle: Lifecycle,
    taker: Order,
    maker: Order,
    rule: SelfTradePrevention,
    events: list[Event],
) -> CancelReason | None:
    """Acts instead of a fill. Gives the reason for canceling the taker's rest, if it must end."""
    decremented_lots = 0
    if rule is SelfTradePrevention.DECREMENT:
        decremented_lots = min(taker.remaining_lots, maker.open_lots())
    events.append(
        SelfTradePrevented(
            maker.book.instrument.symbol,
            maker.account.account_id,
            maker.order_id,
            taker.order_id,
            rule,
            decremented_lots,
        )
    )
    if rule is SelfTradePrevention.CANCEL_NEWEST:
        return CancelReason.SELF_TRADE
    if rule is SelfTradePrevention.DECREMENT:
        return _decrement(lifecycle, taker, maker, decremented_lots, events)
    lifecycle.cancel(maker, CancelReason.SELF_TRADE, events)
    return CancelReason.SELF_TRADE if rule is SelfTradePrevention.CANCEL_BOTH else None


def _decrement(
    lifecycle: Lifecycle, taker: Order, maker: Order, lots: int, events: list[Event]
) -> CancelReason | None:
    lifecycle.shrink(maker, lots)
    special = maker.special
    if special is not None and special.order_list is not None:
        lifecycle.note_decrement(maker, special.order_list)
    if not maker.open_lots():
        lifecycle.cancel(maker, CancelReason.SELF_TRADE, events)
    taker.remaining_lots -= lots
    taker.quantity_lots -= lots
    return None if taker.remaining_lots else CancelReason.SELF_TRADE
