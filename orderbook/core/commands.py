"""Commands: everything that can be asked of the engine, in the imperative.

Each is a frozen value that the journal stores as it is. Bounds are checked by the engine, which
answers what it refuses with an event; a command that cannot even be decoded never reaches it.
"""

from msgspec import Struct

from orderbook.core.events import Trade
from orderbook.core.terms import FeeTier, OrderOptions
from orderbook.core.units import (
    AccountStatus,
    InstrumentStatus,
    OrderListKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


class _Command(Struct, frozen=True, array_like=True, tag=True, tag_field="kind", gc=False):
    """Untracked by the garbage collector, because no command can be part of a cycle."""


class OpenEpoch(_Command, frozen=True):
    """First command of a leader. Changes no book and no balance; fences off an older leader."""

    epoch: int


class AdvanceTime(_Command, frozen=True):
    """Fires what is due: expiries, schedules, dead man's switches, and what an earlier command left
    to be done. The worker sends it before any command that comes at or after
    ``engine.next_due_ns``; clients cannot."""


class DefineAsset(_Command, frozen=True):
    """Makes an asset known. ``decimals``: minor units are 10**-decimals. Fixed once defined."""

    asset: str
    decimals: int


class DefineInstrument(_Command, frozen=True):
    """Creates an instrument or changes its rules (units, base and quote are fixed once defined).

    ``lot_minor``: base minor units in one lot. ``tick_lot_minor``: quote minor units that one lot
    costs at a price of one tick, so notional_minor = price_ticks * quantity_lots * tick_lot_minor.
    """

    symbol: str
    base: str
    quote: str
    lot_minor: int
    tick_lot_minor: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    min_notional_minor: int
    max_quantity_lots: int
    status: InstrumentStatus = InstrumentStatus.TRADING
    """Of a new instrument. A known one keeps its phase; ``SetPhase`` changes it."""
    max_notional_minor: int = 0
    """Of one order, in quote minor units; 0: no limit but the venue's."""
    static_band_ppm: int = 0
    """How far from the reference price a limit or a trade may be; 0: any distance."""
    dynamic_band_ppm: int = 0
    """How far from the last trade (as it was before the order) a trade may be; 0: any distance."""
    pause_ns: int = 0
    """Length of the auction that a trade beyond the dynamic band sets off; 0: only the taker's
    remainder is canceled."""


class SetReferencePrice(_Command, frozen=True):
    """The price around which the static band lies. An uncross sets it, too."""

    symbol: str
    price_ticks: int


class SetPhase(_Command, frozen=True):
    """Changes an instrument's phase now. Leaving an auction for continuous trading uncrosses."""

    symbol: str
    status: InstrumentStatus


class SetSchedule(_Command, frozen=True):
    """The phases of each UTC day: (nanoseconds since midnight, phase), ascending; () for none."""

    symbol: str
    entries: tuple[tuple[int, InstrumentStatus], ...]


class SetFeeSchedule(_Command, frozen=True):
    """Fee tiers of an instrument, lowest volume (0) first; () for its flat fees.

    A maker fee may be negative, a rebate: at most the lowest taker fee of the schedule, because it
    is paid out of the taker's fee."""

    symbol: str
    tiers: tuple[FeeTier, ...]


class SetAccountLimits(_Command, frozen=True):
    """An account's limits and defaults. 0: the venue's own limit, or none."""

    account_id: int
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    max_open_orders: int = 0
    orders_per_second: int = 0
    messages_per_second: int = 0
    """Orders, amends and cancels. Mass cancels and switches always pass."""


class SetKillSwitch(_Command, frozen=True):
    """Engaged: every open order is canceled and no new one taken, of an account or (0) of all."""

    account_id: int
    engaged: bool


class CancelAllAfter(_Command, frozen=True):
    """Dead man's switch: cancels the account's orders unless sent again in time; 0 disarms."""

    account_id: int
    timeout_ns: int


class BustTrade(_Command, frozen=True):
    """Undoes a trade with a compensating entry, at most once. ``trade`` is the event that the
    journal has; who sends the command vouches for that and for a second pair of eyes."""

    trade: Trade


class SetAccountStatus(_Command, frozen=True):
    """Opens an account (first use creates it), closes it, or opens it again."""

    account_id: int
    status: AccountStatus


class Deposit(_Command, frozen=True):
    """Credits an account. A ``reference`` is accepted once per account ("" is never remembered)."""

    account_id: int
    asset: str
    amount_minor: int
    reference: str


class Withdraw(_Command, frozen=True):
    """Debits an account's available balance. ``reference`` as in Deposit."""

    account_id: int
    asset: str
    amount_minor: int
    reference: str


class PlaceOrder(_Command, frozen=True):
    """A new order. What a kind of order does not use is 0, "" or the default.

    ``price_ticks``: the limit; of a market order and of what a stop turns into, the worst price
    that it may trade at (0: any). ``client_order_id`` is "" when none was given.
    """

    account_id: int
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_ticks: int
    quantity_lots: int
    """0 where ``options.quote_minor`` is given."""
    client_order_id: str = ""
    options: OrderOptions | None = None


class PlaceOrderList(_Command, frozen=True):
    """Orders that depend on one another, all of one account and symbol; all or none is accepted.

    OCO: two orders of one side and quantity: a limit order and a stop or take-profit order, or two
    of the latter. A fill, trigger or end of one cancels the other. BRACKET: entry (limit or
    market), then take-profit and stop on the other side; these two become an OCO of what the entry
    filled, once it is done.
    """

    list_kind: OrderListKind
    orders: tuple[PlaceOrder, ...]


class AmendOrder(_Command, frozen=True):
    """Changes an open order in place; 0 leaves a value as it is.

    A smaller quantity keeps the order's place in its queue; a new price or a larger quantity sends
    it to the back, and an order that now crosses trades.
    """

    account_id: int
    order_id: int
    client_order_id: str = ""
    """Finds the order where ``order_id`` is 0."""
    price_ticks: int = 0
    quantity_lots: int = 0
    """The new total, what is filled already included."""
    stop_ticks: int = 0


class ReplaceOrder(_Command, frozen=True):
    """Cancels one order and places another at once; neither happens if either is refused.

    Both are of one account, symbol and side."""

    order_id: int
    """The order to cancel; where it is 0, ``cancel_client_order_id`` finds it."""
    order: PlaceOrder
    cancel_client_order_id: str = ""


class CancelOrder(_Command, frozen=True):
    """Cancels one order of an account: by ``order_id``, or where that is 0 by client order id."""

    account_id: int
    order_id: int
    client_order_id: str = ""
    by_operator: bool = False


class CancelAllOrders(_Command, frozen=True):
    """Cancels an account's open orders, oldest first, in one symbol or ("") in all.

    An operator may leave the account 0: then every account's, in the named symbol.
    """

    account_id: int
    symbol: str = ""
    by_operator: bool = False
    side: Side | None = None
    on_disconnect: bool = False
    """Sent for a client that asked for it, when its connection ended."""


class Batch(_Command, frozen=True):
    """Up to ``MAX_BATCH_COMMANDS`` commands of one account, executed one after another.

    Best effort: each is accepted or refused as if it had come alone. All or nothing: if one would
    be refused, none is executed; it takes cancels and, after them, limit orders that may rest,
    whose outcome can be known beforehand.
    """

    account_id: int
    commands: tuple[PlaceOrder | AmendOrder | CancelOrder, ...]
    all_or_nothing: bool = False


Command = (
    OpenEpoch
    | AdvanceTime
    | DefineAsset
    | DefineInstrument
    | SetReferencePrice
    | SetPhase
    | SetSchedule
    | SetFeeSchedule
    | SetAccountStatus
    | SetAccountLimits
    | SetKillSwitch
    | CancelAllAfter
    | Deposit
    | Withdraw
    | PlaceOrder
    | PlaceOrderList
    | AmendOrder
    | ReplaceOrder
    | CancelOrder
    | CancelAllOrders
    | Batch
    | BustTrade
)
