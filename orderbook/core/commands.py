"""Commands: everything that can be asked of the engine, in the imperative.

Each is a frozen value that the journal stores as it is. Bounds are checked by the engine, which
answers what it refuses with an event; a command that cannot even be decoded never reaches it.
"""

from msgspec import Struct

from orderbook.core.units import (
    AccountStatus,
    InstrumentStatus,
    OrderType,
    Side,
    TimeInForce,
)


class _Command(Struct, frozen=True, array_like=True, tag=True, tag_field="kind", gc=False):
    """Untracked by the garbage collector, because it holds no containers."""


class OpenEpoch(_Command, frozen=True):
    """First command of a leader. Changes no book and no balance; fences off an older leader."""

    epoch: int


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
    """``price_ticks`` is 0 for a market order; ``client_order_id`` is "" when none was given."""

    account_id: int
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_ticks: int
    quantity_lots: int
    client_order_id: str = ""


class CancelOrder(_Command, frozen=True):
    """Cancels one order of an account: by ``order_id``, or where that is 0 by client order id."""

    account_id: int
    order_id: int
    client_order_id: str = ""
    by_operator: bool = False


class CancelAllOrders(_Command, frozen=True):
    """Cancels an account's open orders, oldest first, in one symbol or ("") in all."""

    account_id: int
    symbol: str = ""
    by_operator: bool = False


Command = (
    OpenEpoch
    | DefineAsset
    | DefineInstrument
    | SetAccountStatus
    | Deposit
    | Withdraw
    | PlaceOrder
    | CancelOrder
    | CancelAllOrders
)
