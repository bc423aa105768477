"""The one reading of an order request, for every door: JSON API, its fast path, pages.

From decoded fields and an account to a ``PlaceOrder`` command, or a ``VenueError`` that names the
field. What depends on the state of the venue (balance, notional, duplicates) is the engine's.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from market.errors import UnknownSymbol
from market.instruments import SYMBOL_PATTERN
from orderbook.core.commands import PlaceOrder
from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import MESSAGES, RejectReason
from orderbook.core.text import is_client_order_id
from orderbook.core.units import (
    MAX_CLIENT_ORDER_ID_LENGTH,
    MAX_ID,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    OrderType,
    Side,
    TimeInForce,
)
from orderbook.errors import InvalidInput
from orderbook.gateway.decimals import (
    lots_to_text,
    price_to_ticks,
    quantity_to_lots,
    ticks_to_text,
)
from trading.errors import OrderNotFound

FIELDS = (
    "symbol",
    "side",
    "type",
    "price",
    "quantity",
    "time_in_force",
    "client_order_id",
)
SIDES = {side.value: side for side in Side}
TIMES_IN_FORCE = {force.value: force for force in TimeInForce}
TYPES = {
    "limit": (OrderType.LIMIT, None),
    "market": (OrderType.MARKET, None),
    "ioc": (OrderType.LIMIT, TimeInForce.IOC),
    "fok": (OrderType.LIMIT, TimeInForce.FOK),
}
"""What ``type`` may say, and the time in force that it fixes. ioc and fok are limit orders."""

CLIENT_ORDER_ID_PATTERN = rf"[A-Za-z0-9.:/_-]{{1,{MAX_CLIENT_ORDER_ID_LENGTH}}}"
SYMBOL = re.compile(SYMBOL_PATTERN, re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)

InstrumentOf = Callable[[str], InstrumentDefined]
"""Finds an instrument; raises ``market.errors.UnknownSymbol``, whatever the text is."""

CLIENT_PREFIX = "client:"


class Reference(NamedTuple):
    """How a caller names an order: by id, or (where that is 0) by its client order id."""

    order_id: int
    client_order_id: str = ""


def read_reference(text: str) -> Reference:
    """``123`` or ``client:my-id``. Raises InvalidInput, or OrderNotFound for impossible ids."""
    if text.startswith(CLIENT_PREFIX):
        client_order_id = text.removeprefix(CLIENT_PREFIX)
        if not is_client_order_id(client_order_id):
            reason = RejectReason.INVALID_CLIENT_ORDER_ID
            raise InvalidInput(MESSAGES[reason], field="id", code=reason.value)
        return Reference(0, client_order_id)
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(
            "An order is named by its id, or by client: and its client order id.", field="id"
        )
    order_id = int(text) if len(text) <= len(str(MAX_ID)) else 0
    if not 0 < order_id <= MAX_ID:
        raise OrderNotFound
    return Reference(order_id)


def read_order(
    fields: Mapping[str, Any], account_id: int, instrument_of: InstrumentOf
) -> tuple[PlaceOrder, InstrumentDefined]:
    """The command that ``fields`` ask for, and the instrument that it is about."""
    _refuse_unknown(fields)
    side = SIDES[_choice(fields, "side", SIDES)]
    order_type, fixed_force = TYPES[_choice(fields, "type", TYPES)]
    time_in_force = _time_in_force(fields, order_type, fixed_force)
    client_order_id = _client_order_id(fields)
    instrument = _instrument(fields, instrument_of)
    price_ticks = _price(fields, order_type, instrument)
    quantity_lots = _quantity(fields, instrument)
    command = PlaceOrder(
        account_id,
        instrument.symbol,
        side,
        order_type,
        time_in_force,
        price_ticks,
        quantity_lots,
        client_order_id,
    )
    return command, instrument


def read_symbol(params: Mapping[str, Any]) -> str:
    """The ``symbol`` of a request's query; "" where there is none. Raises UnknownSymbol."""
    symbol = params.get("symbol")
    if symbol is None:
        return ""
    if not SYMBOL.fullmatch(symbol):
        raise UnknownSymbol
    return str(symbol)


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    for name in fields:
        if name not in FIELDS:
            shown = name if _NAME.fullmatch(name) else ascii(name)[:40]
            raise InvalidInput(
                f"An order has no field {shown}; it may have {', '.join(FIELDS)}.",
                field=shown,
                code="unknown_field",
            )


def _text(fields: Mapping[str, Any], name: str, example: str) -> str:
    value = fields.get(name)
    if isinstance(value, str):
        return value
    if name not in fields:
        raise InvalidInput(f"{name} is required.", field=name, code="required")
    raise InvalidInput(f'{name} must be a string such as "{example}".', field=name)


def _choice(fields: Mapping[str, Any], name: str, choices: Mapping[str, object]) -> str:
    value = _text(fields, name, next(iter(choices)))
    if value not in choices:
        raise InvalidInput(f"{name} must be one of {', '.join(choices)}.", field=name)
    return value


def _time_in_force(
    fields: Mapping[str, Any], order_type: OrderType, fixed: TimeInForce | None
) -> TimeInForce:
    if "time_in_force" not in fields:
        return fixed or (TimeInForce.IOC if order_type is OrderType.MARKET else TimeInForce.GTC)
    given = TIMES_IN_FORCE[_choice(fields, "time_in_force", TIMES_IN_FORCE)]
    if fixed is not None and given is not fixed:
        message = f"type {fixed.value.lower()} means time_in_force {fixed.value}; leave it out."
    elif order_type is OrderType.MARKET and given is TimeInForce.GTC:
        message = MESSAGES[RejectReason.INVALID_TIME_IN_FORCE]
    else:
        return given
    raise InvalidInput(message, field="time_in_force", code="invalid_time_in_force")


def _client_order_id(fields: Mapping[str, Any]) -> str:
    if "client_order_id" not in fields:
        return ""
    value = fields["client_order_id"]
    if not isinstance(value, str) or not is_client_order_id(value):
        reason = RejectReason.INVALID_CLIENT_ORDER_ID
        raise InvalidInput(MESSAGES[reason], field="client_order_id", code=reason.value)
    return value


def _instrument(fields: Mapping[str, Any], instrument_of: InstrumentOf) -> InstrumentDefined:
    return instrument_of(_text(fields, "symbol", "BTC-USDT"))


def _price(fields: Mapping[str, Any], order_type: OrderType, instrument: InstrumentDefined) -> int:
    if order_type is OrderType.MARKET:
        if "price" in fields:
            raise InvalidInput(
                "A market order has no price; leave it out, or send a limit order.",
                field="price",
                code="invalid_price",
            )
        return 0
    price_ticks = price_to_ticks(instrument, _text(fields, "price", "25000.00"))
    if not 0 < price_ticks <= MAX_PRICE_TICKS:
        most = ticks_to_text(instrument, MAX_PRICE_TICKS)
        raise InvalidInput(
            f"price must be more than zero and at most {most}.", field="price", code="invalid_price"
        )
    return price_ticks


def _quantity(fields: Mapping[str, Any], instrument: InstrumentDefined) -> int:
    quantity_lots = quantity_to_lots(instrument, _text(fields, "quantity", "1.5"))
    if not 0 < quantity_lots <= MAX_QUANTITY_LOTS:
        most = lots_to_text(instrument, MAX_QUANTITY_LOTS)
        raise InvalidInput(
            f"quantity must be more than zero and at most {most}.",
            field="quantity",
            code="invalid_quantity",
        )
    return quantity_lots
