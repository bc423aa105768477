"""Which commands were executed lately, and what was answered: the memory that makes resends safe.

A command's deadline lies at most ``MAX_DEADLINE_NS`` ahead when it is executed, and after its
deadline it is never executed. So an answer has to be remembered a little longer than that, and a
copy that arrives later still is dropped without an answer: whether it was executed is forgotten.
Deadlines are wall time, which may be set back and make a late copy valid again; remembering is
counted in time that really passed, and lasts for as long as such a copy can live.
"""

from collections import deque

from orderbook.gateway.protocol import MAX_DEADLINE_NS, Answer, decode_answers, encode

REMEMBERED_NS = 2 * MAX_DEADLINE_NS + 5 * 10**9
"""How long an answer is remembered after its command was executed or refused as late."""
MAX_REMEMBERED = 250_000
"""Answers in memory; beyond it the oldest are forgotten before their time, and what may be a copy
of one of them is not executed (``safe_after_ns``)."""


class Row:
    """Answers that were given together. Grows until it is sealed, at the end of its batch."""

    __slots__ = ("answers", "command_ids", "encoded", "latest_deadline_ns", "time_ns")

    def __init__(self, time_ns: int) -> None:
        self.time_ns = time_ns
        self.latest_deadline_ns = 0
        self.answers: list[Answer] = []
        """Empty once sealed."""
        self.command_ids: list[bytes] = []
        self.encoded = b""
        """All answers as one list, once sealed."""


class RecentAnswers:
    """Answers by command id, oldest first. Times come from one clock that never jumps.

    Answers of one reply are kept as that reply's bytes: a command costs its id and two references.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        """Row of each remembered command."""
        self._oldest: deque[Row] = deque()
        self._kept = 0
        self.safe_after_ns = 0
        """A command with a later deadline that is not remembered was never executed. Zero while
        nothing was forgotten before its time."""

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, command_id: bytes) -> Answer | None:
        row = self.rows.get(command_id)
        return answers_of(row)[command_id] if row else None

    def seal(self, row: Row) -> bytes:
        """Ends a row whose commands stand in ``rows``; gives its answers as one encoded list."""
        row.encoded = encode(row.answers)
        row.command_ids = [answer.command_id for answer in row.answers]
        row.answers = []
        self._keep(row)
        return row.encoded

    def remember(self, time_ns: int, command_ids: list[bytes], encoded: bytes) -> None:
        """Answers of the journal as one list, whose deadlines nobody knows any more."""
        row = Row(time_ns)
        row.latest_deadline_ns = time_ns + MAX_DEADLINE_NS
        row.command_ids, row.encoded = command_ids, encoded
        self.rows.update(dict.fromkeys(command_ids, row))
        self._keep(row)

    def _keep(self, row: Row) -> None:
        self._oldest.append(row)
        self._kept += len(row.command_ids)
        while self._kept > MAX_REMEMBERED:
            self.safe_after_ns = max(self.safe_after_ns, self._oldest[0].latest_deadline_ns)
            self._forget_oldest()

    def forget_before(self, now_ns: int) -> None:
        """Drops what no copy that is still valid can ask for."""
        while self._oldest and self._oldest[0].time_ns + REMEMBERED_NS <= now_ns:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        row = self._oldest.popleft()
        self._kept -= len(row.command_ids)
        for command_id in row.command_ids:
            # The engine's own commands share the empty id, which is the last one's.
            if self.rows.get(command_id) is row:
                del self.rows[command_id]


def answers_of(row: Row) -> dict[bytes, Answer]:
    """The answers of a row by command id; decodes all of a sealed one."""
    answers = row.answers or decode_answers(row.encoded)
    return {answer.command_id: answer for answer in answers}


def surely_not_executed(deadline_ns: int, now_ns: int) -> bool:
    """Whether a late command without a remembered answer is known not to have been executed.

    Executed at t it would be remembered until t + REMEMBERED_NS, and t >= deadline - MAX_DEADLINE.
    Where the clock was set back meanwhile this may err, but then nobody waits for the answer any
    more: a gateway gives up after MAX_DEADLINE_NS of time that really passed.
    """
    return now_ns < deadline_ns - MAX_DEADLINE_NS + REMEMBERED_NS
