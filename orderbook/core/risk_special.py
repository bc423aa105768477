"""Whether an order with options may be accepted: the rules that plain orders do not need.

``refuse_form`` looks at the order alone, ``refuse_now`` at the book and the account as they are.
Both change nothing and name the first rule that the order breaks.
"""

from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.bands import outside_static_band
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.events import InstrumentDefined
from orderbook.core.liquidity import lots_for_quote, passed_over, walk
from orderbook.core.matching import market_limit_ticks
from orderbook.core.phases import CONTINUOUS
from orderbook.core.rejects import RejectReason
from orderbook.core.special import passive_price_ticks, refuses_to_trade
from orderbook.core.terms import NO_OPTIONS, OrderOptions
from orderbook.core.units import (
    MAX_DISPLAY_PARTS,
    MAX_NOTIONAL_MINOR,
    MAX_PRICE_TICKS,
    MAX_SUPPLY_MINOR,
    MAX_TIME_NS,
    MAX_TRAILING_STOPS,
    OrderType,
    PostOnly,
    Side,
    TimeInForce,
)
from orderbook.core.waiting import sets_off, trailing_stop_ticks

_BUY: Final = Side.BUY
_LIMIT_TYPES: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
"""Those that may rest in the book, at once or later."""
_STOP_TYPES: Final = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT_MARKET,
    OrderType.TAKE_PROFIT_LIMIT,
)
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)


def refuse_special(
    command: PlaceOrder, book: Book, account: Account, time_ns: int
) -> RejectReason | None:
    """Why an order with options is refused, or None; who sends it is known to be allowed to."""
    return refuse_form(command, book.instrument, time_ns) or refuse_now(command, book, account)


def refuse_form(
    command: PlaceOrder, instrument: InstrumentDefined, time_ns: int
) -> RejectReason | None:
    """What is wrong with the order whatever the book and the account are like."""
    options = command.options or NO_OPTIONS
    return (
        _refuse_quantity(command, options, instrument)
        or _refuse_combination(command, options)
        or _refuse_price(command)
        or _refuse_time_in_force(command, options)
        or _refuse_stop(options)
        or _refuse_display(command, options)
        or _refuse_expiry(command, options, time_ns)
    )


def _refuse_quantity(
    command: PlaceOrder, options: OrderOptions, instrument: InstrumentDefined
) -> RejectReason | None:
    if options.quote_minor:
        if command.quantity_lots:
            return RejectReason.INVALID_QUANTITY
        if not 0 < options.quote_minor <= MAX_SUPPLY_MINOR:
            return RejectReason.INVALID_AMOUNT
    elif command.quantity_lots <= 0:
        return RejectReason.INVALID_QUANTITY
    if command.quantity_lots > instrument.max_quantity_lots:
        return RejectReason.QUANTITY_TOO_LARGE
    return None


def _refuse_combination(command: PlaceOrder, options: OrderOptions) -> RejectReason | None:
    """A field that the type does not take, or lacks."""
    type = command.type
    fits = (
        (type is OrderType.MARKET or not options.quote_minor)
        and (options.stop_ticks != 0) is (type in _STOP_TYPES)
        and (options.trail_ticks != 0) is (type is OrderType.TRAILING_STOP)
        and (
            type in _LIMIT_TYPES or (not options.display_lots and options.post_only is PostOnly.OFF)
        )
    )
    return None if fits else RejectReason.INVALID_ORDER


def _refuse_price(command: PlaceOrder) -> RejectReason | None:
    lowest_ticks = 1 if command.type in _LIMIT_TYPES else 0
    if not lowest_ticks <= command.price_ticks <= MAX_PRICE_TICKS:
        return RejectReason.INVALID_PRICE
    return None


def _refuse_time_in_force(command: PlaceOrder, options: OrderOptions) -> RejectReason | None:
    time_in_force = command.time_in_force
    if command.type is OrderType.MARKET:
        fits = time_in_force in _AT_ONCE
        if options.quote_minor:
            fits = time_in_force is TimeInForce.IOC
    elif (
        command.type is OrderType.LIMIT
        and not options.display_lots
        and options.post_only is PostOnly.OFF
    ):
        fits = True
    else:
        fits = time_in_force not in _AT_ONCE
    return None if fits else RejectReason.INVALID_TIME_IN_FORCE


def _refuse_stop(options: OrderOptions) -> RejectReason | None:
    if 0 <= options.stop_ticks <= MAX_PRICE_TICKS and 0 <= options.trail_ticks <= MAX_PRICE_TICKS:
        return None
    return RejectReason.INVALID_STOP_PRICE


def _refuse_display(command: PlaceOrder, options: OrderOptions) -> RejectReason | None:
    display_lots = options.display_lots
    if display_lots and not (
        0 < display_lots <= command.quantity_lots <= display_lots * MAX_DISPLAY_PARTS
    ):
        return RejectReason.INVALID_DISPLAY_QUANTITY
    return None


