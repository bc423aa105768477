"""Whether an order may be accepted: every rule, in the order that docs/matching-rules.md gives.

Reads the engine's state and changes nothing; the first rule that an order breaks is its reason.
"""

from orderbook.core.accounts import Account
from orderbook.core.bands import outside_static_band
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.liquidity import passed_over, walk
from orderbook.core.matching import market_limit_ticks
from orderbook.core.phases import refuse_in_phase
from orderbook.core.rejects import RejectReason
from orderbook.core.risk_special import refuse_special
from orderbook.core.text import is_client_order_id
from orderbook.core.units import (
    FEE_ACCOUNT_ID,
    MAX_NOTIONAL_MINOR,
    MAX_PRICE_TICKS,
    AccountStatus,
    InstrumentStatus,
    OrderType,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_BUY = Side.BUY
_LIMIT = OrderType.LIMIT
_MARKET = OrderType.MARKET
_GTC = TimeInForce.GTC
_IOC = TimeInForce.IOC
_FOK = TimeInForce.FOK
_DAY = TimeInForce.DAY
_GTD = TimeInForce.GTD
_ACTIVE = AccountStatus.ACTIVE
_TRADING = InstrumentStatus.TRADING


def refuse_order(
    command: PlaceOrder, book: Book | None, account: Account | None, venue: Venue
) -> RejectReason | None:
    """Why the order is refused, or None. ``book`` and ``account`` are None where unknown."""
    if book is None:
        return RejectReason.UNKNOWN_SYMBOL
    instrument = book.instrument
    if instrument.status is not _TRADING:
        refused = refuse_in_phase(command, book)
        if refused is not None:
            return refused
    if account is None or account.account_id == FEE_ACCOUNT_ID:
        return RejectReason.UNKNOWN_ACCOUNT
    if account.status is not _ACTIVE:
        return RejectReason.ACCOUNT_CLOSED
    if venue.kill_switch or account.kill_switch:
        return RejectReason.KILL_SWITCH
    if command.client_order_id:
        refused = refuse_client_order_id(command.client_order_id, account)
        if refused is not None:
            return refused
    if command.options is not None:
        return refuse_special(command, book, account, venue.time_ns)
    if command.quantity_lots <= 0:
        return RejectReason.INVALID_QUANTITY
    if command.quantity_lots > instrument.max_quantity_lots:
        return RejectReason.QUANTITY_TOO_LARGE
    if command.type is _LIMIT:
        if command.time_in_force is _GTD:
            return refuse_special(command, book, account, venue.time_ns)
        return _refuse_limit(command, book, account)
    return _refuse_market(command, book, account)


def refuse_client_order_id(client_order_id: str, account: Account) -> RejectReason | None:
    if not is_client_order_id(client_order_id):
        return RejectReason.INVALID_CLIENT_ORDER_ID
    if client_order_id in account.client_order_ids:
        return RejectReason.DUPLICATE_CLIENT_ORDER_ID
    return None


def _refuse_limit(command: PlaceOrder, book: Book, account: Account) -> RejectReason | None:
    if not 0 < command.price_ticks <= MAX_PRICE_TICKS:
        return RejectReason.INVALID_PRICE
    if book.bands is not None and outside_static_band(book, command.price_ticks):
        return RejectReason.PRICE_OUTSIDE_BAND
    instrument = book.instrument
    notional_minor = command.price_ticks * command.quantity_lots * instrument.tick_lot_minor
    if notional_minor < instrument.min_notional_minor:
        return RejectReason.NOTIONAL_TOO_SMALL
    if notional_minor > (instrument.max_notional_minor or MAX_NOTIONAL_MINOR):
        return RejectReason.NOTIONAL_TOO_LARGE
    if not _covered(command, book, account, notional_minor):
        return RejectReason.INSUFFICIENT_BALANCE
    if len(account.orders) >= account.max_open_orders:
        time_in_force = command.time_in_force
        if time_in_force is _GTC or time_in_force is _DAY:
            return RejectReason.TOO_MANY_OPEN_ORDERS
    return None


def _refuse_market(command: PlaceOrder, book: Book, account: Account) -> RejectReason | None:
    if command.type is not _MARKET:
        return RejectReason.INVALID_ORDER
    if not 0 <= command.price_ticks <= MAX_PRICE_TICKS:
        return RejectReason.INVALID_PRICE
    if command.time_in_force is not _IOC and command.time_in_force is not _FOK:
        return RejectReason.INVALID_TIME_IN_FORCE
    instrument = book.instrument
    limit_ticks = command.price_ticks or market_limit_ticks(command.side)
    fillable_lots, cost_tick_lots = walk(
        book,
        command.side,
        limit_ticks,
        command.quantity_lots,
        passed_over(account, account.self_trade),
    )
    if not fillable_lots:
        return RejectReason.NO_LIQUIDITY
    cost_minor = cost_tick_lots * instrument.tick_lot_minor
    if cost_minor < instrument.min_notional_minor:
        return RejectReason.NOTIONAL_TOO_SMALL
    if cost_minor > (instrument.max_notional_minor or MAX_NOTIONAL_MINOR):
        return RejectReason.NOTIONAL_TOO_LARGE
    if not _covered(command, book, account, cost_minor):
        return RejectReason.INSUFFICIENT_BALANCE
    return None


def _covered(command: PlaceOrder, book: Book, account: Account, quote_minor: int) -> bool:
    """Whether a buy's quote, or a sell's whole quantity of base, is available."""
    instrument = book.instrument
    if command.side is _BUY:
        balance, needed_minor = account.balances.get(instrument.quote), quote_minor
    else:
        balance = account.balances.get(instrument.base)
        needed_minor = command.quantity_lots * instrument.lot_minor
    return balance is not None and balance.available_minor >= needed_minor
