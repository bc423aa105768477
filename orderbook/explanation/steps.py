"""What an explanation is made of: steps as data, which templates render as text and HTML.

Facts are decimal strings for people, with the engine's own integers beside them under names that
end in their unit.
"""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, to_builtins

Facts = dict[str, Any]


class Step(Struct, frozen=True):
    """One thing that happened to the order, or that a rule did."""

    kind: str
    """A stable word: asked, checked, queue, accepted, fill, canceled and so on."""
    sequence: int
    """Of the command in the journal; 0 for what is true at the journal's end."""
    time_ns: int
    text: str
    """One sentence."""
    facts: Facts = {}

    @property
    def time(self) -> str:
        """UTC, to the microsecond."""
        seconds, rest_ns = divmod(self.time_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{rest_ns // 1_000:06d}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The facts for people: without the integers that others repeat, nothing that is empty."""
        return [
            (name.replace("_", " "), value if isinstance(value, str) else str(value))
            for name, value in self.facts.items()
            if value not in ("", None) and not name.endswith(UNITS)
        ]


UNITS = ("_ticks", "_lots", "_minor", "_ns", "_ppm")


class Explanation(Struct):
    """``order_id`` is 0 where the command made no order."""

    order_id: int
    account_id: int
    symbol: str
    summary: str
    journal_sequence: int
    """How far the journal was read: the explanation is true as of then."""
    steps: list[Step] = []

    def as_json(self) -> dict[str, Any]:
        data: dict[str, Any] = to_builtins(self)
        for step, packed in zip(self.steps, data["steps"], strict=True):
            packed["time"] = step.time
        return data
