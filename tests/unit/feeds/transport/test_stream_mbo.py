"""What ``stream_mbo`` refuses, before anything is sent."""

import pytest
from django.core.management import CommandError, call_command

from tests.unit.feeds.transport.streams import make_records, write_file


@pytest.fixture
def file(tmp_path):
    return str(write_file(tmp_path / "a.dbn", make_records(10)))


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("stream_mbo", *arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "0"], "--rate 0: a rate is 1 to 1000000000 records a second."),
        (["--rate", "1000000000000"], "--rate 1000000000000: a rate is 1 to"),
        (["--rate", "many"], "invalid int value"),
        (["--rate", "5", "--speed", "max"], "not allowed with"),
        (["--speed", "0"], "--speed 0: a speed is 0.01 to"),
        (["--speed", "1e99999999"], "is realtime, max or a number"),
        (["--speed", "inf"], "is realtime, max or a number"),
        (["--speed", "fast"], "is realtime, max or a number"),
        (["--port", "70000"], "--port is 0 to 65535"),
        (["--host", "203.0.113.1"], "203.0.113.1:7500: "),
        (["--start-at", "yesterday"], "'yesterday' is no moment such as 2026-11-20T14:30"),
        (["--host", ""], "--host is an address to listen at"),
        (["--rate", "5", "--start-at", "2023-12-25"], "--start-at goes with"),
        (["--backlog-mib", "0"], "--backlog-mib is 1 or more"),
        (["--wait-clients", "-1"], "--wait-clients is 0 to 1000"),
        (["--wait-clients", "1001"], "--wait-clients is 0 to 1000"),
        (["--market", "BTC-USDT"], "Name the files to stream, or a market"),
    ],
)
def test_options_that_cannot_be_are_named(file, arguments, message):
    assert message in refused(file, *arguments)


def test_there_is_something_to_stream():
    assert "Name the files to stream, or a market" in refused()
    for option in (["--loop"], ["--rate", "5"], ["--speed", "2"], ["--speed", "max"]):
        assert "A market is live" in refused("--market", "BTC-USDT", *option)


def test_a_file_that_is_none_is_named_with_the_place(tmp_path):
    path = tmp_path / "no.dbn"
    assert "no.dbn cannot be read: No such file" in refused(str(path))
    path.write_bytes(b"something else")
    assert "does not begin with DBN, at byte 0" in refused(str(path))
    path.write_bytes(b"")
    assert "is empty, at byte 0" in refused(str(path))


def test_files_that_give_an_instrument_two_names_are_refused(file, tmp_path):
    other = str(write_file(tmp_path / "b.dbn", make_records(10), "SIEBEN"))
    assert refused(file, other) == (
        "Instrument 7 is SEVEN in a.dbn and SIEBEN in b.dbn: such files cannot be read as one; "
        "take each by itself."
    )
