"""A run as data, drawn from its seed before it begins, so that parts of it can be left out."""

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeVar

from orderbook.core.commands import Command
from tests.simulation.flow import draw_commands
from tests.simulation.operating import Bust

T = TypeVar("T")

GATEWAYS = ("gateway-1", "gateway-2")
ENGINES = ("engine-a", "engine-b")
PROJECTOR = "projector"
PARTS = (*GATEWAYS, *ENGINES, PROJECTOR)

START_MS = 1_000
"""When faults and commands begin; until then the venue is set up."""
MIN_LENGTH_MS, MAX_LENGTH_MS = 2_000, 8_000
"""How long commands are sent and faults begin."""
OPERATIONS = (30, 60, 90, 140)
"""How many commands clients send."""

MESSAGE_FAULTS = ("message lost", "message doubled", "message delayed")
LINKS = ("commands", "replies", "publications", "queries")
QUEUE_FAULTS = ("queue refuses", "queue full", "queue hangs", "queue dies after delivery")
COMMIT_FAULTS = (
    "commit fails",
    "commit unreported",
    "commit lost",
    "commit unseen",
    "commit torn",
)
OTHER_FAULTS = (
    "queue emptied",
    "crash",
    "frozen",
    "commit slow",
    "database away",
    "session broken",
    "two leaders",
    "clock jump",
    "projector slow",
)
KINDS = (*MESSAGE_FAULTS, *QUEUE_FAULTS, *COMMIT_FAULTS, *OTHER_FAULTS)


class MessageFault(NamedTuple):
    """Something happens to the ``number``-th message of a link."""

    kind: str
    link: str
    number: int
    delay_ms: int
    """Of a delayed message, or of a doubled one's copy."""

    def __str__(self) -> str:
        late = "" if self.kind == "message lost" else f" by {self.delay_ms} ms"
        return f"{self.kind}: {self.link} {self.number}{late}"


class Fault(NamedTuple):
    """Something happens to a part at a time. ``amount``: what the kind says it is."""

    kind: str
    at_ms: int
    part: str
    amount: int
    """Crash: steps that it still makes. Clock jump: milliseconds, negative for back."""
    for_ms: int
    """How long it lasts; 0 where it has no duration."""

    def __str__(self) -> str:
        return (
            f"{self.kind}: at {self.at_ms} ms"
            + (f", {self.part}" if self.part else "")
            + (f", amount {self.amount}" if self.amount else "")
            + (f", for {self.for_ms} ms" if self.for_ms else "")
        )


class Operation(NamedTuple):
    """A client sends a command through a gateway."""

    at_ms: int
    gateway: str
    command: Command | Bust

    def __str__(self) -> str:
        return f"at {self.at_ms} ms through {self.gateway}: {self.command}"


class Plan(NamedTuple):
    seed: int
    end_ms: int
    """When everything is healed."""
    snapshot_every: int
    message_faults: list[MessageFault]
    faults: list[Fault]
    operations: list[Operation]

    def parts(self) -> dict[str, Sequence[MessageFault | Fault | Operation]]:
        """What can be left out, by the letter that its names begin with."""
        return {"m": self.message_faults, "f": self.faults, "o": self.operations}

    def items(self) -> list[str]:
        """A name for each of them."""
        return [
            f"{letter}{index}"
            for letter, part in self.parts().items()
            for index in range(len(part))
        ]

    def keep(self, names: Collection[str]) -> "Plan":
        kept = set(names)
        return self._replace(
            message_faults=_kept("m", self.message_faults, kept),
            faults=_kept("f", self.faults, kept),
            operations=_kept("o", self.operations, kept),
        )

    def without(self, kinds: Collection[str]) -> "Plan":
        """Faults of these kinds do not happen."""
        return self._replace(
            message_faults=[one for one in self.message_faults if one.kind not in kinds],
            faults=[one for one in self.faults if one.kind not in kinds],
        )

    def describe(self) -> str:
        lines = [f"seed {self.seed}, healed at {self.end_ms} ms"]
        lines += ["faults:", *(f"  {fault}" for fault in (*self.message_faults, *self.faults))]
        lines += ["commands:", *(f"  {operation}" for operation in self.operations)]
        return "\n".join(lines)


