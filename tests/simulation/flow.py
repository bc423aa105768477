"""What simulated clients ask for. A new kind of command gets its place here and nowhere else."""

import random
from collections.abc import Callable, Iterator

from orderbook.core.commands import (
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    PlaceOrder,
    SetReferencePrice,
    Withdraw,
)
from orderbook.core.terms import OrderOptions
from orderbook.core.units import OrderType, PostOnly, SelfTradePrevention, Side, TimeInForce

ACCOUNTS = (1, 2, 3, 4)
ASSETS = ("BTC", "USDT")
SYMBOL = "BTC-USDT"
FUNDS_MINOR = 10**10
PRICES = (96, 105)
BAND_PPM = 35_000
"""From 97 to 103: what is beyond is refused."""

SETUP: tuple[Command, ...] = (
    DefineAsset("BTC", 8),
    DefineAsset("USDT", 8),
    DefineInstrument(
        SYMBOL, "BTC", "USDT", 1_000, 10, 800, 1_000, 0, 10**9, static_band_ppm=BAND_PPM
    ),
    SetReferencePrice(SYMBOL, 100),
    *(
        Deposit(account_id, asset, FUNDS_MINOR, f"start-{asset}")
        for account_id in ACCOUNTS
        for asset in ASSETS
    ),
)


class _Draw:
    """Draws commands, and remembers what later ones may refer to."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._placed: list[tuple[int, str]] = []
        """(account_id, client_order_id)"""
        self._kinds: tuple[tuple[int, Callable[[int], Command]], ...] = (
            (48, self._limit),
            (6, self._own_account),
            (4, self._iceberg),
            (2, self._post_only),
            (6, self._market),
            (3, self._again),
            (22, self._cancel),
            (3, self._cancel_all),
            (3, self._deposit),
            (3, self._withdraw),
        )

    def commands(self) -> Iterator[Command]:
        weights, kinds = zip(*self._kinds, strict=True)
        number = 0
        while True:
            number += 1
            yield self._rng.choices(kinds, weights)[0](number)

    def _limit(self, number: int) -> Command:
        rng = self._rng
        return self._place(
            number,
            OrderType.LIMIT,
            rng.choices((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK), (8, 1, 1))[0],
            rng.randint(*PRICES),
        )

    def _market(self, number: int) -> Command:
        return self._place(number, OrderType.MARKET, TimeInForce.IOC, 0)

    def _place(
        self,
        number: int,
        type_: OrderType,
        time_in_force: TimeInForce,
        price_ticks: int,
        options: OrderOptions | None = None,
    ) -> Command:
        account_id, client_order_id = self._rng.choice(ACCOUNTS), f"c{number}"
        self._placed.append((account_id, client_order_id))
        return PlaceOrder(
            account_id,
            SYMBOL,
            self._rng.choice((Side.BUY, Side.SELL)),
            type_,
            time_in_force,
            price_ticks,
            self._rng.randint(1, 30),
            client_order_id,
            options,
        )

    def _own_account(self, number: int) -> Command:
        """An order that must not trade with its own account."""
        rules = (
            SelfTradePrevention.CANCEL_NEWEST,
            SelfTradePrevention.CANCEL_OLDEST,
            SelfTradePrevention.CANCEL_BOTH,
            SelfTradePrevention.DECREMENT,
        )
        return self._with_options(number, OrderOptions(self_trade=self._rng.choice(rules)))

    def _iceberg(self, number: int) -> Command:
        return self._with_options(number, OrderOptions(display_lots=self._rng.randint(1, 5)))

    def _post_only(self, number: int) -> Command:
        return self._with_options(number, OrderOptions(post_only=PostOnly.REJECT))

    def _with_options(self, number: int, options: OrderOptions) -> Command:
        price_ticks = self._rng.randint(*PRICES)
        return self._place(number, OrderType.LIMIT, TimeInForce.GTC, price_ticks, options)

    def _again(self, number: int) -> Command:
        """An order under a client order id that was used before, as after an unknown outcome."""
        account_id, client_order_id = self._earlier()
        return PlaceOrder(
            account_id,
            SYMBOL,
            Side.BUY,
            OrderType.LIMIT,
            TimeInForce.GTC,
            PRICES[0] + 1,
            1,
            client_order_id,
        )

    def _cancel(self, number: int) -> Command:
        account_id, client_order_id = self._earlier()
        return CancelOrder(account_id, 0, client_order_id)

    def _cancel_all(self, number: int) -> Command:
        return CancelAllOrders(self._rng.choice(ACCOUNTS), self._rng.choice(("", SYMBOL)))

    def _deposit(self, number: int) -> Command:
        rng = self._rng
        return Deposit(
            rng.choice(ACCOUNTS), rng.choice(ASSETS), rng.randint(1, 10**6), f"d{number}"
        )

    def _withdraw(self, number: int) -> Command:
        rng = self._rng
        return Withdraw(
            rng.choice(ACCOUNTS), rng.choice(ASSETS), rng.randint(1, 10**8), f"w{number}"
        )

    def _earlier(self) -> tuple[int, str]:
        """One of the last orders, so that many of them still rest."""
        return self._rng.choice(self._placed[-12:]) if self._placed else (1, "never")


def draw_commands(rng: random.Random, count: int) -> list[Command]:
    commands = _Draw(rng).commands()
    return [next(commands) for _ in range(count)]


def probe(account_id: int, number: int) -> Command:
    """A command that every healthy venue accepts."""
    return Deposit(account_id, ASSETS[0], 1, f"probe-{account_id}-{number}")
