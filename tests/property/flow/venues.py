"""One venue after another, each from a seed of its own; a failure shrinks to few commands."""

import traceback
from collections import Counter
from collections.abc import Callable
from random import Random

from orderbook.core.commands import AdvanceTime
from orderbook.core.events import Trade
from tests.property.flow.commands import START_NS, Commands
from tests.property.flow.pair import Pair, Timed


def run_venue(seed: int, commands: int, commands_seen: Counter[str], seen: Counter[str]) -> Pair:
    """Runs a venue of so many commands. What fails raises; ``pair.sent`` is on the exception."""
    pair = Pair()
    rng = Random(seed)
    flow = Commands(rng, pair.reference)
    try:
        for command in flow.setup():
            pair.do(command, START_NS)
        for _ in range(commands):
            time_ns = flow.time_ns()
            pair.advance(time_ns)  # so that the next command is chosen with what is by then
            events = pair.do(flow.next(), time_ns)
            flow.trades += [event for event in events if isinstance(event, Trade)]
            if rng.randrange(40) == 0:
                pair.restart()
    except Exception as error:
        raise VenueFailed(seed, pair.sent) from error
    finally:
        commands_seen.update(pair.commands)
        seen.update(pair.kinds)
    return pair


class VenueFailed(Exception):
    def __init__(self, seed: int, sent: list[Timed]) -> None:
        super().__init__(f"the venue of seed {seed} failed at command {len(sent)}")
        self.seed = seed
        self.sent = sent


def replay(sent: list[Timed]) -> str:
    """How the commands fail, as the last line of a traceback and the place; "" if they do not."""
    pair = Pair()
    try:
        for command, time_ns in sent:
            if isinstance(command, AdvanceTime):
                continue
            pair.do(command, time_ns)
            pair.restart()
    except Exception as error:
        return "".join(traceback.format_exception(error, chain=False))
    return ""


def shrink(sent: list[Timed], fails: Callable[[list[Timed]], bool]) -> list[Timed]:
    """Leaves out commands, ever smaller runs of them, as long as the rest still fails."""
    size = len(sent) // 2
    while size:
        place = 0
        while place < len(sent):
            fewer = sent[:place] + sent[place + size :]
            if fails(fewer):
                sent = fewer
            else:
                place += size
        size //= 2
    return sent
