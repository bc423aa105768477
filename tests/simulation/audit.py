"""The journal as it grows, and what leaves the venue, held against each other."""

from collections import Counter
from typing import Any

import msgspec

from orderbook.core.events import Event, Trade
from orderbook.gateway.protocol import Answer, decode_answers, decode_published
from orderbook.journal import Entry
from tests.simulation.errors import require
from tests.simulation.event_audit import EventAudit
from tests.simulation.event_kinds import kind_of

_decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode


class JournalAudit:
    """Sees each row right after its commit, and each reply and publication before it leaves."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, list[Event]]] = []
        """(command id, events) of every sequence from 1 on."""
        self.places: dict[bytes, int] = {}
        """Sequence of each command id."""
        self.rows: list[tuple[Any, ...]] = []
        self.counts: Counter[str] = Counter()
        """Events by kind."""
        self.trades: list[Trade] = []
        self._epoch = 0
        self._time_ns = 0
        self._rules = EventAudit()

    @property
    def last_sequence(self) -> int:
        return len(self.entries)

    def commit(self, row: tuple[Any, ...]) -> None:
        first, last, epoch, time_ns, payload, _ = row
        require(
            first == self.last_sequence + 1,
            "I4",
            f"a row begins at {first} after {self.last_sequence}",
        )
        entries = _decode_entries(bytes(payload))
        require(
            last == self.last_sequence + len(entries),
            "I4",
            f"row {first} to {last} has {len(entries)} commands",
        )
        require(epoch >= self._epoch, "I4", f"a row of epoch {epoch} follows {self._epoch}")
        require(time_ns >= self._time_ns, "I4", f"time runs backwards at {first}")
        self._epoch, self._time_ns = epoch, time_ns
        self.rows.append(row)
        for entry in entries:
            self._append(entry)

    def _append(self, entry: Entry) -> None:
        sequence = self.last_sequence + 1
        command_id = entry.command_id
        if command_id:
            require(
                command_id not in self.places,
                "I3",
                f"command {command_id.hex()} is executed at {sequence} and was executed at "
                f"{self.places.get(command_id)}",
            )
            self.places[command_id] = sequence
        self.entries.append((command_id, entry.events))
        for event in entry.events:
            self.counts[kind_of(event)] += 1
            if isinstance(event, Trade):
                self.trades.append(event)
        self._rules.take(sequence, self._time_ns, entry.command, entry.events)

    def reply(self, message: dict[str, Any]) -> list[Answer]:
        answers = decode_answers(message["batch"])
        for answer in answers:
            self.answer(answer)
        return answers

    def answer(self, answer: Answer) -> None:
        """What an answer says must be in the journal by now. One without a place in it, for a
        deadline, promises nothing (docs/adr/0005): see what clients are told of it."""
        if answer.sequence == 0:
            return
        name = f"the answer to {answer.command_id.hex()}"
        require(
            answer.sequence <= self.last_sequence,
            "I3",
            f"{name} leaves before sequence {answer.sequence} is in the journal",
        )
        require(
            self.entries[answer.sequence - 1] == (answer.command_id, answer.events),
            "I3",
            f"{name} is not what the journal has at {answer.sequence}",
        )

    def publication(self, message: dict[str, Any]) -> None:
        batch = decode_published(message["data"])
        for sequence, _, events in batch.entries:
            require(
                sequence <= self.last_sequence and self.entries[sequence - 1][1] == events,
                "I3",
                f"what is published as {sequence} is not in the journal",
            )
