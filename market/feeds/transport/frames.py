"""Frames: what goes over the wire, and the reader that trusts nothing of it.

A frame is a header of 40 bytes and a payload. Little-endian: magic ``RMBO``, version u8, kind u8,
flags u16 (0), sequence u64, first_record u64, send_ns u64, payload_bytes u32, crc32 u32 over the
header with crc 0 and the payload. Every frame but HELLO and ERROR has a sequence of its own,
contiguous from 1 on, so that a lost one is always seen. Payloads are padded to a multiple of eight
bytes (records are anyway), so that records lie aligned in the reader's buffer.
"""

import json
from collections.abc import Mapping
from enum import IntEnum
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np

from market.feeds.dbn.records import MBO_DTYPE, RECORD_SIZE, Records
from market.feeds.errors import BadFrame

MAGIC: Final = b"RMBO"
VERSION: Final = 1
MAX_FRAME_RECORDS: Final = 4096
MAX_PAYLOAD_BYTES: Final = MAX_FRAME_RECORDS * RECORD_SIZE
MAX_MESSAGE_BYTES: Final = 1 << 20
"""Of the text of HELLO or ERROR: enough for the symbols of a whole exchange."""
FIRST_SEQUENCE: Final = 1
_HEADER: Final = Struct("<4sBBHQQQII")
HEADER_SIZE: Final = _HEADER.size
_MAX_FRAME_BYTES: Final = HEADER_SIZE + max(MAX_PAYLOAD_BYTES, MAX_MESSAGE_BYTES)
_CRC_OFFSET: Final = HEADER_SIZE - 4
_NO_CRC: Final = bytes(4)
_ALIGNMENT: Final = 8
_BUFFER_BYTES: Final = 4 << 20


class Kind(IntEnum):
    HELLO = 1
    """What the stream is; the first frame of a connection, and a sign of life while it waits."""
    RECORDS = 2
    HEARTBEAT = 3
    """Nothing was due for a second."""
    END = 4
    """The stream is complete."""
    RESTART = 5
    """The source begins again: receivers empty their books."""
    ERROR = 6
    """JSON {code, message}; the connection ends with it."""


UNNUMBERED: Final = frozenset({Kind.HELLO, Kind.ERROR})
_NUMBERED_EMPTY: Final = frozenset({Kind.HEARTBEAT, Kind.END, Kind.RESTART})
_KINDS: Final = frozenset(int(kind) for kind in Kind)
NO_RECORDS: Final[Records] = np.empty(0, MBO_DTYPE)
NO_RECORDS.flags.writeable = False


class Received(NamedTuple):
    kind: Kind
    sequence: int
    first_record: int
    """Number, over the whole stream, of the frame's first record; of the next one to come where
    the frame has none."""
    send_ns: int
    """When the frame was to be sent, by its schedule, in nanoseconds since the epoch."""
    records: Records
    """A view of the reader's buffer: valid until the next frame is asked for."""
    message: Mapping[str, Any]
    """Of HELLO and ERROR; else empty."""


_NO_MESSAGE: Final[Mapping[str, Any]] = {}


def encode_header(
    kind: Kind,
    sequence: int,
    first_record: int,
    send_ns: int,
    payload: tuple[memoryview | bytes, ...] = (),
) -> bytes:
    """The header of a frame whose payload is these pieces, one behind the other."""
    size = sum(map(len, payload))
    bare = _HEADER.pack(MAGIC, VERSION, kind, 0, sequence, first_record, send_ns, size, 0)
    checksum = crc32(bare)
    for piece in payload:
        checksum = crc32(piece, checksum)
    return bare[:_CRC_OFFSET] + checksum.to_bytes(4, "little")


def encode_message(kind: Kind, message: Mapping[str, Any], send_ns: int) -> bytes:
    """A whole HELLO or ERROR frame. The text is padded with spaces, which JSON ignores."""
    text = json.dumps(message, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(text)} bytes does not fit into a frame")
    return encode_header(kind, 0, 0, send_ns, (text,)) + text


