"""Own orders and fills: exact whatever the projector's lag, and nobody else's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orderbook.gateway.pagination import PageRequest, decode_cursor
from orderbook.worker.projector import reset
from tests.unit.trading.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Venue, fields
from trading import selectors, services
from trading.errors import OrderNotFound
from trading.models import Fill, Order
from trading.order_entry import Reference
from trading.order_state import OrderState
from trading.projections import TradingProjection

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
ALL = PageRequest(500)


@pytest.fixture(params=["stopped", "level", "in the middle"])
def lag(request: pytest.FixtureRequest, venue: Venue) -> Iterator[Callable[[str], None]]:
    """Call it between steps of a test: the projector runs then, or only there, or never."""

    def projected(moment: str) -> None:
        if request.param == "level" or request.param == moment:
            venue.project()

    yield projected
    assert (Order.objects.count() > 0) == (request.param != "stopped")


def place(account: int = ALICE, **changes: Any) -> OrderState:
    return services.place_order_blocking(account, fields(**changes)).order


def ids(account: int, **filters: Any) -> list[int]:
    return [order.id for order in selectors.orders_of(account, ALL, **filters).results]


def test_an_order_is_what_its_events_say_whatever_the_lag(lag: Callable[[str], None]) -> None:
    resting = place(ALICE, quantity="2", client_order_id="mine")
    lag("in the middle")
    taken = place(BOB, side="sell", quantity="0.5")
    lag("end")
    order = selectors.order_of(ALICE, Reference(resting.id))
    assert (order.status, order.filled_lots, order.remaining_lots) == (
        "partially_filled",
        50_000,
        150_000,
    )
    assert order.quote_filled_minor == 12_500_000_000
    assert order.fee_minor == 50_000
    assert selectors.order_of(ALICE, Reference(0, "mine")) == order
    assert selectors.order_of(BOB, Reference(taken.id)).status == "filled"
    services.cancel_order_blocking(ALICE, Reference(resting.id))
    lag("end")
    order = selectors.order_of(ALICE, Reference(resting.id))
    assert (order.status, order.cancel_reason, order.filled_lots) == ("canceled", "user", 50_000)


def test_a_strangers_order_is_not_found(lag: Callable[[str], None]) -> None:
    order = place(ALICE, client_order_id="mine")
    lag("in the middle")
    for reference in (Reference(order.id), Reference(0, "mine"), Reference(2**62)):
        with pytest.raises(OrderNotFound):
            selectors.order_of(BOB, reference)
    assert ids(BOB) == []


def test_filters_see_the_state_after_the_tail(lag: Callable[[str], None]) -> None:
    first = place()
    second = place(price="24000.0")
    other = place(symbol=OTHER_SYMBOL)
    lag("in the middle")
    place(BOB, side="sell", quantity="0.25")
    services.cancel_order_blocking(ALICE, Reference(second.id))
    sell = place(side="sell", price="30000.0")
    lag("end")
    assert ids(ALICE) == [sell.id, other.id, second.id, first.id]
    assert ids(ALICE, status="open") == [sell.id, other.id, first.id]
    assert ids(ALICE, status="partially_filled") == [first.id]
    assert ids(ALICE, status="canceled") == [second.id]
    assert ids(ALICE, status="filled") == []
    assert ids(ALICE, symbol=OTHER_SYMBOL) == [other.id]
    assert ids(ALICE, side="sell", symbol=SYMBOL) == [sell.id]
    assert [order.id for order in selectors.open_orders(ALICE, symbol=SYMBOL)] == [
        sell.id,
        first.id,
    ]


def test_pages_neither_repeat_nor_skip(lag: Callable[[str], None]) -> None:
    placed = [place(price=f"{20_000 + i}.0").id for i in range(4)]
    lag("in the middle")
    services.cancel_order_blocking(ALICE, Reference(placed[1]))
    placed += [place(price=f"{21_000 + i}.0").id for i in range(3)]
    lag("end")
    seen: list[int] = []
    page = selectors.orders_of(ALICE, PageRequest(2))
    while True:
        seen += [order.id for order in page.results]
        if page.next is None:
            break
        place(price="19000.0")
        page = selectors.orders_of(ALICE, PageRequest(2, decode_cursor(page.next)))
    assert seen == placed[::-1]


def test_fills_of_both_sides(lag: Callable[[str], None]) -> None:
    resting = place(ALICE, quantity="1")
    lag("in the middle")
    first = place(BOB, side="sell", quantity="0.25")
    second = place(BOB, side="sell", quantity="0.5")
    lag("end")
    mine = selectors.fills_of(ALICE, ALL).results
    assert [(fill.is_maker, fill.side, fill.quantity_lots, fill.fee_asset) for fill in mine] == [
        (True, "buy", 50_000, "BTC"),
        (True, "buy", 25_000, "BTC"),
    ]
    assert {fill.order_id for fill in mine} == {resting.id}
    theirs = selectors.fills_of(BOB, ALL, order_id=first.id).results
    assert [(fill.is_maker, fill.fee_asset, fill.fee_minor) for fill in theirs] == [
        (False, "USDT", 12_500_000)
    ]
    assert selectors.fills_of(BOB, ALL, symbol=OTHER_SYMBOL).results == []
    page = selectors.fills_of(BOB, PageRequest(1))
    assert [fill.order_id for fill in page.results] == [second.id]
    assert page.next is not None
    page = selectors.fills_of(BOB, PageRequest(1, decode_cursor(page.next)))
    assert [fill.order_id for fill in page.results] == [first.id]
    assert page.next is None


def test_the_newest_order_wins_a_client_order_id(venue: Venue) -> None:
    old = place(client_order_id="again")
    venue.project()
    Order.objects.filter(id=old.id).update(id=old.id + 1_000)
    Order.objects.create(
        **{
            name: getattr(old, name)
            for name in selectors.ORDER_FIELDS
            if name not in {"id", "price_ticks"}
        },
        id=old.id,
        price_ticks=1,
    )
    assert selectors.order_of(ALICE, Reference(0, "again")).id == old.id + 1_000


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda: selectors.open_orders(ALICE), "order_account_open"),
        (lambda: ids(ALICE, symbol=SYMBOL), "order_account"),
        (lambda: selectors.order_of(ALICE, Reference(0, "mine")), "order_client_order_id"),
        (lambda: selectors.fills_of(ALICE, ALL), "fill_account"),
    ],
)
def test_reads_are_indexed(venue: Venue, read: Callable[[], Any], index: str) -> None:
    place(client_order_id="mine")
    venue.project()
    with CaptureQueriesContext(connection) as queries:
        read()
    reads = [query["sql"] for query in queries if 'FROM "trading_' in query["sql"]]
    assert reads
    with connection.cursor() as cursor:
        for sql in reads:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert f"USING INDEX {index} " in str(cursor.fetchall())


def test_rebuilt_tables_are_the_same(venue: Venue) -> None:
    place(quantity="2")
    place(BOB, side="sell")
    venue.project()
    place(BOB, side="sell", type="ioc", quantity="5")
    place(side="buy", price="20000.0")
    venue.project()
    before = all_rows()
    reset(TradingProjection())
    assert all_rows() == ([], [])
    venue.project()
    assert all_rows() == before


def all_rows() -> tuple[list[Any], list[Any]]:
    return list(Order.objects.order_by("id").values()), list(Fill.objects.order_by("id").values())
