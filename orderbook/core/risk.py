"""Whether an order may be accepted: every rule, in the order that docs/matching-rules.md gives.

Reads the engine's state and changes nothing; the first rule that an order breaks is its reason.
"""

from typing import Final

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
    MAX_PRICE_TICKS,
    AccountStatus,
    OrderType,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_BUY: Final = Side.BUY
_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET
_GTC: Final = TimeInForce.GTC
_IOC: Final = TimeInForce.IOC
_FOK: Final = TimeInForce.FOK
_DAY: Final = TimeInForce.DAY
_GTD: Final = TimeInForce.GTD
_ACTIVE: Final = AccountStatus.ACTIVE


def refuse_order(
    command: PlaceOrder, book: Book | None, account: Account | None, venue: Venue
) -> RejectReason | None:
    """Why the order is refused, or None. ``book`` and ``account`` are None where unknown."""
    if book is None:
        return RejectReason.UNKNOWN_SYMBOL
    if not book.is_trading:
        refused = refuse_in_phase(command, book)
        if refused is not None:
            return refused
    if account is None or account.account_id == FEE_ACCOUNT_ID:
        return RejectReason.UNKNOWN_ACCOUNT
    if account.status is not _ACTIVE:
        return RejectReason.ACCOUNT_CLOSED
    if venue.kill_switch or account.kill_switch:
        return RejectReason.KILL_SWITCH
    client_order_id = command.client_order_id
    if client_order_id:
        refused = refuse_client_order_id(client_order_id, account)
        if refused is not None:
            return refused
    if command.options is not None:
        return refuse_special(command, book, account, venue.time_ns)
    quantity_lots = command.quantity_lots
    if quantity_lots <= 0:
        return RejectReason.INVALID_QUANTITY
    if quantity_lots > book.max_quantity_lots:
        return RejectReason.QUANTITY_TOO_LARGE
    if command.type is not _LIMIT:
        return _refuse_market(command, book, account)
    if command.time_in_force is _GTD:
        return refuse_special(command, book, account, venue.time_ns)
    price_ticks = command.price_ticks
    if not 0 < price_ticks <= MAX_PRICE_TICKS:
        return RejectReason.INVALID_PRICE
    if book.bands is not None and outside_static_band(book, price_ticks):
        return RejectReason.PRICE_OUTSIDE_BAND
    notional_minor = price_ticks * quantity_lots * book.tick_lot_minor
    if notional_minor < book.min_notional_minor:
        return RejectReason.NOTIONAL_TOO_SMALL
    if notional_minor > book.max_notional_minor:
        return RejectReason.NOTIONAL_TOO_LARGE
    if command.side is _BUY:
        funds, needed_minor = account.balances.get(book.quote), notional_minor
    else:
        funds, needed_minor = account.balances.get(book.base), quantity_lots * book.lot_minor
    if funds is None or funds.available_minor < needed_minor:
        return RejectReason.INSUFFICIENT_BALANCE
    if len(account.orders) >= account.max_open_orders:
        time_in_force = command.time_in_force
        if time_in_force is _GTC or time_in_force is _DAY:
            return RejectReason.TOO_MANY_OPEN_ORDERS
    return None


def refuse_client_order_id(client_order_id: str, account: Account) -> RejectReason | None:
    if not is_client_order_id(client_order_id):
        return RejectReason.INVALID_CLIENT_ORDER_ID
    if client_order_id in account.client_order_ids:
        return RejectReason.DUPLICATE_CLIENT_ORDER_ID
    return None


def _refuse_market(command: PlaceOrder, book: Book, account: Account) -> RejectReason | None:
    if command.type is not _MARKET:
        return RejectReason.INVALID_ORDER
    if not 0 <= command.price_ticks <= MAX_PRICE_TICKS:
        return RejectReason.INVALID_PRICE
    if command.time_in_force is not _IOC and command.time_in_force is not _FOK:
        return RejectReason.INVALID_TIME_IN_FORCE
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
    cost_minor = cost_tick_lots * book.tick_lot_minor
    if cost_minor < book.min_notional_minor:
        return RejectReason.NOTIONAL_TOO_SMALL
    if cost_minor > book.max_notional_minor:
        return RejectReason.NOTIONAL_TOO_LARGE
    if command.side is _BUY:
        funds, needed_minor = account.balances.get(book.quote), cost_minor
    else:
        funds, needed_minor = (
            account.balances.get(book.base),
            command.quantity_lots * book.lot_minor,
        )
    if funds is None or funds.available_minor < needed_minor:
        return RejectReason.INSUFFICIENT_BALANCE
    return None
