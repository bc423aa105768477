"""Random commands of every kind, chosen with an eye on the state that the venue is in."""

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from orderbook.core import commands as c
from orderbook.core.events import Trade
from orderbook.core.terms import FeeTier, OrderOptions
from orderbook.core.units import (
    DAY_NS,
    MAX_DEAD_MAN_NS,
    SECOND_NS,
    AccountStatus,
    InstrumentStatus,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    TimeInForce,
)
from tests.property.flow.chance import Chance
from tests.property.flow.orders import CLIENT_IDS, Orders
from tests.property.reference.entry import AT_ONCE
from tests.property.reference.rules import COLLECTING
from tests.property.reference.state import Order
from tests.property.reference.venue import ReferenceVenue

SYMBOLS = ["BTC-USDT", "ETH-USDT", "ETH-BTC"]
ASSETS = ["BTC", "ETH", "USDT"]
TRADING = InstrumentStatus.TRADING
START_NS = 20_000 * DAY_NS
WEIGHTS = {
    "order": 60,
    "list": 9,
    "amend": 8,
    "replace": 5,
    "cancel": 5,
    "batch": 7,
    "money": 2,
    "market": 2,
    "account": 2,
    "definition": 1,
}
"""How often each kind of command is sent."""
FOCUS: dict[str, dict[str, int]] = {
    "everything": {},
    "stops": {"list": 25, "cancel": 2},
    "auctions": {"market": 9},
    "changes": {"amend": 25, "replace": 12, "batch": 20},
    "trading": {"list": 4, "market": 0, "account": 0, "definition": 0},
}
"""What some venues have more of, or less."""


