"""A gateway with a real engine behind it and nothing in between: no queue, no journal."""

import itertools
from typing import Any

from orderbook.core.commands import Command, DefineAsset, DefineInstrument, Deposit
from orderbook.core.engine import Engine
from orderbook.core.events import Event
from orderbook.gateway.protocol import Answer, PublishedBatch, QueryResult
from orderbook.worker.queries import answer_query
from tests.unit.market.builders import T0, FakeFeed

MAKER, TAKER, STRANGER = 11, 12, 13


class EngineGateway:
    """``failures`` are raised by the next submits; with ``silent`` the feed brings nothing."""

    def __init__(self, feed: FakeFeed | None = None) -> None:
        self.engine = Engine()
        self.feed = feed
        self.commands: list[Command] = []
        self.events: list[Event] = []
        self.failures: list[Exception] = []
        self.silent = False
        self._sequence = itertools.count(1)

    async def submit(self, command: Command) -> Answer:
        return self.submit_blocking(command)

    def submit_blocking(self, command: Command) -> Answer:
        if self.failures:
            raise self.failures.pop(0)
        sequence = next(self._sequence)
        time_ns = T0 + sequence
        events = self.engine.apply(command, time_ns)
        self.commands.append(command)
        self.events += events
        if self.feed is not None and not self.silent:
            entry = (sequence, time_ns, events)
            self.feed.send(PublishedBatch(sequence - 1, sequence, time_ns, [entry], []))
        return Answer(b"", sequence, time_ns, events)

    def query_blocking(self, query: Any, *, timeout_s: float = 2.0) -> QueryResult:
        return answer_query(self.engine, query, 0, 1)

    def prepare(self, *accounts: int) -> None:
        """BTC-USDT with ticks of 0.01 and lots of 0.00001, and funds for the accounts."""
        for asset in ("BTC", "USDT"):
            self.submit_blocking(DefineAsset(asset, 8))
        self.submit_blocking(
            DefineInstrument("BTC-USDT", "BTC", "USDT", 1_000, 10, 800, 1_000, 5 * 10**8, 10**8)
        )
        for account_id in accounts:
            self.submit_blocking(Deposit(account_id, "BTC", 10_000 * 10**8, ""))
            self.submit_blocking(Deposit(account_id, "USDT", 10**9 * 10**8, ""))
