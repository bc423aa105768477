"""A sender and its receivers over real connections, on one machine."""

import json
import queue
import socket
import time
from contextlib import ExitStack, suppress

import numpy as np
import pytest

from market.feeds.dbn.records import RECORD_SIZE
from market.feeds.dbn.writing import DbnWriter
from market.feeds.errors import BadFile, FeedError
from market.feeds.transport.client import FrameClient, Gap
from market.feeds.transport.errors import SenderFailed, StreamLost, UnknownResume
from market.feeds.transport.frames import Kind, Received
from market.feeds.transport.live import LiveTimeline
from market.feeds.transport.pacing import MaxPace, SteadyPace
from market.feeds.transport.sending import _hello, file_server, live_server
from market.feeds.transport.server import FrameServer, Limits
from market.feeds.transport.sources import FileSource
from tests.unit.feeds.transport.streams import (
    DEADLINE_S,
    client_of,
    kept,
    make_records,
    receive_all,
    records_of,
    running,
    until,
    write_file,
)

QUICK = Limits(linger_s=0.05)


@pytest.fixture
def start(tmp_path):
    """Starts a sender of a file of records; everything is ended with the test."""
    with ExitStack() as stack:

        def begin(records, pace=None, *, limits=QUICK, port=0, **options):
            path = tmp_path / "stream.dbn"
            if not path.exists():
                write_file(path, records)
            source = stack.enter_context(FileSource([path]))
            server = stack.enter_context(
                file_server(source, pace or MaxPace(), limits=limits, port=port, **options)
            )
            return stack.enter_context(running(server))

        yield begin


@pytest.mark.parametrize("pace", [MaxPace(), SteadyPace(400_000)])
def test_every_client_gets_every_record_and_the_end(start, pace):
    records = make_records(100_000)
    sender = start(records, pace, wait_peers=3)
    clients = [client_of(sender) for _ in range(3)]
    for client in clients:
        client.connect()
    with ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
        for client in clients:
            frames = receive_all(client)
            assert records_of(frames) == records.tobytes()
            assert [frame.sequence for frame in frames] == list(range(1, len(frames) + 1))
            assert client.receive(0) is not None  # END stays
    sender.join()
    assert sender.error is None


def test_hello_says_what_the_stream_is(start):
    sender = start(make_records(10), SteadyPace(1_000), loop=True)
    with client_of(sender) as client:
        hello = client.connect()
    assert (hello.next_sequence, hello.rate, hello.dataset) == (1, 1_000, "XTST.TEST")
    assert hello.symbols == ((0, 7, "SEVEN"),)
    assert hello.loop


def test_scheduled_times_are_an_exact_grid(start):
    sender = start(make_records(5_000), SteadyPace(50_000))
    with client_of(sender) as client:
        frames = receive_all(client)
    first = frames[0].send_ns
    assert [f.send_ns - first for f in frames[:-1]] == [
        f.first_record * 20_000 for f in frames[:-1]
    ]


def test_it_does_not_send_before_the_time(start):
    sender = start(make_records(2_000), SteadyPace(4_000))
    with client_of(sender) as client:
        for _ in range(400):
            frame = client.receive(DEADLINE_S)
            assert time.time_ns() >= frame.send_ns


def test_who_comes_late_gets_it_from_the_beginning(start):
    records = make_records(60_000)
    sender = start(records, SteadyPace(40_000), wait_peers=0)
    until(lambda: sender.server.progress().record_count > 10_000, "a third was sent")
    with client_of(sender) as client:
        assert client.connect().next_sequence == 1
        assert records_of(receive_all(client)) == records.tobytes()


def test_who_wants_what_is_now_gets_no_more(start):
    records = make_records(60_000)
    sender = start(records, SteadyPace(40_000), wait_peers=0)
    until(lambda: sender.server.progress().record_count > 10_000, "a third was sent")
    with client_of(sender, from_now=True) as client:
        frames = receive_all(client)
    assert frames[0].first_record > 10_000
    assert records_of(frames) == records[frames[0].first_record :].tobytes()


def test_a_loop_begins_again_with_a_restart_and_gives_who_is_late_the_current_lap(start):
    records = make_records(4_000)
    sender = start(records, SteadyPace(40_000), loop=True)
    with client_of(sender) as client:
        first = receive_all(client, Kind.RESTART)
        assert records_of(first) == records.tobytes()
        again = receive_all(client, Kind.RESTART)
        assert records_of(again) == records.tobytes()
        assert again[0].first_record == len(records)
        with client_of(sender) as late:
            frames = receive_all(late, Kind.RESTART)
            assert [frame.kind for frame in frames] == [Kind.RESTART]
            assert frames[0].first_record % len(records) == 0
            assert records_of(receive_all(late, Kind.RESTART)) == records.tobytes()


