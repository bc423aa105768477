"""Own orders, fills and balances as the pages show them. Pure: integers in, text out."""

from collections.abc import Callable
from typing import NamedTuple

from market.formatting import clock_text, date_text, formatter
from market.presentation import MISSING
from market.session_text import percent_text
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import OrderType, PostOnly, SelfTradePrevention, TimeInForce
from orderbook.gateway.decimals import lot_size, places, tick_size
from orderbook.gateway.display import grouped, money_text
from trading.order_state import (
    CANCELED,
    FILLED,
    IMMEDIATE_TYPES,
    OPEN,
    PARTIALLY_FILLED,
    PENDING,
    WAITING,
    FillState,
    OrderState,
)
from trading.resources import average_price, fee_asset, given_asset

STATUS_WORDS = {
    PENDING: "Pending",
    WAITING: "Waiting",
    OPEN: "Open",
    PARTIALLY_FILLED: "Partly filled",
    FILLED: "Filled",
    CANCELED: "Canceled",
}
_STATUS_CLASS = {OPEN: "good", PARTIALLY_FILLED: "good", CANCELED: "warn"}
_STATUS_HINT = {
    PENDING: "until its entry is done",
    WAITING: "for its stop price",
}
TYPE_WORDS = {
    OrderType.LIMIT.value: "Limit",
    OrderType.MARKET.value: "Market",
    OrderType.STOP_MARKET.value: "Stop market",
    OrderType.STOP_LIMIT.value: "Stop limit",
    OrderType.TAKE_PROFIT_MARKET.value: "Take profit market",
    OrderType.TAKE_PROFIT_LIMIT.value: "Take profit limit",
    OrderType.TRAILING_STOP.value: "Trailing stop",
}
_POST_ONLY_WORDS = {
    PostOnly.REJECT.value: "Post-only",
    PostOnly.REPRICE.value: "Post-only, repriced",
}
SELF_TRADE_WORDS = {
    SelfTradePrevention.NONE.value: "None: own orders may trade with each other",
    SelfTradePrevention.CANCEL_NEWEST.value: "Cancel the newer order",
    SelfTradePrevention.CANCEL_OLDEST.value: "Cancel the older order",
    SelfTradePrevention.CANCEL_BOTH.value: "Cancel both",
    SelfTradePrevention.DECREMENT.value: "Make both smaller",
}
CANCEL_REASONS = {
    "user": "canceled by you",
    "operator": "canceled by the venue",
    "ioc_remainder": "the rest of an IOC order that found nothing more to trade with",
    "fok_unfillable": "a FOK order that could not be filled whole",
    "market_remainder": "the rest of a market order that found nothing more to trade with",
    "fill_limit": "the rest of an order that made as many trades as one order may",
    "account_closed": "the account was closed",
    "replaced": "replaced by another order",
    "expired": "its time was up",
    "self_trade": "it met another order of yours (self-trade prevention)",
    "price_band": "the rest could only trade outside the price band",
    "post_only": "a post-only order that would have traded",
    "other_leg": "another order of its list traded, was set off or ended",
    "kill_switch": "a kill switch was engaged",
    "dead_man": "the dead man's switch was not renewed in time",
    "disconnected": "its connection ended, as you asked for",
    "insufficient_balance": "set off when the balance no longer covered it",
    "no_liquidity": "set off when there was no order to trade with",
    "phase": "the market's phase does not take it",
    "untradeable": "what was left is less than one lot",
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
        f"Fees {percent_text(instrument.maker_fee_ppm)} maker, "
        f"{percent_text(instrument.taker_fee_ppm)} taker",
    )


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
    """At which it shows in the book; 0 for one that is not there, or not yet."""
    quantity: str
    filled: str
    average: str
    value: str
    fee: str
    rebate: str
    """Empty where there was none."""
    stop: str
    trail: str
    display: str
    expires: str
    terms: tuple[str, ...]
    """What is special about it, in short: "Stop 24,000.0", "Post-only"."""
    self_trade: str
    status: str
    status_text: str
    status_class: str
    reason: str
    is_open: bool
    client_order_id: str
    list_id: int
    amendable: tuple[str, ...]
    """Fields that an amend may change."""


