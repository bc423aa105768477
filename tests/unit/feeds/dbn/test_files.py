import os
from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import pytest

from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import MBO_DTYPE, Records
from market.feeds.errors import BadFile
from tests.unit.feeds.dbn.samples import (
    END_NS,
    START_NS,
    VERSIONS,
    adds,
    compressed,
    head,
    other_record,
    saved,
)

REAL_FILES = os.environ.get("RIALTO_MBO_DATA")


def read(path: Path, size: int = 64, start: int = 0) -> tuple[Records, str]:
    """All records, and what is said of the file's damage, if there is any."""
    found = [np.empty(0, MBO_DTYPE)]
    with open_dbn(path) as file:
        try:
            for records in file.batches(size, start):
                assert 0 < len(records) <= size
                found.append(records.copy())
        except BadFile as error:
            return np.concatenate(found), str(error)
    return np.concatenate(found), ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("zstd", [False, True], ids=["plain", "zstd"])
class TestEveryVersion:
    def test_the_head_says_what_its_writer_was_told(self, tmp_path, version, zstd):
        symbols = {7: "ABCD", 4_000_000_000: "E" * 21}
        data = head(version, symbols)
        with open_dbn(saved(tmp_path, compressed(data) if zstd else data)) as file:
            assert (file.version, file.dataset) == (version, "TEST.MBO")
            assert (file.start_ns, file.end_ns) == (START_NS, END_NS)
            assert dict(file.symbols) == symbols
            assert file.metadata_bytes == data
            assert list(file.batches()) == []

    def test_records_come_back_unchanged_whatever_the_batch(self, tmp_path, version, zstd):
        records = adds(1000)
        data = head(version) + records.tobytes()
        path = saved(tmp_path, compressed(data) if zstd else data)
        for size in (1, 7, 999, 1000, 5000):
            found, error = read(path, size)
            assert not error
            assert np.array_equal(found, records)

    def test_reading_starts_at_any_record(self, tmp_path, version, zstd):
        records = adds(300)
        data = head(version) + records.tobytes()
        path = saved(tmp_path, compressed(data) if zstd else data)
        for start in (0, 1, 63, 64, 65, 299, 300, 1000):
            found, error = read(path, 64, start)
            assert not error
            assert np.array_equal(found, records[start:])

    def test_a_file_cut_anywhere_gives_its_whole_records_and_the_offset(
        self, tmp_path, version, zstd
    ):
        records = adds(5)
        body = records.tobytes()
        for cut in range(len(body)):
            data = head(version) + body[:cut]
            found, error = read(saved(tmp_path, compressed(data) if zstd else data))
            whole = cut // 56
            assert np.array_equal(found, records[:whole])
            if cut % 56:
                assert f"ends within a record, at byte {len(head(version)) + whole * 56}" in error
            else:
                assert not error

    def test_a_head_cut_anywhere_is_refused(self, tmp_path, version, zstd):
        data = head(version)
        for cut in range(0 if zstd else 1, len(data)):
            piece = data[:cut]
            with pytest.raises(BadFile, match=r"at byte \d+"):
                open_dbn(saved(tmp_path, compressed(piece) if zstd else piece))

    def test_a_wrong_length_is_named_with_its_offset(self, tmp_path, version, zstd):
        records = adds(200)
        records["length"][150] = 15
        data = head(version) + records.tobytes()
        found, error = read(saved(tmp_path, compressed(data) if zstd else data))
        assert np.array_equal(found, records[:150])
        assert f"at byte {len(head(version)) + 150 * 56}" in error

    def test_an_unknown_kind_of_record_is_named_with_its_offset(self, tmp_path, version, zstd):
        records = adds(200)
        records["rtype"][70] = 0x77
        data = head(version) + records.tobytes()
        found, error = read(saved(tmp_path, compressed(data) if zstd else data))
        assert np.array_equal(found, records[:70])
        assert f"unknown type 119, at byte {len(head(version)) + 70 * 56}" in error

    def test_other_kinds_of_records_are_skipped_and_counted(self, tmp_path, version, zstd):
        records = adds(400)
        places = [0, 1, 5, 70, 71, 399, 400]
        parts = np.split(records, places)
        body = other_record().join(part.tobytes() for part in parts)
        data = head(version) + body
        path = saved(tmp_path, compressed(data) if zstd else data)
        for size in (1, 3, 64, 1000):
            assert np.array_equal(read(path, size)[0], records)
            assert np.array_equal(read(path, size, 70)[0], records[70:])
        with open_dbn(path) as file:
            for size in (3, 64, 17):
                assert sum(map(len, file.batches(size))) == 400
                assert file.skipped_count == len(places)

    def test_a_sending_time_behind_each_record_is_left_out(self, tmp_path, version, zstd):
        records = adds(100)
        sent = records.copy()
        sent["length"] = 16
        body = b"".join(sent[i].tobytes() + bytes(8) for i in range(100))
        data = head(version, ts_out=True) + body + other_record(size=88) + body
        found, error = read(saved(tmp_path, compressed(data) if zstd else data), 33)
        assert not error
        assert np.array_equal(found, np.concatenate([records, records]))


