"""What a receiver makes of a sender that is not in order."""

import pytest

from market.feeds.errors import BadFrame
from market.feeds.transport.client import FrameClient, Gap
from market.feeds.transport.errors import SenderFailed, SequenceGap, StreamLost, UnknownResume
from market.feeds.transport.frames import Kind, Received, encode_header, encode_message
from tests.unit.feeds.transport.streams import (
    DEADLINE_S,
    make_records,
    receive_all,
    records_of,
    scripted_sender,
)

HELLO = {
    "stream_id": "s",
    "first_sequence": 1,
    "next_sequence": 1,
    "rate": None,
    "dataset": "XTST",
    "symbols": [[0, 7, "SEVEN"]],
    "loop": False,
}


def hello(**changes) -> bytes:
    return encode_message(Kind.HELLO, {**HELLO, **changes}, 0)


def frame(sequence, first=None, count=10) -> bytes:
    first = (sequence - 1) * 10 if first is None else first
    data = make_records(count, first=first).tobytes()
    return encode_header(Kind.RECORDS, sequence, first, 0, (data,)) + data


def end(sequence) -> bytes:
    return encode_header(Kind.END, sequence, (sequence - 1) * 10, 0)


def receive(*answers, patience_s=0.0):
    """All of it, and the client."""
    with (
        scripted_sender(*answers) as address,
        FrameClient(*address, patience_s=patience_s) as client,
    ):
        return receive_all(client), client


def test_a_whole_stream_is_taken():
    frames, client = receive(hello() + frame(1) + frame(2) + end(3))
    assert records_of(frames) == make_records(20).tobytes()
    assert client.last_sequence == 3


@pytest.mark.parametrize("cut", [1, 39, 40, 41, 300])
def test_an_end_within_a_frame_names_its_place_and_the_last_sequence(cut):
    begun = hello() + frame(1)
    data = begun + frame(2)[:cut]
    match = rf"{cut} bytes into a frame, at byte {len(data)}.*last frame was sequence 1\."
    with pytest.raises(StreamLost, match=match):
        receive(data)


def test_a_stream_without_its_end_is_not_whole():
    with pytest.raises(StreamLost, match=r"There was no END; the last frame was sequence 2\."):
        receive(hello() + frame(1) + frame(2))


def test_a_stream_that_never_began_says_so():
    with pytest.raises(StreamLost, match="No frame came"):
        receive(b"")


def test_nobody_listening_is_a_lost_stream():
    with scripted_sender() as address:
        pass
    with (
        FrameClient(*address, patience_s=0) as client,
        pytest.raises(StreamLost, match="refused"),
    ):
        client.connect()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5, BadFrame, "No frame begins at byte 0"),
        (frame(1), BadFrame, "came before HELLO"),
        (hello(symbols=5) + frame(1), BadFrame, "HELLO does not say"),
        (encode_message(Kind.HELLO, {}, 0), BadFrame, "HELLO does not say"),
        (hello() + frame(1) + frame(3), SequenceGap, "Sequence 2 was expected, 3 came.*sequence 1"),
        (hello() + frame(1) + frame(1), SequenceGap, "Sequence 2 was expected, 1 came"),
        (hello() + frame(2), SequenceGap, "Sequence 1 was expected, 2 came"),
        (hello() + frame(1) + frame(2, 11), SequenceGap, "Record 10 was expected in frame 2, 11"),
        (
            hello() + frame(1) + encode_message(Kind.ERROR, {"code": "x", "message": "Why."}, 0),
            SenderFailed,
            r"Why\. There was no END; the last frame was sequence 1",
        ),
    ],
)
def test_what_is_wrong_is_an_error_that_says_where(data, error, message):
    with pytest.raises(error, match=message):
        receive(data)


def test_a_damaged_frame_is_named_by_its_offset():
    data = bytearray(hello() + frame(1) + frame(2) + end(3))
    at = len(hello() + frame(1))
    data[at + 100] ^= 1
    with pytest.raises(BadFrame, match=f"checksum of the frame at byte {at} "):
        receive(bytes(data))


def test_a_connection_that_breaks_within_a_frame_is_resumed_with_that_frame():
    first = hello() + frame(1) + frame(2)[:77]
    second = hello(next_sequence=2) + frame(2) + frame(3) + end(4)
    frames, client = receive(first, second, patience_s=DEADLINE_S)
    assert records_of(frames) == make_records(30).tobytes()
    assert client.reconnect_count == 1


def test_a_sender_that_goes_on_elsewhere_is_not_believed():
    for answer in (hello() + frame(1), hello(stream_id="t", next_sequence=2) + frame(2)):
        with pytest.raises(UnknownResume, match="Sequence 2 of stream s was asked for"):
            receive(hello() + frame(1), answer, patience_s=DEADLINE_S)


def test_connections_without_any_frame_use_up_the_patience():
    with pytest.raises(StreamLost, match="last frame was sequence 1"):
        receive(hello() + frame(1), *[hello(next_sequence=2)] * 20, patience_s=0.3)


def test_records_missing_across_a_resume_are_seen():
    with pytest.raises(SequenceGap, match="Record 10 was expected in frame 2, 20 came"):
        receive(hello() + frame(1), hello(next_sequence=2) + frame(2, 20), patience_s=DEADLINE_S)


def test_a_timeout_gives_nothing_and_loses_nothing():
    with scripted_sender(hello() + frame(1) + end(2)) as address, FrameClient(*address) as client:
        frames: list[Received | Gap] = []
        while len(frames) < 2:
            received = client.receive(0)
            frames += [received] if received else []
        assert [received.kind for received in frames] == [Kind.RECORDS, Kind.END]
