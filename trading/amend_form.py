"""The form that amends an open order: what may change of it, as it is now, and what came of a post.

Only fields whose text differs from what the form showed are changed, so that a value that moved
meanwhile (a trailing stop, a repriced post-only order) is not set back by accident.
"""

from collections.abc import Mapping
from typing import NamedTuple

from market import instruments
from market.formatting import formatter
from orderbook.core.events import InstrumentDefined
from orderbook.errors import VenueError
from trading import changes, selectors
from trading.order_entry import Reference
from trading.order_state import OrderState
from trading.presentation import OrderRow, amendable, order_row

_LABELS = {"price": "Price", "quantity": "Quantity in all", "stop_price": "Stop price"}
MAX_TYPED = 40
"""Characters of a number that are shown again; no valid one is longer."""


class AmendField(NamedTuple):
    name: str
    label: str
    unit: str
    value: str
    was: str
    """The value that the form showed at first."""
    error: str = ""


class AmendForm(NamedTuple):
    row: OrderRow
    fields: tuple[AmendField, ...]
    """Empty where nothing of the order may change (any more)."""
    result: str = ""
    error: str = ""
    status: int = 200


def amend_form(account_id: int, order_id: int) -> AmendForm:
    """Raises OrderNotFound."""
    order = selectors.order_of(account_id, Reference(order_id))
    return form_of(order, instruments.lookup(order.symbol))


def form_of(order: OrderState, instrument: InstrumentDefined) -> AmendForm:
    text = formatter(instrument)
    values = {
        "price": text.price(order.price_ticks),
        "quantity": text.quantity(order.quantity_lots),
        "stop_price": text.price(order.stop_ticks),
    }
    fields = tuple(
        AmendField(
            name,
            _LABELS[name],
            instrument.base if name == "quantity" else instrument.quote,
            values[name],
            values[name],
        )
        for name in amendable(order)
    )
    return AmendForm(order_row(order, instrument), fields)


def amend_from_form(account_id: int, order_id: int, posted: Mapping[str, str]) -> AmendForm:
    """Amends as the form says; gives the form to show next, whatever happens.

    Raises OrderNotFound."""
    shown = amend_form(account_id, order_id)
    typed = tuple(
        field._replace(
            value=posted.get(field.name, field.value).strip()[:MAX_TYPED],
            was=posted.get(f"was_{field.name}", field.was)[:MAX_TYPED],
        )
        for field in shown.fields
    )
    changed = {field.name: field.value for field in typed if field.value != field.was}
    if not changed:
        return shown._replace(error="Nothing was changed: give another value.", status=422)
    try:
        amended = changes.amend_order(account_id, Reference(order_id), changed)
    except VenueError as error:
        return _refused(shown, typed, error)
    form = form_of(amended.order, amended.instrument)
    done = f"Order {order_id} was amended"
    return form._replace(result=f"{done} and traded at once." if amended.fills else f"{done}.")


def _refused(form: AmendForm, typed: tuple[AmendField, ...], error: VenueError) -> AmendForm:
    message = error.message[:1].upper() + error.message[1:]
    if any(field.name == error.field for field in typed):
        typed = tuple(
            field._replace(error=message if field.name == error.field else "") for field in typed
        )
        message = ""
    return form._replace(fields=typed, error=message, status=int(error.status))
