"""Random orders and lists of orders, near to what the market looks like."""

from orderbook.core.commands import PlaceOrder, PlaceOrderList
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    DAY_NS,
    SECOND_NS,
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.property.flow.chance import Chance
from tests.property.reference.entry import AT_ONCE, LIMITS, STOPS, TAKE_PROFITS
from tests.property.reference.venue import ReferenceVenue

GTC, GTD, DAY = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
CLIENT_IDS = ["a", "b", "c", "d", "e", "f", "g:1", "h/2", "i.3", "j_4"]
STOP_TYPES = [*STOPS, OrderType.TRAILING_STOP]


class Orders:
    def __init__(self, chance: Chance, venue: ReferenceVenue, symbols: list[str]) -> None:
        self.chance = chance
        self.venue = venue
        self.symbols = symbols
        self.middle = chance.integer(8, 30)
        self.spread = chance.one([2, 3, 5])
        self.largest = chance.one([5, 20])
        self.accounts = [1, 2, 3][: chance.one([2, 3, 3])]
        self.preventing = chance.percent(40)
        self.often_stops = False

    # Values

    def account(self) -> int:
        return self.chance.usually(
            self.chance.one(self.accounts), lambda: self.chance.one([0, 4, 99, -1])
        )

    def symbol(self) -> str:
        busy = self.symbols[0]
        usual = busy if self.chance.percent(70) else self.chance.one(self.symbols)
        return self.chance.usually(usual, lambda: self.chance.one(["NO-SUCH", "bad symbol", ""]))

    def side(self) -> Side:
        return self.chance.one([Side.BUY, Side.SELL])

    def centre(self, symbol: str) -> int:
        market = self.venue.markets.get(symbol)
        now = market.price_now if market else 0
        return now if 0 < now < 1_000 and self.chance.percent(60) else self.middle

    def price(self, symbol: str) -> int:
        near = self.centre(symbol) + self.chance.integer(-self.spread, self.spread)
        return self.chance.usually(max(1, near), self.chance.odd)

    def beyond(self, symbol: str, side: Side) -> int:
        """A price at which most orders of this side would trade."""
        away = self.chance.integer(0, 2 * self.spread)
        return max(1, self.centre(symbol) + (away if side is Side.BUY else -away))

    def lots(self) -> int:
        return self.chance.usually(self.chance.integer(1, self.largest), self.chance.odd)

    def client_id(self) -> str:
        if self.chance.percent(88):
            return ""
        return self.chance.usually(self.chance.one(CLIENT_IDS), lambda: "not one!")

    def self_trade(self) -> SelfTradePrevention | None:
        if not self.preventing or self.chance.percent(40):
            return None
        return self.chance.one(list(SelfTradePrevention))

    def expiry(self) -> int:
        ahead = self.chance.one([1, 1_000, SECOND_NS, 60 * SECOND_NS, DAY_NS])
        return self.chance.usually(self.venue.now + ahead, self.chance.odd)

    # Orders

    def any_order(self, account: int | None = None, symbol: str | None = None) -> PlaceOrder:
        kind = self.chance.weighted(
            [
                (50, self.limit),
                (9, self.fancy_limit),
                (10, self.market),
                (45 if self.often_stops else 12, self.stop),
            ]
        )
        return kind(self.account() if account is None else account, symbol or self.symbol())

    def limit(self, account: int, symbol: str) -> PlaceOrder:
        time_in_force = self.chance.weighted([(160, GTC), (16, IOC), (12, FOK), (8, DAY), (1, GTD)])
        rule = self.self_trade()
        options = OrderOptions(self_trade=rule) if rule is not None else None
        return PlaceOrder(
            account,
            symbol,
            self.side(),
            OrderType.LIMIT,
            time_in_force,
            self.price(symbol),
            self.lots(),
            self.client_id(),
            options,
        )

    def fancy_limit(self, account: int, symbol: str) -> PlaceOrder:
        """Icebergs, post-only orders, and orders with an end."""
        time_in_force = self.chance.weighted([(50, GTC), (20, GTD), (15, DAY), (3, IOC), (3, FOK)])
        lots = self.lots()
        display = self.chance.integer(1, max(1, min(lots, 6))) if self.chance.percent(60) else 0
        return PlaceOrder(
            account,
            symbol,
            self.side(),
            OrderType.LIMIT,
            time_in_force,
            self.price(symbol),
            lots,
            self.client_id(),
            self.options(
                time_in_force,
                display=self.chance.usually(display, self.chance.odd),
                post_only=self.chance.percent(30),
            ),
        )

    def market(self, account: int, symbol: str) -> PlaceOrder:
        price = 0 if self.chance.percent(60) else self.price(symbol)
        rule, quote, lots = self.self_trade(), 0, self.lots()
        if self.chance.percent(40):
            quote = self.chance.usually(self.chance.integer(1, 1_500), self.chance.odd)
            lots = self.chance.usually(0, self.lots)
        options = OrderOptions(quote_minor=quote, self_trade=rule)
        return PlaceOrder(
            account,
            symbol,
            self.side(),
            OrderType.MARKET,
            self.chance.weighted([(80, IOC), (16, FOK), (1, GTC), (1, DAY)]),
            price,
            lots,
            self.client_id(),
            options if quote or rule or self.chance.percent(10) else None,
        )

    def stop(
        self,
        account: int,
        symbol: str,
        types: list[OrderType] | None = None,
        side: Side | None = None,
    ) -> PlaceOrder:
        type, side = self.chance.one(types or STOP_TYPES), side or self.side()
        now, away = self.centre(symbol), self.chance.integer(1, self.spread)
        rising = (side is Side.BUY) != (type in TAKE_PROFITS)
        stop = self.chance.usually(max(1, now + away if rising else now - away), self.chance.odd)
        trail = 0
        if type is OrderType.TRAILING_STOP:
            stop, trail = 0, self.chance.usually(away, self.chance.odd)
        price = self.price(symbol) if type in LIMITS or self.chance.percent(30) else 0
        time_in_force = self.chance.weighted([(80, GTC), (10, DAY), (8, GTD), (1, IOC)])
        lots = self.lots()
        display = min(lots, 3) if type in LIMITS and self.chance.percent(15) else 0
        options = self.options(
            time_in_force,
            display=display,
            post_only=type in LIMITS and self.chance.percent(15),
            stop=self.chance.usually(stop, lambda: 0),
            trail=trail,
        )
        bare = self.chance.usually(False, lambda: True)
        return PlaceOrder(
            account,
            symbol,
            side,
            type,
            time_in_force,
            price,
            lots,
            self.client_id(),
            None if bare else options,
        )

    def options(
        self,
        time_in_force: TimeInForce,
        *,
        display: int = 0,
        post_only: bool = False,
        stop: int = 0,
        trail: int = 0,
    ) -> OrderOptions:
        expires = self.expiry() if time_in_force is GTD else 0
        return OrderOptions(
            stop_ticks=stop,
            trail_ticks=trail,
            display_lots=display,
            post_only=self.chance.one([PostOnly.REJECT, PostOnly.REPRICE])
            if post_only
            else PostOnly.OFF,
            self_trade=self.self_trade(),
            expire_time_ns=self.chance.usually(expires, self.expiry),
        )

    # Lists

    def order_list(self) -> PlaceOrderList:
        account, symbol, lots = self.account(), self.symbol(), self.lots()
        side = self.side()
        if self.chance.percent(50):
            kind = OrderListKind.OCO
            orders = [self.leg(account, symbol, side), self.stop(account, symbol, side=side)]
            if self.chance.percent(30):
                orders.reverse()
        else:
            kind = OrderListKind.BRACKET
            entry = self.market if self.chance.percent(30) else self.limit
            if self.chance.percent(20):
                entry = self.fancy_limit
            first = entry(account, symbol)
            side = Side.SELL if first.side is Side.BUY else Side.BUY
            stops = [OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP]
            orders = [
                first,
                self.leg(account, symbol, side),
                self.stop(account, symbol, stops, side),
            ]
        if self.chance.percent(3):
            orders = self.chance.one([[], orders[:1], [*orders, orders[0]], orders[::-1]])
        return PlaceOrderList(kind, tuple(self.of_size(one, lots) for one in orders))

    def leg(self, account: int, symbol: str, side: Side) -> PlaceOrder:
        """A take-profit: a limit order on the far side of the market, or one that waits."""
        if self.chance.percent(40):
            return self.stop(account, symbol, list(TAKE_PROFITS), side)
        away = self.chance.integer(-1, self.spread)
        price = self.centre(symbol) + (away if side is Side.SELL else -away)
        time_in_force = self.chance.weighted([(80, GTC), (10, DAY), (8, GTD), (1, IOC)])
        fancy = self.chance.percent(30) or time_in_force is GTD
        options = None
        if fancy:
            post_only, display = self.chance.percent(30), self.chance.integer(0, 2)
            options = self.options(time_in_force, display=display, post_only=post_only)
        return PlaceOrder(
            account,
            symbol,
            side,
            OrderType.LIMIT,
            time_in_force,
            self.chance.usually(max(1, price), self.chance.odd),
            self.lots(),
            self.client_id(),
            options,
        )

    def of_size(self, order: PlaceOrder, lots: int) -> PlaceOrder:
        """Every order of a list has its quantity, with hardly an exception."""
        if self.chance.usually(False, lambda: True):
            return order
        options = order.options
        if options is not None and options.quote_minor:
            options = None
        time_in_force = order.time_in_force
        if time_in_force in AT_ONCE and order.type is not OrderType.MARKET:
            time_in_force = self.chance.usually(GTC, lambda: order.time_in_force)
        return PlaceOrder(
            order.account_id,
            order.symbol,
            order.side,
            order.type,
            time_in_force,
            order.price_ticks,
            lots,
            order.client_order_id,
            options,
        )
