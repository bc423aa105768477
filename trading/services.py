"""What can be done with orders, for every door: place, cancel one, cancel all.

Each exists for async code on the server's loop and, with ``_blocking``, for sync code on any other
thread; both say the same. A refusal by the engine's rules raises ``CommandRefused``, input that is
no order ``InvalidInput`` with its field, and an engine that is away ``EngineUnavailable`` or
``OutcomeUnknown``. Nothing here writes a table: the engine's journal is what happened.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from channels.db import database_sync_to_async
from django.conf import settings

from market import instruments
from market.errors import UnknownSymbol
from orderbook import audit
from orderbook.core.commands import CancelAllOrders, CancelOrder, PlaceOrder
from orderbook.core.events import InstrumentDefined, OrderCanceled
from orderbook.core.rejects import RejectReason
from orderbook.core.units import Side
from orderbook.errors import CommandRefused, EngineUnavailable, OutcomeUnknown, VenueError
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Answer
from orderbook.gateway.refusals import raise_if_refused
from orderbook.metrics import ORDER_REQUESTS
from trading import order_entry, selectors
from trading.errors import OrderNotFound, OrderNotOpen, RateLimited
from trading.order_entry import Reference
from trading.order_state import FillState, OrderState, placement
from trading.rate_limit import RateLimit
from trading.resources import cancellation_resource, placement_resource

CANCEL_ACTION = "order.cancel"
"""Name of an operator's cancel in the audit record."""

_placements = RateLimit(settings.ORDER_RATE_PER_S)
_cancels = RateLimit(settings.ORDER_RATE_PER_S)


class Placement(NamedTuple):
    """An order that the engine accepted, as its own command left it."""

    order: OrderState
    fills: list[FillState]
    instrument: InstrumentDefined

    def resource(self) -> dict[str, Any]:
        return placement_resource(self.order, self.fills, self.instrument)


class Cancellation(NamedTuple):
    event: OrderCanceled
    instrument: InstrumentDefined
    sequence: int
    time_ns: int

    def resource(self) -> dict[str, Any]:
        return cancellation_resource(self.event, self.instrument, self.sequence, self.time_ns)


def take_placements(account_id: int, count: int = 1) -> None:
    """Counts so many orders that are placed or changed. Raises RateLimited."""
    _placements.take(account_id, count)


def take_cancels(account_id: int, count: int = 1) -> None:
    """Counts so many cancels, which placing never uses up. Raises RateLimited."""
    _cancels.take(account_id, count)


# -- place ------------------------------------------------------------------------------------


async def place_order(account_id: int, fields: Mapping[str, Any]) -> Placement:
    """Places the order that ``fields`` describe (``order_entry.read_order``)."""
    with _counted():
        _placements.take(account_id)
        await _learn_instrument(fields.get("symbol"))
        command, instrument = order_entry.read_order(fields, account_id, _known_instrument)
        answer = await get_gateway().submit(command)
        return _placement(command, instrument, answer)


def place_order_blocking(account_id: int, fields: Mapping[str, Any]) -> Placement:
    with _counted():
        _placements.take(account_id)
        command, instrument = order_entry.read_order(fields, account_id, instruments.lookup)
        answer = get_gateway().submit_blocking(command)
        return _placement(command, instrument, answer)


def _placement(command: PlaceOrder, instrument: InstrumentDefined, answer: Answer) -> Placement:
    raise_if_refused(answer)
    order, fills = placement(answer.events, answer.sequence, answer.time_ns)
    return Placement(order, fills, instrument)


async def _learn_instrument(symbol: object) -> None:
    """Makes ``_known_instrument`` find it; an unknown one is refused in its turn, not before."""
    if isinstance(symbol, str) and instruments.cached(symbol) is None:
        try:
            await instruments.alookup(symbol)
        except UnknownSymbol:
            return


def _known_instrument(symbol: str) -> InstrumentDefined:
    instrument = instruments.cached(symbol)
    if instrument is None:
        raise UnknownSymbol
    return instrument


# -- cancel -----------------------------------------------------------------------------------


