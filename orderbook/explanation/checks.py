"""The rules that an order met on arrival, in the order in which the engine checks them.

Each is shown with the values that it was checked with, from the state just before the command. The
engine's own checks (``orderbook.core.risk``) decided; here they are only told.
"""

from collections.abc import Iterator
from typing import NamedTuple

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import Batch, Command, PlaceOrder, PlaceOrderList, ReplaceOrder
from orderbook.core.engine import Engine
from orderbook.core.rejects import RejectReason
from orderbook.core.units import (
    MAX_NOTIONAL_MINOR,
    MAX_PRICE_TICKS,
    SECOND_NS,
    OrderListKind,
    OrderType,
    Side,
    TimeInForce,
)
from orderbook.explanation.amounts import Amounts
from orderbook.explanation.costs import Cost, cost_of
from orderbook.explanation.steps import Facts

BROKEN = " (broken)"
"""Marks the rule that an order was refused by."""
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class Check(NamedTuple):
    name: str
    value: str
    reasons: tuple[RejectReason, ...]
    """What an order is refused with that breaks the rule."""


def checked_facts(
    engine: Engine,
    order: PlaceOrder,
    within: Command,
    time_ns: int,
    broken: RejectReason | None,
) -> Facts:
    """The rules by name; up to the one that was broken, where one was. ``within``: the command
    that the order came in."""
    facts: Facts = {}
    for check in _checks(engine, order, within, time_ns):
        facts[check.name] = check.value
        if broken in check.reasons:
            facts[check.name] += BROKEN
            return facts
    if broken is not None:
        facts["rule"] = broken.value + BROKEN
    return facts


def _checks(engine: Engine, command: PlaceOrder, within: Command, time_ns: int) -> Iterator[Check]:
    account = engine.accounts.get(command.account_id)
    if account is not None:
        yield from _rate_checks(account, time_ns)
    book = engine.books.get(command.symbol)
    if book is None:
        yield Check("instrument", "not known", (RejectReason.UNKNOWN_SYMBOL,))
        return
    yield Check(
        "phase",
        book.instrument.status.value,
        (RejectReason.INSTRUMENT_NOT_TRADING, RejectReason.NOT_IN_THIS_PHASE),
    )
    if account is None:
        yield Check("account", "not known to the engine", (RejectReason.UNKNOWN_ACCOUNT,))
        return
    yield from _account_checks(engine, account, command)
    yield from _size_checks(book, command)
    cost = cost_of(book, account, command)
    if _is_exit(command, within):
        yield _notional_check(book, cost, least=False)
    else:
        yield from _band_checks(book, command)
        yield from _book_checks(book, command)
        yield _notional_check(book, cost)
        yield _funds_check(book, account, command, within, cost)
    if command.time_in_force not in _AT_ONCE:
        yield Check(
            "open_orders",
            f"{len(account.orders)} of at most {account.max_open_orders}",
            (RejectReason.TOO_MANY_OPEN_ORDERS,),
        )


def _is_exit(command: PlaceOrder, within: Command) -> bool:
    """Exits of a bracket hold nothing yet, and the market may be anywhere by their turn: they are
    checked against neither."""
    return (
        isinstance(within, PlaceOrderList)
        and within.list_kind is OrderListKind.BRACKET
        and any(one is command for one in within.orders[1:])
    )


def _rate_checks(account: Account, time_ns: int) -> Iterator[Check]:
    limits = account.limits
    if limits is None:
        return
    same = limits.second == time_ns // SECOND_NS
    sent = (limits.messages, limits.orders) if same else (0, 0)
    if limits.messages_per_second:
        yield Check(
            "messages_this_second",
            f"{sent[0]} before this one, at most {limits.messages_per_second}",
            (RejectReason.TOO_MANY_MESSAGES_A_SECOND,),
        )
    if limits.orders_per_second:
        yield Check(
            "orders_this_second",
            f"{sent[1]} before this one, at most {limits.orders_per_second}",
            (RejectReason.TOO_MANY_ORDERS_A_SECOND,),
        )


