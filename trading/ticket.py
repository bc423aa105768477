"""The order ticket: a form that keeps what was typed, says what was wrong beside the right field,
and whose hidden client order id makes sure that no double click or resend places two orders.

The id is renewed once the outcome of its order is known, and kept while it is not.
"""

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import RejectReason
from orderbook.core.text import is_client_order_id
from orderbook.errors import CommandRefused, EngineUnavailable, OutcomeUnknown, VenueError
from trading import selectors, services
from trading.errors import OrderNotFound, RateLimited
from trading.order_entry import Reference
from trading.order_state import BUY, SELL, OrderState
from trading.presentation import order_row

KINDS = (
    ("limit", "Limit", "Rests in the book until it is filled or canceled"),
    ("market", "Market", "Trades at once at the book's prices; the rest is canceled"),
    ("ioc", "IOC", "Immediate or cancel: trades at once up to the price; the rest is canceled"),
    ("fok", "FOK", "Fill or kill: trades whole and at once, or not at all"),
)
_KIND_NAMES = tuple(kind for kind, _, _ in KINDS)
MAX_TYPED = 40
"""Characters of a number that are shown again; no valid one is longer."""


class Ticket(NamedTuple):
    side: str
    kind: str
    price: str
    quantity: str
    client_order_id: str
    errors: dict[str, str]
    """By field: price, quantity, or "form" for what is about none or both."""
    result: str = ""
    status: int = 200


def new_client_order_id() -> str:
    return f"web-{uuid.uuid4().hex}"


def blank_ticket(side: str = BUY, kind: str = "limit", price: str = "") -> Ticket:
    return Ticket(
        side if side in (BUY, SELL) else BUY,
        kind if kind in _KIND_NAMES else "limit",
        price[:MAX_TYPED],
        "",
        new_client_order_id(),
        {},
    )


def place_from_form(account_id: int, symbol: str, posted: Mapping[str, str]) -> Ticket:
    """Places what the form says; gives the ticket to show next, whatever happens."""
    typed = blank_ticket(posted.get("side", ""), posted.get("kind", ""), posted.get("price", ""))
    typed = typed._replace(quantity=posted.get("quantity", "")[:MAX_TYPED])
    given_id = posted.get("client_order_id", "")
    if not is_client_order_id(given_id):
        given_id = typed.client_order_id
    try:
        placed = services.place_order_blocking(account_id, _fields(posted, symbol, given_id))
    except VenueError as error:
        return _refused(typed, error, account_id, given_id)
    return typed._replace(quantity="", result=_outcome(placed.order, placed.instrument))


def _fields(posted: Mapping[str, str], symbol: str, client_order_id: str) -> dict[str, str]:
    fields = {
        "symbol": symbol,
        "side": posted.get("side", ""),
        "type": posted.get("kind", ""),
        "quantity": posted.get("quantity", "").strip(),
        "price": posted.get("price", "").strip(),
        "client_order_id": client_order_id,
    }
    if fields["type"] == "market":
        del fields["price"]
    return {name: value for name, value in fields.items() if value}


def _refused(typed: Ticket, error: VenueError, account_id: int, given_id: str) -> Ticket:
    if (
        isinstance(error, CommandRefused)
        and error.reason is RejectReason.DUPLICATE_CLIENT_ORDER_ID
        and (again := _placed_before(account_id, given_id)) is not None
    ):
        return typed._replace(quantity="", result=again)
    if isinstance(error, EngineUnavailable | OutcomeUnknown | RateLimited):
        typed = typed._replace(client_order_id=given_id)
    field = error.field if error.field in ("price", "quantity") else "form"
    return typed._replace(errors={field: _sentence(error.message)}, status=int(error.status))


def _placed_before(account_id: int, client_order_id: str) -> str | None:
    try:
        order = selectors.order_of(account_id, Reference(0, client_order_id))
    except OrderNotFound:
        return None
    return f"This order was placed already: it is order {order.id}. Nothing was placed twice."


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:]


def _outcome(order: OrderState, instrument: InstrumentDefined) -> str:
    row = order_row(order, instrument)
    head = f"{row.side.title()} order {order.id}"
    if not order.filled_lots:
        if order.is_open:
            return f"{head} rests: {row.quantity} {instrument.base} at {row.price}."
        return f"{head} was canceled unfilled: {row.reason}."
    done = f"{head}: {row.filled} {instrument.base} filled at {row.average}"
    if order.is_open:
        return f"{done}, the rest is in the book."
    return f"{done}." if order.filled_lots == order.quantity_lots else f"{done}, rest canceled."
