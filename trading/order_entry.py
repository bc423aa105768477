"""The one reading of an order request, for every door: JSON API, its fast path, pages.

From decoded fields and an account to a ``PlaceOrder`` command, or a ``VenueError`` that names the
field. What depends on the state of the venue (balance, notional, duplicates) is the engine's.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from market.errors import UnknownSymbol
from market.instruments import SYMBOL_PATTERN
from orderbook.core.commands import PlaceOrder
from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import MESSAGES, RejectReason
from orderbook.core.terms import OrderOptions
from orderbook.core.text import is_client_order_id
from orderbook.core.units import (
    MAX_CLIENT_ORDER_ID_LENGTH,
    MAX_ID,
    MAX_NOTIONAL_MINOR,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    MAX_TIME_NS,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from orderbook.errors import InvalidInput
from orderbook.gateway.decimals import (
    lots_to_text,
    minor_to_text,
    price_to_ticks,
    quantity_to_lots,
    text_to_minor,
    ticks_to_text,
)
from trading.errors import OrderNotFound
from trading.order_kinds import KINDS, OrderKind

FIELDS = (
    "symbol",
    "side",
    "type",
    "price",
    "quantity",
    "time_in_force",
    "client_order_id",
    "stop_price",
    "trailing_distance",
    "display_quantity",
    "quote_quantity",
    "post_only",
    "self_trade_prevention",
    "expires_at",
)
OPTION_FIELDS = frozenset(FIELDS[7:])
"""Fields that most orders do without."""
SIDES = {side.value: side for side in Side}
TIMES_IN_FORCE = {force.value: force for force in TimeInForce}
POST_ONLY = {one.value: one for one in PostOnly}
SELF_TRADE_PREVENTION = {rule.value: rule for rule in SelfTradePrevention}

CLIENT_ORDER_ID_PATTERN = rf"[A-Za-z0-9.:/_-]{{1,{MAX_CLIENT_ORDER_ID_LENGTH}}}"
SYMBOL = re.compile(SYMBOL_PATTERN, re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFF = PostOnly.OFF

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
    refuse_unknown(fields, FIELDS, "An order")
    side = SIDES[_choice(fields, "side", SIDES)]
    word = _choice(fields, "type", KINDS)
    kind = KINDS[word]
    _refuse_misfits(fields, word, kind)
    time_in_force = _time_in_force(fields, word, kind)
    client_order_id = _client_order_id(fields)
    instrument = _instrument(fields, instrument_of)
    price_ticks = read_price(fields, "price", instrument) if "price" in fields else 0
    quantity_lots = read_quantity(fields, "quantity", instrument) if "quantity" in fields else 0
    options = None
    if not OPTION_FIELDS.isdisjoint(fields):
        options = _options(fields, time_in_force, instrument)
    elif time_in_force is TimeInForce.GTD:
        raise _missing("expires_at")
    command = PlaceOrder(
        account_id,
        instrument.symbol,
        side,
        kind.type,
        time_in_force,
        price_ticks,
        quantity_lots,
        client_order_id,
        options,
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


def read_cancel_filters(params: Mapping[str, Any]) -> tuple[str, Side | None]:
    """Which orders a mass cancel is about: symbol ("" for all) and side (None for both).

    A parameter that is not known is refused: a slip of the pen must not cancel everything.
    """
    refuse_unknown(params, ("symbol", "side"), "A mass cancel")
    side = SIDES[_choice(params, "side", SIDES)] if "side" in params else None
    return read_symbol(params), side


def refuse_unknown(fields: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for name in fields:
        if name not in known:
            shown = name if _NAME.fullmatch(name) else ascii(name)[:40]
            raise InvalidInput(
                f"{what} has no field {shown}; it may have {', '.join(known)}.",
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


def _missing(field: str) -> InvalidInput:
    return InvalidInput(f"{field} is required.", field=field, code="required")


def _refuse_misfits(fields: Mapping[str, Any], word: str, kind: OrderKind) -> None:
    """Fields that the type does not take, and those that it cannot do without."""
    if not kind.required <= fields.keys():
        raise _missing(min(kind.required - fields.keys()))
    if not kind.foreign.isdisjoint(fields):
        name = min(kind.foreign & fields.keys())
        raise InvalidInput(
            f"A {word.replace('_', '-')} order has no {name}; leave it out.",
            field=name,
            code="invalid_order",
        )
    if kind.type is OrderType.MARKET and ("quantity" in fields) is ("quote_quantity" in fields):
        if "quantity" not in fields:
            raise _missing("quantity")
        raise InvalidInput(
            "A market order has a quantity or a quote_quantity, not both.",
            field="quote_quantity",
            code="invalid_order",
        )


def _time_in_force(fields: Mapping[str, Any], word: str, kind: OrderKind) -> TimeInForce:
    if "time_in_force" not in fields:
        return TimeInForce.GTD if "expires_at" in fields else kind.forces[0]
    given = TIMES_IN_FORCE[_choice(fields, "time_in_force", TIMES_IN_FORCE)]
    if given not in kind.forces:
        allowed = ", ".join(force.value for force in kind.forces)
        raise InvalidInput(
            f"A {word.replace('_', '-')} order's time_in_force is one of {allowed}.",
            field="time_in_force",
            code="invalid_time_in_force",
        )
    return given


def _options(
    fields: Mapping[str, Any], time_in_force: TimeInForce, instrument: InstrumentDefined
) -> OrderOptions:
    expire_time_ns = 0
    if "expires_at" in fields:
        if time_in_force is not TimeInForce.GTD:
            raise InvalidInput(
                "Only a GTD order has expires_at.", field="expires_at", code="invalid_expire_time"
            )
        expire_time_ns = _time(fields, "expires_at")
    elif time_in_force is TimeInForce.GTD:
        raise _missing("expires_at")
    post_only = (
        POST_ONLY[_choice(fields, "post_only", POST_ONLY)] if "post_only" in fields else _OFF
    )
    rule = None
    if "self_trade_prevention" in fields:
        rule = SELF_TRADE_PREVENTION[
            _choice(fields, "self_trade_prevention", SELF_TRADE_PREVENTION)
        ]
    return OrderOptions(
        _quote_quantity(fields, instrument) if "quote_quantity" in fields else 0,
        read_price(fields, "stop_price", instrument) if "stop_price" in fields else 0,
        read_price(fields, "trailing_distance", instrument) if "trailing_distance" in fields else 0,
        read_quantity(fields, "display_quantity", instrument)
        if "display_quantity" in fields
        else 0,
        post_only,
        rule,
        expire_time_ns,
    )


def _quote_quantity(fields: Mapping[str, Any], instrument: InstrumentDefined) -> int:
    text = _text(fields, "quote_quantity", "100.00")
    minor = text_to_minor(text, instrument.quote_decimals, "quote_quantity")
    if not 0 < minor <= MAX_NOTIONAL_MINOR:
        most = minor_to_text(MAX_NOTIONAL_MINOR, instrument.quote_decimals)
        raise InvalidInput(
            f"quote_quantity must be more than zero and at most {most}.",
            field="quote_quantity",
            code="invalid_quantity",
        )
    return minor


def _time(fields: Mapping[str, Any], name: str) -> int:
    """Nanoseconds of a moment in UTC, such as "2030-01-31T12:00:00Z"."""
    text = _text(fields, name, "2030-01-31T12:00:00Z")
    if _MOMENT.fullmatch(text):
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(text)
            microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
            if 0 < microseconds * 1_000 <= MAX_TIME_NS:
                return microseconds * 1_000
    raise InvalidInput(
        f'{name} must be a moment in UTC such as "2030-01-31T12:00:00Z".',
        field=name,
        code="invalid_expire_time",
    )


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


def read_price(fields: Mapping[str, Any], name: str, instrument: InstrumentDefined) -> int:
    price_ticks = price_to_ticks(instrument, _text(fields, name, "25000.00"), name)
    if not 0 < price_ticks <= MAX_PRICE_TICKS:
        most = ticks_to_text(instrument, MAX_PRICE_TICKS)
        raise InvalidInput(
            f"{name} must be more than zero and at most {most}.", field=name, code=f"invalid_{name}"
        )
    return price_ticks


def read_quantity(fields: Mapping[str, Any], name: str, instrument: InstrumentDefined) -> int:
    quantity_lots = quantity_to_lots(instrument, _text(fields, name, "1.5"), name)
    if not 0 < quantity_lots <= MAX_QUANTITY_LOTS:
        most = lots_to_text(instrument, MAX_QUANTITY_LOTS)
        raise InvalidInput(
            f"{name} must be more than zero and at most {most}.", field=name, code=f"invalid_{name}"
        )
    return quantity_lots
