"""Markets of a running venue: streamed live, recorded into files, and replayed."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from random import Random

import databento
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import Records
from market.feeds.own import market_source
from market.feeds.own.expression import PUBLISHER_ID, instrument_id
from market.feeds.own.journal_recorder import JournalRecorder
from market.feeds.own.market_source import MarketSource, UnknownMarket
from market.feeds.transport.client import FrameClient, Gap
from market.feeds.transport.frames import Kind
from market.feeds.transport.sending import live_server
from orderbook.core.commands import AmendOrder, CancelOrder, Command
from orderbook.core.units import DAY_NS, Side
from orderbook.explanation.replay import engine_at
from orderbook.gateway.gateway import Gateway
from orderbook.journal import last_sequence, read_batches
from tests.integration.venue import SYMBOL, limit_order, running_venue
from tests.unit.feeds.own.books_of import Queues, engine_queues, image_queues

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

PATIENCE_S = 60.0


def flow(seed: int, count: int) -> list[Command]:
    rng = Random(seed)
    commands: list[Command] = []
    for number in range(count):
        draw, account = rng.random(), rng.choice((1, 2))
        if draw < 0.7:
            side = rng.choice((Side.BUY, Side.SELL))
            commands.append(limit_order(account, side, rng.randint(95, 105), rng.randint(1, 9)))
        elif draw < 0.85:
            commands.append(CancelOrder(account, rng.randint(1, number + 1)))
        else:
            commands.append(
                AmendOrder(account, rng.randint(1, number + 1), quantity_lots=rng.randint(1, 9))
            )
    return commands


def engines_book() -> Queues:
    return engine_queues(engine_at(last_sequence()).books[SYMBOL])


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def recorded_after(sequence: int) -> Records:
    recorder = JournalRecorder(SYMBOL, sequence)
    return np.concatenate([recorder.begin(), *recorder.follow()])


def book_of(books: PlainBooks) -> Queues:
    return image_queues(books.image(books.keys()[0]))


@contextmanager
def streaming(source: MarketSource) -> Iterator[int]:
    """A server of the source, in a thread; its port."""
    with live_server(source) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.address[1]
        finally:
            server.stop()
            thread.join(PATIENCE_S)


def receive_until(client: FrameClient, books: PlainBooks, sequence: int) -> None:
    """Applies records until those of a journal sequence have come."""
    deadline = time.monotonic() + PATIENCE_S
    seen = 0
    while seen < sequence:
        assert time.monotonic() < deadline, f"the stream stands at {seen}, not at {sequence}"
        received = client.receive(timeout_s=1.0)
        assert not isinstance(received, Gap)
        if received is not None and received.kind is Kind.RECORDS:
            books.apply(received.records)
            seen = int(received.records["sequence"][-1])


def records_until(source: MarketSource, end: Callable[[], int]) -> list[Records]:
    """Of a source that is read without a server."""
    parts, last = [], end()
    for records in source.batches():
        parts.append(records)
        if len(records) and int(records["sequence"][-1]) >= last:
            source.close()
    return parts


async def do(gateway: Gateway, commands: list[Command]) -> int:
    """The sequence of an order that certainly leaves a record: it is the last."""
    await gateway.submit_many(commands)
    answer = await gateway.submit(limit_order(1, Side.BUY, 50, 1))
    return answer.sequence


async def test_a_live_stream_begins_with_the_book_and_follows_it() -> None:
    async with running_venue() as gateway:
        await do(gateway, flow(1, 150))
        source = await asyncio.to_thread(MarketSource, SYMBOL)
        books = PlainBooks()
        with streaming(source) as port, FrameClient("127.0.0.1", port) as client:
            for seed in (2, 3):
                sequence = await do(gateway, flow(seed, 150))
                await asyncio.to_thread(receive_until, client, books, sequence)
                assert book_of(books) == await asyncio.to_thread(engines_book)
        assert not any(books.counters().values())
        assert books.keys() == [(PUBLISHER_ID, instrument_id(SYMBOL))]


async def test_a_reader_that_comes_late_finds_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The past of a stream is kept for a while only: the book is given again and again."""
    monkeypatch.setattr(market_source, "SNAPSHOT_EVERY_RECORDS", 50)
    async with running_venue() as gateway:
        source = await asyncio.to_thread(MarketSource, SYMBOL)
        await do(gateway, flow(11, 400))
        expected = await asyncio.to_thread(engines_book)
        parts = await asyncio.to_thread(records_until, source, last_sequence)
    records = np.concatenate(parts)
    clears = np.flatnonzero(records["action"] == ord("R"))
    assert len(clears) > 1
    for start in clears:
        books = PlainBooks()
        books.apply(records[start:])
        assert book_of(books) == expected


