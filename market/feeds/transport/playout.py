"""Where a stream is, and when its next frame is due."""

import time
from collections.abc import Iterator

from market.feeds.transport.frames import FIRST_SEQUENCE, Kind, encode_header
from market.feeds.transport.live import LiveTimeline
from market.feeds.transport.peers import Packet
from market.feeds.transport.timeline import FileTimeline, Planned


class Playout:
    """Goes along a timeline by the clock. The grid of times is fixed when the first frame is
    there, and never moves: who is late catches up."""

    def __init__(self, timeline: FileTimeline | LiveTimeline) -> None:
        self.timeline = timeline
        self.next_sequence = FIRST_SEQUENCE
        """Of the next frame that goes to all."""
        self.record_count = 0
        """Of the stream before that frame."""
        self.lap_count = 0
        self.max_behind_ns = self.behind_ns = 0
        self.upcoming: Planned | None = None
        self._lap_sequence = FIRST_SEQUENCE
        self._frames: Iterator[Planned | None] | None = None
        self._zero_ns: int | None = None
        """When the stream began or would have begun, by the monotonic clock."""
        self._wall_offset_ns = time.time_ns() - time.monotonic_ns()

    @property
    def is_begun(self) -> bool:
        return self._frames is not None

    @property
    def has_clock(self) -> bool:
        """Whether the first frame is there: until then it is being looked for."""
        return self._zero_ns is not None

    @property
    def beginning(self) -> int:
        """Of the stream or its current lap if that can still be had, else now."""
        kept = self.timeline.first_sequence
        return self._lap_sequence if kept <= self._lap_sequence else self.next_sequence

    @property
    def due_ns(self) -> int:
        """Of the upcoming frame, by the monotonic clock; 0 where there is none or no schedule."""
        if self.upcoming is None or self._zero_ns is None or not self.timeline.is_timed:
            return 0
        return self._zero_ns + self.upcoming.due_ns

    def begin(self, sequence: int) -> None:
        """Raises UnknownResume."""
        self._frames = self.timeline.frames_from(sequence)
        self.upcoming = self._zero_ns = None
        self.next_sequence = sequence

    def halt(self) -> None:
        self._frames = None

    def fetch(self) -> bool:
        """Looks for the upcoming frame; True when it is the first one, so that there is a clock
        now. Raises what the timeline raises; there is nothing more to come then."""
        if self.upcoming is not None or self._frames is None:
            return False
        try:
            self.upcoming = next(self._frames, None)
        except BaseException:
            self._frames = None
            raise
        if self.upcoming is None or self._zero_ns is not None:
            return False
        now_ns = time.monotonic_ns()
        self._wall_offset_ns = time.time_ns() - now_ns
        self._zero_ns = now_ns - self.upcoming.due_ns
        if isinstance(self.timeline, LiveTimeline):
            self._zero_ns = self.timeline.zero_ns
        else:
            self._lap_sequence = self.timeline.lap_begin(self.upcoming.sequence)
        self.record_count = self.upcoming.first_record
        return True

    def take(self, now_ns: int) -> Planned:
        """The upcoming frame, which goes out now."""
        planned = self.upcoming
        assert planned is not None
        if self.timeline.is_timed:
            self.behind_ns = now_ns - self.due_ns
            self.max_behind_ns = max(self.max_behind_ns, self.behind_ns)
        self.upcoming = None
        self.next_sequence = planned.sequence + 1
        self.record_count = planned.first_record + planned.record_count
        if isinstance(self.timeline, LiveTimeline):
            self.timeline.published(planned.sequence)
        if planned.kind is Kind.RESTART:
            self._lap_sequence = planned.sequence
            self.lap_count += 1
        if planned.kind is Kind.END:
            self._frames = None
        return planned

    def packet(self, planned: Planned, now_ns: int) -> Packet:
        """The frame with its scheduled time, which a repetition does not change."""
        due_ns = now_ns
        if self.timeline.is_timed:
            due_ns = (self._zero_ns or 0) + planned.due_ns
        payload = planned.payload
        header = encode_header(
            planned.kind,
            planned.sequence,
            planned.first_record,
            due_ns + self._wall_offset_ns,
            payload,
        )
        return Packet((header, *payload), len(header) + sum(map(len, payload)), now_ns)
