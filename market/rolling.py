"""The rolling 24-hour ticker of one symbol, exact to the minute.

Pure: the caller says what time it is. One bucket a minute; a trade changes the newest bucket and
the sums, a minute that leaves the window is subtracted, and only then are high and low searched
again.
"""

from collections import deque
from collections.abc import Iterable

from market.values import NS_PER_SECOND, CandleBar, Ticker, TradePrint, open_time_ns

BUCKET_S = 60
WINDOW_BUCKETS = 24 * 60
"""The minute under way and the 1,439 before it."""
_BUCKET_NS = BUCKET_S * NS_PER_SECOND


class RollingTicker:
    def __init__(
        self, symbol: str, minutes: Iterable[CandleBar] = (), last_ticks: int | None = None
    ) -> None:
        """``minutes``: the one-minute candles of the last day, oldest first."""
        self.symbol = symbol
        self._minutes = deque(minutes)
        self._volume_lots = self._quote_volume_minor = self._trade_count = 0
        self._high_ticks: int | None = None
        self._low_ticks: int | None = None
        self._last_ticks = self._minutes[-1].close_ticks if self._minutes else last_ticks
        self._sum_up()

    @property
    def newest_minute(self) -> CandleBar | None:
        return self._minutes[-1] if self._minutes else None

    def add(self, trade: TradePrint) -> None:
        """Takes the next trade. One from before the newest minute (a clock that was set back)
        counts in that minute."""
        self._last_ticks = trade.price_ticks
        start_ns = open_time_ns(trade.time_ns, BUCKET_S)
        if self._minutes and self._minutes[-1].open_time_ns >= start_ns:
            self._minutes[-1] = self._minutes[-1].with_trade(trade)
        else:
            self._minutes.append(CandleBar.first(trade, BUCKET_S))
        self._volume_lots += trade.quantity_lots
        self._quote_volume_minor += trade.quote_minor
        self._trade_count += 1
        self._high_ticks = max(self._high_ticks or 0, trade.price_ticks)
        low = self._low_ticks
        self._low_ticks = trade.price_ticks if low is None else min(low, trade.price_ticks)

    def at(self, time_ns: int) -> Ticker:
        """The ticker at a moment not before the one last asked about."""
        oldest_ns = open_time_ns(time_ns, BUCKET_S) - (WINDOW_BUCKETS - 1) * _BUCKET_NS
        expired = False
        while self._minutes and self._minutes[0].open_time_ns < oldest_ns:
            self._minutes.popleft()
            expired = True
        if expired:
            self._sum_up()
        return Ticker(
            self.symbol,
            self._minutes[0].open_ticks if self._minutes else None,
            self._high_ticks,
            self._low_ticks,
            self._last_ticks,
            self._volume_lots,
            self._quote_volume_minor,
            self._trade_count,
        )

    def _sum_up(self) -> None:
        minutes = self._minutes
        self._volume_lots = sum(minute.volume_lots for minute in minutes)
        self._quote_volume_minor = sum(minute.quote_volume_minor for minute in minutes)
        self._trade_count = sum(minute.trade_count for minute in minutes)
        self._high_ticks = max((minute.high_ticks for minute in minutes), default=None)
        self._low_ticks = min((minute.low_ticks for minute in minutes), default=None)
