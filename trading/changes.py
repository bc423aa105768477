"""What can be done with open orders and with several at once: amend, replace, lists, batches.

For sync code; a refusal by the engine's rules raises ``CommandRefused``, input that makes no sense
``InvalidInput`` with its field. Every answer is taken from the command's own events, or from a read
that sees them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from market import instruments
from orderbook.core.commands import (
    AmendOrder,
    Batch,
    CancelAllAfter,
    CancelOrder,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
)
from orderbook.core.events import (
    BatchExecuted,
    BatchRejected,
    CancelAllAfterSet,
    Event,
    InstrumentDefined,
    OrderAccepted,
    OrderCanceled,
    OrderListAccepted,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.units import MAX_BATCH_COMMANDS, OrderListKind
from orderbook.errors import CommandRefused, InvalidInput, VenueError
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Answer
from orderbook.gateway.refusals import raise_if_refused, reason_of
from orderbook.projections import Recorded
from trading import selectors
from trading.errors import OrderNotFound, OrderNotOpen
from trading.order_changes import (
    LIST_KINDS,
    MAX_TIMEOUT_MS,
    check_amendment,
    read_amendment,
)
from trading.order_entry import Reference, read_order, read_reference, refuse_unknown
from trading.order_state import FillState, OrderState, fold, taker_fills
from trading.resources import (
    cancellation_resource,
    iso_time,
    order_resource,
    placement_resource,
)
from trading.services import Placement, take_cancels, take_placements

LIST_SIZES = {OrderListKind.OCO: 2, OrderListKind.BRACKET: 3}
ACTIONS = ("place", "amend", "cancel")


class Amendment(NamedTuple):
    """An order after its amend, and the fills that the amend led to."""

    order: OrderState
    fills: list[FillState]
    instrument: InstrumentDefined

    def resource(self) -> dict[str, Any]:
        return placement_resource(self.order, self.fills, self.instrument)


def amend_order(account_id: int, reference: Reference, fields: Mapping[str, Any]) -> Amendment:
    """Changes price, quantity or stop price of an open order in place."""
    take_placements(account_id)
    order = selectors.order_of(account_id, reference)
    instrument = instruments.lookup(order.symbol)
    command = read_amendment(fields, account_id, order.id, instrument)
    answer = _submit(command, account_id, reference)
    return Amendment(
        selectors.order_of(account_id, Reference(order.id)),
        taker_fills(answer.events, order.id, answer.sequence, answer.time_ns),
        instrument,
    )


def replace_order(account_id: int, fields: Mapping[str, Any]) -> Placement:
    """Cancels an open order and places another, or does neither."""
    take_placements(account_id)
    refuse_unknown(fields, ("id", "order"), "A replacement")
    reference = read_reference(_reference_text(fields.get("id")))
    order_fields = _object(fields.get("order"), "order")
    command, instrument = read_order(order_fields, account_id, instruments.lookup)
    replacement = ReplaceOrder(reference.order_id, command, reference.client_order_id)
    answer = _submit(replacement, account_id, reference)
    order, fills = _placed(answer, answer.events)[0]
    return Placement(order, fills, instrument)


def _submit(command: AmendOrder | ReplaceOrder, account_id: int, reference: Reference) -> Answer:
    """Says of an order that cannot be changed whether it is done, or was never there."""
    answer = get_gateway().submit_blocking(command)
    try:
        return raise_if_refused(answer)
    except CommandRefused as refusal:
        if refusal.reason not in (RejectReason.UNKNOWN_ORDER, RejectReason.UNKNOWN_ACCOUNT):
            raise
    order = selectors.order_of(account_id, reference)
    raise OrderNotOpen(f"The order is {order.status} already; there is nothing to change.")


# -- lists ------------------------------------------------------------------------------------


class PlacedList(NamedTuple):
    list_id: int
    kind: OrderListKind
    orders: list[tuple[OrderState, list[FillState]]]
    instrument: InstrumentDefined

    def resource(self) -> dict[str, Any]:
        return {
            "list_id": self.list_id,
            "kind": self.kind.value,
            "orders": [
                placement_resource(order, fills, self.instrument) for order, fills in self.orders
            ],
        }


def place_list(account_id: int, fields: Mapping[str, Any]) -> PlacedList:
    """Places an OCO or a bracket; all of its orders are accepted, or none."""
    kind, orders = _read_list(fields)
    take_placements(account_id, len(orders))
    commands = _each(
        "orders", orders, lambda order: read_order(_object(order), account_id, instruments.lookup)
    )
    command = PlaceOrderList(kind, tuple(command for command, _ in commands))
    answer = raise_if_refused(get_gateway().submit_blocking(command))
    first = answer.events[0]
    assert isinstance(first, OrderListAccepted)
    return PlacedList(first.list_id, kind, _placed(answer, answer.events), commands[0][1])


def _read_list(fields: Mapping[str, Any]) -> tuple[OrderListKind, list[Any]]:
    refuse_unknown(fields, ("kind", "orders"), "A list")
    word = fields.get("kind")
    if not isinstance(word, str) or word not in LIST_KINDS:
        raise InvalidInput(f"kind must be one of {', '.join(LIST_KINDS)}.", field="kind")
    kind = LIST_KINDS[word]
    orders = fields.get("orders")
    if not isinstance(orders, list) or len(orders) != LIST_SIZES[kind]:
        raise InvalidInput(
            f"orders must be a list of {LIST_SIZES[kind]} orders.",
            field="orders",
            code=RejectReason.INVALID_LIST.value,
        )
    return kind, orders


# -- batches ----------------------------------------------------------------------------------


def only_cancels(fields: Mapping[str, Any]) -> bool:
    """Whether the batch does nothing but cancel, for which nobody needs to be allowed to trade."""
    items = fields.get("commands")
    return isinstance(items, list) and _count_cancels(items) == len(items) > 0


def execute_batch(account_id: int, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Executes several commands at once; what became of each, in order.

    All-or-nothing: raises ``CommandRefused`` for the first one that would be refused.
    """
    items, all_or_nothing = _read_batch(fields)
    cancels = _count_cancels(items)
    take_placements(account_id, len(items) - cancels)
    take_cancels(account_id, cancels)
    read = _each("commands", items, lambda item: _read_command(item, account_id, all_or_nothing))
    sent = [index for index, one in enumerate(read) if not isinstance(one, VenueError)]
    outcomes = _execute(account_id, [read[index] for index in sent], all_or_nothing)
    results = [_error(one) if isinstance(one, VenueError) else {} for one in read]
    for index, outcome in zip(sent, outcomes, strict=True):
        results[index] = outcome
    return results