class TestPlainFiles:
    def test_batches_are_views_of_the_file(self, tmp_path):
        path = saved(tmp_path, head(), adds(100).tobytes())
        with open_dbn(path) as file:
            batches = list(file.batches(64))
        assert [len(batch) for batch in batches] == [64, 36]
        assert not any(batch.flags.owndata or batch.flags.writeable for batch in batches)
        with path.open("r+b") as changed:
            changed.seek(len(head()) + 24)
            changed.write((-5).to_bytes(8, "little", signed=True))
        assert batches[0]["price"][0] == -5

    def test_the_number_of_records_is_known(self, tmp_path):
        with open_dbn(saved(tmp_path, head(), adds(100).tobytes())) as file:
            assert file.record_count == 100

    def test_a_mixed_file_s_number_of_records_is_not(self, tmp_path):
        with open_dbn(saved(tmp_path, head(schema=None), adds(3).tobytes())) as file:
            assert file.record_count is None
            assert sum(map(len, file.batches())) == 3

    def test_two_readers_do_not_disturb_each_other(self, tmp_path):
        records = adds(100)
        with open_dbn(saved(tmp_path, head(), records.tobytes())) as file:
            pairs = list(zip(file.batches(10), file.batches(10, 50), strict=False))
            assert all(np.array_equal(a["sequence"] + 50, b["sequence"]) for a, b in pairs)
            assert len(pairs) == 5

    def test_a_cut_record_behind_others_kinds_is_damage_too(self, tmp_path):
        path = saved(tmp_path, head(), other_record(), adds(1).tobytes(), other_record()[:9])
        found, error = read(path)
        assert len(found) == 1
        assert f"ends within a record, at byte {len(head()) + 80 + 56}" in error


class TestCompressedFiles:
    def test_frames_follow_each_other(self, tmp_path):
        records = adds(1000)
        body = records.tobytes()
        path = saved(tmp_path, compressed(head(), body[:5000], b"", body[5000:5001], body[5001:]))
        assert np.array_equal(read(path)[0], records)
        with open_dbn(path) as file:
            assert file.record_count is None

    def test_a_cut_stream_is_an_error_after_its_whole_records(self, tmp_path):
        records = adds(200_000)
        records["order_id"] = np.random.default_rng(1).integers(0, 2**63, len(records))
        data = compressed(head(), records.tobytes())
        for share in (0.3, 0.9, 0.999):
            cut = int(len(data) * share)
            found, error = read(saved(tmp_path, data[:cut]), 5000)
            assert 0.2 * share < len(found) / len(records) < 1
            assert np.array_equal(found, records[: len(found)])
            assert f"ends within a compressed frame, at byte {cut}." in error

    def test_a_frame_whose_checksum_is_wrong_is_an_error(self, tmp_path):
        data = bytearray(compressed(head(), adds(500).tobytes()))
        data[-1] ^= 1
        found, error = read(saved(tmp_path, data))
        assert "cannot be decompressed" in error
        assert len(found) <= 500

    def test_bytes_behind_the_last_frame_are_an_error(self, tmp_path):
        for tail in (b"x", b"more than a magic number"):
            found, error = read(saved(tmp_path, compressed(head(), adds(5).tobytes()), tail))
            assert len(found) == 5
            assert error

    def test_what_another_writer_compressed_can_be_read(self, tmp_path):
        records = adds(3000)
        path = tmp_path / "transcoded.dbn.zst"
        with path.open("wb") as file:
            transcoder = databento_dbn.Transcoder(
                file, databento_dbn.Encoding.DBN, databento_dbn.Compression.ZSTD
            )
            transcoder.write(head(2) + records.tobytes())
            transcoder.flush()
        assert np.array_equal(read(path)[0], records)


