"""The queue between a feed and the process that stores it: one writer, one reader, shared memory.

The writer copies each chunk once and makes no system call. What was read stays in the ring until
the reader releases it, which it does when it is stored: a reader that was killed is followed by one
that begins where the stored data ends.

Positions in the ring count bytes since its beginning, all entries together. An entry is a header
and its payload; one that does not fit before the ring's end stands at its beginning, after a
filler. An entry is there before the position that tells of it moves, and carries its own position.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

_CONTROL_SIZE: Final = 4_096
_ALIGNMENT: Final = 64
(
    _WRITTEN, _RELEASED, _STORED, _CLOSING, _READER, _FAILURES, _WARM, _FIRST_RUN, _FIRST_POSITION,
) = range(0, 144, 16)  # fmt: skip
"""Places of 8-byte words, each in a cache line of its own."""
_HEADER: Final = np.dtype(
    [
        ("at", "<u8"),
        ("position", "<u8"),
        ("offered_ns", "<u8"),
        ("start_ns", "<u8"),
        ("end_ns", "<u8"),
        ("count", "<u8"),
        ("size", "<u4"),
        ("run", "<u4"),
        ("kind", "<u4"),
        ("detail", "<u4"),
    ]
)
assert _HEADER.itemsize == _ALIGNMENT


class RingDamaged(Exception):
    """An entry is not where it should be."""


class Kind(IntEnum):
    FILLER = 0
    RECORDS = 1
    GAP = 2
    """No payload; ``record_count`` are missing, for the reason in ``detail``."""
    IMAGES = 3
    """Books as they are at ``position``."""


class Entry(NamedTuple):
    kind: int
    position: int
    """Of its first record, counted from the first that was ever offered here."""
    run: int
    """Counted from 0."""
    record_count: int
    """For RECORDS and GAP."""
    payload: memoryview
    """Valid until it is released."""
    offered_ns: int
    """Monotonic clock, which all processes of the machine share."""
    start_ns: int = 0
    end_ns: int = 0
    detail: int = 0
    after: int = 0
    """Where the next entry stands."""


class Ring:
    """Both ends. ``create`` makes one; the other process opens the same descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.capacity = os.fstat(descriptor).st_size - _CONTROL_SIZE
        self._map = mmap.mmap(descriptor, 0)
        self._words = memoryview(self._map)[:_CONTROL_SIZE].cast("Q")
        self._bytes = np.frombuffer(self._map, np.uint8, self.capacity, _CONTROL_SIZE)
        self._data = memoryview(self._map)[_CONTROL_SIZE:]
        self._headers = self._bytes.view(_HEADER)

    @classmethod
    def create(cls, capacity: int) -> "Ring":
        """``capacity`` in bytes, rounded up to whole entries; memory is taken as it is used."""
        size = -(-capacity // _ALIGNMENT) * _ALIGNMENT + _CONTROL_SIZE
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("feed-store")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, size)
        return cls(descriptor)

    def occupy(self) -> None:
        """Takes all of its memory now, so that no ``put`` waits for the system to give a page."""
        self._bytes[:: mmap.PAGESIZE] = 0

    def close(self) -> None:
        """Closes the descriptor; the memory goes when the last view of it does."""
        os.close(self.descriptor)

    # -- the state, as both ends see it -------------------------------------------------------

    @property
    def written(self) -> int:
        return self._words[_WRITTEN]

    @property
    def released(self) -> int:
        return self._words[_RELEASED]

    @property
    def queued_bytes(self) -> int:
        return self.written - self.released

    @property
    def stored_position(self) -> int:
        """Everything before it is stored. 0 until something was."""
        return self._words[_STORED]

    @property
    def is_closing(self) -> bool:
        """Whether nothing is written any more."""
        return bool(self._words[_CLOSING])

    def finish(self) -> None:
        self._words[_CLOSING] = 1

    @property
    def reader(self) -> int:
        """Process id of the reader that is ready; 0: none is."""
        return self._words[_READER]

    @reader.setter
    def reader(self, pid: int) -> None:
        self._words[_READER] = pid

    @property
    def warm(self) -> int:
        """Process id of the reader that has its libraries, and may wait to be told its feed."""
        return self._words[_WARM]

    @warm.setter
    def warm(self, pid: int) -> None:
        self._words[_WARM] = pid

    @property
    def origin(self) -> tuple[int, int] | None:
        """The feed's run and position that the entries' runs and positions count from; None until
        a reader said so. A reader that follows it goes on from there."""
        run = self._words[_FIRST_RUN]
        return (run, self._words[_FIRST_POSITION]) if run else None

    @origin.setter
    def origin(self, places: tuple[int, int]) -> None:
        self._words[_FIRST_POSITION] = places[1]
        self._words[_FIRST_RUN] = places[0]

    @property
    def failures(self) -> int:
        """How often in a row the reader could not store what it has; 0 when it did."""
        return self._words[_FAILURES]

    @failures.setter
    def failures(self, count: int) -> None:
        self._words[_FAILURES] = count

    # -- writing ------------------------------------------------------------------------------

    def put(
        self, entry: Entry, payload: "np.ndarray[tuple[int], np.dtype[np.uint8]] | None"
    ) -> bool:
        """Adds an entry, whose ``payload`` and ``after`` are ignored; False: there is no room."""
        size = 0 if payload is None else len(payload)
        whole = _whole(size)
        at = self.written
        place = at % self.capacity
        skipped = self.capacity - place if place + whole > self.capacity else 0
        if at + skipped + whole - self.released > self.capacity:
            return False
        if skipped:
            self._head(place, at, Entry(Kind.FILLER, 0, 0, 0, self._data[:0], 0), skipped)
            at, place = at + skipped, 0
        if payload is not None:
            start = place + _ALIGNMENT
            self._bytes[start : start + size] = payload
        self._head(place, at, entry, size)
        self._words[_WRITTEN] = at + whole
        return True

    def _head(self, place: int, at: int, entry: Entry, size: int) -> None:
        self._headers[place // _ALIGNMENT] = (
            at,
            entry.position,
            entry.offered_ns,
            entry.start_ns,
            entry.end_ns,
            entry.record_count,
            size,
            entry.run,
            entry.kind,
            entry.detail,
        )

    def oldest_offered_ns(self) -> int | None:
        """When the oldest entry that is not released was offered; None: there is none. Books are
        passed over: they wait for the next records, without being late."""
        with suppress(RingDamaged):  # It was stored and overwritten while we looked.
            for entry in self.entries(self.released):
                if entry.kind != Kind.IMAGES:
                    return entry.offered_ns
        return None

    # -- reading ------------------------------------------------------------------------------

    def entries(self, at: int) -> Iterator[Entry]:
        """What was written from ``at`` on; ends at the ring's newest entry."""
        while at < self.written:
            place = at % self.capacity
            (found, position, offered_ns, start_ns, end_ns, count, size, run, kind, detail) = (
                self._headers[place // _ALIGNMENT].item()
            )
            if found != at:
                raise RingDamaged(f"the entry at {at} says that it stands at {found}")
            if kind == Kind.FILLER:
                at += size
                continue
            start = place + _ALIGNMENT
            at += _whole(size)
            payload = self._data[start : start + size]
            yield Entry(
                kind, position, run, count, payload, offered_ns, start_ns, end_ns, detail, at
            )

    def release(self, at: int, stored_position: int) -> None:
        """Everything before ``at`` may be overwritten."""
        self._words[_STORED] = stored_position
        self._words[_RELEASED] = at


def _whole(size: int) -> int:
    return _ALIGNMENT + -(-size // _ALIGNMENT) * _ALIGNMENT