async def test_there_is_no_stream_of_a_market_that_does_not_exist() -> None:
    async with running_venue():
        with pytest.raises(UnknownMarket, match="no market NO-SUCH"):
            await asyncio.to_thread(MarketSource, "NO-SUCH")


@pytest.mark.parametrize("name", ["market.dbn", "market.dbn.zst"])
async def test_a_recorded_market_is_a_file_that_other_readers_know(
    name: str, tmp_path: Path
) -> None:
    path, out = tmp_path / name, StringIO()
    async with running_venue() as gateway:
        await do(gateway, flow(4, 300))
    await asyncio.to_thread(call_command, "record_market", SYMBOL, str(path), json=True, stdout=out)
    result = json.loads(out.getvalue())
    books = PlainBooks()
    with open_dbn(path) as file:
        for records in file.batches():
            books.apply(records)
    assert result["records"] == books.record_count
    assert book_of(books) == await asyncio.to_thread(engines_book)
    frame = databento.DBNStore.from_file(path).to_df()
    assert len(frame) == books.record_count
    assert set(frame["symbol"]) == {SYMBOL}


async def test_recordings_of_parts_of_a_day_build_the_book_at_their_end(tmp_path: Path) -> None:
    """From anywhere in the journal: the snapshot and the rest are the whole."""
    async with running_venue() as gateway:
        for seed in range(5, 9):
            await do(gateway, flow(seed, 60))
    ends = [batch.last_sequence for batch in await asyncio.to_thread(read_batches, 0)]
    expected = await asyncio.to_thread(engines_book)
    for sequence in (0, ends[0], *ends[len(ends) // 2 :: 2]):
        books = PlainBooks()
        books.apply(await asyncio.to_thread(recorded_after, sequence))
        assert book_of(books) == expected


async def test_wrong_requests_for_a_recording_are_told_in_a_line(tmp_path: Path) -> None:
    async with running_venue() as gateway:
        await do(gateway, [])
    path = tmp_path / "market.dbn"
    for arguments, message in (
        (("NO-SUCH", str(path)), "no instrument NO-SUCH"),
        ((SYMBOL, str(path), "--day", "yesterday"), "'yesterday' is no day such as "),
        ((SYMBOL, str(path), "--from", "2030-01-02", "--to", "2030-01-01"), "later than"),
        ((SYMBOL, str(path), "--day", "2030-01-02", "--to", "2030-01-01"), "--day goes without"),
    ):
        with pytest.raises(CommandError, match=message) as caught:
            await asyncio.to_thread(call_command, "record_market", *arguments)
        assert caught.value.returncode == 2
        assert files_in(tmp_path) == []


async def test_a_day_without_commands_is_its_snapshot(tmp_path: Path) -> None:
    async with running_venue() as gateway:
        answer = await gateway.submit(limit_order(1, Side.BUY, 50, 1))
    day = time.strftime("%Y-%m-%d", time.gmtime((answer.time_ns + 2 * DAY_NS) // 10**9))
    path = tmp_path / "market.dbn"
    await asyncio.to_thread(call_command, "record_market", SYMBOL, str(path), "--day", day)
    with open_dbn(path) as file:
        (records,) = list(file.batches())
    assert records["action"].tobytes() == b"RA"
    books = PlainBooks()
    books.apply(records)
    assert book_of(books)[0] == [(1, 50 * 10**7, 1)]
