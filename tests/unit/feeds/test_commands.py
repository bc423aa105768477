"""What is wrong around a command (database, place of an output, address) is told in a line."""

import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from market.feeds.dbn.synthetic import SyntheticPlan, generate
from market.feeds.dbn.writing import DbnWriter
from market.feeds.management.mistakes import address
from market.feeds.own.times import moment_ns

pytestmark = pytest.mark.django_db(databases=["default", "journal", "feeds"])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "day.dbn"
    with DbnWriter(path, dataset="TEST", symbols={1001: "SYN1"}) as writer:
        for records in generate(SyntheticPlan(seed=3, record_count=100)):
            writer.write(records)
    return path


@pytest.fixture
def as_before() -> Iterator[None]:
    """A command may change its process: here it is that of the tests."""
    signals = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    interval_s = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval_s)
    for name, handler in signals.items():
        signal.signal(name, handler)


@pytest.fixture
def no_database(as_before: None) -> Iterator[None]:
    def refuse(_execute: Callable[..., Any], *_: object) -> None:
        raise OperationalError("no such table")

    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(refuse))
        yield


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize(
    "arguments",
    [
        ("feeds_storage",),
        ("feeds_storage", "es"),
        ("prune_feeds",),
        ("prune_feeds", "--feed", "es"),
        ("record_market", "BTC-USDT", "out.dbn"),
        ("run_feed", "es", "day.dbn", "--engine", "plain"),
        ("run_feed", "es", "day.dbn", "--engine", "plain", "--no-store"),
        ("stream_mbo", "--market", "BTC-USDT", "--port", "0"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_a_line(
    arguments: tuple[str, ...], recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recording.parent)
    with pytest.raises(CommandError, match=r"database.*: no such table") as caught:
        call_command(*arguments)
    assert caught.value.returncode == 2
    assert not Path("out.dbn").exists()


def test_a_number_of_days_that_reaches_beyond_the_calendar_is_a_mistake() -> None:
    with pytest.raises(CommandError, match="--keep-days") as caught:
        call_command("prune_feeds", "--keep-days", "99999999")
    assert caught.value.returncode == 2


@pytest.mark.parametrize("place", ["nowhere/day.dbn", "."])
def test_a_recording_without_a_place_is_told_before_the_journal_is_read(
    place: str, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("nothing is to be read")

    monkeypatch.setattr("market.feeds.management.commands.record_market._record", read)
    monkeypatch.chdir(recording.parent)
    with pytest.raises(CommandError, match=r"^OUT: .* cannot be written\.$") as caught:
        call_command("record_market", "BTC-USDT", place)
    assert caught.value.returncode == 2


def test_a_day_that_is_none_is_told_with_one_that_is() -> None:
    with pytest.raises(CommandError, match=r"^'nope' is no day such as 2026-11-20\.$"):
        call_command("record_market", "BTC-USDT", "out.dbn", "--day", "nope")


def test_a_time_that_is_none_is_told_with_one_that_is() -> None:
    with pytest.raises(
        ValueError, match=r"^'soon' is no time such as 14:30 or 2026-11-20T14:30\.$"
    ):
        moment_ns("soon", day_of_ns=0)


@pytest.mark.usefixtures("as_before")
def test_a_file_that_cannot_be_played_is_told_before_a_venue_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def migrate(*_: object, **__: object) -> None:
        raise AssertionError("no venue is to be made")

    monkeypatch.setattr("market.feeds.management.commands.replay_market.call_command", migrate)
    path = tmp_path / "day.dbn"
    path.write_bytes(b"something else")
    with pytest.raises(CommandError, match="does not begin with DBN") as caught:
        call_command("replay_market", str(path))
    assert caught.value.returncode == 2


@pytest.mark.parametrize("place", ["nowhere/report.json", "."])
@pytest.mark.usefixtures("as_before")
def test_a_report_that_cannot_be_written_is_told_before_anything_is_played(
    place: str, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(*_: object) -> None:
        raise AssertionError("nothing is to be played")

    monkeypatch.setattr("market.feeds.management.commands.replay_market._play", play)
    monkeypatch.chdir(recording.parent)
    with pytest.raises(CommandError, match="--report") as caught:
        call_command("replay_market", str(recording), "--report", place)
    assert caught.value.returncode == 2


def test_a_recording_that_has_no_place_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "day.dbn"
    with pytest.raises(OSError, match=r"nowhere/day\.dbn'$"):
        DbnWriter(out, dataset="TEST", symbols={})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:7500", ("127.0.0.1", 7500)), ("[::1]:7500", ("::1", 7500)), ("a:1", ("a", 1))],
)
def test_an_address_is_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["", "7500", ":7500", "host:", "host:x", "host:65536", "host:0"])
def test_what_is_no_address_is_a_mistake(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        address(text)


def test_to_listen_any_free_port_may_be_asked_for() -> None:
    assert address("host:0", least_port=0) == ("host", 0)
