import databento
import databento_dbn
import numpy as np
import pytest

from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.writing import DbnWriter
from tests.unit.feeds.dbn.samples import START_NS, VERSIONS, adds

SYMBOLS = {7: "ABCD", 8: "EFGH", 4_000_000_000: "E" * 21}


def written(path, records, **options):
    with DbnWriter(path, dataset="TEST.MBO", symbols=SYMBOLS, **options) as writer:
        for part in np.array_split(records, 3):
            writer.write(part)
    return path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["day.dbn", "day.dbn.zst"])
class TestEveryVersion:
    def test_we_read_what_we_wrote(self, tmp_path, version, name):
        records = adds(3000)
        with open_dbn(written(tmp_path / name, records, version=version)) as file:
            assert (file.version, file.dataset, dict(file.symbols)) == (
                version,
                "TEST.MBO",
                SYMBOLS,
            )
            assert file.start_ns == int(records["ts_recv"][0])
            assert file.end_ns == int(records["ts_recv"][-1]) + 1
            assert np.array_equal(np.concatenate(list(file.batches())), records)
            assert file.is_compressed == name.endswith(".zst")

    def test_databento_s_store_reads_it(self, tmp_path, version, name):
        records = adds(3000)
        store = databento.DBNStore.from_file(written(tmp_path / name, records, version=version))
        assert store.dataset == "TEST.MBO"
        assert str(store.schema) == "mbo"
        assert store.metadata.start == int(records["ts_recv"][0])
        assert store.symbols == list(SYMBOLS.values())
        assert store.to_ndarray().tobytes() == records.tobytes()
        frame = store.to_df()
        assert set(frame["symbol"]) == {"ABCD"}

    def test_databento_s_decoder_reads_it(self, tmp_path, version, name):
        path = written(tmp_path / name, adds(100), version=version)
        decoder = databento_dbn.DBNDecoder(
            compression=(
                databento_dbn.Compression.ZSTD
                if name.endswith(".zst")
                else databento_dbn.Compression.NONE
            ),
            upgrade_policy=databento_dbn.VersionUpgradePolicy.AS_IS,
        )
        decoder.write(path.read_bytes())
        metadata, *messages = decoder.decode()
        assert metadata.version == version
        assert metadata.mappings["EFGH"][0]["symbol"] == "8"
        assert [message.order_id for message in messages] == list(range(1, 101))


def test_the_head_is_the_one_that_databento_writes(tmp_path):
    for version in VERSIONS:
        path = written(tmp_path / "day.dbn", adds(100), version=version)
        with open_dbn(path) as file:
            theirs = databento_dbn.Metadata.decode(
                file.metadata_bytes, databento_dbn.VersionUpgradePolicy.AS_IS
            )
            assert theirs.encode() == file.metadata_bytes


def test_an_empty_file_is_a_file(tmp_path):
    for name in ("none.dbn", "none.dbn.zst"):
        with open_dbn(written(tmp_path / name, adds(0))) as file:
            assert list(file.batches()) == []
        assert databento.DBNStore.from_file(tmp_path / name).to_ndarray().size == 0


def test_many_symbols_take_several_blocks(tmp_path):
    symbols = {number: f"S{number}" for number in range(5_000)}
    path = tmp_path / "many.dbn.zst"
    with DbnWriter(path, dataset="TEST.MBO", symbols=symbols) as writer:
        writer.write(adds(2))
    with open_dbn(path) as file:
        assert dict(file.symbols) == symbols
    assert len(databento.DBNStore.from_file(path).symbols) == 5_000


def test_two_instruments_may_share_a_symbol(tmp_path):
    path = tmp_path / "shared.dbn"
    with DbnWriter(path, dataset="TEST.MBO", symbols={1: "X", 2: "X"}) as writer:
        writer.write(adds(2))
    with open_dbn(path) as file:
        assert dict(file.symbols) == {1: "X", 2: "X"}


def test_compression_can_be_asked_for_whatever_the_name(tmp_path):
    assert written(tmp_path / "a.dbn", adds(9), compression="zstd").read_bytes()[:1] == b"("
    assert written(tmp_path / "b.zst", adds(9), compression="none").read_bytes()[:3] == b"DBN"


def test_records_without_a_time_of_receipt_leave_the_end_open(tmp_path):
    records = adds(3)
    records["ts_recv"][2] = 2**64 - 1
    with open_dbn(written(tmp_path / "day.dbn", records)) as file:
        assert file.end_ns is None


def test_records_of_any_layout_can_be_written(tmp_path):
    records = adds(100)
    with open_dbn(written(tmp_path / "day.dbn", records[::-2])) as file:
        assert np.array_equal(np.concatenate(list(file.batches())), records[::-2])
        assert file.start_ns == START_NS + 501


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "day.dbn.zst"
    path.write_bytes(b"before")
    writer = DbnWriter(path, dataset="TEST.MBO", symbols={})
    writer.write(adds(1000))
    assert path.read_bytes() == b"before"
    writer.close()
    writer.close()
    assert len(list(tmp_path.iterdir())) == 1
    with open_dbn(path) as file:
        assert sum(map(len, file.batches())) == writer.record_count == 1000


def interrupted(path):
    with DbnWriter(path, dataset="TEST.MBO", symbols={}) as writer:
        writer.write(adds(10))
        raise KeyError


def test_an_error_leaves_nothing_behind(tmp_path):
    path = tmp_path / "day.dbn"
    with pytest.raises(KeyError):
        interrupted(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "A" * 16, "symbols": {}}, "does not fit a field of 16 bytes"),
        ({"dataset": "A", "symbols": {1: "B" * 71}}, "does not fit a field of 71"),
        ({"dataset": "A", "symbols": {1: "B" * 22}, "version": 1}, "does not fit a field of 22"),
        ({"dataset": "A", "symbols": {}, "version": 4}, "no version 4"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        DbnWriter(tmp_path / "day.dbn", **options)
    assert list(tmp_path.iterdir()) == []


def test_other_things_than_records_are_refused(tmp_path):
    wrong = adds(5)
    wrong["length"][3] = 20
    with DbnWriter(tmp_path / "day.dbn", dataset="A", symbols={}) as writer:
        for records in (wrong, np.zeros(5)):
            with pytest.raises(ValueError, match="record"):
                writer.write(records)


def test_records_of_another_publisher_are_refused_where_one_is_named(tmp_path):
    path = tmp_path / "day.dbn"
    with DbnWriter(path, dataset="A", symbols={}, publisher_id=2) as writer:
        writer.write(adds(5))
        others = adds(5)
        others["publisher_id"][4] = 3
        with pytest.raises(ValueError, match="publisher is not 2"):
            writer.write(others)
    with open_dbn(path) as file:
        assert file.record_count == 5
