"""The same frames each time, from any of them on, whatever the files are."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from market.feeds.dbn.records import RECORD_SIZE
from market.feeds.errors import BadFile, FeedError
from market.feeds.transport import timeline as timeline_module
from market.feeds.transport.errors import UnknownResume
from market.feeds.transport.frames import Kind
from market.feeds.transport.pacing import EventPace, MaxPace, SteadyPace
from market.feeds.transport.sources import FileSource
from market.feeds.transport.timeline import FileTimeline
from tests.unit.feeds.transport.streams import make_records, write_file

PACES = {
    "steady": SteadyPace(7_300),
    "slow": SteadyPace(800),
    "max": MaxPace(),
    "event": EventPace(Fraction(2)),
}


@pytest.fixture
def two_files(tmp_path):
    first = make_records(20_000, step_ns=150_000)
    first["ts_recv"][11_000:] += np.uint64(7 * 10**9)  # a pause in which there are heartbeats
    second = make_records(3_001, first=50_000)
    paths = [write_file(tmp_path / "a.dbn", first), write_file(tmp_path / "b.dbn.zst", second)]
    return paths, first.tobytes() + second.tobytes()


def frames_of(line, sequence=1, limit=None):
    """Frames as values."""
    found = (planned for planned in line.frames_from(sequence) if planned is not None)
    return [
        planned._replace(payload=b"".join(bytes(piece) for piece in planned.payload))
        for planned in islice(found, limit)
    ]


def check_numbers(frames):
    record = 0
    for number, planned in enumerate(frames, 1):
        assert (planned.sequence, planned.first_record) == (number, record)
        assert planned.record_count * RECORD_SIZE == len(planned.payload)
        record += planned.record_count
    due = [planned.due_ns for planned in frames]
    assert due == sorted(due)


@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
def test_every_record_once_in_order_and_then_the_end(two_files, pace):
    paths, data = two_files
    with FileSource(paths) as source:
        frames = frames_of(FileTimeline(source, pace))
    assert b"".join(planned.payload for planned in frames) == data
    check_numbers(frames)
    assert [planned.kind for planned in frames].count(Kind.END) == 1
    assert frames[-1].kind is Kind.END


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
def test_any_sequence_gives_what_the_whole_stream_has_there(two_files, pace, loop):
    with FileSource(two_files[0]) as source:
        count = len(frames_of(FileTimeline(source, pace)))
        line = FileTimeline(source, pace, loop=loop)
        whole = frames_of(line, limit=3 * count + 5)
        assert len(whole) == (3 * count + 5 if loop else count)
        check_numbers(whole)
        for sequence in {1, 2, 3, 50, count // 2, count - 1, count, len(whole) - 2, len(whole)}:
            if not 0 < sequence <= len(whole):
                continue
            expected = whole[sequence - 1 :][:40]
            assert frames_of(line, sequence, 40)[: len(expected)] == expected
            # A sender that was started anew has gone nowhere yet.
            fresh = FileTimeline(source, pace, loop=loop)
            assert frames_of(fresh, sequence, 40)[: len(expected)] == expected


def test_each_lap_begins_with_a_restart(two_files):
    paths, data = two_files
    with FileSource(paths) as source:
        frames = frames_of(FileTimeline(source, SteadyPace(500_000), loop=True), limit=200)
    restarts = [i for i, planned in enumerate(frames) if planned.kind is Kind.RESTART]
    assert len(restarts) > 2
    assert b"".join(planned.payload for planned in frames[: restarts[0]]) == data
    lap = frames[restarts[0] + 1 : restarts[1]]
    assert b"".join(planned.payload for planned in lap) == data
    assert frames[restarts[0]].due_ns == 20_000 * 2_000 + 3_001 * 2_000


def test_a_pause_is_filled_with_heartbeats(two_files):
    with FileSource(two_files[0]) as source:
        frames = frames_of(FileTimeline(source, EventPace(Fraction(2))))
    beats = [planned for planned in frames if planned.kind is Kind.HEARTBEAT]
    assert len(beats) == 3
    assert {planned.first_record for planned in beats} == {11_000}
    assert np.diff([planned.due_ns for planned in beats]).tolist() == [10**9] * 2


def test_positions_are_kept_and_thinned(two_files, monkeypatch):
    monkeypatch.setattr(timeline_module, "_MAX_CHECKPOINTS", 8)
    with FileSource(two_files[0]) as source:
        line = FileTimeline(source, SteadyPace(1_000))
        whole = frames_of(line)
        assert len(line._checkpoints) <= 8
        assert frames_of(line, 12_345) == whole[12_344:]


def test_the_end_is_never_far_from_a_sequence_beyond_it(two_files):
    with FileSource(two_files[0]) as source:
        line = FileTimeline(source, MaxPace())
        last = len(frames_of(line))
        assert [planned.kind for planned in frames_of(line, last)] == [Kind.END]
        with pytest.raises(UnknownResume, match=f"ends with sequence {last}, before {last + 1}"):
            frames_of(line, last + 1)
        with pytest.raises(UnknownResume, match="begin with 1, not 0"):
            line.frames_from(0)


def test_looking_for_a_frame_lets_others_have_a_turn(tmp_path):
    path = write_file(tmp_path / "a.dbn.zst", make_records(60_000))
    with FileSource([path]) as source:
        turns = list(islice(FileTimeline(source, SteadyPace(1_000)).frames_from(59_000), 50))
    assert turns.count(None) > 20


@pytest.mark.parametrize("name", ["a.dbn", "a.dbn.zst"])
def test_a_damaged_file_gives_its_whole_records_and_no_end(tmp_path, name):
    records = make_records(30_000)
    path = write_file(tmp_path / name, records)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3 + 1])
    with FileSource([path]) as source:
        given = b""
        with pytest.raises(BadFile, match="at byte"):  # noqa: PT012
            for planned in FileTimeline(source, SteadyPace(900_000)).frames_from(1):
                assert planned is None or planned.kind is Kind.RECORDS
                given += b"".join(planned.payload) if planned else b""
    assert records.tobytes().startswith(given)
    assert len(given) > RECORD_SIZE * 1_000


def test_nothing_cannot_be_repeated(tmp_path):
    path = write_file(tmp_path / "a.dbn", make_records(0))
    with FileSource([path]) as source:
        assert [p.kind for p in frames_of(FileTimeline(source, MaxPace()))] == [Kind.END]
        with pytest.raises(FeedError, match="nothing to repeat"):
            frames_of(FileTimeline(source, MaxPace(), loop=True))


def test_a_stream_is_known_by_its_contents_and_its_pace(tmp_path):
    records = make_records(100)
    here = write_file(tmp_path / "a.dbn", records)
    there = write_file(tmp_path / "elsewhere.dbn", records)
    other = write_file(tmp_path / "other.dbn", make_records(100, first=1))

    def identity(path, pace, loop=False):
        with FileSource([path]) as source:
            return FileTimeline(source, pace, loop=loop).stream_id

    assert identity(here, SteadyPace(5)) == identity(there, SteadyPace(5))
    different = {
        identity(here, SteadyPace(5)),
        identity(here, SteadyPace(6)),
        identity(here, SteadyPace(5), loop=True),
        identity(here, MaxPace()),
        identity(here, EventPace(Fraction(1))),
        identity(here, EventPace(Fraction(2))),
        identity(other, SteadyPace(5)),
    }
    assert len(different) == 7
