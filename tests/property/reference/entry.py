"""An accepted order on its way: into the book, to wait for its stop price, or to its end."""

from msgspec.structs import replace

from orderbook.core.commands import PlaceOrder
from orderbook.core.events import OrderAccepted, OrderAmended
from orderbook.core.terms import NO_OPTIONS, OrderOptions
from orderbook.core.units import (
    DAY_NS,
    MAX_PRICE_TICKS,
    PPM,
    CancelReason,
    InstrumentStatus,
    OrderType,
    PostOnly,
    Side,
    TimeInForce,
)
from tests.property.reference.phases import CONTINUOUS, TRADING, Phases
from tests.property.reference.state import Order, Stage

AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
TAKE_PROFITS = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
LIMITS = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, *TAKE_PROFITS)


def goes_off(side: Side, type: OrderType, stop: int, last: int) -> bool:
    """Whether a last trade at this price sets off an order with this stop price."""
    rising = (side is Side.BUY and type not in TAKE_PROFITS) or (
        side is Side.SELL and type in TAKE_PROFITS
    )
    return last >= stop if rising else last <= stop


class Entry(Phases):
    # Price bands

    def band(self, centre: int, ppm: int) -> tuple[int, int]:
        """(lowest, highest) whole price inside the band; any price without centre or width."""
        if not centre or not ppm:
            return 0, MAX_PRICE_TICKS
        lowest, rest = divmod(centre * (PPM - ppm), PPM)
        return lowest + (1 if rest else 0), centre * (PPM + ppm) // PPM

    def static_band(self, symbol: str) -> tuple[int, int]:
        market = self.markets[symbol]
        return self.band(market.reference, market.rules.static_band_ppm)

    def dynamic_band(self, symbol: str) -> tuple[int, int]:
        market = self.markets[symbol]
        return self.band(market.price_now, market.rules.dynamic_band_ppm)

    # Acceptance

    def resolved(self, command: PlaceOrder, of_list: bool) -> PlaceOrder:
        """The order with what holds for it: defaults, end of the day, first stop, quantity."""
        plain = command.options is None and command.time_in_force is not TimeInForce.DAY
        if plain and not of_list:
            return command
        symbol, account = command.symbol, command.account_id
        options = command.options or NO_OPTIONS
        rule = options.self_trade or self.accounts[account].self_trade
        options = replace(options, self_trade=rule)
        if command.time_in_force is TimeInForce.DAY:
            midnight = (self.now // DAY_NS + 1) * DAY_NS
            options = replace(options, expire_time_ns=midnight)
        now = self.markets[symbol].price_now
        if options.trail_ticks and now:
            options = replace(options, stop_ticks=self.trailing(command.side, now, options))
        lots = command.quantity_lots
        if options.quote_minor:
            lots = self.lots_for_quote(
                symbol, command.side, command.price_ticks, options.quote_minor, account, rule
            )
        return replace(command, options=options, quantity_lots=lots)

    @staticmethod
    def trailing(side: Side, best: int, options: OrderOptions) -> int:
        return best + options.trail_ticks if side is Side.BUY else best - options.trail_ticks

    def accept(self, command: PlaceOrder, list_id: int = 0) -> Order:
        """Gives the order its id; it holds nothing yet and stands nowhere."""
        command = self.resolved(command, list_id != 0)
        self.orders_so_far += 1
        order = Order(
            self.orders_so_far,
            command.account_id,
            command.symbol,
            command.side,
            command.type,
            command.time_in_force,
            command.price_ticks,
            command.quantity_lots,
            command.client_order_id,
            command.options,
            left=command.quantity_lots,
            stop=command.options.stop_ticks if command.options else 0,
        )
        self.events.append(
            OrderAccepted(
                order.id,
                order.account,
                order.symbol,
                order.side,
                order.type,
                order.time_in_force,
                order.price,
                order.quantity,
                order.client_id,
                order.options,
                list_id,
            )
        )
        return order

    def start(self, command: PlaceOrder) -> None:
        """Accepts an order that the rules let pass, and sends it on its way."""
        order = self.accept(command)
        if order.type in (OrderType.LIMIT, OrderType.MARKET):
            self.send(order)
        else:
            self.wait(order)

    def wait(self, order: Order) -> None:
        if order.type is OrderType.TRAILING_STOP:
            self.trail(order, self.markets[order.symbol].price_now)
        order.stage = Stage.WAITING
        self.involved.add(self.funds(order))
        if order not in self.orders:
            self.orders.append(order)

    def trail(self, order: Order, best: int) -> None:
        order.best = best
        stop = self.trailing(order.side, best, order.asked)
        order.stop = min(max(stop, 1), MAX_PRICE_TICKS)

    # Execution

    def passive_price(self, symbol: str, side: Side, price: int) -> int:
        """The nearest price at which an order would not trade on arrival."""
        others = self.met_by(symbol, side, price)
        if not others:
            return price
        return others[0].price + (-1 if side is Side.BUY else 1)

    def send(self, order: Order) -> None:
        """Sends an order that holds nothing to the book; a stop as what it has become."""
        post_only = order.asked.post_only
        if post_only is not PostOnly.OFF and self.markets[order.symbol].status in CONTINUOUS:
            price = self.passive_price(order.symbol, order.side, order.price)
            if price != order.price:
                if post_only is PostOnly.REJECT or not 1 <= price <= MAX_PRICE_TICKS:
                    self.end(order, CancelReason.POST_ONLY)
                    return
                order.price = price
                self.report(order, kept=False)
        self.execute(order)

    def execute(self, order: Order) -> None:
        market = self.markets[order.symbol]
        limited = order.type in LIMITS
        rests = limited and order.time_in_force not in AT_ONCE
        pause_ns = 0
        if market.status is TRADING:
            ended, pause_ns = self.execute_in_trading(order, rests)
        else:
            ended = self.execute_elsewhere(order)
        if ended is not None:
            self.end(order, ended)
            if pause_ns:
                self.begin_volatility_auction(order.symbol, pause_ns)
        elif not order.left:
            self.finish(order)
        elif rests:
            self.rest(order)
        else:
            self.end(
                order, CancelReason.IOC_REMAINDER if limited else CancelReason.MARKET_REMAINDER
            )

    def execute_in_trading(self, order: Order, rests: bool) -> tuple[CancelReason | None, int]:
        """(why it ends although it might go on, length of the auction that follows)"""
        symbol, side, limit = order.symbol, order.side, order.price
        static, dynamic = self.static_band(symbol), self.dynamic_band(symbol)
        lowest, highest = max(static[0], dynamic[0]), min(static[1], dynamic[1])
        buys = side is Side.BUY
        inner = min(limit or MAX_PRICE_TICKS, highest) if buys else max(limit, lowest)
        met = self.met_by(symbol, side, limit)
        blocked = bool(met) and not lowest <= met[0].price <= highest
        if order.time_in_force is TimeInForce.FOK and (
            blocked or not self.fills_whole(order, inner)
        ):
            return CancelReason.FOK_UNFILLABLE, 0
        if not blocked:
            ended = self.match(order, inner)
            if ended is not None or not order.left:
                return ended, 0
        met = self.met_by(symbol, side, limit)
        if met:
            stopped = not dynamic[0] <= met[0].price <= dynamic[1]
            pause_ns = self.markets[symbol].rules.pause_ns if stopped else 0
            return CancelReason.PRICE_BAND, pause_ns
        beyond = limit > highest if buys else limit < lowest
        if rests and beyond:
            return CancelReason.PRICE_BAND, 0
        return None, 0

    def execute_elsewhere(self, order: Order) -> CancelReason | None:
        """Nothing trades; limit orders may rest, and nothing else comes here."""
        if self.markets[order.symbol].status is InstrumentStatus.POST_ONLY:
            met = self.met_by(order.symbol, order.side, order.price)
            return CancelReason.POST_ONLY if met else None
        self.orders_changed(order.symbol)
        return None

    def report(self, order: Order, *, kept: bool) -> None:
        """The event that says how an order stands now."""
        self.events.append(
            OrderAmended(
                order.id,
                order.account,
                order.symbol,
                order.client_id,
                order.price,
                order.quantity,
                order.left,
                order.stop,
                kept,
            )
        )
