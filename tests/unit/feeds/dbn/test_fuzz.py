"""The decoder against whatever bytes there may be. Either a file is read, or BadFile says where it
is wrong, after the whole records before; nothing else is ever raised, nothing is left out in
silence."""

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import MBO_DTYPE, Records
from market.feeds.errors import BadFile
from tests.unit.feeds.dbn.samples import VERSIONS, adds, compressed, head, other_kinds, other_record

RECORDS = adds(40)
BODY = RECORDS.tobytes()
EXAMPLES = settings(max_examples=150, deadline=None)
NAMED_OFFSET = re.compile(r"at byte (\d+)")
versions = st.sampled_from(VERSIONS)
sizes = st.integers(1, 50)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder) / "fuzzed.dbn"


def outcome(path: Path, data: bytes, size: int) -> tuple[Records, int | None]:
    """The records that were given, and the offset that was named if the file is damaged."""
    path.write_bytes(data)
    found = [np.empty(0, MBO_DTYPE)]
    try:
        with open_dbn(path) as file:
            for records in file.batches(size):
                assert 0 < len(records) <= size
                found.append(records.copy())
            found_count = sum(map(len, found))
            if not file.is_compressed:
                rest = len(data) - len(file.metadata_bytes) - 56 * found_count
                assert bool(rest) == bool(file.skipped_count)
    except BadFile as error:
        return np.concatenate(found), int(NAMED_OFFSET.findall(str(error))[0])
    return np.concatenate(found), None


@EXAMPLES
@given(data=st.binary(max_size=400), size=sizes)
def test_random_bytes(path, data, size):
    found, offset = outcome(path, data, size)
    assert offset is not None
    assert 0 <= offset <= len(data)
    assert not len(found)


@EXAMPLES
@given(version=versions, body=st.binary(max_size=600), size=sizes)
def test_random_bytes_behind_a_head(path, version, body, size):
    data = head(version) + body
    found, offset = outcome(path, data, size)
    if offset is not None:
        assert len(head(version)) + 56 * len(found) <= offset < len(data)


@EXAMPLES
@given(length=st.integers(0, 400), version=versions, fields=st.binary(max_size=400), size=sizes)
def test_a_head_of_random_fields(path, length, version, fields, size):
    prefix = b"DBN" + bytes([version]) + length.to_bytes(4, "little")
    found, offset = outcome(path, prefix + fields, size)
    assert offset is None or 0 <= offset <= len(prefix + fields)
    assert len(found) <= len(fields) // 56


@EXAMPLES
@given(version=versions, data=st.data(), size=sizes)
def test_a_truncated_file(path, version, data, size):
    start = len(head(version))
    cut = data.draw(st.integers(0, start + len(BODY)))
    found, offset = outcome(path, (head(version) + BODY)[:cut], size)
    if cut < start:
        assert not len(found)
        assert offset is not None
    else:
        whole = (cut - start) // 56
        assert np.array_equal(found, RECORDS[:whole])
        assert offset == (None if cut == start + 56 * whole else start + 56 * whole)


@EXAMPLES
@given(version=versions, record=st.integers(0, 39), bit=st.integers(0, 15), size=sizes)
def test_a_flipped_bit_in_a_record_s_length_or_type(path, version, record, bit, size):
    """Bit 15 of the first sixteen makes a type of another known record of the same length, which
    cannot be told from it, but is counted as skipped (``outcome`` looks at that)."""
    body = bytearray(BODY)
    body[56 * record + bit // 8] ^= 1 << bit % 8
    found, offset = outcome(path, head(version) + body, size)
    if offset is None:
        assert body[56 * record + 1] == 0x20
        assert np.array_equal(found, np.delete(RECORDS, record))
    else:
        assert offset == len(head(version)) + 56 * record
        assert np.array_equal(found, RECORDS[:record])


@EXAMPLES
@given(version=versions, data=st.data(), size=sizes)
def test_a_flipped_bit_in_the_head(path, version, data, size):
    damaged = bytearray(head(version))
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    found, offset = outcome(path, bytes(damaged) + BODY, size)
    if offset is None:
        assert np.array_equal(found, RECORDS)


@EXAMPLES
@given(
    version=versions,
    places=st.lists(st.integers(0, 40), max_size=12),
    kind=st.sampled_from([(rtype, n) for rtype, sizes in other_kinds().items() for n in sizes]),
    size=sizes,
    zstd=st.booleans(),
)
def test_other_records_between(path, version, places, kind, size, zstd):
    parts = [part.tobytes() for part in np.split(RECORDS, sorted(places))]
    data = head(version) + other_record(*kind).join(parts)
    found, offset = outcome(path, compressed(data) if zstd else data, size)
    assert offset is None
    assert np.array_equal(found, RECORDS)


@EXAMPLES
@given(version=versions, split=st.integers(0, len(BODY)), data=st.data(), size=sizes)
def test_a_truncated_compressed_file(path, version, split, data, size):
    whole = compressed(head(version), BODY[:split], BODY[split:])
    ends = np.cumsum([0, *(len(compressed(part)) for part in (head(version), BODY[:split]))])
    cut = data.draw(st.integers(1, len(whole)))
    found, offset = outcome(path, whole[:cut], size)
    assert np.array_equal(found, RECORDS[: len(found)])
    if offset is None:
        assert cut in (*ends.tolist(), len(whole))
    else:
        assert offset <= cut or split % 56


@EXAMPLES
@given(version=versions, data=st.data(), size=sizes)
def test_a_flipped_bit_in_a_compressed_file(path, version, data, size):
    """Each frame carries a checksum: what is read without an error is what was written."""
    damaged = bytearray(compressed(head(version), BODY))
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    found, offset = outcome(path, bytes(damaged), size)
    if offset is None:
        assert np.array_equal(found, RECORDS)


@EXAMPLES
@given(frames=st.lists(st.binary(max_size=200), min_size=1, max_size=4), tail=st.binary(max_size=9))
def test_random_bytes_compressed(path, frames, tail):
    found, offset = outcome(path, compressed(*frames) + tail, 10)
    assert offset is not None
    assert not len(found)
