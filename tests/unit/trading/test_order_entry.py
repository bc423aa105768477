"""One reading of an order request for every door: what is taken, and what each mistake is told."""

from typing import Any

import pytest

from market.errors import UnknownSymbol
from orderbook.core.commands import PlaceOrder
from orderbook.core.events import InstrumentDefined
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    InstrumentStatus,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from orderbook.errors import InvalidInput, NotFound, VenueError
from trading.order_entry import Reference, read_order, read_reference, read_symbol

INSTRUMENT = InstrumentDefined(
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    base_decimals=8,
    quote_decimals=6,
    lot_minor=1_000,
    tick_lot_minor=1,
    maker_fee_ppm=0,
    taker_fee_ppm=0,
    min_notional_minor=0,
    max_quantity_lots=10**9,
    status=InstrumentStatus.TRADING,
)
"""Tick size 0.1, lot size 0.00001."""
LIMIT = {"symbol": "BTC-USDT", "side": "buy", "type": "limit", "price": "25000", "quantity": "1"}


def instrument_of(symbol: str) -> InstrumentDefined:
    if symbol != "BTC-USDT":
        raise UnknownSymbol
    return INSTRUMENT


def read(**changes: Any) -> PlaceOrder:
    wanted = {name: value for name, value in (LIMIT | changes).items() if value is not ...}
    return read_order(wanted, 7, instrument_of)[0]


def test_a_limit_order_becomes_a_command_in_ticks_and_lots() -> None:
    command = read(price="25000.10", quantity="0.50000", client_order_id="a:b/c.d_e-1")
    assert command == PlaceOrder(
        7,
        "BTC-USDT",
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
        250_001,
        50_000,
        "a:b/c.d_e-1",
    )


@pytest.mark.parametrize(
    ("changes", "order_type", "time_in_force"),
    [
        ({}, OrderType.LIMIT, TimeInForce.GTC),
        ({"time_in_force": "IOC"}, OrderType.LIMIT, TimeInForce.IOC),
        ({"type": "ioc"}, OrderType.LIMIT, TimeInForce.IOC),
        ({"type": "fok"}, OrderType.LIMIT, TimeInForce.FOK),
        ({"type": "fok", "time_in_force": "FOK"}, OrderType.LIMIT, TimeInForce.FOK),
        ({"type": "market", "price": ...}, OrderType.MARKET, TimeInForce.IOC),
        (
            {"type": "market", "price": ..., "time_in_force": "FOK"},
            OrderType.MARKET,
            TimeInForce.FOK,
        ),
    ],
)
def test_type_and_time_in_force_shorthands(
    changes: dict[str, Any], order_type: OrderType, time_in_force: TimeInForce
) -> None:
    command = read(**changes)
    assert (command.type, command.time_in_force) == (order_type, time_in_force)


