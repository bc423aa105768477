"""A naive venue: the oracle for the engine. Written from docs/matching-rules.md, for clarity only.

One flat list of orders that is sorted on every use; balances, ids and rules in plain dictionaries.
It shares the vocabulary (commands, events, codes) with the core and none of its code. It leaves
out definitions and epochs: its assets and instrument are given.
"""

import re
from dataclasses import dataclass

from orderbook.core.commands import (
    CancelAllOrders,
    CancelOrder,
    Command,
    Deposit,
    PlaceOrder,
    SetAccountStatus,
    Withdraw,
)
from orderbook.core.events import (
    AccountStatusSet,
    BalanceChanged,
    CancelRejected,
    CommandRejected,
    Deposited,
    Event,
    InstrumentDefined,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    Trade,
    Withdrawn,
)
from orderbook.core.rejects import RejectReason as R
from orderbook.core.units import (
    AccountStatus,
    CancelReason,
    InstrumentStatus,
    OrderType,
    Side,
    TimeInForce,
)


@dataclass
class Order:
    id: int
    account: int
    symbol: str
    side: Side
    price: int
    left: int
    client_id: str


class Refused(Exception):
    def __init__(self, reason: R) -> None:
        self.reason = reason


def need(condition: bool, reason: R) -> None:
    if not condition:
        raise Refused(reason)


def ceil_fee(amount: int, ppm: int) -> int:
    whole, rest = divmod(amount * ppm, 1_000_000)
    return whole + (1 if rest else 0)


