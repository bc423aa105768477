"""DBN files of every version and compression read alike; what is no such file is told."""

from pathlib import Path

import pytest

from bench.mbo_file import NotMarketByOrder, iso_time, open_recording, time_of_day_ns
from tests.unit.bench.builders import INSTRUMENT_ID, START_NS, record, write_dbn

RECORDS = [
    record("A", "B", 1, 10.25, 5, flags=128, after_s=1),
    record("M", "B", 1, 10.5, 4, after_s=2),
    record("C", "B", 1, 10.5, 4, after_s=3),
    record("R", after_s=4),
]


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("zstd", [False, True])
def test_every_version_plain_or_compressed_gives_the_same_records(tmp_path, version, zstd):
    path = write_dbn(tmp_path / "flow.dbn", RECORDS, version=version, zstd=zstd)
    recording = open_recording(path)
    assert (recording.instrument_id, recording.name) == (INSTRUMENT_ID, "TEST")
    assert list(recording.records()) == RECORDS


def test_a_cut_by_time_or_number_takes_what_comes_before(tmp_path):
    recording = open_recording(write_dbn(tmp_path / "flow.dbn", RECORDS))
    assert list(recording.records(until_ns=START_NS + 3 * 10**9)) == RECORDS[:2]
    assert list(recording.records(limit=3)) == RECORDS[:3]


def test_other_instruments_are_left_out(tmp_path):
    path = write_dbn(tmp_path / "flow.dbn", RECORDS)
    other = write_dbn(tmp_path / "other.dbn", RECORDS[:1], instrument_id=99)
    with path.open("ab") as file:
        file.write(other.read_bytes()[-56:])
    assert list(open_recording(path).records()) == RECORDS
    chosen = open_recording(path, instrument_id=99)
    assert list(chosen.records()) == RECORDS[:1]
    assert chosen.name == "MBO99"


def test_what_is_no_recording_is_told(tmp_path):
    garbage = tmp_path / "garbage.dbn"
    garbage.write_bytes(b"no such format, whatever its name says")
    empty = write_dbn(tmp_path / "empty.dbn", [])
    for path in (garbage, empty):
        with pytest.raises(NotMarketByOrder, match=path.name):
            open_recording(path)
    with pytest.raises(NotMarketByOrder, match="instrument 5"):
        open_recording(write_dbn(tmp_path / "flow.dbn", RECORDS), instrument_id=5)
    with pytest.raises(OSError, match="missing"):
        open_recording(Path("missing.dbn"))


def test_a_time_of_day_is_one_of_the_recorded_day():
    assert iso_time(time_of_day_ns(START_NS, "22:39")) == "2023-11-14T22:39:00.000000000Z"
    assert iso_time(time_of_day_ns(START_NS, "22:39:07")) == "2023-11-14T22:39:07.000000000Z"
    with pytest.raises(ValueError, match="noon"):
        time_of_day_ns(START_NS, "noon")
