"""A small venue for tests of the core: two assets, one instrument, three funded accounts.

Every command is followed by a check of all invariants, so each test of a rule is one of them too.
"""

from orderbook.core.commands import (
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    SetAccountStatus,
)
from orderbook.core.engine import Engine
from orderbook.core.events import BalanceChanged, Event
from orderbook.core.invariants import check
from orderbook.core.units import (
    AccountStatus,
    InstrumentStatus,
    OrderType,
    Side,
    TimeInForce,
)

BUY, SELL = Side.BUY, Side.SELL
GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET

SYMBOL = "BTC-USDT"
LOT_MINOR = 1_000
TICK_LOT_MINOR = 10
MAX_LOTS = 10**6
FUNDS_MINOR = 10**12
ALICE, BOB, CAROL = 1, 2, 3


def instrument(**changes: object) -> DefineInstrument:
    """The test instrument: no fees and no minimum unless told."""
    values: dict[str, object] = {
        "symbol": SYMBOL,
        "base": "BTC",
        "quote": "USDT",
        "lot_minor": LOT_MINOR,
        "tick_lot_minor": TICK_LOT_MINOR,
        "maker_fee_ppm": 0,
        "taker_fee_ppm": 0,
        "min_notional_minor": 0,
        "max_quantity_lots": MAX_LOTS,
        "status": InstrumentStatus.TRADING,
    }
    return DefineInstrument(**(values | changes))  # type: ignore[arg-type]


def limit(
    account_id: int,
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    time_in_force: TimeInForce = GTC,
    client_order_id: str = "",
    symbol: str = SYMBOL,
) -> PlaceOrder:
    return PlaceOrder(
        account_id, symbol, side, LIMIT, time_in_force, price_ticks, quantity_lots, client_order_id
    )


def market(
    account_id: int,
    side: Side,
    quantity_lots: int,
    time_in_force: TimeInForce = IOC,
    price_ticks: int = 0,
) -> PlaceOrder:
    return PlaceOrder(account_id, SYMBOL, side, MARKET, time_in_force, price_ticks, quantity_lots)


SETUP: list[Command] = [
    OpenEpoch(1),
    DefineAsset("BTC", 8),
    DefineAsset("USDT", 6),
    instrument(),
    *(
        Deposit(account_id, asset, FUNDS_MINOR, f"start-{asset}")
        for account_id in (ALICE, BOB, CAROL)
        for asset in ("BTC", "USDT")
    ),
]


class Venue:
    """An engine with a clock that ticks once a command."""

    def __init__(self, setup: list[Command] | None = None) -> None:
        self.engine = Engine()
        self.commands: list[Command] = []
        self.time_ns = 0
        for command in SETUP if setup is None else setup:
            self.do(command)

    def do(self, command: Command, time_ns: int = 0) -> list[Event]:
        """At ``time_ns``, if that is given: the clock ticks on from there."""
        self.commands.append(command)
        self.time_ns = max(self.time_ns + 1, time_ns)
        events = self.engine.apply(command, self.time_ns)
        check(self.engine)
        return events

    def story(self, command: Command, time_ns: int = 0) -> list[Event]:
        """The command's events without the balances."""
        events = self.do(command, time_ns)
        return [event for event in events if not isinstance(event, BalanceChanged)]

    def limit(
        self,
        account_id: int,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        time_in_force: TimeInForce = GTC,
        client_order_id: str = "",
        symbol: str = SYMBOL,
    ) -> list[Event]:
        return self.do(
            limit(
                account_id,
                side,
                price_ticks,
                quantity_lots,
                time_in_force,
                client_order_id,
                symbol,
            )
        )

    def balance(self, account_id: int, asset: str) -> tuple[int, int]:
        """(available_minor, held_minor)"""
        balance = self.engine.accounts[account_id].balances.get(asset)
        return (balance.available_minor, balance.held_minor) if balance else (0, 0)

    def close(self, account_id: int) -> list[Event]:
        return self.do(SetAccountStatus(account_id, AccountStatus.CLOSED))

    def cancel(self, account_id: int, order_id: int = 0, client_order_id: str = "") -> list[Event]:
        return self.do(CancelOrder(account_id, order_id, client_order_id))

    def cancel_all(self, account_id: int, symbol: str = "") -> list[Event]:
        return self.do(CancelAllOrders(account_id, symbol))
