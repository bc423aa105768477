"""What each word that a request may give as ``type`` stands for, and which fields go with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from orderbook.core.units import OrderType, TimeInForce

_GTC, _IOC, _FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
_DAY, _GTD = TimeInForce.DAY, TimeInForce.GTD
RESTING_FORCES = (_GTC, _DAY, _GTD)
"""Times in force of orders that may rest, or wait."""


class OrderKind(NamedTuple):
    type: OrderType
    forces: tuple[TimeInForce, ...]
    """The times in force that it may have; the first one is meant where none is given."""
    required: frozenset[str]
    """Fields without which there is no such order, beside symbol, side and type."""
    optional: frozenset[str]
    foreign: frozenset[str]
    """Fields of other types."""


_TERMS = frozenset(
    {
        "price",
        "quantity",
        "stop_price",
        "trailing_distance",
        "display_quantity",
        "quote_quantity",
        "post_only",
        "expires_at",
    }
)


def _kind(
    type: OrderType, forces: tuple[TimeInForce, ...], required: str, optional: str = ""
) -> OrderKind:
    needed, allowed = frozenset(required.split()), frozenset(optional.split())
    return OrderKind(type, forces, needed, allowed, _TERMS - needed - allowed)


_ICEBERG = "display_quantity post_only expires_at"
KINDS: Mapping[str, OrderKind] = MappingProxyType({
    "limit": _kind(OrderType.LIMIT, (_GTC, _IOC, _FOK, _DAY, _GTD), "price quantity", _ICEBERG),
    "market": _kind(OrderType.MARKET, (_IOC, _FOK), "", "price quantity quote_quantity"),
    "ioc": _kind(OrderType.LIMIT, (_IOC,), "price quantity"),
    "fok": _kind(OrderType.LIMIT, (_FOK,), "price quantity"),
    "stop_market": _kind(
        OrderType.STOP_MARKET, RESTING_FORCES, "stop_price quantity", "price expires_at"
    ),
    "stop_limit": _kind(
        OrderType.STOP_LIMIT, RESTING_FORCES, "stop_price price quantity", _ICEBERG
    ),
    "take_profit_market": _kind(
        OrderType.TAKE_PROFIT_MARKET, RESTING_FORCES, "stop_price quantity", "price expires_at"
    ),
    "take_profit_limit": _kind(
        OrderType.TAKE_PROFIT_LIMIT, RESTING_FORCES, "stop_price price quantity", _ICEBERG
    ),
    "trailing_stop": _kind(
        OrderType.TRAILING_STOP, RESTING_FORCES, "trailing_distance quantity", "price expires_at"
    ),
})  # fmt: skip
"""By the word. "ioc" and "fok" are limit orders whose time in force the word fixes."""
