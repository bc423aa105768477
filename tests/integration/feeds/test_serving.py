"""``run_feed`` as a command: what it reports, publishes, and refuses."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from market.feeds.dbn.writing import DbnWriter
from tests.unit.feeds.serving.running_feed import SYMBOL, record, records

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 120.0
DAY = records(
    *(record("A", "B", 100 - n % 7, n, n) for n in range(1, 500)),
    record("T", "A", 100, 5, 501),
    record("A", "A", 101, 1, 502),
)


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
        }
        assert self.manage("migrate", "--database", "feeds", "-v", "0").returncode == 0

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def file(self, name: str = "day.dbn") -> Path:
        path = self.folder / name
        with DbnWriter(path, dataset="TEST.SET", symbols={17: SYMBOL}) as writer:
            writer.write(np.ascontiguousarray(DAY))
        return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("feeds"))


def test_a_file_is_read_to_its_end_and_reported(place: Place) -> None:
    done = place.manage("run_feed", "day", str(place.file()), "--engine", "plain", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["state"], report["is_complete"], report["error"]) == ("ended", True, None)
    assert (report["records"], report["books"], report["crossed_books"]) == (len(DAY), 1, 0)
    assert report["storage"]["is_whole"]
    assert report["storage"]["offered_records"] == len(DAY)


def test_a_torn_file_fails_and_says_what_was_whole(place: Place) -> None:
    whole = place.file("whole.dbn").read_bytes()
    torn = place.folder / "torn.dbn"
    torn.write_bytes(whole[:-30])
    done = place.manage("run_feed", "torn", str(torn), "--engine", "plain", "--no-store", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["state"], report["is_complete"]) == ("failed", False)
    assert report["records"] == len(DAY) - 1
    assert f"Complete before it: {len(DAY) - 1} records" in report["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("day",), "not both"),
        (("a/b", "x.dbn"), "letters, digits"),
        (("day", "--connect", "nowhere"), "HOST:PORT"),
        (("day", "missing.dbn", "--engine", "plain"), "missing.dbn"),
        (
            ("day", "--connect", "127.0.0.1:1", "--patience", "0.2", "--engine", "plain"),
            "127.0.0.1:1",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    place: Place, arguments: tuple[str, ...], words: str
) -> None:
    done = place.manage("run_feed", *arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_feed_says_that_it_waits_for_its_sender_and_stops_when_told_to(place: Place) -> None:
    arguments = ("waiting", "--connect", "127.0.0.1:1", "--patience", "600", "--engine", "plain")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_feed", *arguments],
        cwd=ROOT,
        env=place.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        assert process.stderr.readline().startswith("Published at 127.0.0.1:")
        assert eventually(lambda: state_of(place, "waiting")) == "connecting"
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        assert state_of(place, "waiting") == "stopped"
    finally:
        process.kill()
        process.wait()


def test_a_sender_that_never_came_is_said_on_the_feed(place: Place) -> None:
    arguments = ("late", "--connect", "127.0.0.1:1", "--patience", "0.2", "--engine", "plain")
    assert place.manage("run_feed", *arguments).returncode == 2
    assert state_of(place, "late") == "failed"


def state_of(place: Place, feed_id: str) -> str | None:
    with sqlite3.connect(place.folder / "feeds.sqlite3") as database:
        row = database.execute("select state from feeds_feed where id = ?", (feed_id,)).fetchone()
    return row[0] if row else None


def eventually(read: Callable[[], str | None]) -> str | None:
    """What it gives first, within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while (found := read()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
