"""A gateway whose engine is in the same process, and whose feed is heard before it answers."""

from collections.abc import Callable, Sequence

from orderbook.core.commands import (
    AdvanceTime,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
)
from orderbook.core.engine import Engine
from orderbook.errors import OutcomeUnknown
from orderbook.gateway.protocol import Answer, PublishedBatch

SYMBOL = "ES-USD"
BIDS, ASKS, TAKERS, TRADER = 1, 2, 3, 4


class EngineGateway:
    def __init__(self, tick_lot_minor: int = 25) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.listeners: list[Callable[[PublishedBatch], None]] = []
        self.before: Callable[[Command], None] | None = None
        """Called before each command of a replay: a trader may act there."""
        self.lose_answers = 0
        """So many times what was executed stays unanswered."""
        self.do(DefineAsset("ES", 0))
        self.do(DefineAsset("USD", 2))
        self.do(DefineInstrument(SYMBOL, "ES", "USD", 1, tick_lot_minor, 0, 0, 0, 10**9))
        for account in (BIDS, ASKS, TAKERS, TRADER):
            for asset in ("ES", "USD"):
                self.do(Deposit(account, asset, 10**15, ""))

    def do(self, command: Command) -> Answer:
        while self.engine.next_due_ns <= self.engine.time_ns:
            self.engine.apply(AdvanceTime(), self.engine.time_ns)
        self.sequence += 1
        time_ns = self.engine.time_ns + 1
        events = self.engine.apply(command, time_ns)
        batch = PublishedBatch(
            self.sequence - 1, self.sequence, time_ns, [(self.sequence, time_ns, events)], []
        )
        for listener in self.listeners:
            listener(batch)
        return Answer(b"", self.sequence, time_ns, events)

    async def submit_many(self, commands: Sequence[Command]) -> list[Answer]:
        answers = []
        for command in commands:
            if self.before is not None:
                self.before(command)
            answers.append(self.do(command))
        if self.lose_answers:
            self.lose_answers -= 1
            raise OutcomeUnknown
        return answers
