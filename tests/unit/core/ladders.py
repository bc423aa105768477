"""Ladders: a command that breaks many rules mends them one by one and meets their codes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from orderbook.core import commands as c
from orderbook.core.events import (
    AmendRejected,
    BatchRejected,
    CancelRejected,
    CommandRejected,
    Event,
    OrderRejected,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.terms import OrderOptions
from tests.unit.core.special_orders import (
    trade_at,
)
from tests.unit.core.venue import (
    CAROL,
    SELL,
    SYMBOL,
    Venue,
    limit,
)

RULES = (Path(__file__).resolve().parents[3] / "docs" / "matching-rules.md").read_text()
REFUSALS = (OrderRejected, CancelRejected, AmendRejected, BatchRejected, CommandRejected)
CODES = {reason.value for reason in RejectReason}
HIGH = 1_000
"""Where Bob's orders rest or wait, and where the reference price is: its band is 10 %."""


class Mend(NamedTuple):
    """What makes the command keep the rule that it broke last."""

    changes: dict[str, Any]
    """Fields of the command; those of its options under ``options``."""
    before: tuple[c.Command, ...] = ()


Ladder = list[tuple[str, Mend]]
"""(code, what mends it)"""


def to(*before: c.Command, **changes: Any) -> Mend:
    return Mend(changes, before)


def table(heading: str, name: str = "") -> list[str]:
    """The codes of the first table under a heading, or of one command in any of its tables, in
    their order."""
    section = RULES.split(f"{heading}\n", 1)[1].split("\n## ")[0]
    if not name:
        section = section[section.index("\n|") :].split("\n\n")[0]
    codes: list[str] = []
    command = ""
    for row in re.findall(r"^\|(.*)\|$", section, re.MULTILINE):
        cells = [cell.strip() for cell in row.split("|")]
        command = cells[0] or command
        if not name or f"`{name}`" in command:
            codes += [code for code in re.findall(r"`(\w+)`", cells[-1]) if code in CODES]
    assert codes, f"no table of {name} under {heading}"
    return codes


def climb(venue: Venue, command: Any, ladder: Ladder) -> list[str]:
    """The codes that the command meets on its way up; in the end it is carried out."""
    met = []
    for code, mend in ladder:
        met.append(code_of(venue, command))
        assert met[-1] == code, f"{code} was expected, {met[-1]} is the reason: {command}"
        for other in mend.before:
            venue.time_ns += 2 * 10**9  # another second, for accounts with a rate limit
            assert code_of(venue, other) == "", other
        options = mend.changes.get("options")
        if options is not None:
            now = command.options or OrderOptions()
            command = replace(command, options=replace(now, **options))
        rest = {name: value for name, value in mend.changes.items() if name != "options"}
        command = replace(command, **rest)
    assert code_of(venue, command) == "", command
    return met


def code_of(venue: Venue, command: c.Command) -> str:
    refused: list[Event] = [event for event in venue.do(command) if isinstance(event, REFUSALS)]
    return refused[0].reason.value if refused else ""  # type: ignore[union-attr]


def in_order(met: list[str], codes: list[str]) -> bool:
    """Whether they come in the table in this order, others perhaps between them."""
    rest: Iterator[str] = iter(codes)
    return all(code in rest for code in met)


def high_venue() -> Venue:
    """The last trade was at ``HIGH``, which is the reference price; Carol asks 1 lot there."""
    venue = Venue()
    trade_at(venue, HIGH)
    venue.do(limit(CAROL, SELL, HIGH, 1))
    venue.do(c.SetReferencePrice(SYMBOL, HIGH))
    return venue