class Commands:
    """What is sent to the venue next, and when."""

    def __init__(self, rng: Random, venue: ReferenceVenue) -> None:
        self.chance = chance = Chance(rng)
        self.venue = venue
        self.orders = Orders(chance, venue, SYMBOLS)
        self.trades: list[Trade] = []
        self.banded = chance.percent(40)
        self.focus = chance.one(list(FOCUS))
        self.orders.often_stops = self.focus == "stops"
        self.kinds: dict[str, Callable[[], c.Command]] = {
            "order": self.orders.any_order,
            "list": self.orders.order_list,
            "amend": self.amend,
            "replace": self.replace,
            "cancel": self.cancel,
            "batch": self.batch,
            "money": self.money,
            "market": self.market,
            "account": self.account,
            "definition": self.definition,
        }
        self.weights = [
            (FOCUS[self.focus].get(kind, weight), kind) for kind, weight in WEIGHTS.items()
        ]

    # The start

    def setup(self) -> list[c.Command]:
        chance, rich = self.chance, self.chance.one([300, 3_000, 20_000, 10**9])
        commands: list[c.Command] = [c.DefineAsset(asset, 6) for asset in ASSETS]
        for symbol in SYMBOLS:
            commands.append(self.instrument(symbol))
            if chance.percent(40):
                commands.append(c.SetReferencePrice(symbol, self.orders.middle))
            if chance.percent(30):
                commands.append(self.fee_schedule(symbol))
        commands += [
            c.Deposit(account, asset, rich, f"start-{asset}")
            for account in (1, 2, 3)
            for asset in ASSETS
        ]
        for account in self.orders.accounts:
            if self.orders.preventing and chance.percent(50):
                rule = chance.one(list(SelfTradePrevention))
                commands.append(c.SetAccountLimits(account, rule))
        return commands

    def instrument(self, symbol: str) -> c.DefineInstrument:
        chance = self.chance
        base, quote = symbol.split("-")
        lot, tick_lot = {"BTC-USDT": (7, 3), "ETH-USDT": (2, 1), "ETH-BTC": (1, 1)}[symbol]
        return c.DefineInstrument(
            symbol,
            base,
            quote,
            lot,
            tick_lot,
            chance.one([0, 0, 1_500, 99_999]),
            chance.one([0, 1, 2_500, 100_000]),
            chance.one([0, 0, 0, 40]),
            chance.one([60, 200]),
            TRADING if chance.percent(80) else chance.one(list(InstrumentStatus)),
            chance.one([0, 0, 0, 2_000]),
            chance.one([0, 200_000, 400_000]) if self.banded else 0,
            chance.one([0, 100_000, 250_000]) if self.banded else 0,
            chance.one([0, SECOND_NS]) if self.banded else 0,
        )

    # Time

    def time_ns(self) -> int:
        """When the next command comes."""
        now, due = self.venue.now or START_NS - 30 * SECOND_NS, self.venue.next_due_ns()
        ahead = self.chance.weighted(
            [(70, 1), (14, 10**6), (9, 300 * 10**6), (4, 2 * SECOND_NS), (1, 60 * SECOND_NS)]
        )
        if self.chance.percent(1):
            scheduled = any(market.schedule for market in self.venue.markets.values())
            days = 1 if scheduled else self.chance.one([1, 2, 29, 30, 31])
            ahead = self.chance.one([3_600 * SECOND_NS, days * DAY_NS])
        if due < 2**62 and self.chance.percent(5):
            return max(now, due)
        return now + ahead

    # Commands

    def next(self) -> c.Command:
        rescue = self.rescue()
        if rescue is not None:
            return rescue
        return self.kinds[self.chance.weighted(self.weights)]()

    def rescue(self) -> c.Command | None:
        """Leads out of states in which hardly anything can happen."""
        if self.venue.kill_switch and self.chance.percent(40):
            return c.SetKillSwitch(0, engaged=False)
        for account in self.venue.accounts.values():
            if account.kill_switch and self.chance.percent(10):
                return c.SetKillSwitch(account.id, engaged=False)
            if account.status is AccountStatus.CLOSED and self.chance.percent(10):
                return c.SetAccountStatus(account.id, AccountStatus.ACTIVE)
        for symbol, market in self.venue.markets.items():
            often = 4 if market.status in COLLECTING else 15
            if market.status is not TRADING and self.chance.percent(often):
                return c.SetPhase(symbol, TRADING)
        return None

    def target(self) -> Order | None:
        orders = self.venue.orders
        return self.chance.one(orders) if orders and self.chance.percent(92) else None

    def named(self) -> tuple[int, int, str]:
        """(account, order id, client order id) of an open order, mostly."""
        order = self.target()
        if order is None:
            number = self.chance.integer(0, self.venue.orders_so_far + 1)
            return self.orders.account(), number, self.chance.one(["", *CLIENT_IDS, "not one!"])
        account = self.chance.usually(order.account, self.orders.account)
        if order.client_id and self.chance.percent(50):
            return account, 0, order.client_id
        return account, order.id, ""

    def cancel(self) -> c.Command:
        operator = self.chance.percent(10)
        if self.chance.percent(70):
            return c.CancelOrder(*self.named(), by_operator=operator)
        account = 0 if operator and self.chance.percent(50) else self.orders.account()
        symbol = "" if self.chance.percent(30) else self.orders.symbol()
        side = self.orders.side() if self.chance.percent(50) else None
        return c.CancelAllOrders(account, symbol, operator, side, self.chance.percent(20))

    def amend(self) -> c.AmendOrder:
        account, order_id, client_id = self.named()
        order = self.venue.find(account, order_id, client_id)
        price = quantity = stop = 0
        if self.chance.percent(45):
            price = self.orders.price(order.symbol if order else "")
        if order is not None and order.asked.post_only is PostOnly.REPRICE:
            price = self.chance.usually(self.orders.beyond(order.symbol, order.side), lambda: price)
        if self.chance.percent(55):
            quantity = self.orders.lots()
            if order is not None and self.chance.percent(50):
                quantity = max(1, order.quantity + self.chance.integer(-3, 3))
        if order is not None and order.stop and self.chance.percent(50):
            stop = max(1, order.stop + self.chance.integer(-2, 2))
        stop = self.chance.usually(stop, self.chance.odd)
        return c.AmendOrder(account, order_id, client_id, price, quantity, stop)

    def replace(self) -> c.ReplaceOrder:
        account, order_id, client_id = self.named()
        old = self.venue.find(account, order_id, client_id)
        new = self.orders.any_order(account, old.symbol if old else None)
        if old is not None and self.chance.percent(93):
            new = replace(new, side=old.side)
        return c.ReplaceOrder(order_id, new, client_id)

    def batch(self) -> c.Batch:
        account, whole = self.orders.account(), self.chance.percent(55)
        items: list[c.PlaceOrder | c.AmendOrder | c.CancelOrder] = []
        mine = self.venue.open_of(account)
        for _ in range(self.chance.integer(0, 5)):
            choice = self.chance.integer(1, 10)
            if choice <= 3 and mine:
                item = c.CancelOrder(account, self.chance.one(mine).id)
                items.insert(0, item) if whole else items.append(item)
            elif choice == 4 and mine and not whole:
                items.append(self.amend_in_batch(account, self.chance.one(mine)))
            elif choice == 5 and whole:
                items += self.taker_and_repriced(account)
            elif whole and self.chance.percent(97):
                items.append(self.resting(account))
            else:
                items.append(self.orders.any_order(account))
        if self.chance.percent(4):
            items.append(self.orders.any_order())
        if self.chance.percent(4):
            items.append(self.amend())
        return c.Batch(account, tuple(items), whole)

    def amend_in_batch(self, account: int, order: Order) -> c.AmendOrder:
        price = self.orders.price(order.symbol)
        return c.AmendOrder(account, order.id, "", price, self.orders.lots())

    def taker_and_repriced(self, account: int) -> list[c.PlaceOrder]:
        """An order that may trade, then one that is moved only as far as the first leaves it."""
        first = self.orders.limit(account, self.orders.symbol())
        moved = c.PlaceOrder(
            account,
            first.symbol,
            first.side,
            OrderType.LIMIT,
            TimeInForce.GTC,
            self.orders.beyond(first.symbol, first.side),
            self.orders.lots(),
            options=OrderOptions(post_only=PostOnly.REPRICE),
        )
        return [replace(first, time_in_force=TimeInForce.GTC), moved]

    def resting(self, account: int) -> c.PlaceOrder:
        kind = self.orders.fancy_limit if self.chance.percent(25) else self.orders.limit
        order = kind(account, self.orders.symbol())
        if order.time_in_force in AT_ONCE:
            order = replace(order, time_in_force=TimeInForce.GTC)
        return order

    def money(self) -> c.Command:
        account = self.orders.account()
        asset = self.chance.usually(self.chance.one(ASSETS), lambda: self.chance.one(["X", "bad!"]))
        amount = self.chance.usually(self.chance.integer(1, 2_000), self.chance.odd)
        reference = self.chance.one(["", "", "r1", "r2", "r3", "r4", "r" * 65, "bad\n"])
        if self.chance.percent(50):
            return c.Deposit(account, asset, amount, reference)
        return c.Withdraw(account, asset, amount, reference)

    def market(self) -> c.Command:
        symbol = self.orders.symbol()
        match self.chance.integer(1, 12):
            case 1 | 2:
                return c.SetReferencePrice(symbol, self.orders.price(symbol))
            case 3:
                return self.fee_schedule(symbol)
            case 4:
                return c.SetSchedule(symbol, self.schedule())
            case 5 if symbol in SYMBOLS:
                return self.instrument(symbol)
            case 6 | 7 if self.trades:
                return self.bust()
        if self.focus == "auctions":
            return c.SetPhase(symbol, self.chance.one([*COLLECTING, *InstrumentStatus]))
        return c.SetPhase(symbol, self.chance.one(list(InstrumentStatus)))

    def bust(self) -> c.BustTrade:
        trade = self.chance.one(self.trades)
        if self.chance.percent(75):
            return c.BustTrade(trade)
        field = self.chance.one(
            [
                "trade_id",
                "symbol",
                "base",
                "price_ticks",
                "quantity_lots",
                "base_minor",
                "quote_minor",
                "maker_order_id",
                "maker_account_id",
                "maker_fee_minor",
                "maker_rebate_minor",
                "taker_fee_minor",
            ]
        )
        value = "NO-SUCH" if field in ("symbol", "base") else self.chance.odd()
        return c.BustTrade(replace(trade, **{field: value}))

    def schedule(self) -> tuple[tuple[int, InstrumentStatus], ...]:
        if self.chance.percent(30):
            return ()
        times = sorted({self.chance.integer(0, 23) * 3_600 * SECOND_NS for _ in range(3)})
        if self.chance.percent(10):
            times = [*times, self.chance.one([DAY_NS, times[0], -1])]
        phases = [self.chance.one(list(InstrumentStatus)) for _ in times]
        return tuple(zip(times, phases, strict=True))

    def fee_schedule(self, symbol: str) -> c.SetFeeSchedule:
        chance = self.chance
        if chance.percent(15):
            return c.SetFeeSchedule(symbol, ())
        volumes = [0, chance.one([50, 500]), chance.one([5_000, 50_000])][: chance.integer(1, 3)]
        tiers = [
            FeeTier(
                volume,
                chance.usually(chance.one([-3_000, -500, 0, 2_000]), chance.odd),
                chance.usually(chance.one([3_000, 5_000, 10_000]), chance.odd),
            )
            for volume in volumes
        ]
        if chance.percent(4):
            tiers.reverse()
        return c.SetFeeSchedule(symbol, tuple(tiers))

    def account(self) -> c.Command:
        chance, account = self.chance, self.orders.account()
        match chance.integer(1, 10):
            case 1:
                return c.SetKillSwitch(chance.one([0, account]), engaged=chance.percent(60))
            case 2:
                return c.SetAccountStatus(account, chance.one(list(AccountStatus)))
            case 3 | 4 | 5:
                timeout = chance.one([0, SECOND_NS, 5 * SECOND_NS, MAX_DEAD_MAN_NS])
                return c.CancelAllAfter(account, chance.usually(timeout, chance.odd))
        rates, rules = [0, 0, 0, 5, 20], list(SelfTradePrevention)
        return c.SetAccountLimits(
            account,
            chance.one(rules if self.orders.preventing else rules[:1]),
            chance.usually(chance.one([0, 0, 4, 8]), chance.odd),
            chance.usually(chance.one(rates), chance.odd),
            chance.usually(chance.one(rates), chance.odd),
        )

    def definition(self) -> c.Command:
        chance = self.chance
        match chance.integer(1, 4):
            case 1:
                return c.OpenEpoch(
                    chance.usually(self.venue.epoch + chance.integer(0, 2), chance.odd)
                )
            case 2:
                asset = chance.one([*ASSETS, "NEW", "bad asset", ""])
                return c.DefineAsset(asset, chance.usually(6, chance.odd))
            case 3:
                return c.AdvanceTime()
        definition = self.instrument(chance.one(SYMBOLS))
        field = chance.one(
            [
                "lot_minor",
                "tick_lot_minor",
                "maker_fee_ppm",
                "max_quantity_lots",
                "min_notional_minor",
                "static_band_ppm",
                "pause_ns",
                "symbol",
                "base",
            ]
        )
        value = chance.one(["USDT", "bad", "XXX"]) if field in ("symbol", "base") else chance.odd()
        changed = replace(definition, **{field: value})
        return changed if changed.max_quantity_lots <= 1_000 else definition
