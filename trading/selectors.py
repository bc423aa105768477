"""Reads of an account's own orders and fills, exact whatever the projector's lag.

Each reads the projection's cursor, lays the journal's tail over the rows, and gives what every
acknowledged command has left behind. Every function takes the account that asks and looks at
nothing else: a stranger's order is not found.
"""

from collections.abc import Callable, Iterable
from itertools import islice

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from msgspec import structs

from orderbook.core.events import OrderAccepted
from orderbook.gateway import tail
from orderbook.gateway.pagination import Page, PageRequest, page_of
from orderbook.projections import Recorded
from trading.errors import OrderNotFound
from trading.models import Fill, Order
from trading.order_entry import Reference
from trading.order_state import (
    OPEN,
    OPEN_STATUSES,
    FillState,
    OrderState,
    busted_trade_ids,
    fills_of_account,
    fold,
    touched_ids,
)

PROJECTION = "trading"
"""Name of the projection that writes the tables (its cursor's key)."""
ID_CHUNK = 10_000
"""Most ids in one query, where the database does not set a lower limit."""
MAX_LIST_ORDERS = 3
"""A bracket: entry, take-profit and stop."""
MAX_OPEN_LISTED = 500
"""Most open orders that ``open_orders`` gives unless told otherwise."""

# SQLite uses a partial index only where the query repeats its condition with literals.
_IS_OPEN = RawSQL(
    """"status" IN ('pending', 'waiting', 'open', 'partially_filled')""",
    (),
    output_field=BooleanField(),
)
_IS_NAMED = RawSQL("""NOT ("client_order_id" = '')""", (), output_field=BooleanField())

ORDER_FIELDS = OrderState.__struct_fields__
FILL_FIELDS = FillState.__struct_fields__


def order_of(account_id: int, reference: Reference) -> OrderState:
    """The account's order, by id or client order id (the newest that used it).

    Raises OrderNotFound for no such order and for another account's alike.
    """
    cursor = tail.cursor_of(PROJECTION)
    rows = Order.objects.filter(account_id=account_id)
    wanted: Callable[[OrderAccepted], bool]
    if reference.order_id:
        rows = rows.filter(id=reference.order_id)
        wanted = lambda event: event.order_id == reference.order_id  # noqa: E731
    else:
        rows = rows.filter(_IS_NAMED, client_order_id=reference.client_order_id).order_by("-id")
        wanted = lambda event: event.client_order_id == reference.client_order_id  # noqa: E731
    row = rows.values_list(*ORDER_FIELDS).first()
    states = {} if row is None else {row[0]: OrderState(*row)}
    fold(states, tail.records_after(cursor, account_id), wanted=wanted)
    if not states:
        raise OrderNotFound
    return states[max(states)]


def orders_of(
    account_id: int,
    page: PageRequest,
    *,
    symbol: str | None = None,
    status: str | None = None,
    side: str | None = None,
) -> Page:
    """The account's orders as ``OrderState``, newest first.

    The status "open" stands for everything that may still trade, partly filled or not.
    """
    statuses = OPEN_STATUSES if status == OPEN else (status,) if status else None
    before = page.after[0] if page.after else None

    def matches(order: OrderState) -> bool:
        return (
            (statuses is None or order.status in statuses)
            and (symbol is None or order.symbol == symbol)
            and (side is None or order.side == side)
            and (before is None or order.id < before)
        )

    cursor = tail.cursor_of(PROJECTION)
    records = tail.records_after(cursor, account_id)
    touched = _touched_orders(account_id, records)
    rows = Order.objects.filter(account_id=account_id).order_by("-id")
    if status == OPEN:
        rows = rows.filter(_IS_OPEN)
    elif status is not None:
        rows = rows.filter(status=status)
    if symbol is not None:
        rows = rows.filter(symbol=symbol)
    if side is not None:
        rows = rows.filter(side=side)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = [order for order in touched.values() if matches(order)]
    found.extend(
        OrderState(*row)
        for row in rows.values_list(*ORDER_FIELDS)[: page.limit + 1 + len(touched)]
        if row[0] not in touched
    )
    found.sort(key=lambda order: order.id, reverse=True)
    return page_of(found[: page.limit + 1], page.limit, lambda order: (order.id,))


