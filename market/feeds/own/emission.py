"""The records of one command, collected in order and then packed."""

import numpy as np

from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MBO_DTYPE,
    MBO_RTYPE,
    MODIFY,
    NO_PRICE,
    NONE,
    RECORD_SIZE,
    TRADE,
    Records,
)
from market.feeds.own.expression import PUBLISHER_ID, Expression
from orderbook.core.units import Side

SIDE_CODES = {Side.BUY: BID, Side.SELL: ASK}
_LENGTH = RECORD_SIZE // 4
_SEQUENCE_MASK = 2**32 - 1
_FLAGS = 8
"""Place of the flags in a row."""

_Row = tuple[int, ...]


class Emission:
    """Rows wait until ``end_event``, so that the last of an event carries FLAG_LAST."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self._rows: list[_Row] = []
        self._event_start = 0
        self._time_ns = 0
        self._sequence = 0

    def begin_event(self, time_ns: int, sequence: int) -> None:
        """``time_ns``: of the engine. ``sequence``: the journal's, modulo 2^32 in the records."""
        self._time_ns = time_ns
        self._sequence = sequence & _SEQUENCE_MASK

    def end_event(self) -> None:
        if len(self._rows) > self._event_start:
            last = self._rows[-1]
            self._rows[-1] = (*last[:_FLAGS], last[_FLAGS] | FLAG_LAST, *last[_FLAGS + 1 :])
        self._event_start = len(self._rows)

    def packed(self) -> Records:
        """Everything since the last call."""
        records = np.array(self._rows, MBO_DTYPE)
        self._rows.clear()
        self._event_start = 0
        return records

    def add(self, order_id: int, side: Side, price_ticks: int, lots: int, flags: int = 0) -> None:
        self._put(ADD, SIDE_CODES[side], order_id, price_ticks, lots, flags)

    def cancel(self, order_id: int, side: Side, price_ticks: int, lots: int) -> None:
        self._put(CANCEL, SIDE_CODES[side], order_id, price_ticks, lots)

    def modify(self, order_id: int, side: Side, price_ticks: int, lots: int) -> None:
        self._put(MODIFY, SIDE_CODES[side], order_id, price_ticks, lots)

    def trade(self, order_id: int, side: Side | None, price_ticks: int, lots: int) -> None:
        """``side``: of the aggressor; None for a print of an auction."""
        self._put(TRADE, SIDE_CODES[side] if side else NONE, order_id, price_ticks, lots)

    def fill(self, order_id: int, side: Side, price_ticks: int, lots: int) -> None:
        self._put(FILL, SIDE_CODES[side], order_id, price_ticks, lots)

    def clear(self, *, begins_snapshot: bool) -> None:
        self._row(CLEAR, NONE, 0, NO_PRICE, 0, FLAG_SNAPSHOT if begins_snapshot else 0)

    def note(self, number: int) -> None:
        """A record that changes no book and carries a number as its size."""
        self._row(NONE, NONE, 0, NO_PRICE, number, 0)

    def _put(
        self, action: int, side: int, order_id: int, price_ticks: int, lots: int, flags: int = 0
    ) -> None:
        price = self.expression.price(price_ticks)
        self._row(action, side, order_id, price, self.expression.size(lots, order_id), flags)

    def _row(
        self, action: int, side: int, order_id: int, price: int, size: int, flags: int
    ) -> None:
        self._rows.append(
            (
                _LENGTH, MBO_RTYPE, PUBLISHER_ID, self.expression.instrument_id, self._time_ns,
                order_id, price, size, flags, 0, action, side, self._time_ns, 0, self._sequence,
            )
        )  # fmt: skip