def broken(client):
    """What has arrived already is read to its end; a broken connection stays so."""
    with suppress(OSError):
        client._socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("pace", [MaxPace(), SteadyPace(100_000)])
def test_a_client_whose_connection_breaks_goes_on_where_it_was(start, pace):
    records = make_records(150_000)
    sender = start(records, pace, limits=Limits(linger_s=30))
    frames: list[Received] = []
    with client_of(sender) as client:
        while not frames or frames[-1].kind is not Kind.END:
            frame = client.receive(DEADLINE_S)
            frames.append(kept(frame))
            if frame.sequence in (1, 20, 33, 900):
                broken(client)
        assert client.reconnect_count >= 1
    assert records_of(frames) == records.tobytes()
    assert [frame.sequence for frame in frames] == list(range(1, len(frames) + 1))


def test_a_sender_that_was_started_again_goes_on_where_the_client_was(start):
    records = make_records(100_000)
    sender = start(records, SteadyPace(50_000))
    frames: list[Received] = []
    with client_of(sender) as client:
        while len(frames) < 300:
            frames.append(kept(client.receive(DEADLINE_S)))
        sender.server.stop()
        sender.join()
        again = start(records, SteadyPace(50_000), port=sender.address[1])
        frames += receive_all(client)
        assert client.reconnect_count == 1
    assert records_of(frames) == records.tobytes()
    # It did not send what nobody wanted.
    assert again.server.progress().sequence == frames[-1].sequence


def test_several_clients_go_on_with_a_sender_that_was_started_again(start):
    records = make_records(50_000)
    sender = start(records, SteadyPace(50_000), wait_peers=2)
    with client_of(sender) as ahead, client_of(sender) as behind:
        ahead.connect()
        behind.connect()
        frames: dict[FrameClient, list[Received]] = {ahead: [], behind: []}
        for client, count in ((ahead, 300), (behind, 100)):
            while len(frames[client]) < count:
                frames[client].append(kept(client.receive(DEADLINE_S)))
        sender.server.stop()
        sender.join()
        port, limits = sender.address[1], Limits(linger_s=30)
        start(records, SteadyPace(50_000), port=port, wait_peers=0, limits=limits)
        for client in (ahead, behind):
            frames[client] += receive_all(client)
            assert records_of(frames[client]) == records.tobytes()


def test_another_stream_is_not_taken_for_the_rest(start, tmp_path):
    sender = start(make_records(50_000), SteadyPace(50_000))
    with client_of(sender) as strict, client_of(sender, skip_gaps=True) as lenient:
        for client in (strict, lenient):
            while client.last_sequence < 5:
                client.receive(DEADLINE_S)
        sender.server.stop()
        sender.join()
        (tmp_path / "stream.dbn").unlink()
        others = make_records(30_000, first=7)
        start(others, SteadyPace(50_000), port=sender.address[1])
        with pytest.raises(UnknownResume, match="the last frame was sequence"):
            receive_all(strict)
        while not isinstance(gap := lenient.receive(DEADLINE_S), Gap):
            pass
        assert gap.is_new_stream
        assert gap.last_sequence >= 5
        assert records_of(receive_all(lenient)) == others.tobytes()


@pytest.mark.parametrize("pace", [MaxPace(), SteadyPace(1_000_000)])
def test_who_stops_reading_is_dropped_and_slows_nobody(start, pace):
    records = make_records(600_000)
    limits = Limits(backlog_bytes=4 << 20, linger_s=0.05)
    sender = start(records, pace, limits=limits, wait_peers=2)
    with client_of(sender) as reading, socket.create_connection(sender.address) as silent:
        silent.sendall(b"{}\n")
        frames = receive_all(reading)
        assert records_of(frames) == records.tobytes()
        assert sender.server.progress().dropped_count == 1


def test_a_backlog_that_is_small_but_old_is_dropped_too(start):
    sender = start(
        make_records(1_000_000), SteadyPace(500_000), limits=Limits(backlog_s=0.1), loop=True
    )
    with socket.create_connection(sender.address) as silent:
        silent.sendall(b"{}\n")
        until(lambda: sender.server.progress().dropped_count == 1, "the silent one is dropped")


