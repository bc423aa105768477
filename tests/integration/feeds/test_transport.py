"""``stream_mbo`` as a process: killed, stopped, started again, misused."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from market.feeds.books.contract import state_hash
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.files import open_dbn
from market.feeds.session import FeedSession
from market.feeds.transport.client import FrameClient
from market.feeds.transport.errors import StreamLost
from market.feeds.transport.frames import Kind
from market.feeds.transport.sources import FileSource
from tests.unit.feeds.transport.streams import DEADLINE_S, make_records, write_file

ROOT = Path(__file__).parents[3]
REAL_FILES = sorted(
    path
    for folder in filter(None, [os.environ.get("RIALTO_MBO_DATA")])
    for path in Path(folder).glob("*.dbn*")
)


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "stream_mbo", *map(str, arguments)]


class Sender:
    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            command(*arguments),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.port = json.loads(line)["port"]

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, err


@contextmanager
def sending(*arguments: object):
    sender = Sender(*arguments, "--json")
    try:
        yield sender
    finally:
        if sender.process.poll() is None:
            sender.process.kill()
            sender.process.communicate()


@pytest.fixture(scope="module", params=["a.dbn", "a.dbn.zst"])
def file(request, tmp_path_factory):
    records = make_records(60_000)
    return write_file(tmp_path_factory.mktemp("stream") / request.param, records), records


def books_hash(books: PlainBooks) -> str:
    return state_hash(map(books.image, books.keys()))


def test_a_sender_that_is_killed_and_started_again_loses_nothing(file):
    path, records = file
    arguments = (path, "--rate", 20_000, "--linger", 0.1)
    expected = PlainBooks()
    expected.apply(records)
    digest = sha256()
    with sending(*arguments, "--port", 0) as first:
        client = FrameClient("127.0.0.1", first.port, patience_s=DEADLINE_S)
        session = FeedSession(client, PlainBooks())
        again: list[Sender] = []

        def on_batch(batch):
            digest.update(batch.records.tobytes())
            if session.record_count > 10_000 and not again:
                first.process.kill()
                first.process.communicate()
                again.append(Sender(*arguments, "--port", first.port, "--json"))

        try:
            with client:
                session.run(on_batch)
            assert session.is_complete
            assert client.reconnect_count == 1
            assert digest.digest() == sha256(records.tobytes()).digest()
            assert books_hash(session.books) == books_hash(expected)
            code, out, err = again[0].end()
            assert (code, err) == (0, "")
            report = json.loads(out.splitlines()[-1])
            assert report["complete"]
            assert report["records"] == len(records)
        finally:
            for sender in again:
                sender.process.kill()


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_and_the_stream_is_not_taken_for_whole(file, name):
    path, _ = file
    with (
        sending(path, "--rate", 1_000, "--port", 0) as sender,
        FrameClient("127.0.0.1", sender.port, patience_s=0.5) as client,
    ):
        while client.last_sequence < 10:
            client.receive(DEADLINE_S)
        sender.process.send_signal(name)
        kinds = set()
        with pytest.raises(StreamLost, match="There was no END; the last frame was sequence"):  # noqa: PT012
            while True:
                received = client.receive(DEADLINE_S)
                kinds.add(received.kind)
        assert Kind.END not in kinds
        code, out, err = sender.end()
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["complete"] is False


def test_progress_is_shown_on_stderr_alone(file):
    path, records = file
    with (
        sending(path, "--speed", "max", "--port", 0, "--progress", "--linger", 0) as sender,
        FrameClient("127.0.0.1", sender.port) as client,
    ):
        while (received := client.receive(DEADLINE_S)).kind is not Kind.END:
            pass
        assert received.first_record == len(records)
        code, out, err = sender.end()
    assert code == 0
    assert "streaming" in err
    assert json.loads(out)["records"] == len(records)


def test_a_mistake_is_one_line_and_code_2():
    run = subprocess.run(
        command("no-such-file.dbn"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "no-such-file.dbn cannot be read: No such file" in run.stderr


if REAL_FILES:

    @pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
    def test_real_files_arrive_as_they_are(path):
        with open_dbn(path) as opened:
            data = np.concatenate([batch.copy() for batch in opened.batches()]).tobytes()
        expected, streamed, digest = PlainBooks(), PlainBooks(), sha256()
        with FileSource([path]) as source:
            FeedSession(source, expected).run(lambda batch: None)
        with (
            sending(path, "--speed", "max", "--port", 0) as sender,
            FrameClient("127.0.0.1", sender.port) as client,
        ):
            FeedSession(client, streamed).run(lambda batch: digest.update(batch.records.tobytes()))
        assert digest.digest() == sha256(data).digest()
        assert books_hash(streamed) == books_hash(expected)
