"""Words for tests of orders with options."""

from orderbook.core.commands import AdvanceTime, PlaceOrder, PlaceOrderList
from orderbook.core.events import Event, OrderCanceled, OrderTriggered, Trade
from orderbook.core.terms import OrderOptions
from orderbook.core.units import CancelReason, OrderListKind, OrderType, Side, TimeInForce
from tests.unit.core.venue import ALICE, BOB, BUY, GTC, IOC, SELL, SYMBOL, Venue, limit

STOP_MARKET, STOP_LIMIT = OrderType.STOP_MARKET, OrderType.STOP_LIMIT
TAKE_MARKET, TAKE_LIMIT = OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT
TRAILING, LIMIT, MARKET = OrderType.TRAILING_STOP, OrderType.LIMIT, OrderType.MARKET
DAY, GTD = TimeInForce.DAY, TimeInForce.GTD


def order(
    account_id: int,
    side: Side,
    type: OrderType,
    price_ticks: int,
    quantity_lots: int,
    time_in_force: TimeInForce | None = None,
    client_order_id: str = "",
    **options: object,
) -> PlaceOrder:
    """GTC, or of a market order IOC, unless told."""
    if time_in_force is None:
        time_in_force = IOC if type is MARKET else GTC
    return PlaceOrder(
        account_id,
        SYMBOL,
        side,
        type,
        time_in_force,
        price_ticks,
        quantity_lots,
        client_order_id,
        OrderOptions(**options),  # type: ignore[arg-type]
    )


def stop(
    account_id: int, side: Side, stop_ticks: int, lots: int, price_ticks: int = 0
) -> PlaceOrder:
    """A stop-market order, or with a price a stop-limit order."""
    type = STOP_LIMIT if price_ticks else STOP_MARKET
    return order(account_id, side, type, price_ticks, lots, stop_ticks=stop_ticks)


def trailing(account_id: int, side: Side, trail_ticks: int, lots: int) -> PlaceOrder:
    return order(account_id, side, TRAILING, 0, lots, trail_ticks=trail_ticks)


def oco(*orders: PlaceOrder) -> PlaceOrderList:
    return PlaceOrderList(OrderListKind.OCO, orders)


def bracket(*orders: PlaceOrder) -> PlaceOrderList:
    return PlaceOrderList(OrderListKind.BRACKET, orders)


def trade_at(venue: Venue, price_ticks: int, lots: int = 1) -> list[Event]:
    """Alice sells to Bob at a price at which nobody else stands; the events of Bob's order."""
    venue.do(limit(ALICE, SELL, price_ticks, lots))
    return venue.story(limit(BOB, BUY, price_ticks, lots))


def traded_venue(price_ticks: int = 100) -> Venue:
    """One whose last trade was at this price; orders 1 and 2 made it."""
    venue = Venue()
    trade_at(venue, price_ticks)
    return venue


def advance(venue: Venue, time_ns: int = 0) -> list[Event]:
    return venue.story(AdvanceTime(), time_ns)


def triggered(events: list[Event]) -> list[int]:
    return [event.order_id for event in events if isinstance(event, OrderTriggered)]


def canceled(events: list[Event]) -> list[tuple[int, CancelReason]]:
    return [(event.order_id, event.reason) for event in events if isinstance(event, OrderCanceled)]


def trades(events: list[Event]) -> list[tuple[int, int, int, int]]:
    """(maker's order, taker's order, price, quantity)"""
    return [
        (event.maker_order_id, event.taker_order_id, event.price_ticks, event.quantity_lots)
        for event in events
        if isinstance(event, Trade)
    ]
