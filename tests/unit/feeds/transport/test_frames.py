"""Frames go in and come out whole, or not at all."""

import random

import pytest

from market.feeds.errors import BadFrame
from market.feeds.transport.frames import (
    HEADER_SIZE,
    MAX_FRAME_RECORDS,
    FrameReader,
    Kind,
    encode_header,
    encode_message,
)
from tests.unit.feeds.transport.streams import kept, make_records


def records_frame(sequence: int, first: int, count: int) -> bytes:
    data = make_records(count, first=first).tobytes()
    cut = len(data) // 3
    payload = (data[:cut], memoryview(data)[cut:])
    return encode_header(Kind.RECORDS, sequence, first, 1_000 + sequence, payload) + data


def stream() -> bytes:
    frames = [encode_message(Kind.HELLO, {"stream_id": "s", "odd": "é"}, 5)]
    frames += [records_frame(n + 1, n * 10, 10) for n in range(5)]
    frames.append(encode_header(Kind.HEARTBEAT, 6, 50, 9))
    frames.append(records_frame(7, 50, MAX_FRAME_RECORDS))
    frames.append(encode_header(Kind.END, 8, 50 + MAX_FRAME_RECORDS, 9))
    return b"".join(frames)


def read(data: bytes, sizes=None) -> list:
    """Every frame of ``data``, given to the reader in pieces."""
    reader, frames, at = FrameReader(), [], 0
    while at < len(data):
        space = reader.space()
        size = min(next(sizes) if sizes else len(data), len(space), len(data) - at)
        space[:size] = data[at : at + size]
        reader.filled(size)
        at += size
        while (frame := reader.next_frame()) is not None:
            frames.append(kept(frame))
    return frames


def signature(frames) -> list:
    return [(*frame[:4], frame.records.tobytes(), dict(frame.message)) for frame in frames]


def test_frames_come_out_as_they_went_in():
    frames = read(stream())
    assert [frame.kind for frame in frames] == [
        Kind.HELLO,
        *[Kind.RECORDS] * 5,
        Kind.HEARTBEAT,
        Kind.RECORDS,
        Kind.END,
    ]
    assert frames[0].message == {"stream_id": "s", "odd": "é"}
    assert frames[3].records.tobytes() == make_records(10, first=20).tobytes()
    assert (frames[3].sequence, frames[3].first_record, frames[3].send_ns) == (3, 20, 1_003)
    assert len(frames[7].records) == MAX_FRAME_RECORDS


@pytest.mark.parametrize("seed", range(5))
def test_pieces_of_any_size_give_the_same_frames(seed):
    rng = random.Random(seed)
    sizes = iter(lambda: rng.choice([1, 2, 39, 40, 41, 600, 100_000]), None)
    assert signature(read(stream(), sizes)) == signature(read(stream()))


def test_more_than_the_buffer_holds_passes_through_it():
    data = b"".join(records_frame(n + 1, n * 4096, MAX_FRAME_RECORDS) for n in range(40))
    sizes = iter(lambda: 700_001, None)
    frames = read(data, sizes)
    assert [frame.sequence for frame in frames] == list(range(1, 41))
    assert [int(frame.records["sequence"][0]) for frame in frames] == [n * 4096 for n in range(40)]


def test_records_lie_aligned_in_memory():
    """Behind a HELLO whose text has any length."""
    for text in ("", "a", "ab", "abc", "abcd"):
        data = encode_message(Kind.HELLO, {"t": text}, 0) + records_frame(1, 0, 3)
        reader = FrameReader()
        reader.space()[: len(data)] = data
        reader.filled(len(data))
        reader.next_frame()
        frame = reader.next_frame()
        assert frame is not None
        assert frame.records.ctypes.data % 8 == 0


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"HTTP", "No frame begins at byte 600"),
        (4, b"\x02", "is of version 2; known is 1"),
        (5, b"\x09", "unknown kind 9"),
        (6, b"\x01", "unknown flags 1"),
        (32, (56 * 4097).to_bytes(4, "little"), "at most 229376 are allowed"),
        (32, (57).to_bytes(4, "little"), "records have 56 each"),
        (32, (0).to_bytes(4, "little"), "records have 56 each"),
        (HEADER_SIZE + 8, b"!", "checksum of the frame at byte 600 is wrong"),
        (8, b"\xff", "checksum of the frame at byte 600 is wrong"),
    ],
)
def test_what_is_wrong_is_named_with_its_offset(at, value, message):
    data = bytearray(records_frame(1, 0, 10) + records_frame(2, 10, 10))
    assert len(data) == 1200
    data[600 + at : 600 + at + len(value)] = value
    with pytest.raises(BadFrame, match=message):
        read(bytes(data))


def test_a_foreign_sender_is_known_by_its_first_byte():
    reader = FrameReader()
    reader.space()[:1] = b"H"
    reader.filled(1)
    with pytest.raises(BadFrame, match="No frame begins at byte 0"):
        reader.next_frame()


@pytest.mark.parametrize("text", [b"[1]     ", b"{nan    ", b'"x"     ', b"[" * 80_000])
def test_a_text_that_is_no_object_is_refused(text):
    with pytest.raises(BadFrame, match="is not a JSON object"):
        read(encode_header(Kind.ERROR, 0, 0, 0, (text,)) + text)


@pytest.mark.parametrize("seed", range(300))
def test_random_bytes_give_no_frame(seed):
    rng = random.Random(seed)
    data = rng.randbytes(rng.randrange(1, 3_000))
    if rng.random() < 0.5:
        data = b"RMBO" + data
    try:
        assert read(data) == []
    except BadFrame as error:
        assert "byte 0" in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_stream_gives_a_true_beginning_and_then_an_error(seed):
    rng = random.Random(seed)
    whole = b"".join(records_frame(n + 1, n * 3, 3) for n in range(20))
    data = bytearray(whole)
    begin = rng.randrange(len(data))
    damage = rng.choice(["flip", "cut", "repeat", "noise"])
    if damage == "flip":
        data[begin] ^= 1 << rng.randrange(8)
    elif damage == "cut":
        del data[begin : begin + rng.randrange(1, 50)]
    elif damage == "repeat":
        data[begin:begin] = data[begin : begin + rng.randrange(1, 39)]
    else:
        data[begin : begin + 20] = rng.randbytes(20)
    reader, frames, error = FrameReader(), [], None
    reader.space()[: len(data)] = bytes(data)
    reader.filled(len(data))
    try:
        while (frame := reader.next_frame()) is not None:
            frames.append(kept(frame))
    except BadFrame as caught:
        error = caught
    true = signature(read(whole))
    # A piece of a frame that repeats or lacks equal bytes may leave the stream as it was.
    assert signature(frames) == true[: len(frames)]
    assert error or reader.pending_bytes or len(frames) == begin // 208 or len(frames) == 20
    if error:
        assert f"byte {reader.offset}" in str(error)