def _read_batch(fields: Mapping[str, Any]) -> tuple[list[Any], bool]:
    refuse_unknown(fields, ("all_or_nothing", "commands"), "A batch")
    all_or_nothing = fields.get("all_or_nothing", False)
    if not isinstance(all_or_nothing, bool):
        raise InvalidInput("all_or_nothing must be true or false.", field="all_or_nothing")
    items = fields.get("commands")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_BATCH_COMMANDS:
        raise InvalidInput(
            f"commands must be a list of 1 to {MAX_BATCH_COMMANDS} commands.",
            field="commands",
            code=RejectReason.INVALID_BATCH.value,
        )
    return items, all_or_nothing


def _count_cancels(items: list[Any]) -> int:
    return sum(isinstance(item, dict) and item.keys() == {"cancel"} for item in items)


def _execute(
    account_id: int, commands: list[PlaceOrder | AmendOrder | CancelOrder], all_or_nothing: bool
) -> list[dict[str, Any]]:
    if not commands:
        return []
    answer = get_gateway().submit_blocking(Batch(account_id, tuple(commands), all_or_nothing))
    first = answer.events[0]
    if isinstance(first, BatchRejected) and all_or_nothing:
        refusal = CommandRefused(first.reason)
        refusal.field = _place("commands", first.index, refusal.field)
        raise refusal
    raise_if_refused(answer)
    assert isinstance(first, BatchExecuted)
    results = []
    start = 1
    for count in first.event_counts:
        results.append(_outcome(answer, answer.events[start : start + count], account_id))
        start += count
    return results


