"""The engine's fills beside the recorded ones, and why some of them differ."""

from collections import Counter
from typing import Any, NamedTuple

from market.feeds.dbn.records import price_text
from market.feeds.own.replaying.steps import Cause, Fill
from market.feeds.own.times import moment_text

SHOWN_DIFFERENCES = 20
"""Differences that the report shows in full."""


class Difference(NamedTuple):
    cause: Cause
    ts_recv: int
    recorded: tuple[Fill, ...]
    engine: tuple[Fill, ...]

    def shown(self) -> dict[str, Any]:
        return {
            "at": moment_text(self.ts_recv),
            "cause": self.cause.value,
            "recorded": [_shown(fill) for fill in self.recorded],
            "engine": [_shown(fill) for fill in self.engine],
        }


class Report:
    def __init__(self) -> None:
        self.trades = 0
        """Recorded aggressors of whom a maker is known: orders that were sent."""
        self.equal_trades = 0
        """Same makers, same prices, same sizes, in the same order."""
        self.fills = 0
        self.equal_fills = 0
        """Same maker, price and size, wherever in their trade's order."""
        self.recorded_size = 0
        self.equal_size = 0
        self.causes: Counter[str] = Counter()
        self.shown: list[Difference] = []
        self.auctions: list[dict[str, Any]] = []
        self.sent: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def compare(self, recorded: tuple[Fill, ...], engine: tuple[Fill, ...]) -> bool:
        """Counts a trade; True where both are equal."""
        self.trades += 1
        self.fills += len(recorded)
        self.recorded_size += sum(fill.size for fill in recorded)
        both = Counter(recorded) & Counter(engine)
        self.equal_fills += both.total()
        self.equal_size += sum(fill.size * count for fill, count in both.items())
        self.equal_trades += recorded == engine
        return recorded == engine

    def differ(self, difference: Difference) -> None:
        self.causes[difference.cause.value] += 1
        if len(self.shown) < SHOWN_DIFFERENCES:
            self.shown.append(difference)

    def result(self) -> dict[str, Any]:
        return {
            "trades": self.trades,
            "equal_trades": self.equal_trades,
            "equal_trades_share": _share(self.equal_trades, self.trades),
            "fills": self.fills,
            "equal_fills": self.equal_fills,
            "equal_fills_share": _share(self.equal_fills, self.fills),
            "size": self.recorded_size,
            "equal_size": self.equal_size,
            "differences": {cause.value: self.causes[cause.value] for cause in Cause},
            "first_differences": [difference.shown() for difference in self.shown],
            "auctions": self.auctions,
            "sent": dict(self.sent),
            "refused": dict(self.refused),
            "counts": dict(sorted((+self.counts).items())),
        }


def _shown(fill: Fill) -> list[Any]:
    key = fill.key if fill.key is not None else "own"
    return [key, price_text(fill.price), fill.size]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
