"""What a recorded flow asks simulated participants to do, one step after another.

Prices are in the recording's units of 1e-9, sizes as recorded. An order is known by its key, which
is the recorded order id; a step never says how much of it was filled by then, because its totals
count what is filled in.
"""

from enum import Enum
from typing import NamedTuple

BID, ASK = "B", "A"
OTHER = {BID: ASK, ASK: BID}

Key = int | str
"""The recorded order id; of an anonymous top-of-book order a name."""


class Fill(NamedTuple):
    key: Key | None
    """None: an order that is none of the recording's."""
    price: int
    size: int


class Place(NamedTuple):
    key: Key
    side: str
    price: int
    size: int


class Amend(NamedTuple):
    key: Key
    price: int
    """0: as it is."""
    total: int
    """What is filled of it according to the recording, and what is left."""


class Cancel(NamedTuple):
    key: Key
    side: str
    price: int


class CancelSide(NamedTuple):
    side: str


class Cause(Enum):
    """Why the engine's fills of a recorded trade may differ from the recorded ones; the first that
    applies is named."""

    OWN_ORDERS = "own_orders"
    """An order that is none of the recording's took part, then or before."""
    FILL_ORDER = "fill_order"
    """The same fills; the recording prints them in another order than that of the queue."""
    COLD_START = "cold_start"
    """A maker is recorded that was in the book before the recording began."""
    ICEBERG_REFRESH = "iceberg_refresh"
    """A maker's size was replenished; where it then stands in its queue is not recorded."""
    RESYNCED = "resynced"
    """A maker had been put right after an earlier difference, and lost its place by that."""
    SNAPSHOT_QUEUE = "snapshot_queue"
    """A maker came with the snapshot, whose queues the recording cannot prove."""
    UNEXPLAINED = "unexplained"


class Aggress(NamedTuple):
    """One recorded aggressor: an IOC order for all its fills, at the worst of their prices."""

    side: str
    price: int
    size: int
    fills: tuple[Fill, ...]
    is_cold: bool
    """Whether further makers are recorded that were in the book before the recording began."""


class Collect(NamedTuple):
    """The recorded book is crossed from here on: orders are collected, nothing trades."""


class Uncross(NamedTuple):
    """Trading goes on. ``fills``: what was recorded as filled meanwhile, by key."""

    fills: dict[Key, int]


Step = Place | Amend | Cancel | CancelSide | Aggress | Collect | Uncross


class Event(NamedTuple):
    """Steps of records up to and including one with FLAG_LAST."""

    ts_recv: int
    record_count: int
    """Records of the instrument that have been planned by now."""
    steps: list[Step]
