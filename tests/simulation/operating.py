"""What operators do with the markets, and owners with their accounts, drawn at random.

What stops trade is followed by what lets it go on, a few commands later.
"""

from collections.abc import Callable
from typing import NamedTuple

from orderbook.core.commands import (
    CancelAllAfter,
    Command,
    DefineInstrument,
    SetAccountLimits,
    SetAccountStatus,
    SetFeeSchedule,
    SetKillSwitch,
    SetPhase,
    SetReferencePrice,
    SetSchedule,
)
from orderbook.core.terms import FeeTier
from orderbook.core.units import (
    DAY_NS,
    AccountStatus,
    InstrumentStatus,
    SelfTradePrevention,
)
from tests.simulation.drawing import ACCOUNTS, SYMBOL, Draw

PAUSE_NS = 400_000_000
"""Length of a volatility auction."""
FEE_TIERS = (FeeTier(0, -200, 1_000), FeeTier(20_000, -300, 800))
"""The second is earned by some orders of the day before; midnight falls into most runs."""
VENUE_ID = 0

_PHASES = (
    (InstrumentStatus.OPENING_AUCTION,),
    (InstrumentStatus.PRE_OPEN, InstrumentStatus.OPENING_AUCTION),
    (InstrumentStatus.PRE_OPEN,),
    (InstrumentStatus.CLOSING_AUCTION, InstrumentStatus.CLOSED),
    (InstrumentStatus.HALTED,),
    (InstrumentStatus.HALTED, InstrumentStatus.OPENING_AUCTION),
    (InstrumentStatus.CANCEL_ONLY,),
    (InstrumentStatus.POST_ONLY,),
    (InstrumentStatus.CLOSED,),
)
"""What comes before trading goes on."""


class Bust(NamedTuple):
    """A bust of the trade that is so far back when the command is sent; 0 for the newest."""

    back: int


def banded(static_ppm: int, dynamic_ppm: int) -> DefineInstrument:
    """The first instrument: from 97 to 103 around 100, and two or three ticks from the last trade,
    beyond which an auction begins."""
    return DefineInstrument(
        SYMBOL,
        "BTC",
        "USDT",
        1_000,
        10,
        800,
        1_000,
        0,
        10**9,
        static_band_ppm=static_ppm,
        dynamic_band_ppm=dynamic_ppm,
        pause_ns=PAUSE_NS,
    )


def draw_operation(draw: Draw) -> Command | Bust:
    weights, kinds = zip(*_KINDS, strict=True)
    kind: Callable[[Draw], Command | Bust] = draw.rng.choices(kinds, weights)[0]
    return kind(draw)


def _phase(draw: Draw) -> Command:
    symbol = draw.symbol()
    first, *others = draw.rng.choice(_PHASES)
    then = (*others, InstrumentStatus.TRADING)
    draw.later([SetPhase(symbol, status) for status in then])
    return SetPhase(symbol, first)


def _schedule(draw: Draw) -> Command:
    """An auction soon, and its end soon after."""
    rng = draw.rng
    begin_ns = draw.time_ns(rng.randint(100, 600))
    end_ns = begin_ns + rng.randint(200, 800) * 10**6
    first = rng.choice((InstrumentStatus.OPENING_AUCTION, InstrumentStatus.CLOSING_AUCTION))
    entries = sorted(
        ((begin_ns % DAY_NS, first), (end_ns % DAY_NS, InstrumentStatus.TRADING)),
        key=lambda entry: entry[0],
    )
    return SetSchedule(draw.symbol(), tuple(entries))


def _reference(draw: Draw) -> Command:
    return SetReferencePrice(draw.symbol(), draw.rng.randint(98, 103))


def _bands(draw: Draw) -> Command:
    rng = draw.rng
    return banded(rng.choice((0, 35_000, 50_000)), rng.choice((15_000, 25_000)))


def _fees(draw: Draw) -> Command:
    return SetFeeSchedule(draw.symbol(), draw.rng.choice((FEE_TIERS, ())))


def _limits(draw: Draw) -> Command:
    rng = draw.rng
    return SetAccountLimits(
        rng.choice(ACCOUNTS),
        rng.choice(list(SelfTradePrevention)),
        rng.choice((0, 0, 5)),
        rng.choice((0, 0, 3)),
        rng.choice((0, 0, 6)),
    )


def _kill(draw: Draw) -> Command:
    account_id = draw.rng.choice((VENUE_ID, *ACCOUNTS, *ACCOUNTS))
    draw.later([SetKillSwitch(account_id, False)])
    return SetKillSwitch(account_id, True)


def _dead_man(draw: Draw) -> Command:
    timeout_ms = draw.rng.choice((0, 1_000, 1_000, 1_500, 3_000))
    return CancelAllAfter(draw.rng.choice(ACCOUNTS), timeout_ms * 10**6)


def _close_account(draw: Draw) -> Command:
    account_id = draw.rng.choice(ACCOUNTS)
    draw.later([SetAccountStatus(account_id, AccountStatus.ACTIVE)])
    return SetAccountStatus(account_id, AccountStatus.CLOSED)


def _bust(draw: Draw) -> Bust:
    return Bust(draw.rng.randint(0, 3))


_KINDS: tuple[tuple[int, Callable[[Draw], Command | Bust]], ...] = (
    (7, _phase),
    (2, _schedule),
    (1, _reference),
    (1, _bands),
    (1, _fees),
    (2, _limits),
    (2, _kill),
    (3, _dead_man),
    (1, _close_account),
    (3, _bust),
)
