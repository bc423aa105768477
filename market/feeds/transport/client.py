"""The receiver: whole, checked frames in order, across lost connections."""

import socket
import struct
import time
from typing import Final, NamedTuple, Self

from market.feeds.errors import BadFrame
from market.feeds.transport.errors import SenderFailed, SequenceGap, StreamLost, UnknownResume
from market.feeds.transport.frames import FIRST_SEQUENCE, FrameReader, Kind, Received
from market.feeds.transport.peers import Request, encode_request

_FIRST_PAUSE_S: Final = 0.05
_MAX_PAUSE_S: Final = 1.0
_CONNECT_S: Final = 5.0
_STEP_S: Final = 1.0


class Hello(NamedTuple):
    """What the sender says of its stream."""

    stream_id: str
    first_sequence: int
    """The oldest frame that can still be had."""
    next_sequence: int
    """The first frame of this connection."""
    rate: int | None
    """Records a second, where it is fixed."""
    dataset: str
    symbols: tuple[tuple[int, int, str], ...]
    """(publisher_id, instrument_id, symbol); publisher 0 stands for every one."""
    loop: bool


class Gap(NamedTuple):
    """Frames are lost for good: what follows does not go on where the last frame ended."""

    last_sequence: int
    """Before the gap."""
    is_new_stream: bool
    """What follows is the beginning of another stream."""
    message: str


