"""From what was typed into the ticket to the request that it asks for. Pure.

Fields that the chosen kind of order does not use are left out, whatever they hold: a script-less
page sends them all. ``Asked.field_of`` tells which of the form's fields an error is about.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from orderbook.core.units import OrderType, PostOnly, TimeInForce
from orderbook.errors import InvalidInput
from trading.order_kinds import KINDS, RESTING_FORCES
from trading.order_state import BUY, SELL

OCO = "oco"
BRACKET_ENTRIES = ("limit", "market", "ioc", "fok")
"""Kinds that may be given a take-profit and a stop loss."""
TEXT_FIELDS = (
    "price",
    "quantity",
    "stop_price",
    "trailing_distance",
    "limit_after_stop",
    "protection_price",
    "display_quantity",
    "take_profit",
    "stop_loss",
    "expires_at",
)
FORCES = tuple(force.value for force in RESTING_FORCES)
AMOUNTS = ("base", "quote")

_OTHER_SIDE = {BUY: SELL, SELL: BUY}
_LOCAL_TIME_LENGTH = len("2030-01-31T12:00")


class Asked(NamedTuple):
    """``orders``: one, or those of a list of this ``kind``."""

    kind: str
    """"order", "oco" or "bracket"."""
    orders: list[dict[str, Any]]
    names: list[dict[str, str]]
    """For each order: the form's name of a field, where it is not the order's own."""

    def field_of(self, field: str | None) -> str:
        """The form's field that ``field`` of an error means: ``orders[1].price``, ``price``."""
        place = 0
        if field and field.startswith("orders["):
            number, _, field = field.removeprefix("orders[").partition("].")
            place = int(number.rstrip("]"))
        return self.names[place].get(field or "", field or "")


def asked(typed: Mapping[str, str], symbol: str, client_order_id: str) -> Asked:
    """Raises InvalidInput for what no single order could tell."""
    first = {"symbol": symbol, "side": typed["side"], "client_order_id": client_order_id}
    if typed["kind"] == OCO:
        return _oco(typed, first)
    order, names = _order(typed, first)
    if typed["kind"] in BRACKET_ENTRIES and (typed["take_profit"] or typed["stop_loss"]):
        return _bracket(typed, order, names)
    return Asked("order", [order], [names])


def _order(
    typed: Mapping[str, str], first: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    word = typed["kind"]
    kind = KINDS.get(word)
    if kind is None:
        return {**first, "type": word}, {}  # refused with the kinds that there are
    takes = kind.required | kind.optional
    names: dict[str, str] = {}
    values = {
        "price": typed["price"],
        "quantity": typed["quantity"],
        "stop_price": typed["stop_price"],
        "trailing_distance": typed["trailing_distance"],
        "display_quantity": typed["display_quantity"],
        "post_only": "" if typed["post_only"] == PostOnly.OFF.value else typed["post_only"],
    }
    if "price" not in kind.required:
        values["price"] = typed["protection_price"]
        names["price"] = "protection_price"
    if kind.type is OrderType.MARKET and typed["amount_in"] == "quote":
        values["quote_quantity"] = values.pop("quantity")
        names["quote_quantity"] = "quantity"
    order = {name: value for name, value in values.items() if value and name in takes}
    if "expires_at" in takes:
        order |= _lifetime(typed)
    return {**first, "type": word, **order, **_self_trade(typed)}, names


def _lifetime(typed: Mapping[str, str]) -> dict[str, str]:
    force = typed["time_in_force"]
    if force != TimeInForce.GTD.value:
        return {"time_in_force": force}
    moment = typed["expires_at"]
    if moment and not moment.endswith("Z"):
        # As browsers send a datetime-local field, which the page says is UTC.
        moment += ":00Z" if len(moment) == _LOCAL_TIME_LENGTH else "Z"
    return {"time_in_force": force, **({"expires_at": moment} if moment else {})}


def _self_trade(typed: Mapping[str, str]) -> dict[str, str]:
    rule = typed["self_trade_prevention"]
    return {"self_trade_prevention": rule} if rule else {}


def _oco(typed: Mapping[str, str], first: Mapping[str, str]) -> Asked:
    """A limit order, and a stop that becomes a market or, with a limit price, a limit order."""
    limit, _ = _order({**typed, "kind": "limit"}, first)
    both = {"symbol": first["symbol"], "side": first["side"]}
    word = "stop_limit" if typed["limit_after_stop"] else "stop_market"
    stop, names = _order(
        {
            **typed,
            "kind": word,
            "price": typed["limit_after_stop"],
            "protection_price": "",
            "display_quantity": "",
            "post_only": "",
        },
        both,
    )
    return Asked(OCO, [limit, stop], [{}, names | {"price": "limit_after_stop"}])


def _bracket(typed: Mapping[str, str], entry: dict[str, Any], names: dict[str, str]) -> Asked:
    for missing, given in (("take_profit", "stop_loss"), ("stop_loss", "take_profit")):
        if not typed[missing]:
            raise InvalidInput(
                f"With a {given.replace('_', ' ')}, a {missing.replace('_', ' ')} is needed, too.",
                field=missing,
            )
    if "quote_quantity" in entry:
        raise InvalidInput(
            "With take profit and stop loss, the amount is a quantity of the base asset.",
            field="quantity",
        )
    side = _OTHER_SIDE.get(typed["side"], typed["side"])
    exit_ = {"symbol": entry["symbol"], "side": side, **_self_trade(typed)}
    if "quantity" in entry:
        exit_["quantity"] = entry["quantity"]
    profit = {**exit_, "type": "limit", "price": typed["take_profit"]}
    stop = {**exit_, "type": "stop_market", "stop_price": typed["stop_loss"]}
    return Asked(
        "bracket",
        [entry, profit, stop],
        [names, {"price": "take_profit"}, {"stop_price": "stop_loss"}],
    )
