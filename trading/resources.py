"""Orders and fills as the API, the private streams and the pages show them: decimals as strings.

Plain dictionaries, because the fast path encodes them without Django; ``trading/serializers.py``
documents the same shapes, and a test holds the two together.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from orderbook.core.events import InstrumentDefined, OrderCanceled
from orderbook.gateway.decimals import (
    lots_to_text,
    minor_to_text,
    places,
    tick_size,
    ticks_to_text,
)
from trading.order_state import BUY, CANCELED, FillState, OrderState

AVERAGE_EXTRA_PLACES = 4
"""An average price is rounded (half to even) to so many more places than the tick size has."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1_024)  # All orders of a batch have the same time.
def iso_time(time_ns: int) -> str:
    """UTC with microseconds: "2025-01-31T12:00:00.000000Z"."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1_000)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def average_price(order: OrderState, instrument: InstrumentDefined) -> str | None:
    """Quote paid for one unit of base so far; None before the first fill."""
    if not order.filled_lots:
        return None
    step = tick_size(instrument)
    shown = places(step)
    numerator = order.quote_filled_minor * int(step.scaleb(shown)) * 10**AVERAGE_EXTRA_PLACES
    denominator = instrument.tick_lot_minor * order.filled_lots
    units, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and units % 2):
        units += 1
    text = minor_to_text(units, shown + AVERAGE_EXTRA_PLACES)
    for _ in range(AVERAGE_EXTRA_PLACES):
        text = text.removesuffix("0")
    return text.removesuffix(".")


def fee_asset(side: str, instrument: InstrumentDefined) -> str:
    """The asset that an order receives, in which its fees are charged."""
    return instrument.base if side == BUY else instrument.quote


def _fee_text(fee_minor: int, asset: str, instrument: InstrumentDefined) -> str:
    is_base = asset == instrument.base
    decimals = instrument.base_decimals if is_base else instrument.quote_decimals
    return minor_to_text(fee_minor, decimals)


def given_asset(side: str, instrument: InstrumentDefined) -> str:
    """The asset that an order pays with, in which its rebates are paid."""
    return instrument.quote if side == BUY else instrument.base


def _ticks_or_none(price_ticks: int, instrument: InstrumentDefined) -> str | None:
    return ticks_to_text(instrument, price_ticks) if price_ticks else None


def order_resource(order: OrderState, instrument: InstrumentDefined) -> dict[str, Any]:
    asset = fee_asset(order.side, instrument)
    return {
        "id": order.id,
        "client_order_id": order.client_order_id or None,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "time_in_force": order.time_in_force,
        "price": _ticks_or_none(order.price_ticks, instrument),
        "stop_price": _ticks_or_none(order.stop_ticks, instrument),
        "trailing_distance": _ticks_or_none(order.trail_ticks, instrument),
        "quantity": lots_to_text(instrument, order.quantity_lots),
        "filled_quantity": lots_to_text(instrument, order.filled_lots),
        "remaining_quantity": lots_to_text(instrument, order.remaining_lots),
        "display_quantity": (
            lots_to_text(instrument, order.display_lots) if order.display_lots else None
        ),
        "quote_quantity": (
            minor_to_text(order.quote_limit_minor, instrument.quote_decimals)
            if order.quote_limit_minor
            else None
        ),
        "average_price": average_price(order, instrument),
        "fee": _fee_text(order.fee_minor, asset, instrument),
        "fee_asset": asset,
        "rebate": _fee_text(order.rebate_minor, given_asset(order.side, instrument), instrument),
        "post_only": order.post_only,
        "self_trade_prevention": order.self_trade,
        "expires_at": iso_time(order.expire_ns) if order.expire_ns else None,
        "list_id": order.list_id or None,
        "status": order.status,
        "cancel_reason": order.cancel_reason or None,
        "created_at": iso_time(order.created_ns),
        "updated_at": iso_time(order.updated_ns),
        "sequence": order.updated_sequence,
    }


def placement_resource(
    order: OrderState, fills: Sequence[FillState], instrument: InstrumentDefined
) -> dict[str, Any]:
    """The answer to a placement: the order after its own command, and the fills that it made."""
    resource = order_resource(order, instrument)
    resource["fills"] = [
        {
            "trade_id": fill.trade_id,
            "price": ticks_to_text(instrument, fill.price_ticks),
            "quantity": lots_to_text(instrument, fill.quantity_lots),
            "fee": _fee_text(fill.fee_minor, fill.fee_asset, instrument),
            "fee_asset": fill.fee_asset,
            "liquidity": "maker" if fill.is_maker else "taker",
        }
        for fill in fills
    ]
    return resource


def fill_resource(fill: FillState, instrument: InstrumentDefined) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "symbol": fill.symbol,
        "side": fill.side,
        "price": ticks_to_text(instrument, fill.price_ticks),
        "quantity": lots_to_text(instrument, fill.quantity_lots),
        "quote_quantity": minor_to_text(fill.quote_minor, instrument.quote_decimals),
        "fee": _fee_text(fill.fee_minor, fill.fee_asset, instrument),
        "fee_asset": fill.fee_asset,
        "liquidity": "maker" if fill.is_maker else "taker",
        "is_busted": fill.is_busted,
        "created_at": iso_time(fill.time_ns),
        "sequence": fill.sequence,
    }


def cancellation_resource(
    event: OrderCanceled, instrument: InstrumentDefined, sequence: int, time_ns: int
) -> dict[str, Any]:
    """The answer to a cancel, from its event alone: a cancel never waits for a table."""
    return {
        "id": event.order_id,
        "client_order_id": event.client_order_id or None,
        "symbol": event.symbol,
        "remaining_quantity": lots_to_text(instrument, event.remaining_lots),
        "status": CANCELED,
        "cancel_reason": event.reason.value,
        "updated_at": iso_time(time_ns),
        "sequence": sequence,
    }