class TestForeignFiles:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "is empty, at byte 0"),
            (b"D", "ends within its metadata, at byte 1"),
            (b"a,b,c\n1,2,3\n", "does not begin with DBN, at byte 0"),
            (b"DBN\x04" + bytes(200), "version 4; 1, 2 and 3 are understood, at byte 3"),
            (b"DBN\x00" + bytes(200), "version 0"),
            (b"DBN\x02\xff\xff\xff\xff" + bytes(200), "claims 4294967295 bytes of metadata"),
            (b"DBN\x02\x63\x00\x00\x00" + bytes(200), "claims 99 bytes of metadata, at byte 4"),
            (compressed(b"nothing of ours"), "does not begin with DBN"),
            (compressed(b""), "is empty"),
        ],
    )
    def test_are_refused_with_the_offset(self, tmp_path, data, message):
        with pytest.raises(BadFile, match=message):
            open_dbn(saved(tmp_path, data))

    def test_of_another_schema_are_refused_by_its_name(self, tmp_path):
        data = head(schema=databento_dbn.Schema.TRADES)
        with pytest.raises(BadFile, match="holds records of schema trades, not mbo"):
            open_dbn(saved(tmp_path, data))

    def test_that_do_not_exist_are_refused(self, tmp_path):
        with pytest.raises(BadFile, match="No such file"):
            open_dbn(tmp_path / "nowhere.dbn")
        with pytest.raises(BadFile, match="cannot be read"):
            open_dbn(tmp_path)

    def test_with_an_impossible_count_of_symbols_are_refused(self, tmp_path):
        data = bytearray(head())
        data[112:116] = b"\xff\xff\xff\x00"
        with pytest.raises(BadFile, match="impossible count of 16777215, at byte 112"):
            open_dbn(saved(tmp_path, data))


def test_symbol_mapping_records_name_instruments(tmp_path):
    common: dict[str, Any] = {
        "publisher_id": 0,
        "instrument_id": 99,
        "ts_event": 0,
        "start_ts": 0,
        "end_ts": 0,
    }
    common |= {"stype_in_symbol": "ES.FUT", "stype_out_symbol": "ESZ3"}
    kinds = databento_dbn.SType.PARENT, databento_dbn.SType.RAW_SYMBOL
    old = databento_dbn.SymbolMappingMsgV1(**common)
    new = databento_dbn.SymbolMappingMsg(**common, stype_in=kinds[0], stype_out=kinds[1])
    for version, message in ((1, old), (2, new), (3, new)):
        path = saved(tmp_path, head(version, schema=None), bytes(message), adds(2).tobytes())
        with open_dbn(path) as file:
            assert sum(map(len, file.batches())) == 2
            assert dict(file.symbols) == {7: "ABCD", 99: "ESZ3"}


if REAL_FILES:

    @pytest.mark.parametrize(
        "path", sorted(Path(REAL_FILES).glob("*.dbn*")), ids=lambda path: path.name
    )
    def test_a_real_file_gives_what_the_databento_package_gives(path):
        compression = databento_dbn.Compression.ZSTD
        decoder = databento_dbn.DBNDecoder(compression=compression)
        decoder.write(path.read_bytes())
        metadata, *messages = decoder.decode()
        with open_dbn(path) as file:
            records = np.concatenate(list(file.batches()))
            assert (file.dataset, file.start_ns) == (metadata.dataset, metadata.start)
            assert set(file.symbols.values()) == set(metadata.symbols)
        assert len(records) == len(messages)
        assert records.tobytes() == b"".join(bytes(message) for message in messages)
