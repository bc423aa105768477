"""The journal as it grows, and what leaves the venue, held against each other."""

from typing import Any

import msgspec

from orderbook.core.events import Event
from orderbook.gateway.protocol import Answer, decode_answers, decode_published
from orderbook.journal import Entry
from tests.simulation.errors import require
from tests.simulation.event_audit import EventAudit

_decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode


class JournalAudit:
    """Sees each row right after its commit, and each reply and publication before it leaves."""

    def __init__(self, *, clocks_agree: bool) -> None:
        self.clocks_agree = clocks_agree
        """Whether a refusal for the deadline is final: another leader's clock may see it otherwise
        (docs/adr/0005)."""
        self.entries: list[tuple[bytes, list[Event]]] = []
        """(command id, events) of every sequence from 1 on."""
        self.places: dict[bytes, int] = {}
        """Sequence of each command id."""
        self.rows: list[tuple[Any, ...]] = []
        self.refused: dict[bytes, Event] = {}
        """What was answered without a place in the journal."""
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
            require(
                not self.clocks_agree or command_id not in self.refused,
                "I3",
                f"command {command_id.hex()} is executed at {sequence}, after the answer that it "
                f"was not: {self.refused.get(command_id)}",
            )
            self.places[command_id] = sequence
        self.entries.append((command_id, entry.events))
        self._rules.take(sequence, entry.events)

    def reply(self, message: dict[str, Any]) -> list[Answer]:
        answers = decode_answers(message["batch"])
        for answer in answers:
            self.answer(answer)
        return answers

    def answer(self, answer: Answer) -> None:
        """What an answer says must be in the journal by now, or never come into it."""
        name = f"the answer to {answer.command_id.hex()}"
        if answer.sequence == 0:
            require(
                not self.clocks_agree or answer.command_id not in self.places,
                "I3",
                f"{name} says that it was not executed ({answer.events}), but it was at "
                f"{self.places.get(answer.command_id)}",
            )
            self.refused[answer.command_id] = answer.events[0]
            return
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
