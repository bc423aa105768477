"""The one fold of events onto orders.

The projection, the reads that overlay the journal's tail, the answer to a placement and the private
streams all call this code, so they cannot disagree about what an order is. Pure: no database, no
clock. States are mutable and belong to whoever made them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from orderbook.core.events import (
    Event,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderListAccepted,
    OrderTriggered,
    SelfTradePrevented,
    StopMoved,
    Trade,
    TradeBusted,
)
from orderbook.core.units import OrderListKind, OrderType, PostOnly, SelfTradePrevention, Side
from orderbook.projections import Recorded

PENDING = "pending"
"""An exit of a bracket whose entry is not done."""
WAITING = "waiting"
"""For its stop price."""
OPEN = "open"
PARTIALLY_FILLED = "partially_filled"
FILLED = "filled"
CANCELED = "canceled"
STATUSES = (PENDING, WAITING, OPEN, PARTIALLY_FILLED, FILLED, CANCELED)
OPEN_STATUSES = (PENDING, WAITING, OPEN, PARTIALLY_FILLED)
"""An order with one of these may still trade."""
IMMEDIATE_TYPES = (OrderType.LIMIT.value, OrderType.MARKET.value)
"""Types that go to the book at once; the others wait for a stop price."""

MAX_SUM_MINOR = 2**63 - 1
"""Where the sums of an order's fills stop."""
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
    stop_ticks: int = 0
    trail_ticks: int = 0
    display_lots: int = 0
    quote_limit_minor: int = 0
    post_only: str = PostOnly.OFF.value
    self_trade: str = SelfTradePrevention.NONE.value
    expire_ns: int = 0
    list_id: int = 0
    rebate_minor: int = 0

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
    is_busted: bool = False


def fill_id(trade_id: int, *, is_maker: bool) -> int:
    return 2 * trade_id + is_maker


