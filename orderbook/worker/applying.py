"""One batch of the engine's pipeline, from queue messages to events: in memory, nothing leaves.

Executes what is new and in time, answers what is a copy with its first result, refuses what is too
late. Answers of one gateway in one batch are encoded once: the same bytes are its reply, the memory
of what was answered, and a part of the publication.
"""

import time
from typing import Any, NamedTuple

import msgspec

from orderbook import metrics
from orderbook.core.commands import AdvanceTime
from orderbook.core.rejects import RejectReason
from orderbook.gateway.protocol import (
    MAX_DEADLINE_NS,
    Answer,
    DepthUpdate,
    Envelope,
    Level,
    decode_envelopes,
    decode_query,
    encode,
    refusal,
)
from orderbook.journal import Entry
from orderbook.worker.dropped_log import DroppedLog
from orderbook.worker.publisher import Replies
from orderbook.worker.queries import answer_query
from orderbook.worker.recovery import Replica
from orderbook.worker.repeats import Row, answers_of, surely_not_executed
from orderbook.worker.snapshots import Packing, SnapshotKeeper

MAX_DUE_EVENTS = 20_000
"""Events of what was due, after which a batch goes to the journal and the rest to the next one."""
_ADVANCE_TIME = AdvanceTime()


class Now(NamedTuple):
    """One moment on three clocks."""

    wall_ns: int
    """What deadlines are compared with. May jump either way."""
    journal_ns: int
    """Never goes back. After a moment's wrong time ahead it stands still until the wall clock has
    come up to it, which may take long; orders must not wait for that."""
    elapsed_ns: int
    """Time that really passed: how long answers are remembered."""


class Work(NamedTuple):
    """One batch on its way through the pipeline, once it is applied."""

    first_sequence: int
    last_sequence: int
    time_ns: int
    taken_at: float
    entries: list[Entry]
    replies: Replies
    executed: list[bytes]
    """Encoded lists of answers that hold every entry's."""
    depth: list[DepthUpdate]
    state: Packing | None


