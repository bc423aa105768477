"""The sender: one thread, any number of receivers, frames at their scheduled times.

Frames are made once and sent to every receiver from the same memory. A receiver that does not take
its frames has a backlog of references, bounded by bytes and by seconds; beyond either it is
disconnected (and may come back and resume). Nobody waits for it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from market.feeds.errors import FeedError
from market.feeds.transport.door import Door
from market.feeds.transport.errors import UnknownResume
from market.feeds.transport.frames import FIRST_SEQUENCE, Kind, encode_message
from market.feeds.transport.live import LiveTimeline
from market.feeds.transport.pacing import NS_PER_S
from market.feeds.transport.peers import Packet, Peer, Stage
from market.feeds.transport.playout import Playout
from market.feeds.transport.timeline import FileTimeline

_TURN_BYTES: Final = 1 << 20
"""At most so much is made before what was made is sent."""
_REPLAY_TURN_BYTES: Final = 512 << 10
_REPLAY_BACKLOG_BYTES: Final = 1 << 20
_UNPACED_BACKLOG_BYTES: Final = 2 << 20
_STALLED_NS: Final = NS_PER_S // 4
"""Without a schedule, a receiver that takes nothing for so long is not waited for any more."""
_STOPPING_NS: Final = NS_PER_S
MAX_PEERS: Final = 1_000


@dataclass(frozen=True)
class Limits:
    backlog_bytes: int = 128 << 20
    backlog_s: float = 10
    greeting_s: float = 5
    linger_s: float = 2
    """After the end: for receivers that lost their connection before they had all."""
    peers: int = MAX_PEERS


class Progress(NamedTuple):
    sequence: int
    """Of the last frame that was sent to all."""
    record_count: int
    """Of the stream up to it, every lap counted."""
    lap_count: int
    """Times the source has begun again."""
    peer_count: int
    dropped_count: int
    """Receivers that were disconnected because they did not keep up."""
    behind_ns: int
    """How late the last frame went out."""
    max_behind_ns: int


class FrameServer:
    """``run`` blocks until the stream has ended and everybody has it, or ``stop`` was called.

    A stream of files begins when ``wait_peers`` receivers are there; a live one at once.
    """

    def __init__(
        self,
        timeline: FileTimeline | LiveTimeline,
        hello: dict[str, object],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        wait_peers: int = 0,
        limits: Limits | None = None,
    ) -> None:
        """``hello`` is what HELLO says besides sequences. Raises OSError where it cannot listen."""
        self._timeline = timeline
        self._playout = Playout(timeline)
        self._hello = hello
        self._wait_peers = wait_peers
        self._limits = limits or Limits()
        self._door = Door(host, port, self._limits.peers)
        self.address = self._door.address
        self._dropped_count = 0
        self._failure: FeedError | None = None
        self._ended_ns: int | None = None
        self._lost_ns = 0
        self._was_resumed = False
        """Somebody went on here, so that others may want to."""
        self._is_stopped = False
        self._heartbeat_ns = 0
        if isinstance(timeline, LiveTimeline):
            self._door.watch(timeline.wake_fd)

    def stop(self) -> None:
        """Ends ``run`` soon; may be called by a signal handler or another thread."""
        self._is_stopped = True

    def progress(self) -> Progress:
        return Progress(
            self._playout.next_sequence - 1,
            self._playout.record_count,
            self._playout.lap_count,
            len(self._door.peers),
            self._dropped_count,
            self._playout.behind_ns,
            self._playout.max_behind_ns,
        )

    def run(self, on_turn: Callable[[], None] | None = None) -> None:
        """``on_turn`` is called about every millisecond or two and has to be quick. Raises the
        source's FeedError after everybody was told."""
        try:
            while not self._is_stopped and not self._is_over():
                self._turn()
                if on_turn:
                    on_turn()
            if self._is_stopped:
                self._say_goodbye()
        finally:
            self._door.close()
        if self._failure:
            raise self._failure

    def _turn(self) -> None:
        now_ns = time.monotonic_ns()
        self._begin_if_ready()
        self._produce(now_ns)
        self._replay(now_ns)
        self._send()
        for peer, fault in self._door.wait(self._idle_until()):
            self._refuse(peer, fault) if fault else self._admit(peer)
        for peer in self._door.take_lost():
            self._lost(peer)
        if now_ns - self._heartbeat_ns > NS_PER_S:
            self._heartbeat_ns = now_ns
            self._look_after(now_ns)

    # What is sent to all.

    def _begin_if_ready(self) -> None:
        if self._playout.is_begun or self._ended_ns is not None:
            return
        waiting = self._waiting()
        if self._timeline.is_live:
            self._playout.begin(self._timeline.first_sequence)
        elif len(waiting) >= self._wait_peers:
            wanted = [peer.request.sequence or FIRST_SEQUENCE for peer in waiting]
            self._playout.begin(min(wanted, default=FIRST_SEQUENCE))

    def _produce(self, now_ns: int) -> None:
        made = 0
        while made < _TURN_BYTES and self._is_due(now_ns):
            made += self._publish(now_ns)

    def _is_due(self, now_ns: int) -> bool:
        try:
            if self._playout.fetch():
                for peer in self._waiting():
                    self._admit(peer)
        except UnknownResume as error:
            self._refuse_waiting(error)
        except FeedError as error:
            self._fail(error)
        if self._playout.upcoming is None:
            return False
        return now_ns >= self._playout.due_ns if self._timeline.is_timed else self._has_room(now_ns)

    def _has_room(self, now_ns: int) -> bool:
        """Without a schedule the slowest receiver sets the pace, if it takes anything at all."""
        live = [peer for peer in self._door.peers if peer.stage is Stage.LIVE]
        full = [peer for peer in live if peer.backlog_bytes > _UNPACED_BACKLOG_BYTES]
        if len(full) == len(live):
            return False
        return all(now_ns - peer.progress_ns > _STALLED_NS for peer in full)

    def _publish(self, now_ns: int) -> int:
        planned = self._playout.take(now_ns)
        packet = self._playout.packet(planned, now_ns)
        is_end = planned.kind is Kind.END
        for peer in self._door.peers:
            if peer.stage is Stage.LIVE:
                peer.queue(packet)
                if is_end:
                    peer.stage, peer.had_end = Stage.CLOSING, True
        if is_end:
            self._ended_ns = now_ns
        for peer in self._waiting():
            if is_end or peer.request.sequence == self._playout.next_sequence:
                self._admit(peer)
        return packet.size

    # Who gets what.

    def _waiting(self) -> list[Peer]:
        """Those that want the least first."""
        waiting = [peer for peer in self._door.peers if peer.stage is Stage.WAITING]
        return sorted(waiting, key=lambda peer: peer.request.sequence)

    def _admit(self, peer: Peer) -> None:
        """Decides where a receiver goes on, now that its request or that frame is there."""
        request = peer.request
        if request.stream_id not in (None, self._timeline.stream_id):
            self._refuse(
                peer,
                UnknownResume(
                    f"This is stream {self._timeline.stream_id}, not {request.stream_id}."
                ),
            )
            return
        self._was_resumed |= request.stream_id is not None
        if not self._playout.has_clock:
            self._let_wait(peer)
            return
        coming = self._playout.next_sequence
        # Of a stream that has ended, its last frame is what there is now.
        newest = coming if self._ended_ns is None else coming - 1
        wanted = request.sequence
        if not wanted:
            wanted = newest if request.from_now else self._playout.beginning
        if wanted > newest:
            self._admit_ahead(peer)
        elif wanted == coming:
            self._greet(peer, wanted)
            peer.stage = Stage.LIVE
        else:
            self._admit_behind(peer, wanted)

    def _admit_ahead(self, peer: Peer) -> None:
        """A sender that was started again goes to where its first receiver is. If there are
        others, it has to wait for them."""
        if self._timeline.is_live or self._ended_ns is not None:
            last = self._playout.next_sequence - 1
            self._refuse(peer, self._failure or UnknownResume(f"The stream is at sequence {last}."))
            return
        self._let_wait(peer)
        if not any(other.stage in (Stage.LIVE, Stage.CATCHING_UP) for other in self._door.peers):
            self._playout.begin(min(other.request.sequence for other in self._waiting()))

    def _admit_behind(self, peer: Peer, wanted: int) -> None:
        try:
            peer.replay = self._timeline.frames_from(wanted)
        except UnknownResume as error:
            self._refuse(peer, error)
            return
        self._greet(peer, wanted)
        peer.stage = Stage.CATCHING_UP

    def _let_wait(self, peer: Peer) -> None:
        peer.stage = Stage.WAITING
        self._greet(peer, peer.request.sequence or self._playout.next_sequence)

    def _greet(self, peer: Peer, next_sequence: int) -> None:
        peer.next_sequence = next_sequence
        hello = {
            **self._hello,
            "stream_id": self._timeline.stream_id,
            "first_sequence": self._timeline.first_sequence,
            "next_sequence": next_sequence,
        }
        self._queue_message(peer, Kind.HELLO, hello)

    def _refuse(self, peer: Peer, error: FeedError) -> None:
        self._queue_message(peer, Kind.ERROR, {"code": error.code, "message": error.message})
        peer.replay = None
        peer.had_end = True
        peer.stage = Stage.CLOSING

    def _queue_message(self, peer: Peer, kind: Kind, message: dict[str, object]) -> None:
        frame = encode_message(kind, message, time.time_ns())
        peer.queue(Packet((frame,), len(frame), time.monotonic_ns()))

    def _refuse_waiting(self, error: UnknownResume) -> None:
        """The frame that all of them wait for does not exist: the stream is shorter."""
        for peer in self._waiting():
            if peer.request.sequence:
                self._refuse(peer, error)

    def _replay(self, now_ns: int) -> None:
        """Gives those who are behind the next frames, a little at a time."""
        made = 0
        for peer in self._door.peers:
            while (
                peer.stage is Stage.CATCHING_UP
                and peer.backlog_bytes < _REPLAY_BACKLOG_BYTES
                and made < _REPLAY_TURN_BYTES
            ):
                made += self._replay_one(peer, now_ns)

    def _replay_one(self, peer: Peer, now_ns: int) -> int:
        assert peer.replay is not None
        if peer.next_sequence == self._playout.next_sequence and self._ended_ns is None:
            peer.stage, peer.replay = Stage.LIVE, None
            return 0
        try:
            planned = next(peer.replay)
        except FeedError as error:
            self._refuse(peer, error)
            return 0
        if planned is None:
            return _REPLAY_TURN_BYTES
        packet = self._playout.packet(planned, now_ns)
        peer.queue(packet)
        peer.next_sequence = planned.sequence + 1
        if planned.kind is Kind.END:
            peer.stage, peer.replay, peer.had_end = Stage.CLOSING, None, True
        return packet.size

    # Keeping the connections in order.

    def _send(self) -> None:
        now_ns = time.monotonic_ns()
        for peer in list(self._door.peers):
            if peer.backlog_bytes and not peer.is_blocked:
                self._door.flush(peer, now_ns)
            if peer.backlog_bytes > self._limits.backlog_bytes:
                self._drop(peer)
            elif peer.stage is Stage.CLOSING and not peer.backlog_bytes:
                self._door.remove(peer)

    def _idle_until(self) -> int:
        """When there is something to do again, as far as that is known."""
        now_ns = time.monotonic_ns()
        for peer in self._door.peers:
            if peer.stage is Stage.CATCHING_UP and not peer.is_blocked:
                return now_ns
        if not self._playout.is_begun or self._timeline.is_live:
            return now_ns + NS_PER_S
        if self._timeline.is_timed or self._playout.upcoming is None:
            return self._playout.due_ns
        return now_ns if self._has_room(now_ns) else now_ns + NS_PER_S

    def _look_after(self, now_ns: int) -> None:
        """Once a second: those who wait are told that the stream lives, those who do not take
        their frames or do not say what they want are dropped."""
        greeting_ns = self._limits.greeting_s * NS_PER_S
        for peer in list(self._door.peers):
            oldest_ns = peer.oldest_ns()
            if oldest_ns is not None and now_ns - oldest_ns > self._limits.backlog_s * NS_PER_S:
                self._drop(peer)
            elif peer.stage is Stage.WAITING:
                self._greet(peer, peer.next_sequence)
            elif peer.stage is Stage.GREETING and now_ns - peer.since_ns > greeting_ns:
                self._door.remove(peer)

    def _drop(self, peer: Peer) -> None:
        self._dropped_count += 1
        self._door.remove(peer)
        self._lost(peer)

    def _lost(self, peer: Peer) -> None:
        if peer.stage is not Stage.GREETING and not (peer.had_end and not peer.backlog_bytes):
            self._lost_ns = time.monotonic_ns()

    # The end.

    def _fail(self, error: FeedError) -> None:
        """The source cannot go on: no END, so that nobody takes what there is for the whole."""
        self._failure = error
        self._ended_ns = time.monotonic_ns()
        for peer in self._door.peers:
            if peer.stage in (Stage.LIVE, Stage.WAITING):
                self._refuse(peer, error)

    def _is_over(self) -> bool:
        if self._ended_ns is None or self._door.peers:
            return False
        since_ns = max(self._lost_ns, self._ended_ns if self._was_resumed else 0)
        return time.monotonic_ns() - since_ns > self._limits.linger_s * NS_PER_S

    def _say_goodbye(self) -> None:
        message = f"The sender was stopped after sequence {self._playout.next_sequence - 1}."
        for peer in self._door.peers:
            if peer.stage is not Stage.CLOSING:
                self._refuse(peer, FeedError(message, code="stopped"))
        until_ns = time.monotonic_ns() + _STOPPING_NS
        while self._door.peers and time.monotonic_ns() < until_ns:
            self._send()
            self._door.wait(until_ns)
