"""Own orders, fills and balances as the pages show them. Pure: integers in, text out."""

from typing import NamedTuple

from market.formatting import formatter
from market.presentation import MISSING, clock_text, date_text
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import PPM, OrderType, TimeInForce
from orderbook.gateway.decimals import lot_size, places, tick_size
from orderbook.gateway.display import grouped, money_text
from trading.order_state import CANCELED, FILLED, OPEN, PARTIALLY_FILLED, FillState, OrderState
from trading.resources import average_price, fee_asset

_STATUS = {
    OPEN: ("Open", "good"),
    PARTIALLY_FILLED: ("Partly filled", "good"),
    FILLED: ("Filled", ""),
    CANCELED: ("Canceled", "warn"),
}
CANCEL_REASONS = {
    "user": "canceled by you",
    "operator": "canceled by the venue",
    "ioc_remainder": "the rest of an IOC order that found nothing more to trade with",
    "fok_unfillable": "a FOK order that could not be filled whole",
    "market_remainder": "the rest of a market order that found nothing more to trade with",
    "fill_limit": "the rest of an order that made as many trades as one order may",
    "account_closed": "the account was closed",
}


class UnitsText(NamedTuple):
    """What the ticket and the chart need to know of an instrument."""

    tick_size: str
    lot_size: str
    price_places: int
    fees: str


def units_text(instrument: InstrumentDefined) -> UnitsText:
    tick, lot = tick_size(instrument), lot_size(instrument)
    return UnitsText(
        f"{tick.normalize():f}",
        f"{lot.normalize():f}",
        places(tick),
        f"Fees {_percent(instrument.maker_fee_ppm)} maker, "
        f"{_percent(instrument.taker_fee_ppm)} taker",
    )


def _percent(ppm: int) -> str:
    """1000 -> "0.1%"."""
    whole, rest = divmod(ppm * 100, PPM)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + "%"


class OrderRow(NamedTuple):
    id: int
    time: str
    date: str
    updated: str
    symbol: str
    side: str
    kind: str
    price: str
    price_ticks: int
    quantity: str
    filled: str
    average: str
    value: str
    fee: str
    status_text: str
    status_class: str
    reason: str
    is_open: bool
    client_order_id: str


def order_row(order: OrderState, instrument: InstrumentDefined) -> OrderRow:
    form = formatter(instrument)
    market = order.type == OrderType.MARKET.value
    average = average_price(order, instrument)
    return OrderRow(
        order.id,
        clock_text(order.created_ns),
        date_text(order.created_ns),
        date_text(order.updated_ns),
        order.symbol,
        order.side,
        kind_text(order),
        "Market" if market else grouped(form.price(order.price_ticks)),
        order.price_ticks,
        grouped(form.quantity(order.quantity_lots)),
        grouped(form.quantity(order.filled_lots)),
        MISSING if average is None else grouped(average),
        f"{money_text(order.quote_filled_minor, instrument.quote_decimals)} {instrument.quote}",
        fee_text(order.fee_minor, fee_asset(order.side, instrument), instrument),
        *_STATUS[order.status],
        CANCEL_REASONS.get(order.cancel_reason, order.cancel_reason),
        order.is_open,
        order.client_order_id,
    )


def kind_text(order: OrderState) -> str:
    if order.type == OrderType.MARKET.value:
        fok = order.time_in_force == TimeInForce.FOK.value
        return "Market FOK" if fok else "Market"
    return "Limit" if order.time_in_force == TimeInForce.GTC.value else order.time_in_force


def fee_text(fee_minor: int, asset: str, instrument: InstrumentDefined) -> str:
    is_base = asset == instrument.base
    decimals = instrument.base_decimals if is_base else instrument.quote_decimals
    return f"{money_text(fee_minor, decimals)} {asset}"


class FillRow(NamedTuple):
    id: int
    order_id: int
    trade_id: int
    time: str
    date: str
    symbol: str
    side: str
    price: str
    quantity: str
    value: str
    fee: str
    role: str


def fill_row(fill: FillState, instrument: InstrumentDefined) -> FillRow:
    form = formatter(instrument)
    return FillRow(
        fill.id,
        fill.order_id,
        fill.trade_id,
        clock_text(fill.time_ns),
        date_text(fill.time_ns),
        fill.symbol,
        fill.side,
        grouped(form.price(fill.price_ticks)),
        grouped(form.quantity(fill.quantity_lots)),
        f"{money_text(fill.quote_minor, instrument.quote_decimals)} {instrument.quote}",
        fee_text(fill.fee_minor, fill.fee_asset, instrument),
        "Maker" if fill.is_maker else "Taker",
    )


class BalanceRow(NamedTuple):
    asset: str
    available: str
    held: str
    available_minor: int


def balance_row(asset: str, decimals: int, available_minor: int, held_minor: int) -> BalanceRow:
    return BalanceRow(
        asset,
        money_text(available_minor, decimals),
        money_text(held_minor, decimals),
        available_minor,
    )
