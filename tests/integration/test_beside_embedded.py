"""Commands beside an embedded venue that runs: each one a process, as is the venue."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from market.feeds.dbn.synthetic import SyntheticPlan, generate
from market.feeds.dbn.writing import DbnWriter
from tests.support.embedded_venue import EmbeddedVenue, embedded_venue

pytestmark = pytest.mark.slow

INSTRUMENT = 1_001
RECORDS = 3_000
SLOW = "0.005"
"""A speed at which the recording takes a minute."""
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedVenue]:
    with embedded_venue(tmp_path_factory.mktemp("venue"), DEMO_FUNDS="{}") as running:
        yield running


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "day.dbn.zst"
    with DbnWriter(path, dataset="SYNTH", symbols={INSTRUMENT: "DAY1"}) as writer:
        for records in generate(SyntheticPlan(RECORDS, 9)):
            writer.write(records)
    return path


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)
    return result


def get(venue: EmbeddedVenue, path: str, **headers: str) -> Any:
    return httpx.get(f"{venue.url}/api/v1{path}", headers=headers, timeout=PATIENCE_S)


def balance(venue: EmbeddedVenue, asset: str) -> float:
    answer = get(venue, "/balances", Authorization=f"Bearer {venue.token('alice')}").json()
    return sum(float(row["available"]) for row in answer["results"] if row["asset"] == asset)


def trades(venue: EmbeddedVenue, symbol: str) -> int:
    answer = get(venue, f"/markets/{symbol}/trades?limit=200")
    return len(answer.json()["results"]) if answer.status_code == 200 else 0


def played(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def replay(venue: EmbeddedVenue, recording: Path, symbol: str, *more: str) -> dict[str, Any]:
    return played(
        venue.manage(
            "replay_market", str(recording), "--symbol", symbol, "--speed", "max", "--json", *more
        )
    )


def test_an_instrument_is_listed_and_an_account_credited_at_once(venue: EmbeddedVenue) -> None:
    done = venue.manage(
        "list_instrument", "ESH4-USD", "--tick-size", "0.25", "--lot-size", "1",
        "--base-decimals", "0", "--quote-decimals", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert get(venue, "/markets/ESH4-USD/book").json()["bids"] == []
    done = venue.manage("deposit", "alice", "USD", "12.5", "--reason", "a wire transfer")
    assert done.returncode == 0, done.stderr
    assert balance(venue, "USD") == 12.5
    done = venue.manage("deposit", "alice", "NOPE", "1", "--reason", "x")
    assert done.returncode == 1
    assert "unknown_asset" in done.stderr
    done = venue.manage("reconcile", "--source", "engine")
    assert done.returncode == 0, done.stdout


def test_a_recorded_day_comes_into_the_running_venue(venue: EmbeddedVenue, recording: Path) -> None:
    result = replay(venue, recording, "REPLAY-USD", "--fund", "alice")
    assert result["records_played"] == result["records"] == RECORDS
    assert result["equal_trades"] == result["trades"] > 50
    assert result["equal_fills_share"] == 1.0
    assert result["refused"] == {}
    assert result["book"]["differing_levels"] == 0
    assert trades(venue, "REPLAY-USD") > 50
    assert balance(venue, "REPLAY") == 10_000


def test_a_replay_that_is_killed_leaves_a_venue_that_goes_on(
    venue: EmbeddedVenue, recording: Path
) -> None:
    killed = venue.begin("replay_market", str(recording), "--symbol", "KILL-USD", "--speed", SLOW)
    until(lambda: trades(venue, "KILL-USD"))
    assert killed.poll() is None
    killed.kill()
    killed.communicate()
    assert get(venue, "/markets/KILL-USD/book").json()["bids"]
    assert venue.process.poll() is None
    again = replay(venue, recording, "KILL-USD", "--clear-at-end")
    assert again["equal_fills"] == again["fills"] > 50
    assert again["book"]["differing_levels"] == 0
    assert get(venue, "/markets/KILL-USD/book").json()["bids"] == []
    assert "Traceback" not in venue.log()


def test_two_replays_at_once_do_not_meet(venue: EmbeddedVenue, recording: Path) -> None:
    arguments = ("replay_market", str(recording), "--speed", "max", "--json", "--symbol")
    both = [venue.begin(*arguments, symbol) for symbol in ("ONE-USD", "TWO-USD")]
    for process in both:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        result = json.loads(out.splitlines()[-1])
        assert result["equal_fills"] == result["fills"] > 50
        assert result["book"]["differing_levels"] == 0


def test_a_replay_ends_with_a_line_where_the_venue_is_killed(
    recording: Path, tmp_path: Path
) -> None:
    with embedded_venue(tmp_path, LOAD_DEMO="0") as venue:
        bereft = venue.begin(
            "replay_market", str(recording), "--symbol", "LAST-USD", "--speed", SLOW
        )
        until(lambda: trades(venue, "LAST-USD"))
        venue.kill()
        _, err = bereft.communicate(timeout=PATIENCE_S)
        assert bereft.returncode == 2
        assert err.splitlines()[-1].startswith("CommandError: The venue ended")
        assert "Traceback" not in err
        done = venue.manage("list_instrument", "A-USD", "--tick-size", "1", "--lot-size", "1")
        assert done.returncode == 1
        assert "No venue answers in" in done.stderr.splitlines()[-1]
        assert (tmp_path / "bridge" / "venue.sock").exists()
        venue.start()
        again = replay(venue, recording, "LAST-USD")
        assert again["equal_fills"] == again["fills"] > 50
        assert venue.stop() == 0
        assert not (tmp_path / "bridge" / "venue.sock").exists()
        done = venue.manage("verify_journal")
        assert done.returncode == 0, done.stdout


def test_a_command_where_no_venue_ever_ran_says_so_in_a_line(tmp_path: Path) -> None:
    venue = EmbeddedVenue(tmp_path)
    for arguments in (
        ("deposit", "alice", "USDT", "1", "--reason", "x"),
        ("list_instrument", "A-USD", "--tick-size", "1", "--lot-size", "1"),
        ("load_demo",),
    ):
        done = venue.manage(*arguments)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith("CommandError: ")
        assert str(tmp_path) in done.stderr
        assert len(done.stderr.splitlines()) == 1
