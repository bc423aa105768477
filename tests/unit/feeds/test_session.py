"""A session: records to books, and what is known of each book."""

import random

import numpy as np
import pytest

from market.feeds.books.contract import BookKey, state_hash
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import (
    ADD,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MODIFY,
    NONE,
    TRADE,
)
from market.feeds.errors import BadFile
from market.feeds.session import FeedSession, FeedState
from market.feeds.states import StateTracker
from market.feeds.transport.client import FrameClient, Gap
from market.feeds.transport.errors import StreamLost
from market.feeds.transport.frames import NO_RECORDS, Kind, Received
from market.feeds.transport.pacing import SteadyPace
from market.feeds.transport.sending import file_server
from market.feeds.transport.server import Limits
from market.feeds.transport.sources import FileSource
from tests.unit.feeds.transport.streams import (
    client_of,
    make_records,
    running,
    scripted_sender,
    write_file,
)

KEY = BookKey(1, 7)


def records_with(*actions):
    """One record each of (action, flags)."""
    records = make_records(len(actions))
    for record, (action, flags) in zip(records, actions, strict=True):
        record["action"], record["flags"] = action, flags
    return records


def state_after(*actions, tracker=None):
    tracker = tracker or StateTracker()
    tracker.take(records_with(*actions))
    return tracker.status(KEY)


def test_a_book_that_was_not_seen_is_init():
    assert StateTracker().status(KEY) == (FeedState.INIT, False)


@pytest.mark.parametrize("action", [ADD, CANCEL, MODIFY, TRADE, NONE])
def test_a_book_that_begins_with_anything_else_starts_cold(action):
    assert state_after((action, FLAG_LAST)) == (FeedState.LIVE, True)


def test_a_clear_begins_a_book_that_is_known():
    assert state_after((CLEAR, FLAG_LAST), (ADD, FLAG_LAST)) == (FeedState.LIVE, False)


def test_a_snapshot_is_being_read_until_its_last_record():
    tracker = StateTracker()
    a = (ADD, FLAG_SNAPSHOT)
    assert state_after((CLEAR, FLAG_SNAPSHOT), a, tracker=tracker).state is FeedState.SYNCING
    assert state_after(a, (TRADE, 0), tracker=tracker).state is FeedState.SYNCING
    last = (ADD, FLAG_SNAPSHOT | FLAG_LAST)
    assert state_after(a, last, tracker=tracker) == (FeedState.LIVE, False)


def test_a_snapshot_without_a_last_record_ends_with_the_first_change():
    tracker = StateTracker()
    assert state_after((ADD, FLAG_SNAPSHOT), tracker=tracker) == (FeedState.SYNCING, False)
    assert state_after((CANCEL, 0), tracker=tracker) == (FeedState.LIVE, False)


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ([(ADD, FLAG_LAST), (MODIFY, FLAG_LAST), (FILL, 0)], FeedState.GAP),
        ([(CLEAR, FLAG_LAST)], FeedState.LIVE),
        ([(CLEAR, FLAG_LAST), (ADD, FLAG_LAST)], FeedState.LIVE),
        ([(ADD, FLAG_SNAPSHOT)], FeedState.SYNCING),
        ([(ADD, FLAG_SNAPSHOT | FLAG_LAST)], FeedState.LIVE),
    ],
)
def test_only_a_clear_or_a_snapshot_ends_a_gap(actions, state):
    tracker = StateTracker()
    state_after((CLEAR, FLAG_LAST), tracker=tracker)
    tracker.gap()
    assert tracker.status(KEY).state is FeedState.GAP
    assert state_after(*actions, tracker=tracker).state is state


def test_a_cold_start_is_over_with_the_next_clear():
    tracker = StateTracker()
    assert state_after((ADD, 0), tracker=tracker).cold_start
    assert not state_after((CLEAR, 0), (ADD, 0), tracker=tracker).cold_start


def plain_states(records):
    """The rules record by record."""
    states: dict[BookKey, tuple[FeedState | None, bool]] = {}
    for record in records:
        key = BookKey(int(record["publisher_id"]), int(record["instrument_id"]))
        action, flags = int(record["action"]), int(record["flags"])
        state, cold = states.get(key, (None, True))
        if action == CLEAR or (action == ADD and flags & FLAG_SNAPSHOT):
            cold = False
            complete = flags & FLAG_LAST or not flags & FLAG_SNAPSHOT
            state = FeedState.LIVE if complete else FeedState.SYNCING
        elif state is None or action not in (TRADE, FILL, NONE):
            state = FeedState.LIVE
        states[key] = (state, cold)
    return dict(sorted(states.items()))


@pytest.mark.parametrize("instruments", [1, 3, 400])
@pytest.mark.parametrize("seed", range(6))
def test_states_are_those_of_the_rules_whatever_the_batches_are(seed, instruments):
    rng = random.Random(seed)
    records = make_records(3_000)
    for record in records:
        record["instrument_id"] = rng.randrange(instruments) * 65_536 + 1
        record["publisher_id"] = rng.choice([1, 2])
        record["action"] = rng.choice([ADD, ADD, CANCEL, MODIFY, TRADE, FILL, NONE, ord("?")])
        record["flags"] = rng.choice([0, FLAG_LAST])
        if rng.random() < 0.02:
            record["action"] = rng.choice([CLEAR, ADD, CANCEL])
            record["flags"] = rng.choice([0, FLAG_SNAPSHOT, FLAG_SNAPSHOT | FLAG_LAST])
    tracker, at = StateTracker(), 0
    while at < len(records):
        size = rng.choice([1, 7, 100, 900])
        tracker.take(records[at : at + size])
        at += size
        assert tracker.statuses() == plain_states(records[:at])


