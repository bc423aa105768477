"""What requests that change orders may say; the one reading of an amend."""

from collections.abc import Mapping
from typing import Any

from orderbook.core.commands import AmendOrder
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import MAX_DEAD_MAN_NS, OrderListKind
from orderbook.errors import InvalidInput
from orderbook.gateway.decimals import parse_decimal
from trading.order_entry import read_price, read_quantity, refuse_unknown

LIST_KINDS = {kind.value: kind for kind in OrderListKind}
MAX_TIMEOUT_MS = MAX_DEAD_MAN_NS // 1_000_000
AMENDABLE = ("price", "quantity", "stop_price")


def read_amendment(
    fields: Mapping[str, Any], account_id: int, order_id: int, instrument: InstrumentDefined
) -> AmendOrder:
    """``fields``: what is to change. Raises InvalidInput where that is nothing."""
    check_amendment(fields)
    return AmendOrder(
        account_id,
        order_id,
        "",
        read_price(fields, "price", instrument) if "price" in fields else 0,
        read_quantity(fields, "quantity", instrument) if "quantity" in fields else 0,
        read_price(fields, "stop_price", instrument) if "stop_price" in fields else 0,
    )


def check_amendment(fields: Mapping[str, Any]) -> None:
    """What can be said of an amend before its order is known. Raises InvalidInput."""
    refuse_unknown(fields, AMENDABLE, "An amend")
    if not fields:
        raise InvalidInput(f"An amend changes {', '.join(AMENDABLE)}.", code="required")
    for name, value in fields.items():
        if not parse_decimal(value, name):
            raise InvalidInput(
                f"{name} must be more than zero.", field=name, code=f"invalid_{name}"
            )
