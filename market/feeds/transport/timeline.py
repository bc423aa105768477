"""Every frame of a stream in order, from any sequence on: what the server sends."""

from bisect import bisect_right
from collections.abc import Generator, Iterator
from hashlib import blake2b
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

import numpy as np

from market.feeds.dbn.files import DbnFile
from market.feeds.dbn.records import RECORD_SIZE, Records
from market.feeds.errors import FeedError
from market.feeds.transport.errors import UnknownResume
from market.feeds.transport.frames import FIRST_SEQUENCE, Kind
from market.feeds.transport.pacing import NS_PER_S, Pace, Pacer, PaceState
from market.feeds.transport.sources import FileSource

HEARTBEAT_NS: Final = NS_PER_S
_BATCH_RECORDS: Final = 8_192
"""Looking through so many takes less than a millisecond."""
_SKIPPED_FRAMES: Final = 512
_CHECKPOINT_FRAMES: Final = 64
_MAX_CHECKPOINTS: Final = 4_096
_MIN_LAP_NS: Final = 10**6
_MAX_LOOPED_NS: Final = 100 * 366 * 86_400 * NS_PER_S
_MAX_LOOPED_FRAMES: Final = 2**48
"""A loop has no end, but what cannot have been sent is not looked for: its times and numbers would
not fit into a frame."""


class Planned(NamedTuple):
    """A frame before it is sent."""

    kind: Kind
    sequence: int
    first_record: int
    due_ns: int
    """Since the stream's beginning."""
    payload: tuple[memoryview, ...]
    record_count: int


class Timeline(Protocol):
    @property
    def stream_id(self) -> str:
        """Sequences of two streams of one id mean the same frames."""

    @property
    def is_live(self) -> bool: ...

    @property
    def is_timed(self) -> bool:
        """Whether frames wait until they are due."""

    @property
    def first_sequence(self) -> int:
        """The first that can still be had."""

    def frames_from(self, sequence: int) -> Iterator[Planned | None]:
        """Frames without end or up to END. None means: not yet, ask again. Raises UnknownResume
        where that frame cannot be had, and what the source raises, after what came before it."""


class Position(NamedTuple):
    """Before a frame, within the first lap: enough to make the frames from there on."""

    sequence: int = FIRST_SEQUENCE
    record: int = 0
    due_ns: int = 0
    """Of the last frame."""
    file: int = 0
    begin_ns: int = 0
    """Of the file's stretch."""
    pace: PaceState = PaceState()


class Lap(NamedTuple):
    """What one pass over all files adds."""

    frames: int
    records: int
    duration_ns: int