@pytest.fixture
def files(tmp_path):
    first, second = make_records(30_000), make_records(500, first=40_000)
    paths = [write_file(tmp_path / "a.dbn", first), write_file(tmp_path / "b.dbn.zst", second)]
    with FileSource(paths) as source:
        yield source, np.concatenate([first, second])


def collect(session):
    data, batches = [], []

    def on_batch(batch):
        data.append(batch.records.tobytes())
        batches.append(batch._replace(records=NO_RECORDS))

    session.run(on_batch)
    return b"".join(data), batches


@pytest.mark.parametrize("batch_records", [1_000, 65_536])
def test_files_are_taken_one_after_the_other(files, batch_records):
    source, records = files
    session = FeedSession(source, PlainBooks(), batch_records=batch_records)
    data, batches = collect(session)
    assert data == records.tobytes()
    assert session.is_complete
    assert session.record_count == session.books.record_count == len(records)
    assert batches[-1].first_record in (30_000, 0)
    assert session.status(KEY) == (FeedState.LIVE, True)
    assert session.symbol(KEY) == "SEVEN"
    assert session.symbol(BookKey(1, 8)) is None


def test_a_sender_gives_the_same_books_as_the_files(files):
    source, records = files
    of_files, of_sender = PlainBooks(), PlainBooks()
    collect(FeedSession(source, of_files))
    with (
        file_server(source, SteadyPace(200_000), limits=Limits(linger_s=0.05)) as server,
        running(server) as sender,
        client_of(sender) as client,
    ):
        session = FeedSession(client, of_sender)
        data, batches = collect(session)
        assert session.is_complete
        assert session.symbol(KEY) == "SEVEN"
        assert session.last_sequence == server.progress().sequence
    assert data == records.tobytes()
    assert [batch.first_record for batch in batches] == sorted(b.first_record for b in batches)
    hashes = [state_hash(map(books.image, books.keys())) for books in (of_files, of_sender)]
    assert hashes[0] == hashes[1]


def test_a_restart_empties_the_books(tmp_path):
    path = write_file(tmp_path / "a.dbn", make_records(1_000))
    seen = []
    with (
        FileSource([path]) as source,
        file_server(source, SteadyPace(100_000), loop=True) as server,
        running(server) as sender,
        client_of(sender) as client,
    ):
        session = FeedSession(client, PlainBooks())

        def on_batch(batch):
            size = sum(level.order_count for level in session.books.levels(KEY, 100)[0])
            seen.append((batch.first_record, len(batch.records), batch.restarted, size))
            if session.restart_count == 3:
                session.stop()

        session.run(on_batch)
    assert not session.is_complete
    assert [restarted for first, _, restarted, _ in seen] == [
        first > 0 and first % 1_000 == 0 for first, *_ in seen
    ]
    assert all(size == first % 1_000 + count for first, count, _, size in seen)


class Scripted:
    """Stands in for a client."""

    hello = None
    last_sequence = 0

    def __init__(self, *events):
        self.events = list(events)

    def receive(self, timeout_s):
        return self.events.pop(0)


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr("market.feeds.session.FrameClient", Scripted)
    return lambda *events: FeedSession(Scripted(*events), PlainBooks())


def frame(kind, records=NO_RECORDS, first=0):
    return Received(kind, 1, first, 0, records, {})


def test_after_a_gap_books_are_marked_until_they_begin_anew(scripted):
    session = scripted(
        frame(Kind.RECORDS, records_with((CLEAR, FLAG_LAST), (ADD, FLAG_LAST))),
        Gap(1, False, "lost"),
        frame(Kind.RECORDS, records_with((MODIFY, FLAG_LAST)), 900),
        frame(Kind.RECORDS, records_with((CLEAR, FLAG_LAST)), 901),
        frame(Kind.END),
    )
    states, gaps = [], []

    def on_batch(batch):
        states.append(session.status(KEY).state)
        gaps.append(batch.after_gap)

    session.run(on_batch)
    assert states == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE]
    assert gaps == [False, True, False]
    assert session.gap_count == 1


def test_another_stream_from_its_beginning_is_a_restart(scripted):
    session = scripted(
        frame(Kind.RECORDS, make_records(5)),
        Gap(1, True, "another"),
        frame(Kind.RECORDS, records_with((CLEAR, FLAG_LAST))),
        frame(Kind.END),
    )
    _, batches = collect(session)
    assert [batch.restarted for batch in batches] == [False, True]
    assert session.status(KEY) == (FeedState.LIVE, False)


def test_idle_time_is_told(scripted):
    session = scripted(None, None, frame(Kind.HEARTBEAT), None, frame(Kind.END))
    calls: list[object] = []
    session.run(calls.append, lambda: calls.append("idle"))
    assert calls == ["idle"] * 3


def test_a_damaged_file_is_an_error_that_says_what_was_complete(tmp_path):
    path = write_file(tmp_path / "a.dbn", make_records(20_000))
    path.write_bytes(path.read_bytes()[:-30])
    with FileSource([path]) as source:
        session = FeedSession(source, PlainBooks())
        with pytest.raises(BadFile, match=r"at byte .* Complete before it: 19999 records\."):
            collect(session)
    assert not session.is_complete
    assert session.books.record_count == 19_999


def test_a_lost_stream_is_not_complete():
    with scripted_sender(b"") as address:
        session = FeedSession(FrameClient(*address, patience_s=0), PlainBooks())
        with pytest.raises(StreamLost, match="Complete before it: 0 records"):
            collect(session)
    assert not session.is_complete
