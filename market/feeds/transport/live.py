"""Frames of a live source: made as records come, kept for a while for those that reconnect."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from secrets import token_hex
from typing import Final

import numpy as np

from market.feeds.dbn.records import RECORD_SIZE, Records
from market.feeds.errors import FeedError
from market.feeds.transport.errors import UnknownResume
from market.feeds.transport.frames import FIRST_SEQUENCE, MAX_PAYLOAD_BYTES, Kind
from market.feeds.transport.sources import Source
from market.feeds.transport.timeline import HEARTBEAT_NS, Planned

DEFAULT_KEPT_BYTES: Final = 64 << 20
_WAITING_ARRAYS: Final = 1_024


class LiveTimeline:
    """A thread reads the source; everything else happens in the thread that asks for frames.

    The past is kept up to ``kept_bytes`` of records; what was not published yet, in any case (the
    source waits when much has not been taken). A frame is due when its records came.
    """

    is_live = True
    is_timed = True

    def __init__(self, source: Source, kept_bytes: int = DEFAULT_KEPT_BYTES) -> None:
        self._source = source
        self._kept_bytes = kept_bytes
        self.stream_id = token_hex(12)
        self.zero_ns = time.monotonic_ns()
        self._arrived: deque[tuple[int, bytes]] = deque()
        self._room = threading.Semaphore(_WAITING_ARRAYS)
        self._ended = False
        self._failure: FeedError | None = None
        self._frames: dict[int, Planned] = {}
        self._frame_bytes = 0
        self._next_sequence = FIRST_SEQUENCE
        self._next_record = 0
        self._last_due_ns = 0
        self._is_complete = False
        self.wake_fd, self._wake = os.pipe()
        """Readable when something came."""
        os.set_blocking(self.wake_fd, False)
        os.set_blocking(self._wake, False)
        self._thread = threading.Thread(target=self._read, name="feed-source", daemon=True)
        self._thread.start()

    @property
    def first_sequence(self) -> int:
        return next(iter(self._frames), self._next_sequence)

    @property
    def next_sequence(self) -> int:
        """Of the next frame that will be made."""
        self._collect()
        return self._next_sequence

    def frames_from(self, sequence: int) -> Iterator[Planned | None]:
        self._collect()
        self._check(sequence)
        return self._from(sequence)

    def published(self, sequence: int) -> None:
        """Everybody who is not behind has got this frame: what is too much goes, up to it."""
        while self._frame_bytes > self._kept_bytes and self.first_sequence <= sequence:
            gone = self._frames.pop(self.first_sequence)
            self._frame_bytes -= gone.record_count * RECORD_SIZE + _FRAME_COST

    def close(self, timeout_s: float = 5) -> None:
        self._source.close()
        while self._thread.is_alive() and timeout_s > 0:
            self._room.release()
            self._thread.join(0.05)
            timeout_s -= 0.05
        if not self._thread.is_alive():
            os.close(self.wake_fd)
            os.close(self._wake)

    def _check(self, sequence: int) -> None:
        if self.first_sequence <= sequence <= self._next_sequence:
            return
        raise UnknownResume(
            f"Sequence {sequence} cannot be had: kept are {self.first_sequence} to "
            f"{self._next_sequence - 1}."
        )

    def _from(self, sequence: int) -> Iterator[Planned | None]:
        while True:
            self._collect()
            planned = self._frames.get(sequence)
            if planned is None:
                self._check(sequence)
                if self._is_complete:
                    if self._failure:
                        raise self._failure
                    return
                yield None
                continue
            yield planned
            sequence += 1

    def _read(self) -> None:
        try:
            for records in self._source.batches(0):
                if len(records):
                    self._room.acquire()
                    self._arrived.append((self._now_ns(), _bytes(records)))
                    self._notify()
        except FeedError as error:
            self._failure = error
        except Exception as error:
            self._failure = FeedError(f"The source failed: {error!r}")
            raise
        finally:
            self._ended = True
            self._notify()

    def _notify(self) -> None:
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:
            return  # It is to be woken already.

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self.zero_ns

    def _collect(self) -> None:
        """Makes frames of what came."""
        has_ended = self._ended
        while self._arrived:
            due_ns, data = self._arrived.popleft()
            self._room.release()
            self._beat(due_ns)
            for begin in range(0, len(data), MAX_PAYLOAD_BYTES):
                piece = memoryview(data)[begin : begin + MAX_PAYLOAD_BYTES]
                self._append(Kind.RECORDS, due_ns, (piece,))
        if self._is_complete:
            return
        self._beat(self._now_ns())
        if has_ended:
            self._is_complete = True
            if not self._failure:
                self._append(Kind.END, self._now_ns(), ())

    def _beat(self, until_ns: int) -> None:
        """Heartbeats for the time in which nothing came."""
        while until_ns - self._last_due_ns >= HEARTBEAT_NS:
            self._append(Kind.HEARTBEAT, self._last_due_ns + HEARTBEAT_NS, ())

    def _append(self, kind: Kind, due_ns: int, payload: tuple[memoryview, ...]) -> None:
        size = sum(map(len, payload))
        count = size // RECORD_SIZE
        sequence = self._next_sequence
        self._frames[sequence] = Planned(kind, sequence, self._next_record, due_ns, payload, count)
        self._next_sequence += 1
        self._next_record += count
        self._last_due_ns = max(self._last_due_ns, due_ns)
        self._frame_bytes += size + _FRAME_COST


_FRAME_COST: Final = 400
"""About what a kept frame takes besides its records."""


def _bytes(records: Records) -> bytes:
    return np.ascontiguousarray(records).tobytes()