class FileTimeline:
    """Files one after the other, over and over with ``loop``.

    Frames are made when they are asked for, from views of the files. Kept are positions, at most
    4,096 of them, so that memory grows with nothing.
    """

    is_live = False
    first_sequence = FIRST_SEQUENCE

    def __init__(self, source: FileSource, pace: Pace, *, loop: bool = False) -> None:
        self._files = source.files
        self._pace = pace
        self._loop = loop
        self._lap: Lap | None = None
        self._checkpoints = [Position()]
        self._checkpoint_frames = _CHECKPOINT_FRAMES
        identity = f"{pace.name} loop {loop} ".encode() + source.fingerprint()
        self.stream_id = blake2b(identity, digest_size=12).hexdigest()
        self.is_timed = pace.is_timed

    def frames_from(self, sequence: int) -> Iterator[Planned | None]:
        if sequence < FIRST_SEQUENCE:
            raise UnknownResume(f"Sequences begin with {FIRST_SEQUENCE}, not {sequence}.")
        return self._seek(sequence)

    def _seek(self, sequence: int) -> Iterator[Planned | None]:
        lap_was_known = self._lap is not None
        self._require_reachable(sequence)
        last = skipped = 0
        for planned in self._frames(*self._nearest(sequence)):
            if planned is None or planned.sequence >= sequence:
                last = planned.sequence if planned else last
                yield planned
                continue
            last = planned.sequence
            skipped += 1
            if skipped % _SKIPPED_FRAMES == 0:
                yield None
            if planned.kind is Kind.RESTART and not lap_was_known:
                # The length of a lap is known now: the rest of the way need not be walked.
                yield from self._seek(sequence)
                return
        if last < sequence:
            raise UnknownResume(f"The stream ends with sequence {last}, before {sequence}.")

    def lap_begin(self, sequence: int) -> int:
        """Of the lap that this frame is in: the RESTART before it, or the stream's first frame.
        Known once the frame was found."""
        lap = (sequence - FIRST_SEQUENCE) // self._lap.frames if self._lap else 0
        return lap * self._lap.frames if self._lap and lap else FIRST_SEQUENCE

    def _require_reachable(self, sequence: int) -> None:
        """Raises UnknownResume."""
        passed_ns = 0
        if self._lap:
            passed_ns = (sequence - FIRST_SEQUENCE) // self._lap.frames * self._lap.duration_ns
        if sequence > _MAX_LOOPED_FRAMES or passed_ns > _MAX_LOOPED_NS:
            raise UnknownResume(f"The stream cannot have come to sequence {sequence}.")

    def _nearest(self, sequence: int) -> tuple[Position, int]:
        """The last known position at or before the frame, and the lap that it is in."""
        lap = 0
        if self._lap:
            lap, behind = divmod(sequence - FIRST_SEQUENCE, self._lap.frames)
            sequence = FIRST_SEQUENCE + behind
        index = bisect_right(self._checkpoints, sequence, key=attrgetter("sequence"))
        return self._checkpoints[index - 1], lap

    def _frames(self, begin: Position, lap: int) -> Iterator[Planned | None]:
        size = self._lap or Lap(0, 0, 0)
        cursor = _Cursor(
            begin.sequence + lap * size.frames,
            begin.record + lap * size.records,
            begin.due_ns + lap * size.duration_ns,
        )
        lap_begin_ns = lap * size.duration_ns
        begin_ns = begin.begin_ns + lap_begin_ns
        while True:
            lap_record = cursor.record
            for index in range(begin.file, len(self._files)):
                state = begin.pace if index == begin.file else PaceState()
                begin_ns = yield from self._stretch(cursor, index, begin_ns, state, lap)
            if not self._loop:
                yield from cursor.frames(Kind.END, begin_ns)
                return
            if cursor.record == lap_record and begin.sequence == FIRST_SEQUENCE:
                raise FeedError("There is nothing to repeat: the files hold no records.")
            begin_ns = max(begin_ns, lap_begin_ns + _MIN_LAP_NS)
            restart = list(cursor.frames(Kind.RESTART, begin_ns))
            if lap == 0:
                self._lap = Lap(cursor.sequence - FIRST_SEQUENCE, cursor.record, begin_ns)
            yield from restart
            begin, lap, lap_begin_ns = Position(), lap + 1, begin_ns

    def _stretch(
        self, cursor: "_Cursor", index: int, begin_ns: int, state: PaceState, lap: int
    ) -> Generator[Planned | None, None, int]:
        """One file from a frame's beginning on. Returns when the next one begins."""
        pacer = self._pace.pacer(state)
        failure: FeedError | None = None
        held: list[memoryview] = []
        held_due_ns = 0
        try:
            for batch in _batches(self._files[index], state.record):
                if batch is None:
                    yield None
                    continue
                data, at = batch.view(np.uint8).data, 0
                for number, (begin, due_ns) in enumerate(zip(*pacer.cut(batch), strict=True)):
                    if begin:
                        held.append(data[at : begin * RECORD_SIZE])
                    if held:
                        yield from cursor.frames(Kind.RECORDS, held_due_ns, tuple(held))
                        held.clear()
                    if lap == 0:
                        self._note(cursor, index, begin_ns, pacer, number)
                    at, held_due_ns = begin * RECORD_SIZE, begin_ns + due_ns
                held.append(data[at:])
        except FeedError as error:
            failure = error
        if held:
            yield from cursor.frames(Kind.RECORDS, held_due_ns, tuple(held))
        if failure:
            raise failure
        return begin_ns + pacer.end_ns()

    def _note(
        self, cursor: "_Cursor", index: int, begin_ns: int, pacer: Pacer, number: int
    ) -> None:
        """Keeps every so many positions; when they are many, only every second one."""
        known = self._checkpoints
        if cursor.sequence < known[-1].sequence + self._checkpoint_frames:
            return
        known.append(
            Position(
                cursor.sequence,
                cursor.record,
                cursor.due_ns,
                index,
                begin_ns,
                pacer.state_at(number),
            )
        )
        if len(known) > _MAX_CHECKPOINTS:
            self._checkpoints = known[::2]
            self._checkpoint_frames *= 2


class _Cursor:
    """Numbers the frames."""

    def __init__(self, sequence: int, record: int, due_ns: int) -> None:
        self.sequence = sequence
        self.record = record
        self.due_ns = due_ns

    def frames(
        self, kind: Kind, due_ns: int, payload: tuple[memoryview, ...] = ()
    ) -> Iterator[Planned]:
        """One frame, and before it the heartbeats for the time in which nothing is due."""
        while due_ns - self.due_ns > HEARTBEAT_NS:
            self.due_ns += HEARTBEAT_NS
            yield self._next(Kind.HEARTBEAT, ())
        self.due_ns = due_ns
        yield self._next(kind, payload)

    def _next(self, kind: Kind, payload: tuple[memoryview, ...]) -> Planned:
        count = sum(map(len, payload)) // RECORD_SIZE
        planned = Planned(kind, self.sequence, self.record, self.due_ns, payload, count)
        self.sequence += 1
        self.record += count
        return planned


def _batches(file: DbnFile, start: int) -> Iterator[Records | None]:
    """From record ``start`` on. A file in which that cannot be found at once gives a None for each
    piece that was looked through."""
    if file.record_count is not None:
        yield from file.batches(_BATCH_RECORDS, start)
        return
    number = 0
    for batch in file.batches(_BATCH_RECORDS):
        begin = start - number
        number += len(batch)
        if begin < len(batch):
            yield batch[max(0, begin) :]
        else:
            yield None