def _refuse_expiry(command: PlaceOrder, options: OrderOptions, time_ns: int) -> RejectReason | None:
    if command.time_in_force is TimeInForce.GTD:
        valid = time_ns < options.expire_time_ns <= MAX_TIME_NS
    else:
        valid = not options.expire_time_ns
    return None if valid else RejectReason.INVALID_EXPIRE_TIME


def refuse_now(command: PlaceOrder, book: Book, account: Account) -> RejectReason | None:
    """What the book and the account have against an order that is well formed."""
    type = command.type
    options = command.options or NO_OPTIONS
    if (
        book.bands is not None
        and type in _LIMIT_TYPES
        and outside_static_band(book, command.price_ticks)
    ):
        return RejectReason.PRICE_OUTSIDE_BAND
    if type is OrderType.MARKET:
        return _refuse_market(command, options, book, account)
    price_ticks = command.price_ticks
    if type is not OrderType.LIMIT:
        refused = _refuse_stop_now(command, options, book)
        if refused is not None:
            return refused
        price_ticks = price_ticks or options.stop_ticks or first_stop_ticks(command, book)
    elif options.post_only is not PostOnly.OFF and book.instrument.status in CONTINUOUS:
        price_ticks = passive_price_ticks(book, command.side, command.price_ticks)
        if refuses_to_trade(options.post_only, price_ticks, command.price_ticks):
            return RejectReason.POST_ONLY_WOULD_TRADE
    return _refuse_amounts(command, price_ticks, book, account)


def first_stop_ticks(command: PlaceOrder, book: Book) -> int:
    """Where the stop price of a new trailing stop is."""
    options = command.options or NO_OPTIONS
    last_ticks = book.last_ticks or book.reference_ticks
    return trailing_stop_ticks(command.side, last_ticks, options.trail_ticks)


def _refuse_stop_now(command: PlaceOrder, options: OrderOptions, book: Book) -> RejectReason | None:
    last_ticks = book.last_ticks or book.reference_ticks
    if command.type is OrderType.TRAILING_STOP:
        if not last_ticks or not 0 < first_stop_ticks(command, book) <= MAX_PRICE_TICKS:
            return RejectReason.INVALID_STOP_PRICE
        waiting = book.waiting
        if (
            waiting is not None
            and len(waiting.trailing) - waiting.lent_places >= MAX_TRAILING_STOPS
        ):
            return RejectReason.TOO_MANY_TRAILING_STOPS
    elif last_ticks and sets_off(command.side, command.type, options.stop_ticks, last_ticks):
        return RejectReason.STOP_WOULD_TRIGGER
    return None


def _refuse_market(
    command: PlaceOrder, options: OrderOptions, book: Book, account: Account
) -> RejectReason | None:
    side = command.side
    instrument = book.instrument
    limit_ticks = command.price_ticks or market_limit_ticks(side)
    gone = passed_over(account, options.self_trade or account.self_trade)
    lots = command.quantity_lots
    if options.quote_minor:
        lots = lots_for_quote(book, side, limit_ticks, options.quote_minor, gone)
        lots = min(lots, instrument.max_quantity_lots)
    fillable_lots, cost_tick_lots = walk(book, side, limit_ticks, lots or 1, gone)
    if not fillable_lots:
        return RejectReason.NO_LIQUIDITY
    cost_minor = cost_tick_lots * instrument.tick_lot_minor
    if not lots or cost_minor < instrument.min_notional_minor:
        return RejectReason.NOTIONAL_TOO_SMALL
    if cost_minor > (instrument.max_notional_minor or MAX_NOTIONAL_MINOR):
        return RejectReason.NOTIONAL_TOO_LARGE
    needed_minor = cost_minor if side is _BUY else lots * instrument.lot_minor
    return _refuse_funds(side, needed_minor, instrument, account)


def _refuse_amounts(
    command: PlaceOrder, price_ticks: int, book: Book, account: Account
) -> RejectReason | None:
    """Notional, funds and open orders of an order that may rest or wait.

    ``price_ticks``: what its notional is worked out with; the stop price where it has no limit.
    """
    instrument = book.instrument
    notional_minor = price_ticks * command.quantity_lots * instrument.tick_lot_minor
    if notional_minor < instrument.min_notional_minor:
        return RejectReason.NOTIONAL_TOO_SMALL
    if notional_minor > (instrument.max_notional_minor or MAX_NOTIONAL_MINOR):
        return RejectReason.NOTIONAL_TOO_LARGE
    needed_minor = command.quantity_lots * instrument.lot_minor
    if command.side is _BUY:
        needed_minor = notional_minor if command.price_ticks else 0
    refused = _refuse_funds(command.side, needed_minor, instrument, account)
    if refused is not None:
        return refused
    if command.time_in_force not in _AT_ONCE and len(account.orders) >= account.max_open_orders:
        return RejectReason.TOO_MANY_OPEN_ORDERS
    return None


def _refuse_funds(
    side: Side, needed_minor: int, instrument: InstrumentDefined, account: Account
) -> RejectReason | None:
    balance = account.balances.get(instrument.quote if side is _BUY else instrument.base)
    available_minor = 0 if balance is None else balance.available_minor
    return RejectReason.INSUFFICIENT_BALANCE if available_minor < needed_minor else None