def order_row(order: OrderState, instrument: InstrumentDefined) -> OrderRow:
    form = formatter(instrument)
    average = average_price(order, instrument)
    rebate = fee_text(order.rebate_minor, given_asset(order.side, instrument), instrument)
    return OrderRow(
        order.id,
        clock_text(order.created_ns),
        date_text(order.created_ns),
        date_text(order.updated_ns),
        order.symbol,
        order.side,
        kind_text(order),
        grouped(form.price(order.price_ticks)) if order.price_ticks else "Market",
        order.price_ticks if order.status in (OPEN, PARTIALLY_FILLED) else 0,
        grouped(form.quantity(order.quantity_lots)),
        grouped(form.quantity(order.filled_lots)),
        MISSING if average is None else grouped(average),
        f"{money_text(order.quote_filled_minor, instrument.quote_decimals)} {instrument.quote}",
        fee_text(order.fee_minor, fee_asset(order.side, instrument), instrument),
        rebate if order.rebate_minor else "",
        _or_blank(order.stop_ticks, form.price),
        _or_blank(order.trail_ticks, form.price),
        _or_blank(order.display_lots, form.quantity),
        f"{date_text(order.expire_ns)} UTC" if order.expire_ns else "",
        _terms(order, instrument),
        SELF_TRADE_WORDS[order.self_trade],
        order.status,
        STATUS_WORDS[order.status],
        _STATUS_CLASS.get(order.status, ""),
        CANCEL_REASONS.get(order.cancel_reason, order.cancel_reason)
        or _STATUS_HINT.get(order.status, ""),
        order.is_open,
        order.client_order_id,
        order.list_id,
        amendable(order),
    )


def _or_blank(number: int, text: Callable[[int], str]) -> str:
    return grouped(text(number)) if number else ""


def _terms(order: OrderState, instrument: InstrumentDefined) -> tuple[str, ...]:
    form = formatter(instrument)
    terms = []
    if order.stop_ticks:
        terms.append(f"Stop {grouped(form.price(order.stop_ticks))}")
    if order.trail_ticks:
        terms.append(f"Trails by {grouped(form.price(order.trail_ticks))}")
    if order.display_lots:
        terms.append(f"Shows {grouped(form.quantity(order.display_lots))}")
    if order.quote_limit_minor:
        amount = money_text(order.quote_limit_minor, instrument.quote_decimals)
        terms.append(f"For {amount} {instrument.quote}")
    if order.post_only in _POST_ONLY_WORDS:
        terms.append(_POST_ONLY_WORDS[order.post_only])
    if order.time_in_force == TimeInForce.DAY.value:
        terms.append("Until the day ends")
    elif order.expire_ns:
        terms.append(f"Until {date_text(order.expire_ns)}")
    if order.list_id:
        terms.append(f"List {order.list_id}")
    return tuple(terms)


def amendable(order: OrderState) -> tuple[str, ...]:
    """Fields of an open order that the engine lets its owner change (docs/matching-rules.md)."""
    if not order.is_open or order.status == PENDING:
        return ()
    names = []
    if not order.list_id:
        if order.price_ticks:
            names.append("price")
        names.append("quantity")
    if order.status == WAITING and order.type != OrderType.TRAILING_STOP.value:
        names.append("stop_price")
    return tuple(names)


def kind_text(order: OrderState) -> str:
    if order.type not in IMMEDIATE_TYPES:
        return TYPE_WORDS[order.type]
    if order.type == OrderType.MARKET.value:
        fok = order.time_in_force == TimeInForce.FOK.value
        return "Market FOK" if fok else "Market"
    at_once = order.time_in_force in (TimeInForce.IOC.value, TimeInForce.FOK.value)
    return order.time_in_force if at_once else "Limit"


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
    is_busted: bool


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
        fill.is_busted,
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