class FrameReader:
    """Takes bytes in whatever pieces they come, and gives whole, checked frames.

    Memory is one buffer, made once. Raises BadFrame, with the offset since the connection's
    beginning, at the first byte that cannot belong to a frame; it is of no further use then.
    """

    def __init__(self, buffer_bytes: int = _BUFFER_BYTES) -> None:
        size = max(buffer_bytes, 2 * _MAX_FRAME_BYTES)
        # Made by numpy, whose memory is aligned: records are read in place.
        self._buffer = np.empty(size, np.uint8)
        self._view = self._buffer.data
        self._begin = 0
        self._end = 0
        self._consumed = 0
        """Bytes of the connection before ``_begin``."""

    @property
    def offset(self) -> int:
        """Bytes of the connection that were given as whole frames."""
        return self._consumed

    @property
    def pending_bytes(self) -> int:
        """Bytes of frames that were not given yet."""
        return self._end - self._begin

    def space(self) -> memoryview:
        """Where to read into; never empty. Records that were given are void after this."""
        if self._begin == self._end:
            self._begin = self._end = 0
        elif len(self._view) - self._end < _MAX_FRAME_BYTES:
            rest = self._view[self._begin : self._end].tobytes()
            self._view[: len(rest)] = rest
            self._begin, self._end = 0, len(rest)
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """``count`` bytes were read into ``space()``."""
        self._end += count

    def next_frame(self) -> Received | None:
        """The next whole frame, or None if more bytes are needed."""
        available = self._end - self._begin
        if available < HEADER_SIZE:
            if available:
                self._check_beginning(available)
            return None
        magic, version, kind, flags, sequence, first_record, send_ns, size, checksum = (
            _HEADER.unpack_from(self._view, self._begin)
        )
        if magic != MAGIC or version != VERSION or flags or kind not in _KINDS:
            raise self._foreign(magic, version, kind, flags)
        self._check_size(kind, size)
        if available < HEADER_SIZE + size:
            return None
        at = self._begin + HEADER_SIZE
        payload = self._view[at : at + size]
        header = crc32(_NO_CRC, crc32(self._view[self._begin : self._begin + _CRC_OFFSET]))
        if crc32(payload, header) != checksum:
            raise BadFrame(f"The checksum of the frame at byte {self._consumed} is wrong.")
        records, message = NO_RECORDS, _NO_MESSAGE
        if kind == Kind.RECORDS:
            records = self._buffer[at : at + size].view(MBO_DTYPE)
        elif size:
            message = self._message(payload)
        self._begin += HEADER_SIZE + size
        self._consumed += HEADER_SIZE + size
        return Received(Kind(kind), sequence, first_record, send_ns, records, message)

    def _check_beginning(self, available: int) -> None:
        """A foreign sender may never send as many bytes as a header has."""
        begun = bytes(self._view[self._begin : self._begin + min(available, len(MAGIC))])
        if not MAGIC.startswith(begun):
            raise self._foreign(begun, VERSION, 0, 0)

    def _foreign(self, magic: bytes, version: int, kind: int, flags: int) -> BadFrame:
        if magic != MAGIC:
            return BadFrame(f"No frame begins at byte {self._consumed}: {magic!r}.")
        if version != VERSION:
            return BadFrame(
                f"The frame at byte {self._consumed} is of version {version}; known is {VERSION}."
            )
        what = f"flags {flags}" if flags else f"kind {kind}"
        return BadFrame(f"The frame at byte {self._consumed} has the unknown {what}.")

    def _check_size(self, kind: int, size: int) -> None:
        limit = MAX_MESSAGE_BYTES if kind in UNNUMBERED else MAX_PAYLOAD_BYTES
        if size > limit:
            fault = f"at most {limit} are allowed"
        elif kind == Kind.RECORDS and (not size or size % RECORD_SIZE):
            fault = f"records have {RECORD_SIZE} each, and one at least"
        elif kind in _NUMBERED_EMPTY and size:
            fault = "its kind has none"
        elif size % _ALIGNMENT:
            fault = f"it is no multiple of {_ALIGNMENT}"
        else:
            return
        raise BadFrame(
            f"The frame at byte {self._consumed} has a payload of {size} bytes; {fault}."
        )

    def _message(self, payload: memoryview) -> Mapping[str, Any]:
        try:
            message = json.loads(bytes(payload))
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise BadFrame(f"The text of the frame at byte {self._consumed} is not a JSON object.")
        return message