def _kept(letter: str, part: list[T], kept: Collection[str]) -> list[T]:
    return [one for index, one in enumerate(part) if f"{letter}{index}" in kept]


def make_plan(seed: int) -> Plan:
    """A calm run now and then; most have a few faults, some have very many."""
    rng = random.Random(f"rialto plan {seed}")
    length_ms = rng.randint(MIN_LENGTH_MS, MAX_LENGTH_MS)
    end_ms = START_MS + length_ms
    count = rng.choice(OPERATIONS)
    times = sorted(rng.randint(START_MS, end_ms - 200) for _ in range(count))
    operations = [
        Operation(at_ms, rng.choice(GATEWAYS), command)
        for at_ms, command in zip(times, draw_commands(rng, times), strict=True)
    ]
    heat = rng.choice((0, 1, 1, 2, 2, 3))
    return Plan(
        seed,
        end_ms,
        rng.choice((7, 25, 10**9)),
        _draw_message_faults(rng, count, heat),
        sorted(_draw_faults(rng, end_ms, heat), key=lambda fault: fault.at_ms),
        operations,
    )


def _draw_message_faults(rng: random.Random, count: int, heat: int) -> list[MessageFault]:
    share = (0.0, 0.02, 0.08, 0.25)[heat]
    return [
        MessageFault(rng.choice(MESSAGE_FAULTS), link, number, _draw_delay(rng))
        for link in LINKS
        for number in range(20, 20 + 3 * count)
        if rng.random() < (share if link != "queries" else 3 * share)
    ]


def _draw_delay(rng: random.Random) -> int:
    """Mostly short; some come after the deadline, a few after the answer was forgotten."""
    low, high = rng.choices(((1, 50), (50, 900), (900, 6_000), (6_000, 32_000)), (6, 6, 4, 1))[0]
    return rng.randint(low, high)


def _draw_faults(rng: random.Random, end_ms: int, heat: int) -> list[Fault]:
    kinds = (*QUEUE_FAULTS, *COMMIT_FAULTS, *OTHER_FAULTS, "crash", "crash", "crash")
    favourites = rng.sample(kinds, 5)
    return [
        _draw_fault(rng, rng.choice(favourites), rng.randint(START_MS, end_ms - 100))
        for _ in range(rng.randint(heat, 4 * heat))
    ]


def _draw_fault(rng: random.Random, kind: str, at_ms: int) -> Fault:
    part, amount, for_ms = "", 0, 0
    if kind in (*QUEUE_FAULTS, "queue emptied", "database away"):
        for_ms = rng.choice((20, 200, 1_500, 3_000))
    elif kind == "crash":
        part = rng.choices(PARTS, (2, 2, 5, 5, 3))[0]
        amount = rng.randint(1, 400)
    elif kind == "frozen":
        part, for_ms = rng.choice(PARTS), rng.choice((100, 1_000, 4_000, 30_000))
    elif kind == "commit slow":
        amount, for_ms = rng.choice((20, 300, 2_500)), rng.choice((500, 3_000))
    elif kind == "clock jump":
        part = rng.choice((*GATEWAYS, *ENGINES, *ENGINES))
        amount = rng.choice((-1, 1)) * rng.choice((300, 2_000, 7_000, 60_000, 3_600_000))
        for_ms = rng.choice((100, 1_000, 3_000))
    elif kind == "projector slow":
        amount, for_ms = rng.choice((300, 2_000)), rng.choice((2_000, 5_000))
    return Fault(kind, at_ms, part, amount, for_ms)
