"""Market-by-order records of books that never were: seeded, of any number, right in every respect.

Every cancel, modify and fill refers to an order that lives, every trade takes the front of its
level's queue, no book is ever crossed, each event ends with ``FLAG_LAST``, times of receipt never
go back. The same plan gives the same records, whatever the size of the batches. Needs numba: not
for web processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from market.feeds.dbn.records import MBO_DTYPE, PRICE_UNITS, Records
from market.feeds.dbn.simulation import CHUNK_RECORDS, LONGEST_EVENT, fill
from market.feeds.dbn.simulation_layout import (
    BOOK_DTYPE,
    LEVEL_DTYPE,
    ORDER_DTYPE,
    RULES_DTYPE,
    STATE_DTYPE,
    World,
)

Ladder = Literal["narrow", "wide"]
Style = Literal["cme", "itch"]

STYLES: Final = ("cme", "itch")
LEVELS: Final = {"narrow": 50, "wide": 6_000}
DEFAULT_RESTING: Final = {"narrow": 1_000, "wide": 8_000}
MAX_BOOKS: Final = 10_000
MAX_RESTING: Final = 1_000_000
MAX_RESTING_TOTAL: Final = 20_000_000
"""Over all books: about 1 GB."""
_NARROW_TICK: Final = PRICE_UNITS // 4
_NARROW_BASE: Final = 4_000 * PRICE_UNITS
_NARROW_SPAN: Final = 50 * PRICE_UNITS
_WIDE_GAP: Final = 3 * PRICE_UNITS
_FIRST_INSTRUMENT: Final = 1_001
_ORDER_ROOM: Final = 2**48
"""Order ids start anywhere below 2^64 but for these."""
_DEFAULT_START_NS: Final = 1_704_187_800 * 10**9
"""2024-01-02 09:30 UTC."""


@dataclass(frozen=True, slots=True)
class SyntheticPlan:
    """What is wanted. Raises ValueError for what cannot be.

    Shares are of all events; the rest of them are adds. Where a book is full or nearly empty,
    cancels stand for adds, and the other way round.
    """

    record_count: int
    seed: int = 1
    instruments: int = 1
    """Of each publisher: all publishers have the same ones, each with a book of its own."""
    publishers: int = 1
    ladder: Ladder = "narrow"
    """narrow: 50 levels of a quarter; wide: 6,000 levels at odd distances, half of them below
    zero, and now and then an order of billions."""
    style: Style = "cme"
    """cme: a T with the fills of a whole level, then a C or, of what is left, an M with the
    remaining size. itch: T, F and a C of the traded size for each maker; cancels may be partial."""
    modify_share: float = 0.2
    cancel_share: float = 0.3
    trade_share: float = 0.1
    partial_share: float = 0.4
    """Of trades that leave something of their last maker."""
    clear_every: int = 200_000
    """Events, on average, between one clear or snapshot and the next; 0: none but the first."""
    resting_orders: int | None = None
    """At most, in each book; None: 1,000 on a narrow ladder, 8,000 on a wide one."""
    start_ns: int = _DEFAULT_START_NS
    records_per_second: float = 10_000.0
    """Of event time, on average, over all books."""

    def __post_init__(self) -> None:
        shares = (self.modify_share, self.cancel_share, self.trade_share)
        complaints = {
            "record_count is negative": self.record_count < 0,
            "seed is negative": self.seed < 0,
            "instruments and publishers are at least 1": min(self.instruments, self.publishers) < 1,
            "there are at most 255 publishers": self.publishers > 255,
            f"there are at most {MAX_BOOKS} books": self.books > MAX_BOOKS,
            "ladder is narrow or wide": self.ladder not in LEVELS,
            "style is cme or itch": self.style not in STYLES,
            "shares are at least 0 and together at most 0.95": not (
                min(shares) >= 0 and sum(shares) <= 0.95
            ),
            "partial_share is between 0 and 1": not 0 <= self.partial_share <= 1,
            "clear_every is negative": self.clear_every < 0,
            f"resting_orders is between 8 and {MAX_RESTING}": not 8 <= self.resting <= MAX_RESTING,
            f"all books together hold at most {MAX_RESTING_TOTAL} orders": self.books * self.resting
            > MAX_RESTING_TOTAL,
            "start_ns is a time since 1970": not 0 <= self.start_ns < 2**62,
            "records_per_second is above 0": not self.records_per_second > 0,
        }
        if wrong := [what for what, is_so in complaints.items() if is_so]:
            raise ValueError(f"{wrong[0]}.")

    @property
    def books(self) -> int:
        return self.instruments * self.publishers

    @property
    def resting(self) -> int:
        if self.resting_orders is not None:
            return self.resting_orders
        return DEFAULT_RESTING.get(self.ladder, MAX_RESTING)

    @property
    def symbols(self) -> dict[int, str]:
        """By instrument id."""
        return {_FIRST_INSTRUMENT + i: f"SYN{i + 1}" for i in range(self.instruments)}


def generate(plan: SyntheticPlan, batch_size: int = CHUNK_RECORDS) -> Iterator[Records]:
    """The plan's records in arrays of ``batch_size``, of which only the last is shorter. They are
    the caller's own. The first call compiles, once for good."""
    if batch_size < 1:
        raise ValueError("a batch has at least one record")
    held: list[Records] = []
    count = 0
    for chunk in _chunks(plan):
        held.append(chunk)
        count += len(chunk)
        if count < batch_size:
            continue
        whole = np.concatenate(held) if len(held) > 1 else chunk
        rest = count % batch_size
        for begin in range(0, count - rest, batch_size):
            yield whole[begin : begin + batch_size]
        held, count = ([whole[-rest:]] if rest else []), rest
    if count:
        yield np.concatenate(held)


