"""Whether an order may be accepted: every rule, in the order in which it is checked."""

import re

from orderbook.core.commands import PlaceOrder
from orderbook.core.rejects import RejectReason as R
from orderbook.core.units import (
    MAX_DISPLAY_PARTS,
    MAX_PRICE_TICKS,
    MAX_TIME_NS,
    SECOND_NS,
    AccountStatus,
    InstrumentStatus,
    OrderType,
    PostOnly,
    Side,
    TimeInForce,
)
from tests.property.reference.entry import AT_ONCE, LIMITS, STOPS, Entry, goes_off
from tests.property.reference.phases import CONTINUOUS, TRADING
from tests.property.reference.state import Stage, need

COLLECTING = (
    InstrumentStatus.PRE_OPEN,
    InstrumentStatus.OPENING_AUCTION,
    InstrumentStatus.CLOSING_AUCTION,
)


class Rules(Entry):
    def take_rate(self, account: int, messages: int, orders: int) -> None:
        """Counts messages in the running second, where the account has a limit."""
        if account not in self.accounts:
            return
        mine = self.accounts[account]
        if not mine.messages_per_second and not mine.orders_per_second:
            return
        if mine.second != self.now // SECOND_NS:
            mine.second, mine.messages, mine.orders = self.now // SECOND_NS, 0, 0
        if mine.messages_per_second:
            fits = mine.messages + messages <= mine.messages_per_second
            need(fits, R.TOO_MANY_MESSAGES_A_SECOND)
            mine.messages += messages
        if mine.orders_per_second and orders:
            need(mine.orders + orders <= mine.orders_per_second, R.TOO_MANY_ORDERS_A_SECOND)
            mine.orders += orders

    def check(self, order: PlaceOrder) -> None:
        """Raises Refused for the first rule that a new order breaks."""
        need(order.symbol in self.markets, R.UNKNOWN_SYMBOL)
        self.check_phase(order)
        self.check_account(order)
        self.check_form(order)
        limited = order.type in LIMITS
        low, high = self.static_band(order.symbol)
        need(not limited or low <= order.price_ticks <= high, R.PRICE_OUTSIDE_BAND)
        if order.type is OrderType.MARKET:
            self.check_market(order)
        else:
            self.check_amounts(order, self.price_to_judge(order))

    def check_phase(self, order: PlaceOrder) -> None:
        status = self.markets[order.symbol].status
        if status is TRADING:
            return
        post_only = status is InstrumentStatus.POST_ONLY
        need(post_only or status in COLLECTING, R.INSTRUMENT_NOT_TRADING)
        rests = order.type is not OrderType.MARKET and order.time_in_force not in AT_ONCE
        need(rests, R.NOT_IN_THIS_PHASE)
        reprices = order.options is not None and order.options.post_only is PostOnly.REPRICE
        if post_only and order.type is OrderType.LIMIT and not reprices:
            price = order.price_ticks
            others = self.standing(order.symbol, Side.SELL if order.side is Side.BUY else Side.BUY)
            sign = 1 if order.side is Side.BUY else -1
            need(
                not any(other.price * sign <= price * sign for other in others),
                R.POST_ONLY_WOULD_TRADE,
            )

    def check_account(self, order: PlaceOrder) -> None:
        account = order.account_id
        need(account != 0 and account in self.accounts, R.UNKNOWN_ACCOUNT)
        mine = self.accounts[account]
        need(mine.status is AccountStatus.ACTIVE, R.ACCOUNT_CLOSED)
        need(not self.kill_switch and not mine.kill_switch, R.KILL_SWITCH)
        self.check_client_id(account, order.client_order_id)

    def check_client_id(self, account: int, client_id: str) -> None:
        if client_id == "":
            return
        fits = re.fullmatch(r"[a-zA-Z0-9./:_\-]{1,36}", client_id)
        need(bool(fits), R.INVALID_CLIENT_ORDER_ID)
        used = [order.client_id for order in self.orders if order.account == account]
        used += [text for owner, text in self.done_client_ids if owner == account]
        need(client_id not in [*used, *self.supposed_ids], R.DUPLICATE_CLIENT_ORDER_ID)

    def check_form(self, order: PlaceOrder) -> None:
        """What the order says, whatever the market."""
        asked, lots, type = order.options, order.quantity_lots, order.type
        quote = asked.quote_minor if asked else 0
        stop = asked.stop_ticks if asked else 0
        trail = asked.trail_ticks if asked else 0
        display = asked.display_lots if asked else 0
        expires = asked.expire_time_ns if asked else 0
        post_only = asked is not None and asked.post_only is not PostOnly.OFF
        if quote:
            need(lots == 0, R.INVALID_QUANTITY)
            need(0 < quote <= self.bounds.supply, R.INVALID_AMOUNT)
        else:
            need(lots > 0, R.INVALID_QUANTITY)
        need(lots <= self.markets[order.symbol].rules.max_quantity_lots, R.QUANTITY_TOO_LARGE)
        need(type is OrderType.MARKET or not quote, R.INVALID_ORDER)
        need((type in STOPS) == (stop != 0), R.INVALID_ORDER)
        need((type is OrderType.TRAILING_STOP) == (trail != 0), R.INVALID_ORDER)
        need(type in LIMITS or (not display and not post_only), R.INVALID_ORDER)
        lowest = 1 if type in LIMITS else 0
        need(lowest <= order.price_ticks <= MAX_PRICE_TICKS, R.INVALID_PRICE)
        at_once = order.time_in_force in AT_ONCE
        if type is OrderType.MARKET:
            need(at_once, R.INVALID_TIME_IN_FORCE)
            whole = order.time_in_force is TimeInForce.FOK
            need(not (quote and whole), R.INVALID_TIME_IN_FORCE)
        elif type is not OrderType.LIMIT or display or post_only:
            need(not at_once, R.INVALID_TIME_IN_FORCE)
        need(0 <= stop <= MAX_PRICE_TICKS, R.INVALID_STOP_PRICE)
        need(0 <= trail <= MAX_PRICE_TICKS, R.INVALID_STOP_PRICE)
        if display:
            need(0 < display <= lots <= display * MAX_DISPLAY_PARTS, R.INVALID_DISPLAY_QUANTITY)
        if order.time_in_force is TimeInForce.GTD:
            need(self.now < expires <= MAX_TIME_NS, R.INVALID_EXPIRE_TIME)
        else:
            need(expires == 0, R.INVALID_EXPIRE_TIME)

    def check_market(self, order: PlaceOrder) -> None:
        symbol, side, limit = order.symbol, order.side, order.price_ticks
        account, lots = order.account_id, order.quantity_lots
        rules = self.markets[symbol].rules
        rule = (order.options and order.options.self_trade) or self.accounts[account].self_trade
        if order.options and order.options.quote_minor:
            quote = order.options.quote_minor
            lots = self.lots_for_quote(symbol, side, limit, quote, account, rule)
        fillable, cost = self.walk(symbol, side, limit, max(1, lots), account, rule)
        need(fillable > 0, R.NO_LIQUIDITY)
        need(lots > 0 and cost >= rules.min_notional_minor, R.NOTIONAL_TOO_SMALL)
        most = rules.max_notional_minor or self.bounds.supply
        need(cost <= most, R.NOTIONAL_TOO_LARGE)
        self.check_funds(order, cost if side is Side.BUY else lots * rules.lot_minor)

    def price_to_judge(self, order: PlaceOrder) -> int:
        """The price that its notional is worked out with: the limit, else the stop price."""
        market, side, type = self.markets[order.symbol], order.side, order.type
        price, now = order.price_ticks, market.price_now
        if type is OrderType.LIMIT:
            if order.options is None or order.options.post_only is PostOnly.OFF:
                return price
            if market.status not in CONTINUOUS:
                return price
            passive = self.passive_price(order.symbol, side, price)
            moves = order.options.post_only is PostOnly.REPRICE and 1 <= passive <= MAX_PRICE_TICKS
            need(passive == price or moves, R.POST_ONLY_WOULD_TRADE)
            return passive
        assert order.options is not None
        stop = order.options.stop_ticks
        if type is OrderType.TRAILING_STOP:
            stop = self.trailing(side, now, order.options)
            need(now > 0 and 1 <= stop <= MAX_PRICE_TICKS, R.INVALID_STOP_PRICE)
            room = self.trailing_stops(order.symbol) < self.bounds.trailing
            need(room, R.TOO_MANY_TRAILING_STOPS)
        else:
            need(not now or not goes_off(side, type, stop, now), R.STOP_WOULD_TRIGGER)
        return price or stop

    def trailing_stops(self, symbol: str) -> int:
        """Trailing stops that wait, or are yet to."""
        return sum(
            order.symbol == symbol
            and order.type is OrderType.TRAILING_STOP
            and order.stage in (Stage.WAITING, Stage.PENDING)
            and order not in self.supposed_gone
            for order in self.orders
        )

    def check_amounts(self, order: PlaceOrder, price: int) -> None:
        rules = self.markets[order.symbol].rules
        notional = price * order.quantity_lots * rules.tick_lot_minor
        need(notional >= rules.min_notional_minor, R.NOTIONAL_TOO_SMALL)
        need(notional <= (rules.max_notional_minor or self.bounds.supply), R.NOTIONAL_TOO_LARGE)
        needed = order.quantity_lots * rules.lot_minor
        if order.side is Side.BUY:
            needed = notional if order.price_ticks else 0
        self.check_funds(order, needed)
        if order.time_in_force not in AT_ONCE:
            self.check_open_orders(order.account_id, 1)

    def check_open_orders(self, account: int, more: int) -> None:
        most = self.accounts[account].max_open or self.bounds.open_orders
        count = len(self.open_of(account)) - self.supposed_places
        need(count + more <= most, R.TOO_MANY_OPEN_ORDERS)

    def check_funds(self, order: PlaceOrder, needed: int) -> None:
        rules = self.markets[order.symbol].rules
        asset = rules.quote if order.side is Side.BUY else rules.base
        need(self.available(order.account_id, asset) >= needed, R.INSUFFICIENT_BALANCE)