def accepted(
    event: OrderAccepted, sequence: int, time_ns: int, *, is_pending: bool = False
) -> OrderState:
    """The state of an order that has just been accepted."""
    state = OrderState(
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
    if event.options is not None:
        options = event.options
        state.stop_ticks = options.stop_ticks
        state.trail_ticks = options.trail_ticks
        state.display_lots = options.display_lots
        state.quote_limit_minor = options.quote_minor
        state.post_only = options.post_only.value
        state.self_trade = (options.self_trade or SelfTradePrevention.NONE).value
        state.expire_ns = options.expire_time_ns
        state.list_id = event.list_id
        state.status = PENDING if is_pending else _first_status(state)
    return state


def _first_status(state: OrderState) -> str:
    return OPEN if state.type in IMMEDIATE_TYPES else WAITING


def _fill_order(state: OrderState, trade: Trade, fee_minor: int) -> None:
    state.filled_lots += trade.quantity_lots
    # Money can change hands again and again, so sums may outgrow what a column holds.
    state.quote_filled_minor = min(MAX_SUM_MINOR, state.quote_filled_minor + trade.quote_minor)
    state.fee_minor = min(MAX_SUM_MINOR, state.fee_minor + fee_minor)
    state.status = FILLED if state.filled_lots >= state.quantity_lots else PARTIALLY_FILLED


def _on_trade(states: "_Changes", event: Trade) -> None:
    if (maker := states.of(event.maker_order_id)) is not None:
        _fill_order(maker, event, event.maker_fee_minor)
        maker.rebate_minor = min(MAX_SUM_MINOR, maker.rebate_minor + event.maker_rebate_minor)
    if (taker := states.of(event.taker_order_id)) is not None:
        _fill_order(taker, event, event.taker_fee_minor)


def _on_canceled(states: "_Changes", event: OrderCanceled) -> None:
    if (state := states.of(event.order_id)) is not None:
        state.status = CANCELED
        state.cancel_reason = event.reason.value


def _on_amended(states: "_Changes", event: OrderAmended) -> None:
    if (state := states.of(event.order_id)) is not None:
        state.price_ticks = event.price_ticks
        state.quantity_lots = event.quantity_lots
        state.stop_ticks = event.stop_ticks


def _on_armed(states: "_Changes", event: OrderArmed) -> None:
    if (state := states.of(event.order_id)) is not None:
        state.quantity_lots = event.quantity_lots
        state.status = _first_status(state)


def _on_triggered(states: "_Changes", event: OrderTriggered) -> None:
    if (state := states.of(event.order_id)) is not None:
        state.status = OPEN


def _on_stop_moved(states: "_Changes", event: StopMoved) -> None:
    if (state := states.of(event.order_id)) is not None:
        state.stop_ticks = event.stop_ticks


def _on_self_trade(states: "_Changes", event: SelfTradePrevented) -> None:
    for order_id in (event.maker_order_id, event.taker_order_id):
        if (state := states.of(order_id)) is not None:
            state.quantity_lots -= event.decremented_lots


_ON_CHANGE: dict[type[Any], Callable[[Any, Any], None]] = {
    Trade: _on_trade,
    OrderCanceled: _on_canceled,
    OrderAmended: _on_amended,
    OrderArmed: _on_armed,
    OrderTriggered: _on_triggered,
    StopMoved: _on_stop_moved,
    SelfTradePrevented: _on_self_trade,
}
"""What changes an order that is there already."""


class _Changes:
    """The states that a fold works on, and which of them the event at hand may change."""

    def __init__(self, states: dict[int, OrderState]) -> None:
        self._states = states
        self._known_to = {order_id: state.updated_sequence for order_id, state in states.items()}
        self.changed: set[int] = set()
        self.sequence = 0
        self.time_ns = 0

    def of(self, order_id: int) -> OrderState | None:
        """The order, marked as changed by the event; None where it has the event already."""
        state = self._states.get(order_id)
        if state is None or self.sequence <= self._known_to.get(order_id, 0):
            return None
        state.updated_ns = self.time_ns
        state.updated_sequence = self.sequence
        self.changed.add(order_id)
        return state


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
    changes = _Changes(states)
    pending: set[int] = set()
    for sequence, _, time_ns, event in records:
        if type(event) is OrderAccepted:
            order_id = event.order_id
            if order_id not in states and (wanted is None or wanted(event)):
                is_pending = order_id in pending
                states[order_id] = accepted(event, sequence, time_ns, is_pending=is_pending)
                changes.changed.add(order_id)
        elif type(event) is OrderListAccepted:
            if event.list_kind is OrderListKind.BRACKET:
                pending.update(event.order_ids[1:])
        elif (change := _ON_CHANGE.get(type(event))) is not None:
            changes.sequence, changes.time_ns = sequence, time_ns
            change(changes, event)
    return changes.changed


def touched_ids(records: Iterable[Recorded]) -> set[int]:
    """Every order that ``records`` are about."""
    ids: set[int] = set()
    for record in records:
        event = record.event
        if isinstance(event, Trade | SelfTradePrevented):
            ids.add(event.maker_order_id)
            ids.add(event.taker_order_id)
        elif type(event) is OrderAccepted or type(event) in _ON_CHANGE:
            ids.add(event.order_id)  # type: ignore[union-attr]
    return ids


def maker_side(trade: Trade) -> Side:
    return Side.SELL if trade.taker_side is Side.BUY else Side.BUY


def maker_fill(trade: Trade, sequence: int, time_ns: int) -> FillState:
    """A rebate is a negative fee, in the asset that the maker gave."""
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
        trade.maker_fee_minor - trade.maker_rebate_minor,
        trade.base if (side is Side.BUY) is not (trade.maker_rebate_minor > 0) else trade.quote,
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


def busted_trade_ids(records: Iterable[Recorded]) -> set[int]:
    """The trades that ``records`` undo."""
    return {
        record.event.trade.trade_id for record in records if isinstance(record.event, TradeBusted)
    }


def placement(
    events: list[Event], sequence: int, time_ns: int
) -> tuple[OrderState, list[FillState]]:
    """The order that a ``PlaceOrder`` command made and its own fills, from the command's events."""
    first = events[0]
    assert isinstance(first, OrderAccepted)
    states: dict[int, OrderState] = {}
    fold(states, (Recorded(sequence, i, time_ns, event) for i, event in enumerate(events)))
    return states[first.order_id], taker_fills(events, first.order_id, sequence, time_ns)


def taker_fills(events: list[Event], order_id: int, sequence: int, time_ns: int) -> list[FillState]:
    """The fills among a command's events that the order took."""
    return [
        taker_fill(event, sequence, time_ns)
        for event in events
        if type(event) is Trade and event.taker_order_id == order_id
    ]