@pytest.mark.parametrize(
    ("changes", "order_type", "time_in_force", "options"),
    [
        (
            {"expires_at": "2030-01-01T00:00:00.5Z"},
            OrderType.LIMIT,
            TimeInForce.GTD,
            OrderOptions(expire_time_ns=1_893_456_000_500_000_000),
        ),
        ({"time_in_force": "DAY"}, OrderType.LIMIT, TimeInForce.DAY, None),
        (
            {"post_only": "reprice", "display_quantity": "0.1"},
            OrderType.LIMIT,
            TimeInForce.GTC,
            OrderOptions(display_lots=10_000, post_only=PostOnly.REPRICE),
        ),
        (
            {"type": "ioc", "self_trade_prevention": "decrement"},
            OrderType.LIMIT,
            TimeInForce.IOC,
            OrderOptions(self_trade=SelfTradePrevention.DECREMENT),
        ),
        (
            {"type": "market", "quantity": ..., "quote_quantity": "10.5"},
            OrderType.MARKET,
            TimeInForce.IOC,
            OrderOptions(quote_minor=10_500_000),
        ),
        (
            {"type": "stop_limit", "stop_price": "24000"},
            OrderType.STOP_LIMIT,
            TimeInForce.GTC,
            OrderOptions(stop_ticks=240_000),
        ),
        (
            {"type": "take_profit_market", "stop_price": "26000", "price": ...},
            OrderType.TAKE_PROFIT_MARKET,
            TimeInForce.GTC,
            OrderOptions(stop_ticks=260_000),
        ),
        (
            {"type": "trailing_stop", "trailing_distance": "100", "time_in_force": "DAY"},
            OrderType.TRAILING_STOP,
            TimeInForce.DAY,
            OrderOptions(trail_ticks=1_000),
        ),
    ],
)
def test_options_become_ticks_lots_and_nanoseconds(
    changes: dict[str, Any],
    order_type: OrderType,
    time_in_force: TimeInForce,
    options: OrderOptions | None,
) -> None:
    command = read(**changes)
    assert (command.type, command.time_in_force) == (order_type, time_in_force)
    assert command.options == options


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"symbol": ...}, "symbol", "required"),
        ({"symbol": 1}, "symbol", "invalid"),
        ({"symbol": None}, "symbol", "invalid"),
        ({"symbol": "NO-SUCH"}, "symbol", "unknown_symbol"),
        ({"symbol": "BTC-USDT\x00"}, "symbol", "unknown_symbol"),
        ({"side": ...}, "side", "required"),
        ({"side": "BUY"}, "side", "invalid"),
        ({"side": ["buy"]}, "side", "invalid"),
        ({"type": "stop"}, "type", "invalid"),
        ({"type": {}}, "type", "invalid"),
        ({"price": ...}, "price", "required"),
        ({"price": 25000}, "price", "invalid"),
        ({"price": 25000.5}, "price", "invalid"),
        ({"price": True}, "price", "invalid"),
        ({"price": "NaN"}, "price", "invalid"),
        ({"price": "-1"}, "price", "invalid"),
        ({"price": "1e5"}, "price", "invalid"),
        ({"price": "Infinity"}, "price", "invalid"),
        ({"price": "25000\n"}, "price", "invalid"),
        ({"price": "٢٥٠"}, "price", "invalid"),
        ({"price": "9" * 5_000}, "price", "invalid"),
        ({"price": "0"}, "price", "invalid_price"),
        ({"price": "0.05"}, "price", "invalid_price"),
        ({"price": "100000000000.1"}, "price", "invalid_price"),
        ({"type": "market", "price": "0"}, "price", "invalid_price"),
        ({"quantity": ...}, "quantity", "required"),
        ({"quantity": "0.000001"}, "quantity", "invalid_quantity"),
        ({"quantity": "0.0"}, "quantity", "invalid_quantity"),
        ({"quantity": "10000000001"}, "quantity", "invalid_quantity"),
        ({"quantity": "'; DROP TABLE trading_order; --"}, "quantity", "invalid"),
        ({"time_in_force": "GTD"}, "expires_at", "required"),
        ({"time_in_force": "GTX"}, "time_in_force", "invalid"),
        ({"time_in_force": None}, "time_in_force", "invalid"),
        ({"type": "ioc", "time_in_force": "GTC"}, "time_in_force", "invalid_time_in_force"),
        (
            {"type": "market", "price": ..., "time_in_force": "GTC"},
            "time_in_force",
            "invalid_time_in_force",
        ),
        ({"client_order_id": ""}, "client_order_id", "invalid_client_order_id"),
        ({"client_order_id": None}, "client_order_id", "invalid_client_order_id"),
        ({"client_order_id": "a" * 37}, "client_order_id", "invalid_client_order_id"),
        ({"client_order_id": "<b>"}, "client_order_id", "invalid_client_order_id"),
        ({"client_order_id": "a\n"}, "client_order_id", "invalid_client_order_id"),
        ({"stop": "1"}, "stop", "unknown_field"),
        ({"stop_price": "1"}, "stop_price", "invalid_order"),
        ({"type": "stop_limit"}, "stop_price", "required"),
        ({"type": "stop_limit", "stop_price": "1", "price": ...}, "price", "required"),
        ({"type": "stop_market", "stop_price": "0"}, "stop_price", "invalid_stop_price"),
        ({"type": "stop_market", "stop_price": "0.05"}, "stop_price", "invalid_stop_price"),
        (
            {"type": "stop_market", "stop_price": "1", "time_in_force": "IOC"},
            "time_in_force",
            "invalid_time_in_force",
        ),
        ({"type": "trailing_stop"}, "trailing_distance", "required"),
        ({"type": "ioc", "post_only": "reject"}, "post_only", "invalid_order"),
        ({"post_only": True}, "post_only", "invalid"),
        ({"post_only": "yes"}, "post_only", "invalid"),
        ({"self_trade_prevention": "cancel"}, "self_trade_prevention", "invalid"),
        ({"display_quantity": "0"}, "display_quantity", "invalid_display_quantity"),
        ({"type": "market", "price": ..., "quantity": ...}, "quantity", "required"),
        ({"type": "market", "quote_quantity": "10"}, "quote_quantity", "invalid_order"),
        (
            {"type": "market", "quantity": ..., "quote_quantity": "0.0000001"},
            "quote_quantity",
            "invalid",
        ),
        (
            {"type": "market", "quantity": ..., "quote_quantity": "0"},
            "quote_quantity",
            "invalid_quantity",
        ),
        ({"quote_quantity": "10"}, "quote_quantity", "invalid_order"),
        ({"expires_at": "tomorrow"}, "expires_at", "invalid_expire_time"),
        ({"expires_at": "2030-02-30T00:00:00Z"}, "expires_at", "invalid_expire_time"),
        ({"expires_at": "2030-01-01T00:00:00+02:00"}, "expires_at", "invalid_expire_time"),
        ({"expires_at": "1969-01-01T00:00:00Z"}, "expires_at", "invalid_expire_time"),
        ({"expires_at": "2300-01-01T00:00:00Z"}, "expires_at", "invalid_expire_time"),
        ({"expires_at": 1_900_000_000}, "expires_at", "invalid"),
        (
            {"expires_at": "2030-01-01T00:00:00Z", "time_in_force": "DAY"},
            "expires_at",
            "invalid_expire_time",
        ),
        ({"<script>": "1"}, "'<script>'", "unknown_field"),
    ],
)
def test_a_mistake_names_its_field_and_code(changes: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(VenueError) as caught:
        read(**changes)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert caught.value.status in (400, 404)
    assert caught.value.message.isascii()


def test_the_message_tells_the_step() -> None:
    with pytest.raises(InvalidInput, match=r"multiple of the tick size, 0\.1"):
        read(price="0.05")
    with pytest.raises(InvalidInput, match=r"multiple of the lot size, 0\.00001\."):
        read(quantity="0.000001")


def test_references() -> None:
    assert read_reference("42") == Reference(42)
    assert read_reference("client:a/b:c") == Reference(0, "a/b:c")


@pytest.mark.parametrize("text", ["0", "00", str(2**63), "9" * 30, "9" * 5_000])
def test_ids_that_no_order_can_have_are_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        read_reference(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "abc", "client:", "client:\x00", "٤", "1 "])
def test_malformed_references_are_invalid(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_reference(text)


def test_a_query_without_symbol_means_all() -> None:
    assert read_symbol({}) == ""
    assert read_symbol({"symbol": "BTC-USDT"}) == "BTC-USDT"
    with pytest.raises(UnknownSymbol):
        read_symbol({"symbol": ""})
