"""Log lines for commands that the engine did not execute and that are in no journal.

After an outage thousands may be late at once: each batch writes a limited number of lines, the
metrics count all.
"""

import logging
from typing import Any

import msgspec

from orderbook.gateway.command_trace import shown_ids
from orderbook.gateway.protocol import Envelope

logger = logging.getLogger(__name__)

MAX_LINES_A_BATCH = 20
MAX_ID_BYTES = 16

_decode_parts = msgspec.msgpack.Decoder(list[list[Any]]).decode


class DroppedLog:
    def __init__(self) -> None:
        self._lines_left = MAX_LINES_A_BATCH

    def start_batch(self) -> None:
        self._lines_left = MAX_LINES_A_BATCH

    def late(self, envelope: Envelope, now_ns: int) -> None:
        late_ms = (now_ns - envelope.deadline_ns) // 1_000_000
        self._warn("a command came %d ms after its deadline", late_ms, [envelope.command_id])

    def too_far(self, envelope: Envelope, now_ns: int) -> None:
        ahead_ms = (envelope.deadline_ns - now_ns) // 1_000_000
        self._warn(
            "a command's deadline is %d ms ahead: are the clocks set?",
            ahead_ms,
            [envelope.command_id],
        )

    def forgotten(self, envelope: Envelope) -> None:
        text = "a command waited so long under so much load that it may be a copy, deadline %d ns"
        self._warn(text, envelope.deadline_ns, [envelope.command_id])

    def unreadable(self, message: dict[str, Any]) -> None:
        """To be called while the error is handled. A message is dropped as a whole."""
        logger.exception(
            "an unreadable message was dropped",
            extra={"command_id": shown_ids(_readable_ids(message))},
        )

    def _warn(self, text: str, number: int, command_ids: list[bytes]) -> None:
        if self._lines_left > 0:
            self._lines_left -= 1
            logger.warning(text, number, extra={"command_id": shown_ids(command_ids)})


def _readable_ids(message: dict[str, Any]) -> list[bytes]:
    """The ids in a batch of which some part cannot be read; none where it is not even a batch."""
    try:
        envelopes = _decode_parts(message.get("batch", b""))
    except msgspec.MsgspecError:
        return []
    firsts = (envelope[0] for envelope in envelopes if envelope)
    return [first[:MAX_ID_BYTES] for first in firsts if isinstance(first, bytes)]
