"""``replay_market`` as operators start it: an embedded venue that plays a file, and its report."""

import json
from pathlib import Path

import pytest

from market.feeds.dbn.synthetic import SyntheticPlan, generate
from market.feeds.dbn.writing import DbnWriter
from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow

INSTRUMENT = 1_001


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "day.dbn.zst"
    with DbnWriter(path, dataset="SYNTH", symbols={INSTRUMENT: "DAY1"}) as writer:
        for records in generate(SyntheticPlan(3_000, 9)):
            writer.write(records)
    return path


def test_a_file_becomes_a_market_that_is_filled_as_recorded_and_recorded_alike(
    recording: Path, tmp_path: Path
) -> None:
    venue = EmbeddedVenue(tmp_path)
    report = tmp_path / "report.json"
    done = venue.manage(
        "replay_market", str(recording), "--speed", "max", "--json", "--report", str(report),
        "--fund", "alice",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == json.loads(report.read_text())
    assert result["symbol"] == "DAY1-USD"
    assert result["records_played"] == result["records"] == 3_000
    assert result["equal_trades"] == result["trades"] > 50
    assert result["equal_fills_share"] == 1.0
    assert result["refused"] == {}
    assert result["book"]["differing_levels"] == 0
    own = tmp_path / "own.dbn"
    done = venue.manage("record_market", "DAY1-USD", str(own), "--json")
    assert done.returncode == 0, done.stderr
    again = venue.manage(
        "replay_market", str(own), "--symbol", "AGAIN-USD", "--speed", "max", "--json"
    )
    assert again.returncode == 0, again.stderr
    result_again = json.loads(again.stdout.splitlines()[-1])
    assert result_again["equal_fills"] == result_again["fills"] == result["fills"]
    assert result_again["book"]["differing_levels"] == 0


def test_what_cannot_be_played_is_told_in_a_line(recording: Path, tmp_path: Path) -> None:
    venue = EmbeddedVenue(tmp_path)
    notes = tmp_path / "notes.txt"
    notes.write_text("not a recording")
    for arguments in (
        (str(tmp_path / "none.dbn"),),
        (str(notes),),
        (str(recording), "--instrument", "OTHER"),
        (str(recording), "--symbol", "lower-usd"),
        (str(recording), "--fund", "nobody-of-this-name"),
    ):
        done = venue.manage("replay_market", *arguments, "--speed", "max")
        assert done.returncode == 2, done.stderr
        assert "CommandError: " in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
