"""Events: everything that can happen in the venue, in the past tense.

Tables, candles, balances and pages are derived from these alone. One command yields its events in
the order in which they happened; its ``BalanceChanged`` events come last, one for each balance that
the command touched, with the values after the whole command.
"""

from msgspec import Struct

from orderbook.core.rejects import RejectReason
from orderbook.core.terms import FeeTier, OrderOptions
from orderbook.core.units import (
    AccountStatus,
    CancelReason,
    InstrumentStatus,
    OrderListKind,
    OrderType,
    PhaseReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


class _Event(Struct, frozen=True, array_like=True, tag=True, tag_field="kind", gc=False):
    """Untracked by the garbage collector, because no event can be part of a cycle."""


class EpochOpened(_Event, frozen=True):
    epoch: int


class AssetDefined(_Event, frozen=True):
    asset: str
    decimals: int


class InstrumentDefined(_Event, frozen=True):
    """The instrument as it is from now on; fields as in ``commands.DefineInstrument``.

    The decimals of both assets are repeated, so that the event converts to decimals on its own.
    """

    symbol: str
    base: str
    quote: str
    base_decimals: int
    quote_decimals: int
    lot_minor: int
    tick_lot_minor: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    min_notional_minor: int
    max_quantity_lots: int
    status: InstrumentStatus
    max_notional_minor: int = 0
    static_band_ppm: int = 0
    dynamic_band_ppm: int = 0
    pause_ns: int = 0


class ReferencePriceSet(_Event, frozen=True):
    symbol: str
    price_ticks: int


class PhaseChanged(_Event, frozen=True):
    """``until_ns``: when a volatility auction ends by itself; 0 where nothing is fixed."""

    symbol: str
    status: InstrumentStatus
    reason: PhaseReason
    until_ns: int = 0


class ScheduleSet(_Event, frozen=True):
    symbol: str
    entries: tuple[tuple[int, InstrumentStatus], ...]


class FeeScheduleSet(_Event, frozen=True):
    symbol: str
    tiers: tuple[FeeTier, ...]


class AuctionIndicated(_Event, frozen=True):
    """What an uncross would do now. Without a price (0) nothing would trade."""

    symbol: str
    price_ticks: int
    volume_lots: int
    imbalance_lots: int
    """At that price: buy quantity less sell quantity that could trade."""


class AuctionUncrossed(_Event, frozen=True):
    """The auction's result; its trades follow, all at this price. No price (0): nothing traded."""

    symbol: str
    price_ticks: int
    volume_lots: int
    imbalance_lots: int


class AccountLimitsSet(_Event, frozen=True):
    account_id: int
    self_trade: SelfTradePrevention
    max_open_orders: int
    orders_per_second: int
    messages_per_second: int


class KillSwitchSet(_Event, frozen=True):
    account_id: int
    engaged: bool


class CancelAllAfterSet(_Event, frozen=True):
    """``deadline_ns``: when the account's orders will be canceled; 0: disarmed."""

    account_id: int
    deadline_ns: int


class CancelAllAfterFired(_Event, frozen=True):
    account_id: int


class AccountStatusSet(_Event, frozen=True):
    account_id: int
    status: AccountStatus


class Deposited(_Event, frozen=True):
    account_id: int
    asset: str
    amount_minor: int
    reference: str


class Withdrawn(_Event, frozen=True):
    account_id: int
    asset: str
    amount_minor: int
    reference: str


class OrderAccepted(_Event, frozen=True):
    """The order has an id and its funds are held. Fills, a rest or a cancel follow."""

    order_id: int
    account_id: int
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_ticks: int
    quantity_lots: int
    """Of a market order by quote amount: the lots that it buys or sells at most."""
    client_order_id: str
    options: OrderOptions | None = None
    list_id: int = 0
    """Id of its list: that of the list's first order."""


class OrderListAccepted(_Event, frozen=True):
    """Comes before the ``OrderAccepted`` of its orders."""

    list_id: int
    account_id: int
    symbol: str
    list_kind: OrderListKind
    order_ids: tuple[int, ...]


class OrderArmed(_Event, frozen=True):
    """An exit of a bracket starts to wait or to rest, for what the entry's fill can pay for; or an
    order that was set off waits for its stop price again, because an auction began before its
    turn."""

    order_id: int
    account_id: int
    symbol: str
    quantity_lots: int


class OrderTriggered(_Event, frozen=True):
    """A waiting order was set off by a last trade at ``last_ticks``; it now goes to the book."""

    order_id: int
    account_id: int
    symbol: str
    last_ticks: int


class StopMoved(_Event, frozen=True):
    """A trailing stop followed the price."""

    order_id: int
    account_id: int
    symbol: str
    stop_ticks: int


class OrderAmended(_Event, frozen=True):
    """The order as it is from now on (amended by its owner, or repriced as post-only)."""

    order_id: int
    account_id: int
    symbol: str
    client_order_id: str
    price_ticks: int
    quantity_lots: int
    """In all, filled or not."""
    remaining_lots: int
    stop_ticks: int
    kept_priority: bool


class AmendRejected(_Event, frozen=True):
    account_id: int
    order_id: int
    client_order_id: str
    reason: RejectReason


class IcebergRefreshed(_Event, frozen=True):
    """The shown part was filled; the next one stands at the back of its price's queue."""

    order_id: int
    account_id: int
    symbol: str
    display_lots: int


class SelfTradePrevented(_Event, frozen=True):
    """Two orders of one account met; ``OrderCanceled`` follows where one of them ends."""

    symbol: str
    account_id: int
    maker_order_id: int
    taker_order_id: int
    rule: SelfTradePrevention
    decremented_lots: int
    """By how much DECREMENT made both smaller; else 0."""


class OrderRejected(_Event, frozen=True):
    account_id: int
    symbol: str
    client_order_id: str
    reason: RejectReason


class Trade(_Event, frozen=True):
    """One fill of two orders, at the maker's price.

    ``base_minor`` and ``quote_minor`` are what changed hands before fees. Each fee is charged in
    the asset that its party received: the buyer's in ``base``, the seller's in ``quote``.
    """

    trade_id: int
    symbol: str
    base: str
    quote: str
    price_ticks: int
    quantity_lots: int
    base_minor: int
    quote_minor: int
    maker_order_id: int
    maker_account_id: int
    maker_fee_minor: int
    taker_order_id: int
    taker_account_id: int
    taker_fee_minor: int
    taker_side: Side
    maker_rebate_minor: int = 0
    """Paid to the maker out of the taker's fee, in the asset that the taker received."""
    in_auction: bool = False
    """Both sides stood in the book; the younger order counts as the taker, both pay as makers."""


class TradeBusted(_Event, frozen=True):
    """The trade was undone: each side got back what it gave, fees included."""

    trade: Trade


class OrderCanceled(_Event, frozen=True):
    """The order is done with ``remaining_lots`` unfilled, and what it held is released."""

    order_id: int
    account_id: int
    symbol: str
    client_order_id: str
    remaining_lots: int
    reason: CancelReason


class CancelRejected(_Event, frozen=True):
    account_id: int
    order_id: int
    client_order_id: str
    reason: RejectReason


class BatchExecuted(_Event, frozen=True):
    """Comes first; the events of each command follow, ``event_counts`` of them, in order."""

    account_id: int
    event_counts: tuple[int, ...]


class BatchRejected(_Event, frozen=True):
    """Nothing was executed, because the command at ``index`` (from 0) would have been refused."""

    account_id: int
    index: int
    reason: RejectReason


class CommandRejected(_Event, frozen=True):
    """A command other than an order or a cancel was refused. ``subject``: the asset, symbol or
    account that it was about."""

    account_id: int
    command: str
    subject: str
    reason: RejectReason


class BalanceChanged(_Event, frozen=True):
    """An account's balance of one asset after the command."""

    account_id: int
    asset: str
    available_minor: int
    held_minor: int


Event = (
    EpochOpened
    | AssetDefined
    | InstrumentDefined
    | ReferencePriceSet
    | PhaseChanged
    | ScheduleSet
    | FeeScheduleSet
    | AuctionIndicated
    | AuctionUncrossed
    | AccountStatusSet
    | AccountLimitsSet
    | KillSwitchSet
    | CancelAllAfterSet
    | CancelAllAfterFired
    | Deposited
    | Withdrawn
    | OrderAccepted
    | OrderListAccepted
    | OrderArmed
    | OrderTriggered
    | StopMoved
    | OrderAmended
    | AmendRejected
    | IcebergRefreshed
    | SelfTradePrevented
    | OrderRejected
    | Trade
    | TradeBusted
    | OrderCanceled
    | CancelRejected
    | BatchExecuted
    | BatchRejected
    | CommandRejected
    | BalanceChanged
)