def open_orders(
    account_id: int, *, symbol: str | None = None, limit: int = MAX_OPEN_LISTED
) -> list[OrderState]:
    """The account's newest orders that still work in the book."""
    page = orders_of(account_id, PageRequest(limit), symbol=symbol, status=OPEN)
    return page.results


def current_orders(account_id: int, ids: Iterable[int]) -> dict[int, OrderState]:
    """Those of the orders that are the account's, as they are now."""
    cursor = tail.cursor_of(PROJECTION)
    wanted = set(ids)
    states = load_orders(sorted(wanted), account_id)
    records = tail.records_after(cursor, account_id)
    fold(states, records, wanted=lambda event: event.order_id in wanted)
    return states


def fills_of(
    account_id: int,
    page: PageRequest,
    *,
    symbol: str | None = None,
    order_id: int | None = None,
) -> Page:
    """The account's sides of its trades as ``FillState``, newest first."""
    before = page.after[0] if page.after else None
    cursor = tail.cursor_of(PROJECTION)
    rows = Fill.objects.filter(account_id=account_id).order_by("-id")
    if symbol is not None:
        rows = rows.filter(symbol=symbol)
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = {row[0]: FillState(*row) for row in rows.values_list(*FILL_FIELDS)[: page.limit + 1]}
    records = tail.records_after(cursor, account_id)
    for fill in fills_of_account(records, account_id):
        if (
            (symbol is None or fill.symbol == symbol)
            and (order_id is None or fill.order_id == order_id)
            and (before is None or fill.id < before)
        ):
            found[fill.id] = fill
    if busted := busted_trade_ids(records):
        for id_, fill in found.items():
            if fill.trade_id in busted:
                found[id_] = structs.replace(fill, is_busted=True)
    newest_first = sorted(found.values(), key=lambda fill: fill.id, reverse=True)
    return page_of(newest_first[: page.limit + 1], page.limit, lambda fill: (fill.id,))


def fills_of_trades(account_id: int, trade_ids: Iterable[int]) -> list[FillState]:
    """The account's sides of these trades, oldest first."""
    wanted = set(trade_ids)
    cursor = tail.cursor_of(PROJECTION)
    rows = Fill.objects.filter(account_id=account_id, trade_id__in=wanted)
    found = {row[0]: FillState(*row) for row in rows.values_list(*FILL_FIELDS)}
    for fill in fills_of_account(tail.records_after(cursor, account_id), account_id):
        if fill.trade_id in wanted:
            found[fill.id] = fill
    return [found[id_] for id_ in sorted(found)]


def list_of(order: OrderState) -> list[OrderState]:
    """All orders of the order's list, itself among them; empty where it is on its own.

    A list's orders are accepted by one command, so their ids follow one another.
    """
    if not order.list_id:
        return []
    ids = range(order.list_id, order.list_id + MAX_LIST_ORDERS)
    found = current_orders(order.account_id, ids)
    return [found[id_] for id_ in sorted(found) if found[id_].list_id == order.list_id]


def load_orders(ids: Iterable[int], account_id: int | None = None) -> dict[int, OrderState]:
    """The rows of these orders as they are in the table; ids that are not there are left out."""
    states: dict[int, OrderState] = {}
    remaining = iter(ids)
    size = min(ID_CHUNK, (connection.features.max_query_params or ID_CHUNK + 1) - 1)
    while chunk := list(islice(remaining, size)):
        rows = Order.objects.filter(id__in=chunk)
        if account_id is not None:
            rows = rows.filter(account_id=account_id)
        for row in rows.values_list(*ORDER_FIELDS):
            states[row[0]] = OrderState(*row)
    return states


def _touched_orders(account_id: int, records: list[Recorded]) -> dict[int, OrderState]:
    """The account's orders that the tail changed, as they are after it."""
    states = load_orders(sorted(touched_ids(records)), account_id)
    fold(states, records)
    return states
