"""A seeded flow of every kind of command, the good, the refused and the absurd."""

import random
from collections.abc import Sequence

from orderbook.core.commands import (
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    SetAccountStatus,
    Withdraw,
)
from orderbook.core.engine import Engine
from orderbook.core.units import AccountStatus, OrderType, Side, TimeInForce
from tests.unit.core.venue import SETUP, instrument

SYMBOLS = ("BTC-USDT", "BTC-2", "NO-SUCH")
ODD_INTEGERS = (0, -1, 1, -(2**63), 2**63 - 1, 2**64 - 1)


def make_flow(seed: int, count: int) -> list[Command]:
    """``count`` commands, starting with those that define and fund the venue."""
    rng = random.Random(seed)
    commands = [
        *SETUP,
        instrument(symbol="BTC-2", maker_fee_ppm=100, taker_fee_ppm=250, min_notional_minor=50),
    ]
    while len(commands) < count:
        commands.append(_command(rng))
    return commands[:count]


def _command(rng: random.Random) -> Command:
    account_id = rng.choices((1, 2, 3, 4, 0), (30, 30, 30, 5, 1))[0]
    draw = rng.random()
    if draw < 0.6:
        return _order(rng, account_id)
    if draw < 0.85:
        return CancelOrder(account_id, rng.choice((0, rng.randint(1, 900))), _client_id(rng))
    return rng.choice(
        (
            Deposit(account_id, rng.choice(("BTC", "USDT", "X")), 10**9, str(rng.randint(0, 99))),
            Withdraw(account_id, rng.choice(("BTC", "USDT")), rng.randint(1, 10**10), ""),
            CancelAllOrders(account_id, rng.choice(("", *SYMBOLS))),
            SetAccountStatus(account_id, rng.choice(list(AccountStatus))),
            SetAccountStatus(account_id, AccountStatus.ACTIVE),
            OpenEpoch(rng.randint(0, 50)),
            DefineAsset(rng.choice(("BTC", "ETH", "x")), 8),
            instrument(taker_fee_ppm=rng.randint(0, 500)),
            Deposit(rng.choice(ODD_INTEGERS), "BTC", rng.choice(ODD_INTEGERS), "odd"),
            CancelOrder(rng.choice(ODD_INTEGERS), rng.choice(ODD_INTEGERS)),
        )
    )


def _client_id(rng: random.Random) -> str:
    return rng.choice(("", "", f"c{rng.randint(0, 400)}"))


def _order(rng: random.Random, account_id: int) -> PlaceOrder:
    market = rng.random() < 0.1
    odd = rng.random() < 0.03
    return PlaceOrder(
        account_id,
        rng.choices(SYMBOLS, (60, 38, 2))[0],
        rng.choice((Side.BUY, Side.SELL)),
        OrderType.MARKET if market else OrderType.LIMIT,
        rng.choices(
            (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK), (1, 4, 2) if market else (8, 1, 1)
        )[0],
        rng.choice(ODD_INTEGERS) if odd else (0 if market else rng.randint(90, 110)),
        rng.choice(ODD_INTEGERS) if odd else rng.randint(1, 50),
        _client_id(rng),
    )


def run(commands: Sequence[Command]) -> Engine:
    """An engine after the commands, with their places as times."""
    engine = Engine()
    for time_ns, command in enumerate(commands):
        engine.apply(command, time_ns)
    return engine