class Applying:
    """A batch while it is applied: ``take`` each message, then ``finish``."""

    def __init__(self, replica: Replica, dropped: DroppedLog, sequence: int, now: Now) -> None:
        """``sequence``: the last one before this batch."""
        self.entries: list[Entry] = []
        self._taken_at = time.perf_counter()
        self._replica = replica
        self._dropped = dropped
        self._sequence = sequence
        self._now = now
        self._replies = Replies()
        self._rows: dict[str, Row] = {}
        self._own: list[Answer] = []
        """Of the engine's own commands: published, and answered to nobody."""
        self._repeated: dict[str, list[Answer]] = {}
        self._opened: dict[Row, dict[bytes, Answer]] = {}
        self._due_events = 0
        self.put_off: tuple[str, list[Envelope]] | None = None
        """What came after more was due than one batch takes: it belongs to the next one."""
        dropped.start_batch()
        replica.answers.forget_before(now.elapsed_ns)
        self._advance_time()

    def resume(self, put_off: tuple[str, list[Envelope]]) -> None:
        """Applies first what the batch before this one put off."""
        self._commands(*put_off)

    def take(self, message: dict[str, Any]) -> None:
        """Applies one message. Executes none of a message that it cannot read."""
        reply_to = message["reply_to"]
        try:
            if message["type"] == "query":
                self._query(reply_to, message)
            else:
                self._commands(reply_to, decode_envelopes(message["batch"]))
        except msgspec.MsgspecError:
            self._dropped.unreadable(message)

    def _query(self, reply_to: str, message: dict[str, Any]) -> None:
        query = decode_query(message["query"])
        engine = self._replica.engine
        result = answer_query(engine, query, self._sequence + len(self.entries), engine.epoch)
        self._replies.result(reply_to, message["id"], encode(result))

    def _commands(self, reply_to: str, envelopes: list[Envelope]) -> None:
        """The engine's hottest loop, and therefore without a call that it can do without."""
        wall_ns, journal_ns, _ = self._now
        engine, entries = self._replica.engine, self.entries
        apply = engine.apply
        rows, safe_after_ns = self._replica.answers.rows, self._replica.answers.safe_after_ns
        row = self._row_of(reply_to)
        answers = row.answers
        sequence = self._sequence + len(entries)
        for place, envelope in enumerate(envelopes):
            command_id, deadline_ns = envelope.command_id, envelope.deadline_ns
            if command_id in rows:
                self._repeat(reply_to, command_id)
                continue
            if not 0 <= deadline_ns - wall_ns <= MAX_DEADLINE_NS or deadline_ns <= safe_after_ns:
                reason = self._reason_to_refuse(envelope)
                if reason is None:
                    continue
                answer = Answer(command_id, 0, journal_ns, [refusal(envelope.command, reason)])
            else:
                if engine.next_due_ns <= journal_ns:
                    sequence += self._advance_time()
                    if engine.next_due_ns <= journal_ns:
                        self.put_off = (reply_to, envelopes[place:])
                        return
                command = envelope.command
                events = apply(command, journal_ns)
                sequence += 1
                entries.append(Entry(command_id, command, events))
                answer = Answer(command_id, sequence, journal_ns, events)
            answers.append(answer)
            # Also what was refused: a copy may come at a time at which it would be executed.
            rows[command_id] = row
            if deadline_ns > row.latest_deadline_ns:
                row.latest_deadline_ns = deadline_ns

    def _advance_time(self) -> int:
        """Fires what is due, in commands of the engine's own: they are in the journal, so that a
        replay fires the same timers at the same places. Returns how many commands it took.

        Something may still be due afterwards, where it is more than one batch should hold."""
        engine, journal_ns = self._replica.engine, self._now.journal_ns
        before = len(self.entries)
        while engine.next_due_ns <= journal_ns and self._due_events < MAX_DUE_EVENTS:
            events = engine.apply(_ADVANCE_TIME, journal_ns)
            self._due_events += len(events)
            self.entries.append(Entry(b"", _ADVANCE_TIME, events))
            sequence = self._sequence + len(self.entries)
            self._own.append(Answer(b"", sequence, journal_ns, events))
        return len(self.entries) - before

    def _row_of(self, reply_to: str) -> Row:
        row = self._rows.get(reply_to)
        if row is None:
            row = self._rows[reply_to] = Row(self._now.elapsed_ns)
        return row

    def _repeat(self, reply_to: str, command_id: bytes) -> None:
        metrics.REPEATED_COMMANDS.inc()
        row = self._replica.answers.rows[command_id]
        if row.answers:
            return  # The first copy is in this batch, and so is its answer.
        opened = self._opened.get(row)
        if opened is None:
            opened = self._opened[row] = answers_of(row)
        self._repeated.setdefault(reply_to, []).append(opened[command_id])

    def _reason_to_refuse(self, envelope: Envelope) -> RejectReason | None:
        """None where a copy may have been executed, so that it must go without an answer."""
        wall_ns, deadline_ns = self._now.wall_ns, envelope.deadline_ns
        if deadline_ns <= self._replica.answers.safe_after_ns:
            self._dropped.forgotten(envelope)
            return None
        if wall_ns > deadline_ns:
            metrics.LATE_COMMANDS.inc()
            self._dropped.late(envelope, wall_ns)
            if not surely_not_executed(deadline_ns, wall_ns):
                return None
            return RejectReason.DEADLINE_PASSED
        self._dropped.too_far(envelope, wall_ns)
        return RejectReason.DEADLINE_TOO_FAR

    def finish(self, snapshots: SnapshotKeeper) -> Work:
        """The applied batch, with its answers encoded and remembered."""
        executed = [encode(self._own)] if self._own else []
        for reply_to, row in self._rows.items():
            if row.answers:
                encoded = self._replica.answers.seal(row)
                executed.append(encoded)
                self._replies.answers(reply_to, encoded)
        for reply_to, answers in self._repeated.items():
            self._replies.answers(reply_to, encode(answers))
        last_sequence = self._sequence + len(self.entries)
        state = None
        if self.entries and snapshots.due(last_sequence):
            state = snapshots.pack(self._replica.engine)
        return Work(
            self._sequence + 1,
            last_sequence,
            self._now.journal_ns,
            self._taken_at,
            self.entries,
            self._replies,
            executed,
            self._depth(),
            state,
        )

    def _depth(self) -> list[DepthUpdate]:
        updates = []
        for symbol, book in self._replica.engine.books.items():
            if changes := book.drain_changes():
                first, last, levels = changes
                updates.append(DepthUpdate(symbol, first, last, [Level(*one) for one in levels]))
        return updates