class ReferenceVenue:
    def __init__(
        self,
        assets: list[str],
        instruments: list[InstrumentDefined],
        client_id_memory: int,
        max_open_orders: int,
        max_supply: int,
        max_fills: int = 50_000,
    ) -> None:
        self.assets = assets
        self.instruments = {item.symbol: item for item in instruments}
        self.client_id_memory = client_id_memory
        self.max_open_orders = max_open_orders
        self.max_supply = max_supply
        self.max_fills = max_fills
        self.status: dict[int, AccountStatus] = {}
        self.total: dict[tuple[int, str], int] = {}
        """What each account owns; held is worked out from the orders each time."""
        self.orders: list[Order] = []
        self.done_client_ids: list[tuple[int, str]] = []
        self.references: list[tuple[int, str]] = []
        self.last_order = 0
        self.last_trade = 0

    # Money

    def cost(self, symbol: str, side: Side, price: int, lots: int) -> tuple[str, int]:
        """(asset, minor units) that an order of these lots must have."""
        rules = self.instruments[symbol]
        if side is Side.SELL:
            return rules.base, lots * rules.lot_minor
        return rules.quote, price * lots * rules.tick_lot_minor

    def held(self, account: int, asset: str) -> int:
        costs = [
            self.cost(order.symbol, order.side, order.price, order.left)
            for order in self.orders
            if order.account == account
        ]
        return sum(amount for cost_asset, amount in costs if cost_asset == asset)

    def available(self, account: int, asset: str) -> int:
        return self.total.get((account, asset), 0) - self.held(account, asset)

    def balances(self) -> list[tuple[int, str, int, int]]:
        return [
            (account, asset, self.available(account, asset), self.held(account, asset))
            for account, asset in sorted(self.total)
        ]

    # Commands

    def apply(self, command: Command) -> list[Event]:
        before = {row[:2]: row for row in self.balances()}
        self.traded: set[tuple[int, str]] = set()
        try:
            events = self.execute(command)
        except Refused as refused:
            return [self.refusal(command, refused.reason)]
        for row in self.balances():
            if before.get(row[:2]) != row or row[:2] in self.traded:
                events.append(BalanceChanged(*row))
        return events

    def execute(self, command: Command) -> list[Event]:
        match command:
            case PlaceOrder():
                self.check_order(command)
                return self.place(command)
            case CancelOrder():
                need(self.known(command.account_id), R.UNKNOWN_ACCOUNT)
                return self.cancel(self.chosen(command), command.by_operator)
            case CancelAllOrders(account, symbol):
                need(symbol == "" or symbol in self.instruments, R.UNKNOWN_SYMBOL)
                need(self.known(account), R.UNKNOWN_ACCOUNT)
                return self.cancel(self.orders_of(account, symbol), command.by_operator)
            case Deposit():
                return self.deposit(command)
            case Withdraw():
                return self.withdraw(command)
            case SetAccountStatus(account, status):
                need(account > 0, R.UNKNOWN_ACCOUNT)
                events: list[Event] = []
                if status is AccountStatus.CLOSED:
                    mine = self.orders_of(account, "")
                    events = self.remove(mine, CancelReason.ACCOUNT_CLOSED)
                self.status[account] = status
                return [*events, AccountStatusSet(account, status)]
        raise AssertionError(command)

    def refusal(self, command: Command, reason: R) -> Event:
        match command:
            case PlaceOrder():
                symbol = command.symbol
                return OrderRejected(command.account_id, symbol, command.client_order_id, reason)
            case CancelOrder(account, order_id, client_id):
                return CancelRejected(account, order_id, client_id, reason)
            case CancelAllOrders(account):
                return CancelRejected(account, 0, "", reason)
            case SetAccountStatus(account):
                return CommandRejected(account, "SetAccountStatus", str(account), reason)
            case Deposit(account, asset) | Withdraw(account, asset):
                return CommandRejected(account, type(command).__name__, asset, reason)
        raise AssertionError(command)

    def known(self, account: int) -> bool:
        return account == 0 or account in self.status

    def deposit(self, command: Deposit) -> list[Event]:
        account, asset, amount = command.account_id, command.asset, command.amount_minor
        need(account > 0, R.UNKNOWN_ACCOUNT)
        self.check_transfer(account, asset, amount, command.reference)
        supply = sum(total for (_, owned), total in self.total.items() if owned == asset)
        need(supply + amount <= self.max_supply, R.SUPPLY_LIMIT)
        events: list[Event] = []
        if account not in self.status:
            self.status[account] = AccountStatus.ACTIVE
            events.append(AccountStatusSet(account, AccountStatus.ACTIVE))
        self.references.append((account, command.reference))
        self.total[account, asset] = self.total.get((account, asset), 0) + amount
        return [*events, Deposited(account, asset, amount, command.reference)]

    def withdraw(self, command: Withdraw) -> list[Event]:
        account, asset, amount = command.account_id, command.asset, command.amount_minor
        need(self.known(account), R.UNKNOWN_ACCOUNT)
        self.check_transfer(account, asset, amount, command.reference)
        need(amount <= self.available(account, asset), R.INSUFFICIENT_BALANCE)
        self.references.append((account, command.reference))
        self.total[account, asset] -= amount
        return [Withdrawn(account, asset, amount, command.reference)]

    def check_transfer(self, account: int, asset: str, amount: int, reference: str) -> None:
        need(asset in self.assets, R.UNKNOWN_ASSET)
        need(amount > 0, R.INVALID_AMOUNT)
        need(len(reference) <= 64, R.INVALID_REFERENCE)
        need(reference == "" or (account, reference) not in self.references, R.DUPLICATE_REFERENCE)

    # Orders

    def orders_of(self, account: int, symbol: str) -> list[Order]:
        mine = [order for order in self.orders if order.account == account]
        mine = [order for order in mine if symbol in ("", order.symbol)]
        return sorted(mine, key=lambda order: order.id)

    def opposite(self, symbol: str, side: Side, limit: int | None) -> list[Order]:
        """The orders that a new one may trade with, in the order in which it would."""
        sign = 1 if side is Side.BUY else -1
        others = [
            order
            for order in self.orders
            if order.symbol == symbol
            and order.side is not side
            and (limit is None or order.price * sign <= limit * sign)
        ]
        return sorted(others, key=lambda order: (order.price * sign, order.id))

    def plan(self, command: PlaceOrder) -> list[tuple[Order, int]]:
        """The fills that the order would have now."""
        any_price = command.type is OrderType.MARKET and command.price_ticks == 0
        limit = None if any_price else command.price_ticks
        left, fills = command.quantity_lots, []
        for maker in self.opposite(command.symbol, command.side, limit):
            lots = min(left, maker.left)
            if lots:
                fills.append((maker, lots))
                left -= lots
        return fills

    def check_order(self, command: PlaceOrder) -> None:
        symbol, account = command.symbol, command.account_id
        client_id, lots, price = command.client_order_id, command.quantity_lots, command.price_ticks
        need(symbol in self.instruments, R.UNKNOWN_SYMBOL)
        rules = self.instruments[symbol]
        need(rules.status is InstrumentStatus.TRADING, R.INSTRUMENT_NOT_TRADING)
        need(account in self.status, R.UNKNOWN_ACCOUNT)
        need(self.status[account] is AccountStatus.ACTIVE, R.ACCOUNT_CLOSED)
        valid = client_id == "" or re.fullmatch(r"[a-zA-Z0-9./:_\-]{1,36}", client_id)
        need(bool(valid), R.INVALID_CLIENT_ORDER_ID)
        used = [*self.done_client_ids, *((order.account, order.client_id) for order in self.orders)]
        need(client_id == "" or (account, client_id) not in used, R.DUPLICATE_CLIENT_ORDER_ID)
        need(lots >= 1, R.INVALID_QUANTITY)
        need(lots <= rules.max_quantity_lots, R.QUANTITY_TOO_LARGE)
        gtc = command.time_in_force is TimeInForce.GTC
        if command.type is OrderType.MARKET:
            need(0 <= price <= 10**12, R.INVALID_PRICE)
            need(not gtc, R.INVALID_TIME_IN_FORCE)
            fills = self.plan(command)
            need(bool(fills), R.NO_LIQUIDITY)
            notional = sum(maker.price * n for maker, n in fills) * rules.tick_lot_minor
        else:
            need(1 <= price <= 10**12, R.INVALID_PRICE)
            notional = price * lots * rules.tick_lot_minor
        need(notional >= rules.min_notional_minor, R.NOTIONAL_TOO_SMALL)
        need(notional <= self.max_supply, R.NOTIONAL_TOO_LARGE)
        asset, amount = self.cost(symbol, command.side, price, lots)
        if command.side is Side.BUY:
            amount = notional
        need(amount <= self.available(account, asset), R.INSUFFICIENT_BALANCE)
        if command.type is OrderType.LIMIT and gtc:
            room = len(self.orders_of(account, "")) < self.max_open_orders
            need(room, R.TOO_MANY_OPEN_ORDERS)

    def place(self, command: PlaceOrder) -> list[Event]:
        self.last_order += 1
        order = Order(
            self.last_order,
            command.account_id,
            command.symbol,
            command.side,
            command.price_ticks,
            command.quantity_lots,
            command.client_order_id,
        )
        events: list[Event] = [
            OrderAccepted(
                order.id,
                order.account,
                order.symbol,
                order.side,
                command.type,
                command.time_in_force,
                order.price,
                order.left,
                order.client_id,
            )
        ]
        planned = self.plan(command)
        fills = planned[: self.max_fills]
        whole = sum(lots for _, lots in fills) == order.left
        if command.time_in_force is TimeInForce.FOK and not whole:
            return events + self.remove([order], CancelReason.FOK_UNFILLABLE)
        for maker, lots in fills:
            events.append(self.trade(maker, order, lots))
        if order.left == 0:
            self.done(order)
        elif len(planned) > len(fills):
            events += self.remove([order], CancelReason.FILL_LIMIT)
        elif command.type is OrderType.MARKET:
            events += self.remove([order], CancelReason.MARKET_REMAINDER)
        elif command.time_in_force is TimeInForce.IOC:
            events += self.remove([order], CancelReason.IOC_REMAINDER)
        else:
            self.orders.append(order)
        return events

    def trade(self, maker: Order, taker: Order, lots: int) -> Event:
        rules = self.instruments[maker.symbol]
        base = lots * rules.lot_minor
        quote = maker.price * lots * rules.tick_lot_minor
        taker_buys = taker.side is Side.BUY
        taker_fee = ceil_fee(base if taker_buys else quote, rules.taker_fee_ppm)
        maker_fee = ceil_fee(quote if taker_buys else base, rules.maker_fee_ppm)
        buyer, seller = (taker, maker) if taker_buys else (maker, taker)
        buyer_fee, seller_fee = (taker_fee, maker_fee) if taker_buys else (maker_fee, taker_fee)
        self.move(buyer.account, rules.quote, -quote)
        self.move(buyer.account, rules.base, base - buyer_fee)
        self.move(seller.account, rules.base, -base)
        self.move(seller.account, rules.quote, quote - seller_fee)
        if buyer_fee:
            self.move(0, rules.base, buyer_fee)
        if seller_fee:
            self.move(0, rules.quote, seller_fee)
        maker.left -= lots
        taker.left -= lots
        if maker.left == 0:
            self.orders.remove(maker)
            self.done(maker)
        self.last_trade += 1
        return Trade(
            trade_id=self.last_trade,
            symbol=maker.symbol,
            base=rules.base,
            quote=rules.quote,
            price_ticks=maker.price,
            quantity_lots=lots,
            base_minor=base,
            quote_minor=quote,
            maker_order_id=maker.id,
            maker_account_id=maker.account,
            maker_fee_minor=maker_fee,
            taker_order_id=taker.id,
            taker_account_id=taker.account,
            taker_fee_minor=taker_fee,
            taker_side=taker.side,
        )

    def move(self, account: int, asset: str, amount: int) -> None:
        self.total[account, asset] = self.total.get((account, asset), 0) + amount
        self.traded.add((account, asset))

    def chosen(self, command: CancelOrder) -> list[Order]:
        for order in self.orders_of(command.account_id, ""):
            if command.order_id:
                if order.id == command.order_id:
                    return [order]
            elif command.client_order_id and order.client_id == command.client_order_id:
                return [order]
        raise Refused(R.UNKNOWN_ORDER)

    def cancel(self, orders: list[Order], by_operator: bool) -> list[Event]:
        return self.remove(orders, CancelReason.OPERATOR if by_operator else CancelReason.USER)

    def remove(self, orders: list[Order], reason: CancelReason) -> list[Event]:
        events: list[Event] = []
        for order in orders:
            if order in self.orders:
                self.orders.remove(order)
            self.done(order)
            events.append(
                OrderCanceled(
                    order.id, order.account, order.symbol, order.client_id, order.left, reason
                )
            )
        return events

    def done(self, order: Order) -> None:
        if order.client_id:
            self.done_client_ids.append((order.account, order.client_id))
            self.done_client_ids = self.done_client_ids[-self.client_id_memory :]

    # Reads

    def depth(self, symbol: str) -> list[tuple[Side, int, int, int]]:
        rows = []
        for side in (Side.BUY, Side.SELL):
            mine = [o for o in self.orders if o.symbol == symbol and o.side is side]
            prices = sorted({order.price for order in mine}, reverse=side is Side.BUY)
            for price in prices:
                lots = [order.left for order in mine if order.price == price]
                rows.append((side, price, sum(lots), len(lots)))
        return rows
