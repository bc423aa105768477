"""When a book was crossed, read at the end of each event, and whether trading shows it wrong.

A crossed book is right while the venue does not match: before an opening and in a halt. The event
that ends such a time may print trades (the opening's), so trades speak against the book only where
they have an aggressor and the book was crossed before their event and still is after it.
"""

from collections.abc import Callable
from typing import Any

from market.feeds.books.contract import BookKey
from market.feeds.checking.report import Place, key_fields

MAX_INTERVALS = 10_000
"""So many are listed; more are only counted."""


class CrossedTimes:
    """The crossed intervals of one book."""

    def __init__(self, key: BookKey, violated: Callable[[Place], None]) -> None:
        """``violated`` takes a trade that shows the book wrong."""
        self._key = key
        self._violated = violated
        self._first: Place | None = None
        self._last: Place | None = None
        self._trades: list[Place] = []
        """Trades with an aggressor in the event that is under way."""
        self._trade_count = 0
        self._suspect_count = 0
        self.interval_count = 0
        self.intervals: list[dict[str, Any]] = []

    def trade(self, place: Place, has_aggressor: bool) -> None:
        if self._first is None:
            return
        self._trade_count += 1
        if has_aggressor:
            self._trades.append(place)

    def end_event(self, is_crossed: bool, end: Callable[[], Place]) -> None:
        if is_crossed:
            at = end()
            if self._first is None:
                self._first = at
            self._last = at
            for place in self._trades:
                self._suspect_count += 1
                self._violated(place)
        elif self._first is not None:
            self._close(end())
        self._trades.clear()

    def finish(self) -> None:
        if self._first is not None:
            self._close(None)

    def _close(self, until: Place | None) -> None:
        assert self._first is not None
        assert self._last is not None
        self.interval_count += 1
        if len(self.intervals) < MAX_INTERVALS:
            self.intervals.append(
                {
                    **key_fields(self._key),
                    "from": _moment(self._first),
                    "last": _moment(self._last),
                    "until": until and _moment(until),
                    "trades": self._trade_count,
                    "trades_while_matching": self._suspect_count,
                }
            )
        self._first = self._last = None
        self._trade_count = self._suspect_count = 0


def _moment(place: Place) -> dict[str, int]:
    return {
        "record": place.number,
        "ts_recv": int(place.record["ts_recv"]),
        "ts_event": int(place.record["ts_event"]),
    }
