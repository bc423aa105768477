"""Which commands were executed lately, and what was answered: the memory that makes resends safe.

A command's deadline lies at most ``MAX_DEADLINE_NS`` ahead when it is executed, and after its
deadline it is never executed. So an answer has to be remembered a little longer than that, and a
copy that arrives later still is dropped without an answer: whether it was executed is forgotten.
Deadlines are wall time, which may be set back and make a late copy valid again; remembering is
counted in time that really passed, and lasts for as long as such a copy can live.
"""

from collections import OrderedDict

from orderbook.gateway.protocol import MAX_DEADLINE_NS

REMEMBERED_NS = 2 * MAX_DEADLINE_NS + 5 * 10**9
"""How long an answer is remembered after its command was executed or refused as late."""
MAX_REMEMBERED = 250_000
"""Answers in memory; beyond it the oldest are forgotten. Many times what an engine can execute
within ``MAX_DEADLINE_NS``; reached only where a clock ahead put very many rows at one time."""


class RecentAnswers:
    """Encoded answers by command id, oldest first. Times come from one clock that never jumps."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, command_id: bytes) -> bytes | None:
        found = self._answers.get(command_id)
        return found[1] if found else None

    def remember(self, command_id: bytes, time_ns: int, answer: bytes) -> None:
        self._answers[command_id] = (time_ns, answer)
        if len(self._answers) > MAX_REMEMBERED:
            self._answers.popitem(last=False)

    def forget_before(self, now_ns: int) -> None:
        """Drops what no copy that is still valid can ask for."""
        answers = self._answers
        while answers:
            command_id = next(iter(answers))
            if answers[command_id][0] + REMEMBERED_NS > now_ns:
                return
            del answers[command_id]


def surely_not_executed(deadline_ns: int, now_ns: int) -> bool:
    """Whether a late command without a remembered answer is known not to have been executed.

    Executed at t it would be remembered until t + REMEMBERED_NS, and t >= deadline - MAX_DEADLINE.
    Where the clock was set back meanwhile this may err, but then nobody waits for the answer any
    more: a gateway gives up after MAX_DEADLINE_NS of time that really passed.
    """
    return now_ns < deadline_ns - MAX_DEADLINE_NS + REMEMBERED_NS
