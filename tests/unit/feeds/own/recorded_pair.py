"""The engine of the property tests with a recorder beside it: after every command the book that the
records build is the engine's, order by order."""

from collections import Counter
from random import Random

import numpy as np

from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import FLAG_LAST, Records
from market.feeds.own.market_recorder import MarketRecorder
from orderbook.core.commands import Command
from orderbook.core.events import Event
from tests.property.flow.pair import Pair
from tests.unit.feeds.own.books_of import engine_queues, image_queues, key_of

RESTARTED_ANEW = 2
"""Of so many restarts of the engine, the recorder goes through one and begins anew at the rest."""


class RecordedPair(Pair):
    recorded: list[Records]
    seen: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.recorders: dict[str, MarketRecorder] = {}
        self.books = PlainBooks()
        self.recorded = []
        self._rng = Random(7)

    def apply(self, command: Command, time_ns: int) -> list[Event]:
        events = super().apply(command, time_ns)
        for symbol in self.engine.books:
            if symbol not in self.recorders:
                self.begin(symbol)
                continue
            recorder = self.recorders[symbol]
            recorder.take(len(self.sent), time_ns, events)
            self.look_at(symbol, recorder.packed())
        return events

    def begin(self, symbol: str) -> None:
        recorder = self.recorders[symbol] = MarketRecorder(self.engine, symbol)
        self.look_at(symbol, recorder.snapshot(len(self.sent)))

    def look_at(self, symbol: str, records: Records) -> None:
        book = self.engine.books[symbol]
        if len(records):
            self.recorded.append(records)
            last = records["flags"] & FLAG_LAST
            assert last[-1]
            assert np.count_nonzero(last) == 1
            self.seen.update(map(chr, records["action"].tolist()))
        self.books.apply(records)
        assert image_queues(self.books.image(key_of(book))) == engine_queues(book)
        assert not any(self.books.counters().values())

    def restart(self) -> None:
        super().restart()
        for symbol in list(self.recorders):
            if self._rng.randrange(RESTARTED_ANEW):
                self.begin(symbol)
            else:
                self.recorders[symbol].follow(self.engine)
