"""The one fold of events onto orders.

The projection, the reads that overlay the journal's tail, the answer to a placement and the private
streams all call this code, so they cannot disagree about what an order is. Pure: no database, no
clock. States are mutable and belong to whoever made them.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from orderbook.core.events import Event, OrderAccepted, OrderCanceled, Trade
from orderbook.core.units import Side
from orderbook.projections import Recorded

OPEN = "open"
PARTIALLY_FILLED = "partially_filled"
FILLED = "filled"
CANCELED = "canceled"
STATUSES = (OPEN, PARTIALLY_FILLED, FILLED, CANCELED)
OPEN_STATUSES = (OPEN, PARTIALLY_FILLED)
"""An order with one of these still works in the book."""

BUY = Side.BUY.value
SELL = Side.SELL.value


class OrderState(Struct):
    """An order after ``updated_sequence``; fields as in ``trading.models.Order``."""

    id: int
    account_id: int
    symbol: str
    side: str
    type: str
    time_in_force: str
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    quote_filled_minor: int
    fee_minor: int
    status: str
    client_order_id: str
    cancel_reason: str
    created_ns: int
    updated_ns: int
    created_sequence: int
    updated_sequence: int

    @property
    def remaining_lots(self) -> int:
        return self.quantity_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES


class FillState(Struct, frozen=True):
    """One side of a trade; fields as in ``trading.models.Fill``."""

    id: int
    trade_id: int
    is_maker: bool
    order_id: int
    account_id: int
    symbol: str
    side: str
    price_ticks: int
    quantity_lots: int
    quote_minor: int
    fee_minor: int
    fee_asset: str
    time_ns: int
    sequence: int


def fill_id(trade_id: int, *, is_maker: bool) -> int:
    return 2 * trade_id + is_maker


def accepted(event: OrderAccepted, sequence: int, time_ns: int) -> OrderState:
    """The state of an order that has just been accepted."""
    return OrderState(
        event.order_id,
        event.account_id,
        event.symbol,
        event.side.value,
        event.type.value,
        event.time_in_force.value,
        event.price_ticks,
        event.quantity_lots,
        0,
        0,
        0,
        OPEN,
        event.client_order_id,
        "",
        time_ns,
        time_ns,
        sequence,
        sequence,
    )


def _fill_order(
    state: OrderState, trade: Trade, fee_minor: int, sequence: int, time_ns: int
) -> None:
    state.filled_lots += trade.quantity_lots
    state.quote_filled_minor += trade.quote_minor
    state.fee_minor += fee_minor
    state.status = FILLED if state.filled_lots >= state.quantity_lots else PARTIALLY_FILLED
    state.updated_ns = time_ns
    state.updated_sequence = sequence


def fold(
    states: dict[int, OrderState],
    records: Iterable[Recorded],
    *,
    wanted: Callable[[OrderAccepted], bool] | None = None,
) -> set[int]:
    """Applies ``records`` to ``states`` in place, and gives the ids of the orders that changed.

    An accepted order is added (where ``wanted`` says so; None wants all); other events touch only
    orders that are in ``states``. A state that was there before the call takes no event at or below
    its own ``updated_sequence``: the row has it already.
    """
    known_to = {order_id: state.updated_sequence for order_id, state in states.items()}
    changed: set[int] = set()
    for sequence, _, time_ns, event in records:
        kind = type(event)
        if kind is Trade:
            assert isinstance(event, Trade)
            for order_id, fee_minor in (
                (event.maker_order_id, event.maker_fee_minor),
                (event.taker_order_id, event.taker_fee_minor),
            ):
                state = states.get(order_id)
                if state is not None and sequence > known_to.get(order_id, 0):
                    _fill_order(state, event, fee_minor, sequence, time_ns)
                    changed.add(order_id)
        elif kind is OrderAccepted:
            assert isinstance(event, OrderAccepted)
            if event.order_id not in states and (wanted is None or wanted(event)):
                states[event.order_id] = accepted(event, sequence, time_ns)
                changed.add(event.order_id)
        elif kind is OrderCanceled:
            assert isinstance(event, OrderCanceled)
            state = states.get(event.order_id)
            if state is not None and sequence > known_to.get(event.order_id, 0):
                state.status = CANCELED
                state.cancel_reason = event.reason.value
                state.updated_ns = time_ns
                state.updated_sequence = sequence
                changed.add(event.order_id)
    return changed


def touched_ids(records: Iterable[Recorded]) -> set[int]:
    """Every order that ``records`` are about."""
    ids: set[int] = set()
    for record in records:
        event = record.event
        kind = type(event)
        if kind is Trade:
            assert isinstance(event, Trade)
            ids.add(event.maker_order_id)
            ids.add(event.taker_order_id)
        elif kind is OrderAccepted or kind is OrderCanceled:
            assert isinstance(event, OrderAccepted | OrderCanceled)
            ids.add(event.order_id)
    return ids


def maker_side(trade: Trade) -> Side:
    return Side.SELL if trade.taker_side is Side.BUY else Side.BUY


def maker_fill(trade: Trade, sequence: int, time_ns: int) -> FillState:
    side = maker_side(trade)
    return FillState(
        fill_id(trade.trade_id, is_maker=True),
        trade.trade_id,
        True,
        trade.maker_order_id,
        trade.maker_account_id,
        trade.symbol,
        side.value,
        trade.price_ticks,
        trade.quantity_lots,
        trade.quote_minor,
        trade.maker_fee_minor,
        trade.base if side is Side.BUY else trade.quote,
        time_ns,
        sequence,
    )


def taker_fill(trade: Trade, sequence: int, time_ns: int) -> FillState:
    side = trade.taker_side
    return FillState(
        fill_id(trade.trade_id, is_maker=False),
        trade.trade_id,
        False,
        trade.taker_order_id,
        trade.taker_account_id,
        trade.symbol,
        side.value,
        trade.price_ticks,
        trade.quantity_lots,
        trade.quote_minor,
        trade.taker_fee_minor,
        trade.base if side is Side.BUY else trade.quote,
        time_ns,
        sequence,
    )


def fills_of_account(records: Iterable[Recorded], account_id: int) -> list[FillState]:
    """The account's sides of the trades among ``records``, oldest first."""
    fills: list[FillState] = []
    for sequence, _, time_ns, event in records:
        if type(event) is not Trade:
            continue
        if event.taker_account_id == account_id:
            fills.append(taker_fill(event, sequence, time_ns))
        if event.maker_account_id == account_id:
            fills.append(maker_fill(event, sequence, time_ns))
    return fills


def placement(
    events: list[Event], sequence: int, time_ns: int
) -> tuple[OrderState, list[FillState]]:
    """The order that a ``PlaceOrder`` command made and its own fills, from the command's events."""
    first = events[0]
    assert isinstance(first, OrderAccepted)
    states: dict[int, OrderState] = {}
    fold(states, (Recorded(sequence, i, time_ns, event) for i, event in enumerate(events)))
    fills = [
        taker_fill(event, sequence, time_ns)
        for event in events
        if type(event) is Trade and event.taker_order_id == first.order_id
    ]
    return states[first.order_id], fills