def _account_checks(engine: Engine, account: Account, command: PlaceOrder) -> Iterator[Check]:
    yield Check(
        "account",
        f"{account.account_id}, {account.status.value}",
        (RejectReason.UNKNOWN_ACCOUNT, RejectReason.ACCOUNT_CLOSED),
    )
    engaged = [
        name
        for name, is_engaged in (
            ("the venue's", engine.venue.kill_switch),
            ("the account's", account.kill_switch),
        )
        if is_engaged
    ]
    yield Check(
        "kill_switch",
        f"{' and '.join(engaged)} engaged" if engaged else "not engaged",
        (RejectReason.KILL_SWITCH,),
    )
    if command.client_order_id:
        used = command.client_order_id in account.client_order_ids
        yield Check(
            "client_order_id",
            f"{command.client_order_id}: {'used before' if used else 'not used before'}",
            (RejectReason.DUPLICATE_CLIENT_ORDER_ID, RejectReason.INVALID_CLIENT_ORDER_ID),
        )


def _size_checks(book: Book, command: PlaceOrder) -> Iterator[Check]:
    instrument, text = book.instrument, Amounts(book.instrument)
    if command.quantity_lots:
        largest = text.quantity(instrument.max_quantity_lots)
        yield Check(
            "largest_quantity",
            largest,
            (RejectReason.INVALID_QUANTITY, RejectReason.QUANTITY_TOO_LARGE),
        )
    yield Check(
        "form",
        "the fields that its type and time in force take, within their bounds",
        (
            RejectReason.INVALID_ORDER,
            RejectReason.INVALID_PRICE,
            RejectReason.INVALID_TIME_IN_FORCE,
            RejectReason.INVALID_AMOUNT,
            RejectReason.INVALID_DISPLAY_QUANTITY,
            RejectReason.INVALID_EXPIRE_TIME,
        ),
    )


def _band_checks(book: Book, command: PlaceOrder) -> Iterator[Check]:
    instrument, text = book.instrument, Amounts(book.instrument)
    if book.bands is not None and book.reference_ticks and instrument.static_band_ppm:
        lowest, highest = book.bands.static(book)
        yield Check(
            "static_band",
            f"{text.price(lowest)} to {text.price(min(highest, MAX_PRICE_TICKS))} around "
            f"{text.price(book.reference_ticks)}",
            (RejectReason.PRICE_OUTSIDE_BAND,),
        )


def _book_checks(book: Book, command: PlaceOrder) -> Iterator[Check]:
    text = Amounts(book.instrument)
    last_ticks = book.last_ticks or book.reference_ticks
    if command.type not in (OrderType.LIMIT, OrderType.MARKET):
        last = text.price(last_ticks) if last_ticks else "none yet"
        yield Check(
            "last_price",
            last,
            (RejectReason.STOP_WOULD_TRIGGER, RejectReason.INVALID_STOP_PRICE),
        )
    best = (book.asks if command.side is Side.BUY else book.bids).best
    yield Check(
        "best_opposite_price",
        "none" if best is None else text.price(best.price_ticks),
        (RejectReason.NO_LIQUIDITY, RejectReason.POST_ONLY_WOULD_TRADE),
    )


def _notional_check(book: Book, cost: Cost, *, least: bool = True) -> Check:
    instrument, text = book.instrument, Amounts(book.instrument)
    most = text.quote(instrument.max_notional_minor or MAX_NOTIONAL_MINOR)
    bounds = f"at most {most}"
    if least:
        bounds = f"at least {text.quote(instrument.min_notional_minor)}, {bounds}"
    return Check(
        "notional",
        f"{text.quote(cost.notional_minor)}, {bounds}",
        (RejectReason.NOTIONAL_TOO_SMALL, RejectReason.NOTIONAL_TOO_LARGE),
    )


def _funds_check(
    book: Book, account: Account, command: PlaceOrder, within: Command, cost: Cost
) -> Check:
    instrument, text, side = book.instrument, Amounts(book.instrument), command.side
    balance = account.balances.get(instrument.quote if side is Side.BUY else instrument.base)
    available_minor = 0 if balance is None else balance.available_minor
    value = (
        f"{text.given(side, cost.needed_minor)} needed, "
        f"{text.given(side, available_minor)} available"
    )
    if isinstance(within, ReplaceOrder):
        old = account.find_order(within.order_id, within.cancel_client_order_id)
        held_minor = 0 if old is None else old.held_minor()
        value += f", {text.given(side, held_minor)} of the order that it replaces"
    elif isinstance(within, Batch):
        value += " before the batch"
    return Check("funds", value, (RejectReason.INSUFFICIENT_BALANCE,))
