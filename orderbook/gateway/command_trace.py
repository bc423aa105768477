"""Which commands a request has sent to the engine: for its log lines.

A door starts a trace where a request begins; the gateway notes every command id there, also from
the tasks and threads that the request starts. Only noting is on the way of an order, so it costs
next to nothing; ids become text when a line is written.
"""

from contextvars import ContextVar

MAX_SHOWN = 20
MAX_NOTED = 10_000
"""Ids after which no more are noted."""

_trace: ContextVar[list[bytes] | None] = ContextVar("rialto_command_trace", default=None)


def start_trace() -> None:
    """From here on, what this context sends is noted; what was noted before is left behind."""
    _trace.set([])


def note_command(command_id: bytes) -> None:
    """Does nothing where no trace was started."""
    note_commands([command_id])


def note_commands(command_ids: list[bytes]) -> None:
    """As ``note_command``, for all that are sent at once."""
    trace = _trace.get()
    if trace is not None and len(trace) < MAX_NOTED:
        trace.extend(command_ids)


def traced_command_ids() -> str:
    """In hexadecimal, in the order of sending, with a space between; empty if there are none."""
    return shown_ids(_trace.get() or [])


def shown_ids(command_ids: list[bytes]) -> str:
    shown = " ".join(command_id.hex() for command_id in command_ids[:MAX_SHOWN])
    more = len(command_ids) - MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
