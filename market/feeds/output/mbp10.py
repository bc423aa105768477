"""MBP-10 events in Databento's JSON: one object a line, as ``dbn --json`` prints them.

A line for each event (its record with ``FLAG_LAST``) that changed the ten best levels of its book,
described by that record, and one for each trade record, with the levels as they were before its
event. ``depth`` is the place of the record's price among the levels of its side, at most 9; of a
trade it is 0. Prices and times are strings in this format, and a level that is not there has the
price 9223372036854775807. Sizes are of 32 bits; a greater one is given as the greatest.
"""

import io
from typing import Final

import numpy as np
from databento_dbn import Compression, Encoding, Transcoder
from numpy.typing import NDArray

from market.feeds.books.contract import BookKey, Books, top_dtype
from market.feeds.dbn.records import ASK, BID, NO_PRICE, TRADE, Records
from market.feeds.output.files import WholeFile

DEPTH: Final = 10
_RTYPE: Final = 10
_WORD: Final = 4
_DBN_VERSION: Final = 3
_PAIR = np.dtype(
    [
        ("bid_px", "<i8"),
        ("ask_px", "<i8"),
        ("bid_sz", "<u4"),
        ("ask_sz", "<u4"),
        ("bid_ct", "<u4"),
        ("ask_ct", "<u4"),
    ]
)
MBP10_DTYPE: Final = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("action", "u1"),
        ("side", "u1"),
        ("flags", "u1"),
        ("depth", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
        ("levels", _PAIR, (DEPTH,)),
    ]
)
assert MBP10_DTYPE.itemsize == 368
_FROM_RECORD = (
    "publisher_id",
    "instrument_id",
    "ts_event",
    "price",
    "size",
    "action",
    "side",
    "flags",
    "ts_recv",
    "ts_in_delta",
    "sequence",
)
_MAX_U32 = 2**32 - 1


class Mbp10Writer:
    """Applies records to ``books`` and writes what they did."""

    def __init__(self, books: Books, target: WholeFile) -> None:
        self._books = books
        self._target = target
        self._rows = np.empty(0, top_dtype(DEPTH))
        self._tops: dict[BookKey, NDArray[np.void]] = {}
        self.row_count = 0

    def apply(self, records: Records) -> None:
        if len(self._rows) < len(records):
            self._rows = np.empty(len(records), top_dtype(DEPTH))
        count = self._books.apply_with_top(records, DEPTH, self._rows)
        events = self._events(records, self._rows[:count])
        if len(events):
            self._target.write(as_json(events))
        self.row_count += len(events)

    def _events(self, records: Records, rows: NDArray[np.void]) -> NDArray[np.void]:
        trades = np.flatnonzero(records["action"] == TRADE)
        events = np.zeros(len(rows) + len(trades), MBP10_DTYPE)
        order = np.argsort(np.concatenate([trades * 2, rows["record"] * 2 + 1]), kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        at_trades, at_rows = place[: len(trades)], place[len(trades) :]
        sources = np.concatenate([trades, rows["record"].astype(np.int64)])
        for name in _FROM_RECORD:
            events[name][place] = records[name][sources]
        events["length"] = MBP10_DTYPE.itemsize // _WORD
        events["rtype"] = _RTYPE
        levels = _pairs(rows)
        events["levels"][at_rows] = levels
        events["depth"][at_rows] = _depths(records[rows["record"]], rows)
        self._fill_trades(events, at_trades, at_rows)
        return events

    def _fill_trades(
        self, events: NDArray[np.void], at_trades: NDArray[np.intp], at_rows: NDArray[np.intp]
    ) -> None:
        """The levels of a trade are those of its book's last row before it."""
        combined = events["publisher_id"].astype(np.uint64) << np.uint64(32)
        combined |= events["instrument_id"]
        for value in np.unique(combined).tolist():
            key = BookKey(value >> 32, value & _MAX_U32)
            rows = at_rows[combined[at_rows] == value]
            trades = at_trades[combined[at_trades] == value]
            before = np.searchsorted(rows, trades) - 1
            known = before >= 0
            events["levels"][trades[known]] = events["levels"][rows[before[known]]]
            events["levels"][trades[~known]] = self._tops.get(key, _NOTHING)
            if len(rows):
                self._tops[key] = events["levels"][rows[-1]].copy()


def as_json(events: NDArray[np.void]) -> bytes:
    """One line an event. ``events`` are of ``MBP10_DTYPE``."""
    out = io.BytesIO()
    transcoder = Transcoder(
        out,
        Encoding.JSON,  # type: ignore[arg-type]
        Compression.NONE,  # type: ignore[arg-type]
        pretty_px=False,
        pretty_ts=False,
        map_symbols=False,
        has_metadata=False,
        input_version=_DBN_VERSION,
    )
    transcoder.write(events.tobytes())
    transcoder.flush()
    return out.getvalue()


def _pairs(rows: NDArray[np.void]) -> NDArray[np.void]:
    pairs = np.empty((len(rows), DEPTH), _PAIR)
    for side in ("bid", "ask"):
        pairs[f"{side}_px"] = rows[f"{side}_px"]
        pairs[f"{side}_sz"] = np.minimum(rows[f"{side}_sz"], _MAX_U32)
        pairs[f"{side}_ct"] = rows[f"{side}_ct"]
    return pairs


def _depths(records: Records, rows: NDArray[np.void]) -> NDArray[np.intp]:
    """How many levels of its side are better than the record's price."""
    price = records["price"][:, None]
    bids = ((rows["bid_px"] > price) & (rows["bid_px"] != NO_PRICE)).sum(axis=1)
    asks = (rows["ask_px"] < price).sum(axis=1)
    depth = np.where(records["side"] == BID, bids, np.where(records["side"] == ASK, asks, 0))
    priced = records["price"] != NO_PRICE
    return np.where(priced, np.minimum(depth, DEPTH - 1), 0)


def _no_levels() -> NDArray[np.void]:
    pairs = np.zeros(DEPTH, _PAIR)
    pairs["bid_px"] = pairs["ask_px"] = NO_PRICE
    return pairs


_NOTHING = _no_levels()
