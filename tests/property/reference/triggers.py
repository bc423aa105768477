"""What follows from a command: groups settle, stops are set off, trailing stops move."""

from orderbook.core.events import OrderArmed, OrderTriggered, StopMoved, Trade
from orderbook.core.units import CancelReason, OrderType, Side
from tests.property.reference.entry import LIMITS, goes_off
from tests.property.reference.lists import Lists
from tests.property.reference.phases import TRADING
from tests.property.reference.state import Group, Order, Stage


class Triggers(Lists):
    def follow_up(self) -> None:
        """Runs where something traded or ended, once the order that caused it is done."""
        if self.traded:
            self.run_agenda()

    def run_agenda(self) -> None:
        last_of_batch, self.last_trade = self.last_trade, None
        last = self.trades_so_far + self.bounds.command_trades
        if last_of_batch is not None:
            last = min(last, last_of_batch)
        self.do_agenda(last)
        self.last_trade = last_of_batch
        for order in sorted(self.moved, key=lambda order: order.id):
            if order.stage is Stage.WAITING and order in self.orders:
                self.tell_moved(order)
        self.moved = []

    def do_agenda(self, last_trade: int) -> None:
        steps = 0
        while True:
            self.settle()
            self.look_at_prices()
            ends = steps >= self.bounds.triggers or self.trades_so_far >= last_trade
            if not self.agenda or ends or self.waits_for_uncross():
                break
            steps += 1
            item = self.agenda.pop(0)
            if isinstance(item, Group):
                self.arm(item)
            else:
                self.send_set_off(item)

    def waits_for_uncross(self) -> bool:
        """An exit must not join an uncross that is under way."""
        if not self.agenda or not isinstance(self.agenda[0], Group):
            return False
        uncrossing = self.markets[self.agenda[0].orders[0].symbol].uncrossing
        return uncrossing is not None and uncrossing.price != 0

    def waiting(self, symbol: str) -> list[Order]:
        return [
            order
            for order in self.orders
            if order.symbol == symbol and order.stage is Stage.WAITING
        ]

    def look_at_prices(self) -> None:
        """Each trade since the last look is a last trade in its turn; the last one is so again, for
        what waits since then only."""
        symbols, self.traded = dict.fromkeys(self.traded), []
        new, self.looked_at = self.events[self.looked_at :], len(self.events)
        for symbol in symbols:
            market = self.markets[symbol]
            if market.status is TRADING and market.last:
                for trade in new:
                    if isinstance(trade, Trade) and trade.symbol == symbol:
                        self.follow_price(symbol, trade.price_ticks)
                        self.set_off(symbol, trade.price_ticks)
                self.follow_price(symbol, market.last)
                self.set_off(symbol, market.last)

    def follow_price(self, symbol: str, last: int) -> None:
        for order in self.waiting(symbol):
            if order.type is OrderType.TRAILING_STOP:
                better = last < order.best if order.side is Side.BUY else last > order.best
                if better:
                    self.trail(order, last)
                    if order not in self.moved:
                        self.moved.append(order)

    def set_off(self, symbol: str, last: int) -> None:
        """What a rising price sets off comes first, lowest stop first; then the highest first."""
        while True:
            ready = [
                order
                for order in self.waiting(symbol)
                if goes_off(order.side, order.type, order.stop, last)
            ]
            if not ready:
                return
            # A stop price that a last trade above it sets off too is one of a rising price.
            rising = [one for one in ready if goes_off(one.side, one.type, one.stop, one.stop + 1)]
            if rising:
                order = min(rising, key=lambda one: (one.stop, one.id))
            else:
                order = min(ready, key=lambda one: (-one.stop, one.id))
            if order in self.moved:
                self.moved.remove(order)
                self.tell_moved(order)
            order.stage = Stage.SET_OFF
            self.agenda.append(order)
            self.events.append(OrderTriggered(order.id, order.account, order.symbol, last))
            if order.group is not None:
                self.let_go(order.group, order)

    def send_set_off(self, order: Order) -> None:
        if order.type not in LIMITS and self.markets[order.symbol].status is not TRADING:
            order.stage = Stage.WAITING
            self.events.append(OrderArmed(order.id, order.account, order.symbol, order.quantity))
            return
        self.involved.add(self.funds(order))
        order.stage = Stage.TAKING
        reason = self.refuse_set_off(order)
        if reason is not None:
            self.end(order, reason)
        else:
            self.send(order)

    def refuse_set_off(self, order: Order) -> CancelReason | None:
        """Why what has become a market order cannot trade at all."""
        if order.type in LIMITS:
            return None
        lots, cost = self.walk(
            order.symbol, order.side, order.price, order.left, order.account, self.rule_of(order)
        )
        if not lots:
            return CancelReason.NO_LIQUIDITY
        if order.side is Side.BUY and self.available(*self.funds(order)) < cost:
            return CancelReason.INSUFFICIENT_BALANCE
        return None

    def tell_moved(self, order: Order) -> None:
        self.events.append(StopMoved(order.id, order.account, order.symbol, order.stop))
