"""Everything that can happen in the venue, by kind: what the runs of many seeds must all meet."""

from typing import get_args

from orderbook.core.events import Event, OrderCanceled, PhaseChanged
from orderbook.core.units import CancelReason, PhaseReason

_RARE = {CancelReason.FILL_LIMIT, CancelReason.PHASE}
"""Takes 50,000 trades of one order."""
EVENT_KINDS = tuple(
    name
    for event in get_args(Event)
    for name in {
        OrderCanceled: [f"OrderCanceled {one.value}" for one in CancelReason if one not in _RARE],
        PhaseChanged: [f"PhaseChanged {one.value}" for one in PhaseReason],
    }.get(event, [event.__name__])
)
"""Everything that can happen in a run, as ``kind_of`` names it."""


def kind_of(event: Event) -> str:
    """By what it says that happened, and why where that tells kinds apart."""
    name = type(event).__name__
    if isinstance(event, OrderCanceled | PhaseChanged):
        return f"{name} {event.reason.value}"
    return name
