"""Events: everything that can happen in the venue, in the past tense.

Tables, candles, balances and pages are derived from these alone. One command yields its events in
the order in which they happened; its ``BalanceChanged`` events come last, one for each balance that
the command touched, with the values after the whole command.
"""

from msgspec import Struct

from orderbook.core.rejects import RejectReason
from orderbook.core.units import (
    AccountStatus,
    CancelReason,
    InstrumentStatus,
    OrderType,
    Side,
    TimeInForce,
)


class _Event(Struct, frozen=True, array_like=True, tag=True, tag_field="kind", gc=False):
    """Untracked by the garbage collector, because it holds no containers."""


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
    client_order_id: str


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
    | AccountStatusSet
    | Deposited
    | Withdrawn
    | OrderAccepted
    | OrderRejected
    | Trade
    | OrderCanceled
    | CancelRejected
    | CommandRejected
    | BalanceChanged
)