def test_a_damaged_file_ends_in_an_error_for_everyone(start, tmp_path):
    records = make_records(50_000)
    path = write_file(tmp_path / "stream.dbn", records)
    path.write_bytes(path.read_bytes()[:-30])
    sender = start(records, SteadyPace(500_000))
    with client_of(sender) as client:
        frames: list[Received] = []
        with pytest.raises(SenderFailed, match=r"at byte \d+.*no END; the last frame") as caught:  # noqa: PT012
            while True:
                frames.append(kept(client.receive(DEADLINE_S)))
        assert caught.value.code == "bad_file"
        assert records_of(frames) == records[:-1].tobytes()
    sender.join()
    assert isinstance(sender.error, BadFile)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"GET / HTTP/1.1\r\n", "not one line of a JSON object"),
        (b"[]\n", "not one line of a JSON object"),
        (b"\xff\xfe\n", "not one line of a JSON object"),
        (b"x" * 5_000, "longer than 4096 bytes"),
        (b'{"from": "yesterday"}\n', '"start" or "now"'),
        (b'{"resume": 5}\n', '"resume" is'),
        (b'{"resume": {"stream_id": "x", "sequence": true}}\n', '"resume" is'),
        (b'{"resume": {"stream_id": "x", "sequence": 0}}\n', "Sequences are 1 to"),
        (b'{"resume": {"stream_id": "x", "sequence": 5}}\n', "This is stream"),
    ],
)
def test_a_request_that_is_none_is_answered_with_what_is_wrong(start, line, message):
    sender = start(make_records(10))
    with socket.create_connection(sender.address, DEADLINE_S) as foreign:
        foreign.sendall(line)
        answer = b""
        while piece := foreign.recv(65_536):
            answer += piece
    assert message in json.loads(answer[40:])["message"]
    with client_of(sender) as client:
        assert len(receive_all(client)) == 2


def test_who_says_nothing_is_sent_away(start):
    sender = start(make_records(10), limits=Limits(greeting_s=0.1, linger_s=0.05))
    with socket.create_connection(sender.address, DEADLINE_S) as silent:
        assert silent.recv(1) == b""


def test_more_clients_than_allowed_are_sent_away(start):
    sender = start(make_records(10), limits=Limits(peers=1), wait_peers=2)
    with client_of(sender) as first, client_of(sender, patience_s=0) as second:
        first.connect()
        with pytest.raises(StreamLost):
            second.connect()


@pytest.mark.parametrize("pace", [MaxPace(), SteadyPace(50_000)])
@pytest.mark.parametrize("sequence", [2**64 - 1, 2**60, 2**50])
def test_a_sequence_that_no_loop_ever_reaches_is_unknown_and_harms_nobody(start, pace, sequence):
    sender = start(make_records(500), pace, loop=True)
    with client_of(sender) as client:
        stream_id = client.connect().stream_id
    with socket.create_connection(sender.address, DEADLINE_S) as mistaken:
        resume = {"resume": {"stream_id": stream_id, "sequence": sequence}}
        mistaken.sendall(json.dumps(resume).encode() + b"\n")
        answer = b""
        while piece := mistaken.recv(65_536):
            answer += piece
    assert b"unknown_resume" in answer
    with client_of(sender) as client:
        received = client.receive(DEADLINE_S)
        assert received is not None
        assert received.kind in (Kind.RECORDS, Kind.RESTART)
    assert sender.error is None


def test_a_loop_that_was_started_again_gives_who_is_new_the_current_lap(start):
    sender = start(make_records(500), SteadyPace(5_000), loop=True)
    with client_of(sender) as client:
        stream_id = client.connect().stream_id
    far = 101 * 50 + 41  # a lap is 100 frames of 5 records, and a RESTART
    with socket.create_connection(sender.address, DEADLINE_S) as resumed:
        resume = {"resume": {"stream_id": stream_id, "sequence": far}}
        resumed.sendall(json.dumps(resume).encode() + b"\n")
        with client_of(sender) as client:
            received = client.receive(DEADLINE_S)
    assert received is not None
    assert (received.kind, received.sequence) == (Kind.RESTART, 101 * 50)


def test_more_symbols_than_a_greeting_holds_leave_some_without_a_name(tmp_path, caplog):
    symbols = {number: f"{number:070}" for number in range(20_000)}
    path = tmp_path / "many.dbn"
    with DbnWriter(path, dataset="XTST.TEST", symbols=symbols) as writer:
        writer.write(make_records(10))
    with (
        FileSource([path]) as source,
        file_server(source, MaxPace(), limits=QUICK) as server,
        running(server) as sender,
        client_of(sender) as client,
    ):
        known = client.connect().symbols
        assert len(receive_all(client)) == 2
    assert 9_000 < len(known) < 20_000
    assert known[0] == (0, 0, symbols[0])
    assert "of 20000 symbols fit into the greeting" in caplog.text