class FrameClient:
    """Blocking, for one thread. A connection that breaks is made anew and resumed, for at most
    ``patience_s`` without success; one on which nothing comes for ``idle_s`` counts as broken
    (a sender gives a sign of life every second).

    With ``skip_gaps`` a resume that is impossible gives a Gap, and the stream goes on from the
    oldest frame that the sender still has; without it, UnknownResume is raised.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        from_now: bool = False,
        skip_gaps: bool = False,
        patience_s: float = 30.0,
        idle_s: float = 10.0,
    ) -> None:
        self.address = (host, port)
        self.hello: Hello | None = None
        self.last_sequence = 0
        """Of the last frame that was given; 0 before the first."""
        self.reconnect_count = 0
        self._from_now = from_now
        self._skip_gaps = skip_gaps
        self._patience_s = patience_s
        self._idle_s = idle_s
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._expected: int | None = None
        """Sequence of the next frame, once a HELLO said it."""
        self._next_record: int | None = None
        self._resume: Request | None = None
        self._timeout_s = -1.0
        self._heard_s = self._connected_s = self._lost_s = time.monotonic()
        self._is_fresh = True
        """Whether frames came since the connection was lost last."""
        self._pause_s = _FIRST_PAUSE_S
        self._retry_s = 0.0
        self._fault = "it was not reached"
        self._end: Received | None = None

    @property
    def outage(self) -> str:
        """Why the sender is not connected now; "" while it is, and after its END. Any thread may
        ask."""
        return "" if self._end or self._expected is not None else self._fault

    def connect(self, timeout_s: float | None = None) -> Hello:
        """Waits for the sender and its HELLO, for at most ``timeout_s`` or, without it, a little
        longer than the client's patience. Raises StreamLost."""
        if timeout_s is None:
            timeout_s = self._patience_s + _CONNECT_S
        deadline_s = time.monotonic() + timeout_s
        while self.hello is None:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise self._stream_lost()
            self._advance(remaining_s, hello_only=True)
        return self.hello

    def receive(self, timeout_s: float | None = None) -> Received | Gap | None:
        """The next RECORDS, HEARTBEAT, RESTART or END (again and again once it has come), a Gap
        (see above), or None when ``timeout_s`` has passed. Its records are valid until the next
        call.

        Raises BadFrame, SequenceGap, SenderFailed, StreamLost, UnknownResume; each says how far
        the stream was complete, and the client is of no further use.
        """
        if self._end:
            return self._end
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            remaining_s = _STEP_S
            if deadline_s is not None:
                remaining_s = max(0.0, deadline_s - time.monotonic())
            received = self._advance(remaining_s)
            if received is not None or (deadline_s is not None and remaining_s <= 0):
                return received

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _advance(self, timeout_s: float, *, hello_only: bool = False) -> Received | Gap | None:
        """One step: a frame that is there already, or one attempt to read or to connect."""
        if self._socket is None:
            self._reconnect(timeout_s)
            return None
        while (frame := self._reader.next_frame()) is not None:
            given = self._judge(frame)
            if given is not None:
                return given
            if self._socket is None or (hello_only and self.hello):
                return None
        self._read(timeout_s)
        return None

    def _read(self, timeout_s: float) -> None:
        assert self._socket is not None
        if timeout_s != self._timeout_s:
            # The kernel's own timeout saves a system call for each read. Zero would be for ever.
            timeout_us = max(1, int(min(timeout_s, _STEP_S) * 1_000_000))
            value = struct.pack("@ll", *divmod(timeout_us, 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            self._timeout_s = timeout_s
        try:
            count = self._socket.recv_into(self._reader.space())
        except BlockingIOError:
            if time.monotonic() - self._heard_s > self._idle_s:
                self._lose(f"nothing came for {self._idle_s:g} s")
            return
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if count:
            self._reader.filled(count)
            self._heard_s = time.monotonic()
            return
        rest = self._reader.pending_bytes
        where = f"{rest} bytes into a frame, " if rest else ""
        self._lose(f"the sender closed the connection, {where}at byte {self._reader.offset + rest}")

    def _lose(self, fault: str) -> None:
        """Plans the next attempt. Raises StreamLost when there were attempts for too long."""
        self.close()
        self._fault = fault
        now_s = time.monotonic()
        if self._expected is not None and self.last_sequence and self.hello:
            self._resume = Request(self.hello.stream_id, self._expected)
        self._expected = None
        if self._is_fresh or now_s - self._connected_s > _CONNECT_S + _STEP_S:
            self._is_fresh = False
            self._lost_s = now_s
            self._pause_s = _FIRST_PAUSE_S
        if now_s - self._lost_s >= self._patience_s:
            raise self._stream_lost()
        self._retry_s = now_s + self._pause_s
        self._pause_s = min(_MAX_PAUSE_S, 2 * self._pause_s)

    def _reconnect(self, timeout_s: float) -> None:
        now_s = time.monotonic()
        if now_s < self._retry_s:
            time.sleep(min(timeout_s, self._retry_s - now_s))
            return
        self._connected_s = now_s
        try:
            self._socket = socket.create_connection(self.address, _CONNECT_S)
            self._socket.settimeout(None)
            self._socket.sendall(encode_request(self._resume or Request(from_now=self._from_now)))
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        self._reader = FrameReader()
        self._timeout_s = -1.0
        self._heard_s = self._connected_s = time.monotonic()
        self.reconnect_count += self.hello is not None

    def _stream_lost(self) -> StreamLost:
        where = "{}:{}".format(*self.address)
        return StreamLost(f"No stream from {where}: {self._fault}. {self._completeness()}")

    def _completeness(self) -> str:
        if not self.last_sequence:
            return "No frame came."
        return f"There was no END; the last frame was sequence {self.last_sequence}."

    def _judge(self, frame: Received) -> Received | Gap | None:
        """What is given to the caller; None for what concerns the connection alone."""
        if frame.kind is Kind.HELLO:
            return self._take_hello(frame)
        if frame.kind is Kind.ERROR:
            return self._take_error(frame)
        if self._expected is None:
            raise BadFrame(f"A frame came before HELLO. {self._completeness()}")
        if frame.sequence != self._expected:
            raise SequenceGap(
                f"Sequence {self._expected} was expected, {frame.sequence} came. "
                f"{self._completeness()}"
            )
        if self._next_record not in (None, frame.first_record):
            raise SequenceGap(
                f"Record {self._next_record} was expected in frame {frame.sequence}, "
                f"{frame.first_record} came. {self._completeness()}"
            )
        self._expected += 1
        self._next_record = frame.first_record + len(frame.records)
        self.last_sequence = frame.sequence
        self._resume = None
        self._is_fresh = True
        if frame.kind is Kind.END:
            self._end = frame
            self.close()
        return frame

    def _take_hello(self, frame: Received) -> Gap | None:
        hello = _decode_hello(frame)
        wanted = self._resume
        if wanted and (hello.stream_id, hello.next_sequence) != wanted[:2]:
            return self._cannot_resume(
                f"Sequence {wanted.sequence} of stream {wanted.stream_id} was asked for; the "
                f"sender goes on with {hello.next_sequence} of {hello.stream_id}."
            )
        if self.hello is None or not wanted:
            self._next_record = None
        self.hello = hello
        self._expected = hello.next_sequence
        return None

    def _take_error(self, frame: Received) -> Gap | None:
        code, message = str(frame.message.get("code")), str(frame.message.get("message"))
        if code == UnknownResume.code and self._resume:
            return self._cannot_resume(message)
        if code == "stopped":
            self._lose(message)
            return None
        raise SenderFailed(f"The sender failed: {message} {self._completeness()}", code=code)

    def _cannot_resume(self, message: str) -> Gap:
        if not self._skip_gaps:
            raise UnknownResume(f"{message} {self._completeness()}")
        known = self.hello
        last, self.last_sequence = self.last_sequence, 0
        self._lose(message)
        self._resume = self.hello = None
        self._from_now = False
        fresh = self.connect()
        is_new = known is None or fresh.stream_id != known.stream_id
        return Gap(last, is_new and fresh.next_sequence == FIRST_SEQUENCE, message)


def _decode_hello(frame: Received) -> Hello:
    message = frame.message
    try:
        return Hello(
            str(message["stream_id"]),
            int(message["first_sequence"]),
            int(message["next_sequence"]),
            None if message["rate"] is None else int(message["rate"]),
            str(message["dataset"]),
            tuple((int(p), int(i), str(name)) for p, i, name in message["symbols"]),
            bool(message["loop"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadFrame(f"HELLO does not say what it should: {error!r}") from error
