"""What the naive venue knows, and the questions that the rules ask of it."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from orderbook.core.events import Event, InstrumentDefined
from orderbook.core.rejects import RejectReason
from orderbook.core.terms import NO_OPTIONS, FeeTier, OrderOptions
from orderbook.core.units import (
    AccountStatus,
    InstrumentStatus,
    OrderListKind,
    OrderType,
    PhaseReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


@dataclass(frozen=True)
class Bounds:
    """The venue's limits, which tests make small."""

    fills: int = 50_000
    command_trades: int = 50_000
    triggers: int = 1_000
    timers: int = 1_000
    trailing: int = 1_000
    open_orders: int = 200_000
    batch: int = 50
    client_ids: int = 100_000
    supply: int = 2**62


class Stage(Enum):
    TAKING = "on its way through the book"
    RESTING = "resting"
    WAITING = "waiting for its stop price"
    SET_OFF = "on the agenda"
    PENDING = "an exit whose entry is open"


@dataclass(eq=False)
class Group:
    """Orders that depend on one another."""

    id: int
    kind: OrderListKind
    orders: "list[Order]" = field(default_factory=list)
    filled: int = 0
    received: int = 0
    acted: "Order | None" = None


@dataclass(eq=False)
class Order:
    id: int
    account: int
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    client_id: str
    options: OrderOptions | None
    """None: a plain order."""
    left: int = 0
    """All that is not filled."""
    shown: int = 0
    """What others see of it, where it rests."""
    stage: Stage = Stage.TAKING
    place: int = 0
    """Its place in time."""
    stop: int = 0
    best: int = 0
    covered: int = 0
    """What the other order of its OCO holds for it, too."""
    group: Group | None = None

    @property
    def asked(self) -> OrderOptions:
        return self.options or NO_OPTIONS


@dataclass(eq=False)
class Account:
    id: int
    status: AccountStatus = AccountStatus.ACTIVE
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    max_open: int = 0
    orders_per_second: int = 0
    messages_per_second: int = 0
    second: int = 0
    orders: int = 0
    messages: int = 0
    kill_switch: bool = False
    dead_man_ns: int = 0


@dataclass(eq=False)
class Uncrossing:
    """An uncross under way."""

    price: int
    left: int
    then: InstrumentStatus
    why: PhaseReason


@dataclass(eq=False)
class Market:
    rules: InstrumentDefined
    last: int = 0
    reference: int = 0
    tiers: tuple[FeeTier, ...] = ()
    schedule: tuple[tuple[int, InstrumentStatus], ...] = ()
    next_phase_ns: int = 0
    phase_end_ns: int | None = None
    indicate_ns: int | None = None
    indicated: tuple[int, int, int] = (0, 0, 0)
    uncrossing: Uncrossing | None = None

    @property
    def status(self) -> InstrumentStatus:
        return self.rules.status

    @property
    def price_now(self) -> int:
        """The last trade's price, before the first one the reference price; 0: neither."""
        return self.last or self.reference


class Refused(Exception):
    def __init__(self, reason: RejectReason) -> None:
        self.reason = reason


def need(condition: bool, reason: RejectReason) -> None:
    if not condition:
        raise Refused(reason)