def test_a_sequence_beyond_the_end_is_unknown(start):
    sender = start(make_records(10), limits=Limits(linger_s=30))
    with client_of(sender) as client:
        stream_id = client.connect().stream_id
        receive_all(client)
    for sequence in (3, 99):
        with socket.create_connection(sender.address, DEADLINE_S) as late:
            resume = {"resume": {"stream_id": stream_id, "sequence": sequence}}
            late.sendall(json.dumps(resume).encode() + b"\n")
            answer = b""
            while piece := late.recv(65_536):
                answer += piece
        assert b"unknown_resume" in answer


class Happening:
    """A live source that gives what it is told to."""

    dataset = "XOWN"
    symbols = {9: "NINE"}
    is_live = True

    def __init__(self) -> None:
        self.coming: queue.Queue = queue.Queue()

    def batches(self, start_record):
        while (records := self.coming.get()) is not None:
            if isinstance(records, Exception):
                raise records
            yield records

    def close(self) -> None:
        self.coming.put(None)


@pytest.fixture
def live():
    source = Happening()
    with live_server(source, limits=QUICK) as server, running(server) as sender:
        yield source, sender


def test_a_live_source_is_streamed_as_it_happens(live):
    source, sender = live
    records = make_records(10_000)
    with client_of(sender) as client:
        client.connect()
        given = b""
        for begin in range(0, 10_000, 2_500):
            source.coming.put(records[begin : begin + 2_500])
            frames = [client.receive(DEADLINE_S)]
            while frames[-1].kind is not Kind.RECORDS:
                frames.append(client.receive(DEADLINE_S))
            given += frames[-1].records.tobytes()
        source.coming.put(make_records(0))
        source.coming.put(None)
        given += records_of(receive_all(client))
    assert given == records.tobytes()
    sender.join()
    assert sender.error is None


def test_a_live_source_without_news_has_a_heartbeat(live):
    _, sender = live
    with client_of(sender) as client:
        beats = receive_all(client, Kind.HEARTBEAT) + receive_all(client, Kind.HEARTBEAT)
    assert beats[1].sequence == beats[0].sequence + 1
    assert beats[1].send_ns - beats[0].send_ns == 10**9


def test_a_live_source_that_fails_ends_in_its_error(live):
    source, sender = live
    source.coming.put(make_records(5))
    source.coming.put(FeedError("The journal is damaged."))
    with client_of(sender) as client, pytest.raises(SenderFailed, match="journal is damaged"):
        receive_all(client)
    sender.join()
    assert "journal is damaged" in str(sender.error)


def test_a_client_goes_on_with_a_live_source_if_that_is_kept(live):
    source, sender = live
    records = make_records(3_000)
    with client_of(sender) as client:
        client.connect()
        source.coming.put(records[:1_000])
        frames = receive_all(client, Kind.RECORDS)
        broken(client)
        source.coming.put(records[1_000:])
        source.coming.put(None)
        frames += receive_all(client)
        assert client.reconnect_count == 1
    assert records_of(frames) == records.tobytes()


def test_what_a_live_source_no_longer_keeps_is_a_gap():
    source = Happening()
    timeline = LiveTimeline(source, kept_bytes=200 * RECORD_SIZE)
    server = FrameServer(timeline, _hello(source, None), limits=QUICK)
    try:
        with running(server) as sender, client_of(sender, skip_gaps=True) as client:
            client.connect()
            source.coming.put(make_records(10))
            receive_all(client, Kind.RECORDS)
            broken(client)
            for number in range(100):
                source.coming.put(make_records(50, first=100 * number))
            until(lambda: server.progress().record_count == 5_010, "all are made")
            gap = None
            while not isinstance(gap, Gap):
                gap = client.receive(DEADLINE_S)
            assert not gap.is_new_stream
            assert gap.last_sequence >= 1
            source.coming.put(make_records(5, first=20_000))
            source.coming.put(None)
            frames = receive_all(client)
            assert frames[-2].records["order_id"].tolist() == list(range(20_001, 20_006))
            assert np.all(np.diff([frame.sequence for frame in frames]) == 1)
    finally:
        timeline.close()