def _read_command(
    item: object, account_id: int, all_or_nothing: bool
) -> PlaceOrder | AmendOrder | CancelOrder | OrderNotFound:
    """The command. Without the order that it is to change there is none; at best effort this is
    nothing that holds up the others."""
    fields = _object(item)
    action = next(iter(fields), "")
    if len(fields) != 1 or action not in ACTIONS:
        raise InvalidInput(
            'A command is one of {"place": order}, {"amend": changes with an id}, {"cancel": id}.',
            field="commands",
        )
    value = fields[action]
    if action == "place":
        return read_order(_object(value), account_id, instruments.lookup)[0]
    try:
        if action == "cancel":
            return CancelOrder(account_id, *read_reference(_reference_text(value)))
        return _read_amend(_object(value), account_id)
    except OrderNotFound as error:
        if all_or_nothing:
            raise
        return error


def _read_amend(fields: Mapping[str, Any], account_id: int) -> AmendOrder:
    changes = dict(fields)
    reference = read_reference(_reference_text(changes.pop("id", None)))
    check_amendment(changes)
    order = selectors.order_of(account_id, reference)
    return read_amendment(changes, account_id, order.id, instruments.lookup(order.symbol))


def _error(error: VenueError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message}}


def _outcome(answer: Answer, events: list[Event], account_id: int) -> dict[str, Any]:
    first = events[0]
    if (reason := reason_of(first)) is not None:
        return _error(CommandRefused(reason))
    if isinstance(first, OrderAccepted):
        order, fills = _placed(answer, events)[0]
        return {"order": placement_resource(order, fills, instruments.lookup(order.symbol))}
    if isinstance(first, OrderCanceled):
        instrument = instruments.lookup(first.symbol)
        canceled = cancellation_resource(first, instrument, answer.sequence, answer.time_ns)
        return {"canceled": canceled}
    order_id: int = first.order_id  # type: ignore[union-attr]
    order = selectors.order_of(account_id, Reference(order_id))
    return {"order": order_resource(order, instruments.lookup(order.symbol))}


# -- dead man's switch ------------------------------------------------------------------------


def cancel_all_after(account_id: int, fields: Mapping[str, Any]) -> str | None:
    """Cancels all open orders unless called again in time; 0 disarms. Gives the moment."""
    take_cancels(account_id)
    refuse_unknown(fields, ("timeout_ms",), "The switch")
    timeout_ms = fields.get("timeout_ms")
    if isinstance(timeout_ms, bool) or not isinstance(timeout_ms, int):
        raise InvalidInput("timeout_ms must be a whole number of milliseconds.", field="timeout_ms")
    if not 0 <= timeout_ms <= MAX_TIMEOUT_MS:
        raise InvalidInput(
            f"timeout_ms must be 0, or from 1,000 to {MAX_TIMEOUT_MS:,}.",
            field="timeout_ms",
            code=RejectReason.INVALID_TIMEOUT.value,
        )
    command = CancelAllAfter(account_id, timeout_ms * 1_000_000)
    first = raise_if_refused(get_gateway().submit_blocking(command)).events[0]
    assert isinstance(first, CancelAllAfterSet)
    return iso_time(first.deadline_ns) if first.deadline_ns else None


# -- shared -----------------------------------------------------------------------------------


def _placed(answer: Answer, events: list[Event]) -> list[tuple[OrderState, list[FillState]]]:
    """Every order that ``events`` accepted, as they left it, with the fills that it took."""
    states: dict[int, OrderState] = {}
    fold(
        states,
        (Recorded(answer.sequence, i, answer.time_ns, event) for i, event in enumerate(events)),
    )
    return [
        (state, taker_fills(events, state.id, answer.sequence, answer.time_ns))
        for state in states.values()
    ]


def _object(value: object, field: str | None = None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput("This must be a JSON object.", field=field)
    return value


def _reference_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    raise InvalidInput(
        "An order is named by its id, or by client: and its client order id.", field="id"
    )


def _each(name: str, items: Iterable[Any], read: Callable[[Any], Any]) -> list[Any]:
    """Reads every item; an error about one of them says where in the request that is."""
    results = []
    for index, item in enumerate(items):
        try:
            results.append(read(item))
        except VenueError as error:
            error.field = _place(name, index, error.field)
            raise
    return results


def _place(name: str, index: int, field: str | None) -> str:
    return f"{name}[{index}].{field}" if field else f"{name}[{index}]"
