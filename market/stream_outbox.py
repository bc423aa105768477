"""What one socket of /ws/stream has yet to be sent, within limits.

Every channel of the socket has a slot with a short queue. A client that does not keep up loses the
queue of a slot and gets a fresh snapshot of that channel when it reads again: memory stays bounded
and the numbers in what it gets stay contiguous.
"""

import asyncio
import logging
from collections import deque

from market.stream_channels import Channel
from orderbook.errors import VenueError

logger = logging.getLogger(__name__)

MAX_PENDING_FRAMES = 64
"""Frames that wait in one slot; one more drops them all for a snapshot."""
MAX_PENDING_REPLIES = 64
"""Answers to the client's own messages that may wait; it should read them before asking more."""
SNAPSHOT_RETRY_S = 1.0


class TooManyReplies(Exception):
    """The client sends messages and does not read the answers."""


class Slot:
    """A socket's place in one channel."""

    def __init__(self, channel: Channel, outbox: "Outbox") -> None:
        self.channel = channel
        self._outbox = outbox
        self._frames: deque[str] = deque()
        self._stale = True
        self._closed = False
        self._told: str | None = None

    def open(self) -> None:
        self.channel.attach(self)
        self._outbox.wake(self)

    def close(self) -> None:
        self._closed = True
        self._frames.clear()
        self.channel.detach(self)

    def offer(self, frame: str) -> None:
        if self._stale or self._closed:
            return
        if len(self._frames) >= MAX_PENDING_FRAMES:
            self.refresh()
            return
        self._frames.append(frame)
        self._outbox.wake(self)

    def refresh(self) -> None:
        self._frames.clear()
        self._stale = True
        self._outbox.wake(self)

    def tell(self, frame: str) -> None:
        if self._stale and not self._closed:
            self._told = frame
            self._outbox.wake(self)

    async def take(self) -> str | None:
        """The next frame to send; None where there is none now."""
        if self._closed:
            return None
        if not self._stale:
            return self._frames.popleft() if self._frames else None
        told, self._told = self._told, None
        if not self.channel.ready:
            return told
        try:
            self.channel.settle()
            self._stale = False
            return await self.channel.snapshot()
        except Exception as error:
            known = isinstance(error, VenueError)
            logger.log(
                logging.INFO if known else logging.ERROR,
                "no snapshot of %s now: %r",
                self.channel.name,
                error,
                exc_info=not known,
            )
            self._frames.clear()
            self._stale = True
            asyncio.get_running_loop().call_later(SNAPSHOT_RETRY_S, self._outbox.wake, self)
            return None

    @property
    def waiting(self) -> bool:
        return bool(self._frames)


class Outbox:
    """Replies go first, then one frame of each slot in turn."""

    def __init__(self) -> None:
        self._replies: deque[str] = deque()
        self._slots: dict[Slot, None] = {}
        self._filled = asyncio.Event()
        self._finishing = False
        self.close_code = 0

    def finish(self, close_code: int) -> None:
        """Nothing comes after the replies that wait."""
        self.close_code = close_code
        self._finishing = True
        self._filled.set()

    def reply(self, frame: str) -> None:
        if len(self._replies) >= MAX_PENDING_REPLIES:
            raise TooManyReplies
        self._replies.append(frame)
        self._filled.set()

    def wake(self, slot: Slot) -> None:
        self._slots[slot] = None
        self._filled.set()

    async def next_frame(self) -> str | None:
        """Waits for the next frame; None after ``finish``, once the replies are gone."""
        while True:
            if self._replies:
                return self._replies.popleft()
            if self._finishing:
                return None
            while self._slots and not self._replies:
                slot = next(iter(self._slots))
                del self._slots[slot]
                frame = await slot.take()
                if slot.waiting:
                    self._slots[slot] = None
                if frame is not None:
                    return frame
            if not self._replies and not self._slots and not self._finishing:
                self._filled.clear()
                await self._filled.wait()