def _chunks(plan: SyntheticPlan) -> Iterator[Records]:
    rng = np.random.Generator(np.random.PCG64(plan.seed))
    rules = _rules(plan, rng)
    world = _world(plan, rng)
    left = plan.record_count
    while left > 0:
        out = np.empty(CHUNK_RECORDS + max(LONGEST_EVENT, plan.resting + 1), MBO_DTYPE)
        count = fill(out, world, rules, rng, left)
        left -= count
        yield out[:count]


def _rules(plan: SyntheticPlan, rng: np.random.Generator) -> NDArray[np.void]:
    is_narrow = plan.ladder == "narrow"
    rules = np.zeros(1, RULES_DTYPE)
    rules["is_cme"] = plan.style == "cme"
    for share in ("modify_share", "cancel_share", "trade_share", "partial_share"):
        rules[share] = getattr(plan, share)
    rules["clear_share"] = 1 / plan.clear_every if plan.clear_every else 0
    rules["depth"] = LEVELS[plan.ladder] / 8
    rules["mean_size"] = 10 if is_narrow else 200
    rules["large_share"] = 0 if is_narrow else 0.001
    rules["gap_ns"] = 1e9 / plan.records_per_second
    rules["opening_orders"] = min(plan.resting // 2, plan.record_count // (4 * plan.books))
    rules["id_base"] = rng.integers(0, 2**64 - _ORDER_ROOM, dtype=np.uint64)
    return rules


def _world(plan: SyntheticPlan, rng: np.random.Generator) -> World:
    numbers = np.arange(plan.books)
    books = np.zeros(plan.books, BOOK_DTYPE)
    books["bid"], books["ask"] = -1, LEVELS[plan.ladder]
    books["publisher"] = numbers % plan.publishers
    books["instrument_id"] = _FIRST_INSTRUMENT + numbers // plan.publishers
    levels = np.full((plan.books, LEVELS[plan.ladder]), -1, LEVEL_DTYPE)
    levels["price"] = _prices(plan, rng)
    orders = np.zeros((plan.books, plan.resting), ORDER_DTYPE)
    orders["slot"] = orders["place"] = np.arange(plan.resting)
    state = np.zeros(1, STATE_DTYPE)
    state["ts_event"] = plan.start_ns
    return World(books, levels, orders, np.zeros(plan.publishers, np.int64), state)


def _prices(plan: SyntheticPlan, rng: np.random.Generator) -> NDArray[np.int64]:
    """By book and level."""
    levels = np.arange(LEVELS[plan.ladder])
    if plan.ladder == "narrow":
        bases = _NARROW_BASE + _NARROW_SPAN * np.arange(plan.books)
        return bases[:, None] + _NARROW_TICK * levels
    gaps = rng.integers(1, _WIDE_GAP, (plan.books, len(levels)))
    prices: NDArray[np.int64] = np.cumsum(gaps, axis=1)
    return prices - prices[:, len(levels) // 2, None]