def opposite_side(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def crosses(side: Side, limit: int, price: int) -> bool:
    """Whether an order with this limit (0: any) would trade at this price."""
    if not limit:
        return True
    return price <= limit if side is Side.BUY else price >= limit


class State:
    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.now = 0
        self.epoch = 0
        self.assets: dict[str, int] = {}
        self.markets: dict[str, Market] = {}
        self.accounts: dict[int, Account] = {0: Account(0)}
        self.total: Counter[tuple[int, str]] = Counter()
        """What each account owns; what is held of it is worked out from the orders."""
        self.orders: list[Order] = []
        self.done_client_ids: list[tuple[int, str]] = []
        self.references: list[tuple[int, str]] = []
        self.volumes: Counter[tuple[int, str, int]] = Counter()
        """(account, quote asset, day): what it traded"""
        self.busted: list[int] = []
        self.kill_switch = False
        self.orders_so_far = 0
        self.trades_so_far = 0
        self.places_so_far = 0
        self.last_trade: int | None = None
        """The last trade that the orders of the running batch may make."""
        self.agenda: list[Order | Group] = []
        self.traded: list[str] = []
        """Symbols whose last trade is to be looked at."""
        self.looked_at = 0
        """How many of the running command's events had been when prices were looked at last."""
        self.touched: list[Group] = []
        """Groups of which an order traded or ended."""
        self.moved: list[Order] = []
        """Trailing stops that moved in the running command."""
        self.events: list[Event] = []
        self.involved: set[tuple[int, str]] = set()
        """Balances that the running command had to do with."""
        self.paid: set[tuple[int, str]] = set()
        """Balances that one of its trades moved."""
        self.supposed: Counter[tuple[int, str]] = Counter()
        """What would be available besides, if earlier steps had been done."""
        self.supposed_places = 0
        self.supposed_gone: list[Order] = []
        self.supposed_ids: list[str] = []

    # Money

    def funds(self, order: Order) -> tuple[int, str]:
        """The balance that the order pays from."""
        rules = self.markets[order.symbol].rules
        return order.account, rules.quote if order.side is Side.BUY else rules.base

    def lot_cost(self, symbol: str, side: Side, price: int) -> int:
        """What an open order holds for a lot; nothing where a buy has no limit."""
        rules = self.markets[symbol].rules
        return price * rules.tick_lot_minor if side is Side.BUY else rules.lot_minor

    def held_by(self, order: Order) -> int:
        if order.stage in (Stage.PENDING, Stage.TAKING):
            return 0
        needed = order.left * self.lot_cost(order.symbol, order.side, order.price)
        return max(0, needed - order.covered)

    def held(self, account: int, asset: str) -> int:
        return sum(
            self.held_by(order) for order in self.orders if self.funds(order) == (account, asset)
        )

    def available(self, account: int, asset: str) -> int:
        owned = self.total[account, asset] + self.supposed[account, asset]
        return owned - self.held(account, asset)

    def balances(self) -> dict[tuple[int, str], tuple[int, int]]:
        """(available, held) of every balance that is not zero."""
        held: Counter[tuple[int, str]] = Counter()
        for order in self.orders:
            held[self.funds(order)] += self.held_by(order)
        return {
            key: (owned - held[key], held[key])
            for key, owned in sorted(self.total.items())
            if owned
        }

    def move(self, account: int, asset: str, amount: int) -> None:
        self.total[account, asset] += amount
        self.involved.add((account, asset))

    # Orders

    def open_of(self, account: int) -> list[Order]:
        return sorted(
            (order for order in self.orders if order.account == account),
            key=lambda order: order.id,
        )

    def find(self, account: int, order_id: int, client_id: str) -> Order | None:
        for order in self.open_of(account):
            if order_id and order.id == order_id:
                return order
            if not order_id and client_id and order.client_id == client_id:
                return order
        return None

    def standing(self, symbol: str, side: Side) -> list[Order]:
        """The resting orders of a side in the order in which they trade."""
        sign = -1 if side is Side.BUY else 1
        return sorted(
            (
                order
                for order in self.orders
                if order.symbol == symbol and order.side is side and order.stage is Stage.RESTING
            ),
            key=lambda order: (order.price * sign, order.place),
        )

    def met_by(self, symbol: str, side: Side, limit: int) -> list[Order]:
        """The resting orders that a new one could trade with, in that order."""
        others = self.standing(symbol, opposite_side(side))
        return [order for order in others if crosses(side, limit, order.price)]

    def crossed(self, symbol: str) -> bool:
        bids, asks = self.standing(symbol, Side.BUY), self.standing(symbol, Side.SELL)
        return bool(bids and asks) and bids[0].price >= asks[0].price

    def rule_of(self, order: Order) -> SelfTradePrevention:
        """Self-trade prevention of a taker."""
        return order.asked.self_trade or self.accounts[order.account].self_trade

    def depth(self, symbol: str) -> list[tuple[Side, int, int, int]]:
        rows = []
        for side in (Side.BUY, Side.SELL):
            standing = self.standing(symbol, side)
            for price in dict.fromkeys(order.price for order in standing):
                shown = [order.shown for order in standing if order.price == price]
                rows.append((side, price, sum(shown), len(shown)))
        return rows
