"""What simulated clients ask for, and the venue in which they do. ``drawing.py`` draws orders,
``operating.py`` what operators and owners do; a new kind of command gets its place in one of them.
"""

import random
from collections.abc import Sequence

from orderbook.core.commands import (
    BustTrade,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    SetFeeSchedule,
    SetReferencePrice,
)
from orderbook.core.events import Trade
from tests.simulation.drawing import (
    ACCOUNTS,
    ASSETS,
    OTHER_SYMBOL,
    POOR_ACCOUNT,
    SYMBOL,
    Draw,
)
from tests.simulation.operating import FEE_TIERS, Bust, banded, draw_operation

SYMBOLS = (SYMBOL, OTHER_SYMBOL)
FUNDS_MINOR = 10**10
POOR_FUNDS_MINOR = 12_000
"""For a few orders at a time."""
OPERATIONS_PERCENT = 14

SETUP: tuple[Command, ...] = (
    *(DefineAsset(asset, 8) for asset in ASSETS),
    banded(35_000, 25_000),
    SetReferencePrice(SYMBOL, 100),
    DefineInstrument(OTHER_SYMBOL, "ETH", "USDT", 1_000, 10, 800, 1_000, 0, 10**9),
    SetFeeSchedule(OTHER_SYMBOL, FEE_TIERS),
    *(
        Deposit(
            account_id,
            asset,
            POOR_FUNDS_MINOR if account_id == POOR_ACCOUNT else FUNDS_MINOR,
            f"start-{asset}",
        )
        for account_id in ACCOUNTS
        for asset in ASSETS
    ),
)


def draw_commands(rng: random.Random, times_ms: Sequence[int]) -> list[Command | Bust]:
    """One for each time, at which it will be sent."""
    draw = Draw(rng)
    commands: list[Command | Bust] = []
    for number, at_ms in enumerate(times_ms, 1):
        draw.begin(number, at_ms)
        if draw.follow_ups and draw.follow_ups[0][0] <= number:
            commands.append(draw.follow_ups.pop(0)[1])
        elif rng.randrange(100) < OPERATIONS_PERCENT:
            commands.append(draw_operation(draw))
        else:
            commands.append(draw.command())
    return commands


def made(command: Command | Bust, trades: Sequence[Trade]) -> Command | None:
    """The command itself, which for a bust depends on the trades so far; None where it has none."""
    if not isinstance(command, Bust):
        return command
    return BustTrade(trades[-1 - command.back]) if command.back < len(trades) else None


def probe(account_id: int, number: int) -> Command:
    """A command that every healthy venue accepts."""
    return Deposit(account_id, ASSETS[0], 1, f"probe-{account_id}-{number}")
