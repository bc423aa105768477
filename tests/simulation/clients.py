"""What clients were told, and what a web process hears from the engine."""

import asyncio
from typing import NamedTuple

from orderbook.core.commands import Command
from orderbook.core.events import Event
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway import command_trace
from orderbook.gateway.gateway import Gateway
from orderbook.gateway.protocol import Answer, PublishedBatch
from tests.simulation.audit import JournalAudit
from tests.simulation.loop import Process, current_process


class Told(NamedTuple):
    """What a client knows of its command; a client whose gateway dies knows nothing."""

    command: Command
    command_ids: list[bytes]
    asked_at: float
    told_at: float
    outcome: str
    """answered, unavailable or unknown"""
    answer: Answer | None
    process: Process
    """Of the gateway."""


async def ask(gateway: Gateway, command: Command, told: list[Told]) -> Told:
    """Submits a command and notes what came of it, from the moment that it is sent."""
    command_trace.start_trace()
    ids = command_trace._trace.get()
    assert ids is not None
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    process = current_process()
    assert process is not None
    place = len(told)
    told.append(Told(command, ids, asked_at, 0.0, "unknown", None, process))
    answer = None
    try:
        answer = await gateway.submit(command)
        outcome = "answered"
    except EngineUnavailable:
        outcome = "unavailable"
    except OutcomeUnknown:
        outcome = "unknown"
    told[place] = Told(command, ids, asked_at, loop.time(), outcome, answer, process)
    return told[place]


class Listener:
    """A reader of the feed: what it heard, completed from the journal after a gap."""

    def __init__(self, journal: JournalAudit) -> None:
        self._journal = journal
        self.heard: list[list[Event]] = []
        self.gaps = 0
        self.missed = 0
        """Sequences that were missing where the feed told of no gap."""
        self._has_gap = False

    def on_gap(self) -> None:
        self.gaps += 1
        self._has_gap = True

    def on_batch(self, batch: PublishedBatch) -> None:
        if self._has_gap:
            self._has_gap = False
            for _, events in self._journal.entries[len(self.heard) :]:
                self.heard.append(events)
        for sequence, _, events in batch.entries:
            if sequence > len(self.heard):
                self.missed += sequence - len(self.heard) - 1
                self.heard.append(events)