async def cancel_order(account_id: int, reference: Reference) -> Cancellation:
    """Cancels one open order. Raises OrderNotFound, or OrderNotOpen for one that is done."""
    _cancels.take(account_id)
    answer = await get_gateway().submit(CancelOrder(account_id, *reference))
    try:
        event = _canceled_event(answer)
    except OrderNotFound:
        error = await database_sync_to_async(_why_not_canceled)(account_id, reference)
        raise error from None
    instrument = await instruments.alookup(event.symbol)
    return Cancellation(event, instrument, answer.sequence, answer.time_ns)


def cancel_order_blocking(account_id: int, reference: Reference) -> Cancellation:
    _cancels.take(account_id)
    return _cancel_blocking(CancelOrder(account_id, *reference), reference)


def cancel_as_operator(actor: audit.Actor, account_id: int, order_id: int) -> Cancellation:
    """An operator's cancel of anybody's order, audited whatever comes of it.

    The caller has checked that ``actor`` may (``trading.cancel_any_order``).
    """
    target = f"order {order_id} of account {account_id}"
    try:
        command = CancelOrder(account_id, order_id, by_operator=True)
        canceled = _cancel_blocking(command, Reference(order_id))
    except VenueError as error:
        audit.record(actor, CANCEL_ACTION, target, outcome=error.code)
        raise
    audit.record(actor, CANCEL_ACTION, target, sequence=canceled.sequence)
    return canceled


def _cancel_blocking(command: CancelOrder, reference: Reference) -> Cancellation:
    answer = get_gateway().submit_blocking(command)
    try:
        event = _canceled_event(answer)
    except OrderNotFound:
        raise _why_not_canceled(command.account_id, reference) from None
    instrument = instruments.lookup(event.symbol)
    return Cancellation(event, instrument, answer.sequence, answer.time_ns)


def _canceled_event(answer: Answer) -> OrderCanceled:
    try:
        raise_if_refused(answer)
    except CommandRefused as refusal:
        if refusal.reason in (RejectReason.UNKNOWN_ORDER, RejectReason.UNKNOWN_ACCOUNT):
            raise OrderNotFound from None
        raise
    event = answer.events[0]
    assert isinstance(event, OrderCanceled)
    return event


def _why_not_canceled(account_id: int, reference: Reference) -> VenueError:
    """Which it is: no such order of this account, or one that is done already."""
    try:
        order = selectors.order_of(account_id, reference)
    except OrderNotFound as error:
        return error
    return OrderNotOpen(f"The order is {order.status} already; there is nothing to cancel.")


# -- cancel all -------------------------------------------------------------------------------


async def cancel_all(account_id: int, symbol: str = "", side: Side | None = None) -> list[int]:
    """Cancels the account's open orders, in one symbol or in all, of one side or of both.

    Gives their ids, oldest first.
    """
    _cancels.take(account_id)
    if symbol:
        await instruments.alookup(symbol)
    command = CancelAllOrders(account_id, symbol, side=side)
    return _canceled_ids(await get_gateway().submit(command))


def cancel_all_blocking(account_id: int, symbol: str = "", side: Side | None = None) -> list[int]:
    _cancels.take(account_id)
    if symbol:
        instruments.lookup(symbol)
    command = CancelAllOrders(account_id, symbol, side=side)
    return _canceled_ids(get_gateway().submit_blocking(command))


def _canceled_ids(answer: Answer) -> list[int]:
    try:
        raise_if_refused(answer)
    except CommandRefused as refusal:
        if refusal.reason is RejectReason.UNKNOWN_ACCOUNT:
            return []
        raise
    return [event.order_id for event in answer.events if isinstance(event, OrderCanceled)]


# -- what the doors measure -------------------------------------------------------------------

_OUTCOMES: tuple[tuple[type[VenueError], str], ...] = (
    (CommandRefused, "refused"),
    (RateLimited, "rate_limited"),
    (EngineUnavailable, "unavailable"),
    (OutcomeUnknown, "unknown"),
    (VenueError, "invalid"),
)
_accepted = ORDER_REQUESTS.labels("accepted")


@contextmanager
def _counted() -> Generator[None]:
    try:
        yield
    except VenueError as error:
        outcome = next(name for kind, name in _OUTCOMES if isinstance(error, kind))
        ORDER_REQUESTS.labels(outcome).inc()
        raise
    _accepted.inc()
