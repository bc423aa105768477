"""What of a file is replayed, and what a venue must have for it; found in a first pass over it."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from market.feeds.dbn.files import DbnFile
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    FILL,
    MODIFY,
    NO_PRICE,
    NO_SIZE,
    TRADE,
    Records,
    price_text,
)
from market.feeds.errors import FeedError
from orderbook.core.units import MAX_PRICE_TICKS

MAX_ORDER_SIZE = 10**9
"""Largest size that a replayed order may have; the instrument is listed with it."""
_EXACT = 2**62


class Unplayable(FeedError):
    """A recording that cannot become a market of this venue."""

    code = "unplayable"


class Recording(NamedTuple):
    """One instrument of a file, up to a moment."""

    file: DbnFile
    publisher_id: int
    instrument_id: int
    name: str
    until_ns: int | None
    record_count: int
    first_ns: int
    last_ns: int
    tick: int
    """The largest step that all prices are multiples of, in units of 1e-9."""
    ticks_bought: int
    """Sum of price x size, in ticks, of every bid: no participant can ever need more."""
    size_sold: int
    """Sum of the sizes of every ask."""
    size_traded: int
    ticks_traded: int

    def batches(self) -> Iterator[Records]:
        return _batches(self.file, self.publisher_id, self.instrument_id, self.until_ns)


def look_at(file: DbnFile, instrument: str | None, until_ns: int | None) -> Recording:
    """``instrument``: an id or a symbol of the file; without one, that of the first record. Raises
    Unplayable or BadFile."""
    publisher_id, instrument_id = _chosen(file, instrument)
    tick = _tick(_batches(file, publisher_id, instrument_id, until_ns))
    count, first_ns, last_ns = 0, 0, 0
    bought = sold = traded = ticks_traded = 0
    for records in _batches(file, publisher_id, instrument_id, until_ns):
        if not len(records):
            continue
        first_ns = first_ns or int(records["ts_recv"][0])
        last_ns = int(records["ts_recv"][-1])
        count += len(records)
        orders = _sound(records, (ADD, MODIFY))
        bought += _notional(orders[orders["side"] == BID], tick)
        sold += int(orders[orders["side"] == ASK]["size"].sum(dtype=np.int64))
        trades = _sound(records, (TRADE, FILL))
        traded += int(trades["size"].sum(dtype=np.int64))
        ticks_traded += _notional(trades, tick)
    name = file.symbols.get(instrument_id, f"MBO{instrument_id}")
    return Recording(
        file, publisher_id, instrument_id, name, until_ns, count, first_ns, last_ns, tick,
        bought, sold, traded, ticks_traded,
    )  # fmt: skip


def first_time_ns(file: DbnFile) -> int:
    """``ts_recv`` of the first record. Raises Unplayable where there is none."""
    for records in file.batches():
        if len(records):
            return int(records["ts_recv"][0])
    raise Unplayable(f"{file.path} has no market-by-order record.")


def _chosen(file: DbnFile, instrument: str | None) -> tuple[int, int]:
    """(publisher id, instrument id) of the first record of what was asked for."""
    wanted: set[int] | None = None
    if instrument is not None:
        wanted = {key for key, name in file.symbols.items() if name == instrument}
        wanted |= {int(instrument)} if instrument.isdigit() else set()
    for records in file.batches():
        if wanted is not None:
            records = records[np.isin(records["instrument_id"], list(wanted))]
        if len(records):
            return int(records["publisher_id"][0]), int(records["instrument_id"][0])
    raise Unplayable(
        f"{file.path} has no market-by-order record"
        + (f" of instrument {instrument}." if instrument is not None else ".")
    )


def _batches(
    file: DbnFile, publisher_id: int, instrument_id: int, until_ns: int | None
) -> Iterator[Records]:
    for records in file.batches():
        if until_ns is not None:
            late = np.flatnonzero(records["ts_recv"] >= np.uint64(until_ns))
            if len(late):
                records = records[: late[0]]
        ours = (records["instrument_id"] == instrument_id) & (
            records["publisher_id"] == publisher_id
        )
        yield records[ours]
        if until_ns is not None and len(late):
            return


def _tick(batches: Iterator[Records]) -> int:
    tick, highest = 0, 0
    for records in batches:
        orders = _sound(records, (ADD, MODIFY))
        if not len(orders):
            continue
        lowest = int(orders["price"].min())
        if lowest <= 0:
            raise Unplayable(
                f"A price is {price_text(lowest)}; a market of this venue has positive ones only."
            )
        if int(orders["size"].max()) > MAX_ORDER_SIZE:
            raise Unplayable(f"A size is above {MAX_ORDER_SIZE}.")
        tick = math.gcd(tick, int(np.gcd.reduce(orders["price"])))
        highest = max(highest, int(orders["price"].max()))
    if not tick:
        raise Unplayable("No record of it adds an order.")
    if highest // tick > MAX_PRICE_TICKS:
        raise Unplayable(
            f"Its prices go to {price_text(highest)} in steps of {price_text(tick)}: more than "
            f"{MAX_PRICE_TICKS} ticks."
        )
    return tick


def _sound(records: Records, actions: tuple[int, ...]) -> Records:
    """Those with a price and a size."""
    has_values = (records["price"] != NO_PRICE) & (records["size"] != NO_SIZE)
    sound: Records = records[np.isin(records["action"], actions) & has_values]
    return sound


def _notional(records: Records, tick: int) -> int:
    if not len(records):
        return 0
    ticks, sizes = records["price"] // tick, records["size"].astype(np.int64)
    if int(ticks.max()) * int(sizes.max()) * len(records) < _EXACT:
        return int((ticks * sizes).sum())
    return sum(a * b for a, b in zip(ticks.tolist(), sizes.tolist(), strict=True))
