"""``manage.py build_book`` as it is called: files, streams, damage, and everything it writes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from market.feeds.books.contract import state_hash
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import ADD, MBO_DTYPE, RECORD_SIZE, Records
from market.feeds.dbn.synthetic import SyntheticPlan, generate
from market.feeds.dbn.writing import DbnWriter
from tests.unit.feeds.books.flow import flow

RECORDS = 20_000
INSTRUMENTS = 3
REAL_FILES = (
    sorted(Path(os.environ["RIALTO_MBO_DATA"]).glob("*.dbn*"))
    if ("RIALTO_MBO_DATA" in os.environ)
    else []
)


@pytest.fixture(scope="module")
def records() -> Records:
    plan = SyntheticPlan(RECORDS, seed=11, instruments=INSTRUMENTS, clear_every=2_000)
    return np.concatenate(list(generate(plan)))


@pytest.fixture(scope="module")
def sample(records: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("mbo") / "sample.dbn", records)


def saved(path: Path, records: Records, symbols: dict[int, str] | None = None) -> Path:
    ids = np.unique(records["instrument_id"]).tolist()
    symbols = {number: f"SYN{number}" for number in ids} if symbols is None else symbols
    with DbnWriter(path, dataset="TEST.MBO", symbols=symbols) as writer:
        writer.write(records)
    return path


def build(*arguments: Any) -> None:
    call_command("build_book", *map(str, arguments))


def built(out: Path, *arguments: Any) -> dict[str, Any]:
    build(*arguments, "--engine", "plain", "--json", out)
    return json.loads(out.read_text())


def expected_hash(records: Records) -> str:
    books = PlainBooks()
    books.apply(records)
    return state_hash(map(books.image, books.keys()))


def test_the_book_of_every_instrument_is_written(sample, records, tmp_path) -> None:
    document = built(tmp_path / "out", sample)
    assert document["complete"]
    assert document["record_count"] == RECORDS
    assert document["state_hash"] == expected_hash(records)
    assert [book["symbol"] for book in document["books"]] == ["SYN1001", "SYN1002", "SYN1003"]
    assert {book["state"] for book in document["books"]} == {"LIVE"}
    assert not any(book["cold_start"] or book["crossed"] for book in document["books"])
    assert not any(document["anomalies"].values())


@pytest.mark.parametrize("batch", [1, 977, 65_536])
def test_the_size_of_batches_makes_no_difference(sample, tmp_path, batch: int) -> None:
    options = ("--every", 5_000, "--mbp10", tmp_path / "mbp", "--queues")
    first = built(tmp_path / "a", sample, *options, "--snapshots", tmp_path / "as")
    mbp = (tmp_path / "mbp").read_bytes()
    other = built(
        tmp_path / "b", sample, *options, "--snapshots", tmp_path / "bs", "--batch", batch
    )
    assert other == first
    assert (tmp_path / "as").read_bytes() == (tmp_path / "bs").read_bytes()
    assert (tmp_path / "mbp").read_bytes() == mbp


@pytest.mark.slow
def test_both_engines_write_the_same(sample, tmp_path: Path) -> None:
    for engine in ("plain", "fast"):
        build(
            *(sample, "--engine", engine, "--json", tmp_path / engine, "--queues"),
            *("--every", "100ms", "--snapshots", tmp_path / f"{engine}.snapshots"),
            *("--mbp10", tmp_path / f"{engine}.mbp10"),
        )
    for name in ("snapshots", "mbp10"):
        plain, fast = (tmp_path / f"{engine}.{name}" for engine in ("plain", "fast"))
        assert plain.read_bytes() == fast.read_bytes()
        assert plain.stat().st_size
    plain, fast = (json.loads((tmp_path / engine).read_text()) for engine in ("plain", "fast"))
    assert {**plain, "engine": "fast"} == fast


@pytest.mark.slow
def test_verification_of_the_fast_engine_finds_nothing_in_sound_records(sample, tmp_path) -> None:
    build(sample, "--verify", "--min-prefix", 100, "--report", tmp_path / "report")
    report = json.loads((tmp_path / "report").read_text())
    assert report["ok"]
    assert report["records"] == RECORDS
    assert report["trades"]["judged"] == report["trades"]["in_order"] > 100
    assert report["comparisons"] >= 5
    assert report["resumes"] >= 4


def test_violations_are_reported_and_end_with_1(records, tmp_path, capsys) -> None:
    damaged = records.copy()
    (number,) = np.flatnonzero(damaged["action"] == ADD)[[777]]
    damaged["price"][number] = 2**63 - 1
    file = saved(tmp_path / "damaged.dbn", damaged)
    with pytest.raises(SystemExit) as ended:
        built(tmp_path / "out", file, "--verify", "--report", tmp_path / "report")
    assert ended.value.code == 1
    report = json.loads((tmp_path / "report").read_text())
    first = report["checks"]["no_price"]["first"]
    assert first["record"] == number
    assert first["fields"]["order_id"] == int(damaged["order_id"][number])
    begin = first["offset"]
    assert file.read_bytes()[begin : begin + RECORD_SIZE] == damaged[number].tobytes()
    assert (tmp_path / "out").exists()
    assert "no_price 1" in capsys.readouterr().err


def test_one_instrument_is_built_as_among_the_others(sample, records, tmp_path) -> None:
    whole = built(tmp_path / "out", sample)
    for choice in (("--symbol", "SYN1002"), ("--instrument", 1002)):
        document = built(tmp_path / "one", sample, *choice)
        assert document["books"] == whole["books"][1:2]
        assert document["record_count"] == (records["instrument_id"] == 1002).sum()


def test_building_ends_before_a_moment(sample, records, tmp_path) -> None:
    until_ns = int(records["ts_recv"][12_345])
    before = records[: np.argmax(records["ts_recv"] >= until_ns)]
    document = built(tmp_path / "out", sample, "--until", until_ns)
    assert document["complete"]
    assert document["record_count"] == len(before)
    assert document["state_hash"] == expected_hash(before)


def test_several_files_go_on_with_the_same_books(records, sample, tmp_path) -> None:
    parts = [
        saved(tmp_path / f"{number}.dbn.zst", part)
        for number, part in enumerate((records[:7_001], records[7_001:]))
    ]
    assert built(tmp_path / "a", *parts) == built(tmp_path / "b", sample)


def test_standard_output_takes_the_document(sample, capsys) -> None:
    build(sample, "--engine", "plain", "--json", "-", "--levels", 1)
    assert json.loads(capsys.readouterr().out)["record_count"] == RECORDS


def test_a_stream_gives_the_same_book_as_its_file(sample, tmp_path) -> None:
    sender = subprocess.Popen(
        [sys.executable, "manage.py", "stream_mbo", sample, "--port", "0", "--speed", "max"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sender.stdout is not None
        address = json.loads(sender.stdout.readline())
        port = address["port"]
        streamed = built(tmp_path / "a", "--connect", f"127.0.0.1:{port}")
        assert streamed == built(tmp_path / "b", sample)
        assert sender.wait(60) == 0
    finally:
        sender.kill()
        sender.wait()


def refusal(*arguments: Any) -> str:
    with pytest.raises(CommandError) as refused:
        build(*arguments)
    assert refused.value.returncode == 2
    message = str(refused.value)
    assert "\n" not in message
    return message


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def outputs(tmp_path: Path) -> list[str]:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return [
        *("--json", str(folder / "json"), "--mbp10", str(folder / "mbp10"), "--engine", "plain"),
        *("--every", "1000", "--snapshots", str(folder / "snapshots")),
        *("--verify", "--report", str(folder / "report")),
    ]


def _truncated(data: bytes) -> bytes:
    return data[:-7]


def _other_kind(data: bytes) -> bytes:
    damaged = bytearray(data)
    damaged[-5 * RECORD_SIZE] = 0
    return bytes(damaged)


@pytest.mark.parametrize(
    ("damage", "complete"), [(_truncated, RECORDS - 1), (_other_kind, RECORDS - 5)]
)
def test_of_a_damaged_file_nothing_is_written(
    sample, outputs, tmp_path, damage: Callable[[bytes], bytes], complete: int
) -> None:
    data = sample.read_bytes()
    file = tmp_path / "damaged.dbn"
    file.write_bytes(damage(data))
    offset = len(data) - (RECORDS - complete) * RECORD_SIZE
    message = refusal(file, *outputs)
    assert f"byte {offset}" in message
    assert f"{complete} records" in message
    assert files_in(tmp_path / "outputs") == []


def test_of_a_damaged_file_what_there_is_is_written_on_request(
    sample, records, outputs, tmp_path
) -> None:
    file = tmp_path / "damaged.dbn"
    file.write_bytes(sample.read_bytes()[:-7])
    message = refusal(file, *outputs, "--keep-partial")
    folder = tmp_path / "outputs"
    assert files_in(folder) == ["json", "mbp10", "report", "snapshots"]
    document = json.loads((folder / "json").read_text())
    assert (document["complete"], document["error"]) == (False, message)
    assert document["state_hash"] == expected_hash(records[:-1])
    assert json.loads((folder / "report").read_text())["complete"] is False
    for name in ("mbp10", "snapshots"):
        last = json.loads((folder / name).read_text().splitlines()[-1])
        assert last == {"complete": False, "error": message}


def test_damaged_compressed_data_is_an_error(records, outputs, tmp_path) -> None:
    file = saved(tmp_path / "sample.dbn.zst", records)
    file.write_bytes(file.read_bytes()[:-100])
    assert "byte" in refusal(file, *outputs)
    assert files_in(tmp_path / "outputs") == []


@pytest.mark.parametrize("data", [b"", b"DB", b"hello, world" * 99, b"DBN\x09" + bytes(200)])
def test_what_is_no_file_of_records_is_an_error(outputs, tmp_path, data: bytes) -> None:
    file = tmp_path / "other.dbn"
    file.write_bytes(data)
    assert "byte" in refusal(file, *outputs)
    assert files_in(tmp_path / "outputs") == []


def test_a_file_without_records_is_an_error(outputs, tmp_path) -> None:
    file = saved(tmp_path / "none.dbn", np.empty(0, MBO_DTYPE), {7: "ABCD"})
    assert "no market-by-order record" in refusal(file, *outputs)
    assert files_in(tmp_path / "outputs") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--symbol", "NOPE", "--json", "-"), "no instrument NOPE; it names: SYN1001"),
        (("--instrument", "5", "--json", "-"), "no record of instrument 5"),
        (("--until", "100", "--json", "-"), "before the time"),
        (("--until", "yesterday", "--json", "-"), "--until takes"),
        (("--every", "1s", "--json", "-"), "go together"),
        (("--every", "often", "--snapshots", "-"), "neither"),
        (("--json", "-", "--mbp10", "-"), "place of its own"),
        (("--report", "-", "--json", "x"), "goes with --verify"),
        (("--batch", "0", "--json", "-"), "--batch takes"),
        (("--levels", "-1", "--json", "-"), "--levels takes"),
        (("--min-prefix", "101", "--verify"), "--min-prefix takes"),
        (("--connect", "127.0.0.1:1", "--json", "-"), "either files or --connect"),
        ((), "Nothing to do"),
    ],
)
def test_a_users_mistake_is_told_in_one_line(sample, capsys, arguments, message) -> None:
    assert message in refusal(sample, "--engine", "plain", *arguments)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", ":5", "127.0.0.1:99999", "a:b"])
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    assert "HOST:PORT" in refusal("--engine", "plain", "--connect", address, "--json", "-")


def test_an_input_is_never_replaced(sample) -> None:
    before = sample.read_bytes()
    assert "replace an input" in refusal(sample, "--json", sample)
    assert sample.read_bytes() == before


def test_files_that_are_missing_are_told(tmp_path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.dbn", "--engine", "plain", "--json", "-")
    file = saved(tmp_path / "one.dbn", flow("A B 1 100 5"))
    message = refusal(file, "--engine", "plain", "--json", tmp_path / "missing" / "out")
    assert "cannot be written" in message


def test_a_cold_start_is_said(tmp_path) -> None:
    file = saved(tmp_path / "cold.dbn", flow("C B 1 100 5", "A B 2 100 5"))
    document = built(tmp_path / "out", file)
    (book,) = document["books"]
    assert book["cold_start"]
    assert document["anomalies"]["unknown_cancel"] == 1


if REAL_FILES:

    @pytest.mark.slow
    @pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
    def test_recorded_days_verify_with_both_engines(path: Path, tmp_path) -> None:
        hashes = set()
        for engine in ("plain", "fast"):
            out = tmp_path / engine
            build(path, "--engine", engine, "--verify", "--json", out)
            document = json.loads(out.read_text())
            assert document["verification"]["ok"]
            hashes.add(document["state_hash"])
        with open_dbn(path) as file:
            assert hashes == {expected_hash(np.concatenate(list(file.batches(1_000))))}
