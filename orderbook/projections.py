"""The contract between the journal and the tables that are derived from it.

An app writes a ``Projection`` and registers it in its ``AppConfig.ready``; the projector feeds it
every event in order and knows no projection by name.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from orderbook.core.events import Event


class Recorded(NamedTuple):
    """An event with its place in the journal."""

    sequence: int
    """Of the command; all events of one command share it."""
    index: int  # type: ignore[assignment]
    """Place among the command's events, from 0."""
    time_ns: int
    event: Event


class Projection(Protocol):
    """Folds events into tables. Runs inside the transaction that also moves its cursor."""

    name: str
    """Primary key of its cursor; never changes."""

    def apply(self, records: Sequence[Recorded]) -> None:
        """Writes what the events say, in bulk: a call may carry 100,000 of them.

        The same records never come twice. Records of one command always come in one call.
        """

    def reset(self) -> None:
        """Empties its tables, so that they can be rebuilt from the first event."""


_registry: dict[str, Projection] = {}


def register(projection: Projection) -> None:
    if projection.name in _registry:
        raise ValueError(f"projection {projection.name!r} is registered twice")
    _registry[projection.name] = projection


def registered() -> tuple[Projection, ...]:
    return tuple(_registry.values())
