"""The order ticket: a form that keeps what was typed, says what was wrong beside the right field,
and whose hidden client order id makes sure that no double click or resend places two orders.

The id is renewed once the outcome of its order is known, and kept while it is not.
"""

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from market import instruments
from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import RejectReason
from orderbook.core.text import is_client_order_id
from orderbook.core.units import PostOnly
from orderbook.errors import CommandRefused, EngineUnavailable, OutcomeUnknown, VenueError
from trading import changes, selectors, services
from trading.errors import OrderNotFound, RateLimited
from trading.order_entry import POST_ONLY, SELF_TRADE_PREVENTION, Reference
from trading.order_state import BUY, PENDING, SELL, WAITING, OrderState
from trading.presentation import SELF_TRADE_WORDS, order_row
from trading.ticket_orders import AMOUNTS, FORCES, OCO, TEXT_FIELDS, Asked, asked

KINDS = (
    ("limit", "Limit", "Rests in the book until it is filled or canceled"),
    ("market", "Market", "Trades at once at the book's prices; the rest is canceled"),
    ("ioc", "IOC", "Immediate or cancel: trades at once up to the price; the rest is canceled"),
    ("fok", "FOK", "Fill or kill: trades whole and at once, or not at all"),
    ("stop_limit", "Stop limit", "A limit order once the last trade is at the stop or worse"),
    ("stop_market", "Stop market", "A market order once the last trade is at the stop or worse"),
    ("trailing_stop", "Trailing", "A stop that follows the best price at a fixed distance"),
    ("take_profit_limit", "TP limit", "Take profit: a limit order once the stop price is reached"),
    ("take_profit_market", "TP market", "Take profit: a market order once the price is reached"),
    (OCO, "OCO", "One cancels the other: a limit order and a stop, of which one is executed"),
)
_KIND_NAMES = tuple(kind for kind, _, _ in KINDS)
FORCE_WORDS = (("GTC", "Until canceled"), ("DAY", "Today (UTC)"), ("GTD", "Until a time"))
POST_ONLY_WORDS = (
    (PostOnly.OFF.value, "No"),
    (PostOnly.REJECT.value, "Refuse if it would trade"),
    (PostOnly.REPRICE.value, "Move the price back"),
)
SELF_TRADE_CHOICES = (("", "As my account"), *SELF_TRADE_WORDS.items())
MAX_TYPED = 40
"""Characters of a number that are shown again; no valid one is longer."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "side": (BUY, SELL),
    "kind": _KIND_NAMES,
    "time_in_force": FORCES,
    "amount_in": AMOUNTS,
    "post_only": tuple(sorted(POST_ONLY, key=lambda word: word != PostOnly.OFF.value)),
    "self_trade_prevention": ("", *SELF_TRADE_PREVENTION),
}
"""By field, the first one is meant where none is given."""
_ONCE = (
    "quantity",
    "stop_price",
    "trailing_distance",
    "limit_after_stop",
    "display_quantity",
    "take_profit",
    "stop_loss",
)
"""Fields that are empty again once an order was placed."""
_ADVANCED = {
    "time_in_force": "GTC",
    "expires_at": "",
    "post_only": PostOnly.OFF.value,
    "display_quantity": "",
    "self_trade_prevention": "",
    "protection_price": "",
}
"""Fields under "Advanced", with what they are when nobody touched them."""
_EXITS = ("take_profit", "stop_loss")
_FIELD_OF_REASON = {
    RejectReason.PRICE_OUTSIDE_BAND: "price",
    RejectReason.STOP_WOULD_TRIGGER: "stop_price",
    RejectReason.INVALID_STOP_PRICE: "stop_price",
    RejectReason.INVALID_DISPLAY_QUANTITY: "display_quantity",
    RejectReason.INVALID_EXPIRE_TIME: "expires_at",
    RejectReason.POST_ONLY_WOULD_TRADE: "price",
}


class Ticket(NamedTuple):
    typed: dict[str, str]
    """By field of the form: what it holds."""
    client_order_id: str
    errors: dict[str, str]
    """By field, or "form" for what is about none or several."""
    result: str = ""
    status: int = 200

    @property
    def side(self) -> str:
        return self.typed["side"]

    @property
    def kind(self) -> str:
        return self.typed["kind"]

    @property
    def shows_advanced(self) -> bool:
        return any(
            self.typed[name] != usual or name in self.errors for name, usual in _ADVANCED.items()
        )

    @property
    def shows_exits(self) -> bool:
        return any(self.typed[name] or name in self.errors for name in _EXITS)


def new_client_order_id() -> str:
    return f"web-{uuid.uuid4().hex}"


def blank_ticket(side: str = BUY, kind: str = "limit", price: str = "") -> Ticket:
    return _ticket({"side": side, "kind": kind, "price": price})


def _ticket(posted: Mapping[str, str]) -> Ticket:
    """What was posted, as it may be shown again: choices that exist, texts of bounded length."""
    typed = {name: posted.get(name, "").strip()[:MAX_TYPED] for name in TEXT_FIELDS}
    for name, choices in _CHOICES.items():
        value = posted.get(name, "")
        typed[name] = value if value in choices else choices[0]
    return Ticket(typed, new_client_order_id(), {})


def place_from_form(account_id: int, symbol: str, posted: Mapping[str, str]) -> Ticket:
    """Places what the form says; gives the ticket to show next, whatever happens."""
    shown = _ticket(posted)
    given_id = posted.get("client_order_id", "")
    if not is_client_order_id(given_id):
        given_id = shown.client_order_id
    # Sides and kinds that are none are refused, not replaced; longer numbers as they were typed.
    typed = {**shown.typed, "side": posted.get("side", ""), "kind": posted.get("kind", "")}
    typed |= {name: posted.get(name, "").strip() for name in TEXT_FIELDS}
    request = None
    try:
        request = asked(typed, symbol, given_id)
        result = _place(account_id, request)
    except VenueError as error:
        return _refused(shown, error, request, account_id, given_id)
    return _placed_ticket(shown, result)


def _placed_ticket(ticket: Ticket, result: str) -> Ticket:
    return ticket._replace(typed=ticket.typed | dict.fromkeys(_ONCE, ""), result=result)


def _place(account_id: int, request: Asked) -> str:
    if request.kind == "order":
        placed = services.place_order_blocking(account_id, request.orders[0])
        return _outcome(placed.order, placed.instrument)
    fields = {"kind": request.kind, "orders": request.orders}
    placed_list = changes.place_list(account_id, fields)
    orders = [order for order, _ in placed_list.orders]
    return _list_outcome(request.kind, orders, placed_list.instrument)


def _refused(
    ticket: Ticket, error: VenueError, request: Asked | None, account_id: int, given_id: str
) -> Ticket:
    reason = error.reason if isinstance(error, CommandRefused) else None
    if (
        reason is RejectReason.DUPLICATE_CLIENT_ORDER_ID
        and (again := _placed_before(account_id, given_id)) is not None
    ):
        return _placed_ticket(ticket, again)
    if isinstance(error, EngineUnavailable | OutcomeUnknown | RateLimited):
        ticket = ticket._replace(client_order_id=given_id)
    field = error.field or (_FIELD_OF_REASON.get(reason, "") if reason else "")
    if request is not None:
        field = request.field_of(field)
    if field == "stop_price" and ticket.kind == "trailing_stop":
        field = "trailing_distance"
    if field not in TEXT_FIELDS:
        field = "form"
    words = _words(error, reason, request, field)
    return ticket._replace(errors={field: words}, status=int(error.status))


def _words(
    error: VenueError, reason: RejectReason | None, request: Asked | None, field: str
) -> str:
    if error.code == "required" and field != "form":
        return f"{field.replace('_', ' ').capitalize()} is required."
    if reason is RejectReason.INVALID_LIST and request is not None and request.kind == "bracket":
        return (
            "A take profit belongs on the better side of its stop loss: above it for a buy, "
            "below it for a sell."
        )
    return error.message[:1].upper() + error.message[1:]


def _placed_before(account_id: int, client_order_id: str) -> str | None:
    try:
        order = selectors.order_of(account_id, Reference(0, client_order_id))
    except OrderNotFound:
        return None
    return f"This order was placed already: it is order {order.id}. Nothing was placed twice."


def _list_outcome(kind: str, orders: list[OrderState], instrument: InstrumentDefined) -> str:
    rows = [order_row(order, instruments.lookup(order.symbol)) for order in orders]
    if kind == OCO:
        legs = f"{rows[0].price} or stop {rows[1].stop}"
        return f"OCO {orders[0].list_id}: {rows[0].side} {rows[0].quantity} at {legs}."
    exits = f"take profit {rows[1].price}, stop loss {rows[2].stop}"
    return f"{_outcome(orders[0], instrument)} Bracket {orders[0].list_id}: {exits}."


def _outcome(order: OrderState, instrument: InstrumentDefined) -> str:
    row = order_row(order, instrument)
    head = f"{row.side.title()} order {order.id}"
    if order.status in (WAITING, PENDING):
        return f"{head} waits: {row.kind} of {row.quantity} {instrument.base}, stop {row.stop}."
    if not order.filled_lots:
        if order.is_open:
            return f"{head} rests: {row.quantity} {instrument.base} at {row.price}."
        return f"{head} was canceled unfilled: {row.reason}."
    done = f"{head}: {row.filled} {instrument.base} filled at {row.average}"
    if order.is_open:
        return f"{done}, the rest is in the book."
    whole = order.filled_lots == order.quantity_lots or order.quote_limit_minor
    return f"{done}." if whole else f"{done}, rest canceled."
