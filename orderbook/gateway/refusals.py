"""What in an answer of the engine says that it refused the command, and the error for it."""

from typing import Final

from orderbook.core.events import (
    AmendRejected,
    BatchRejected,
    CancelRejected,
    CommandRejected,
    Event,
    OrderRejected,
)
from orderbook.core.rejects import RejectReason
from orderbook.errors import CommandRefused
from orderbook.gateway.protocol import Answer

_REFUSALS: Final = (OrderRejected, CancelRejected, AmendRejected, BatchRejected, CommandRejected)


def reason_of(event: Event) -> RejectReason | None:
    """Why the command was refused as a whole, where this is the first of its events."""
    return event.reason if isinstance(event, _REFUSALS) else None


def raise_if_refused(answer: Answer) -> Answer:
    """The answer again, or CommandRefused where the engine refused the command by its rules."""
    reason = reason_of(answer.events[0]) if answer.events else None
    if reason is not None:
        raise CommandRefused(reason)
    return answer
