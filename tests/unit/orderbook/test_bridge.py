"""The bridge between an embedded venue and commands beside it, over real sockets.

The venue's layers are in-memory ones without an engine: the test reads the engine's queue itself.
"""

import asyncio
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer, channel_layers

from orderbook.core.commands import DefineAsset
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway.bridge import address, client, frames, joining, server
from orderbook.gateway.bridge.client import BridgeLayer
from orderbook.gateway.bridge.joining import NoVenueRuns, VenueEnded, joined_venue
from orderbook.gateway.bridge.server import BridgeServer
from orderbook.gateway.gateway import Gateway, get_gateway, set_gateway
from orderbook.gateway.protocol import FANOUT_GROUP, GetStatus

PATIENCE_S = 60.0
CAPACITY = 5
QUEUE = "engine"


class Venue:
    """A bridge and the layers behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layers = {
            "engine": InMemoryChannelLayer(capacity=CAPACITY),
            "default": InMemoryChannelLayer(capacity=10_000),
        }
        self.bridge = BridgeServer(path, self.layers)
        self._clients: list[BridgeLayer] = []

    async def client(self, layer: str = "engine", **config: Any) -> BridgeLayer:
        connected = await BridgeLayer.connect(self.path, layer, **config)
        self._clients.append(connected)
        return connected

    async def close(self) -> None:
        for connected in self._clients:
            await connected.close()
        await self.bridge.stop()

    async def publish(self, data: bytes) -> None:
        await self.layers["default"].group_send(FANOUT_GROUP, {"type": "venue.batch", "data": data})

    def members(self) -> int:
        return len(self.layers["default"].groups.get(FANOUT_GROUP, ()))


@pytest.fixture
def data_dir(settings: Any) -> Iterator[Path]:
    """With a path that is short enough for a socket, which pytest's may not be."""
    with tempfile.TemporaryDirectory(prefix="rialto-") as name:
        settings.DATA_DIR = Path(name)
        yield Path(name)


@pytest.fixture
async def venue(data_dir: Path) -> AsyncIterator[Venue]:
    venue = Venue(address.socket_path())
    await venue.bridge.start()
    yield venue
    await venue.close()


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def feed_of(venue: Venue, **config: Any) -> tuple[BridgeLayer, str]:
    layer = await venue.client("default", **config)
    channel = await layer.new_channel("feed")
    await layer.group_add(FANOUT_GROUP, channel)
    return layer, channel


def commands(reply_to: str, batch: bytes = b"batch") -> dict[str, Any]:
    return {"type": "commands", "reply_to": reply_to, "batch": batch}


async def received(layer: Any, channel: str) -> dict[str, Any]:
    return await asyncio.wait_for(layer.receive(channel), PATIENCE_S)


# -- what a channel layer does ------------------------------------------------------------------


async def test_commands_and_queries_reach_the_engine_as_the_gateway_sent_them(
    venue: Venue,
) -> None:
    layer = await venue.client()
    mine = await layer.new_channel("gateway")
    query = {"type": "query", "id": b"\x00\xff", "reply_to": mine, "query": b"\x81"}
    await layer.send(QUEUE, commands(mine))
    await layer.send(QUEUE, query)
    assert await received(venue.layers["engine"], QUEUE) == commands(mine)
    assert await received(venue.layers["engine"], QUEUE) == query


async def test_each_of_two_commands_gets_its_own_replies(venue: Venue) -> None:
    first, second = await venue.client(), await venue.client()
    channels = [await first.new_channel("gateway"), await second.new_channel("gateway")]
    assert channels[0] != channels[1]
    for number, channel in reversed(list(enumerate(channels))):
        reply = {"type": "replies", "batch": bytes([number])}
        await venue.layers["engine"].send(channel, reply)
    assert (await received(first, channels[0]))["batch"] == b"\x00"
    assert (await received(second, channels[1]))["batch"] == b"\x01"


async def test_publications_reach_every_member_in_order_until_it_leaves(venue: Venue) -> None:
    (one, at_one), (two, at_two) = await feed_of(venue), await feed_of(venue)
    for number in range(20):
        await venue.publish(bytes([number]))
    for layer, channel in ((one, at_one), (two, at_two)):
        got = [(await received(layer, channel))["data"] for _ in range(20)]
        assert got == [bytes([number]) for number in range(20)]
    await one.group_discard(FANOUT_GROUP, at_one)
    await venue.publish(b"later")
    assert (await received(two, at_two))["data"] == b"later"
    assert venue.members() == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.receive(at_one), 0.1)


async def test_a_full_queue_says_so_and_takes_more_once_it_was_read(venue: Venue) -> None:
    layer = await venue.client()
    mine = await layer.new_channel("gateway")
    for _ in range(CAPACITY):
        await layer.send(QUEUE, commands(mine))
    with pytest.raises(ChannelFull):
        await layer.send(QUEUE, commands(mine))
    await received(venue.layers["engine"], QUEUE)
    await layer.send(QUEUE, commands(mine))


async def test_what_a_command_does_not_receive_is_bounded_and_expires(
    venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    layer, channel = await feed_of(venue, capacity=2, expiry=0)
    for number in range(4):
        await venue.publish(bytes([number]))
    await soon(lambda: caplog.text.count("was dropped: nobody receives them") == 2)
    assert layer.channels[channel].qsize() == 2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive(channel), 0.1)
    layer.expiry = 60
    await venue.publish(b"fresh")
    assert (await received(layer, channel))["data"] == b"fresh"


async def test_a_message_that_is_too_large_is_refused_where_it_is_sent(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_REQUEST_BYTES", 1_000)
    layer = await venue.client()
    mine = await layer.new_channel("gateway")
    with pytest.raises(ValueError, match="too large"):
        await layer.send(QUEUE, commands(mine, bytes(1_000)))
    await layer.send(QUEUE, commands(mine))


async def test_a_publication_that_is_too_large_is_dropped_and_the_rest_comes(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_FRAME_BYTES", 1_000)
    layer, channel = await feed_of(venue)
    for data in (bytes(1_000), b"small"):
        await venue.publish(data)
    assert (await received(layer, channel))["data"] == b"small"


# -- commands that misbehave --------------------------------------------------------------------


def frame(content: Any) -> bytes:
    encoded = msgspec.msgpack.encode(content)
    return len(encoded).to_bytes(4, "big") + encoded


def hello(layer: str = "engine") -> bytes:
    return frame(["Hello", frames.version(), layer])


OPEN = frame(["OpenChannel", 1, "gateway"])
BAD_BEGINNINGS = {
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "empty": bytes(4),
    "too_large": b"\xff\xff\xff\xff",
    "just_too_large": (frames.MAX_REQUEST_BYTES + 1).to_bytes(4, "big"),
    "no_message_pack": b"\x00\x00\x00\x03\xc1\xc1\xc1",
    "a_number": frame(7),
    "no_hello": OPEN,
    "unknown_layer": hello("journal"),
    "half_a_length": b"\x00\x00",
    "half_a_frame": hello()[:-3],
}
BAD_REQUESTS = {
    "garbage": b"\x00\x00\x00\x02\xc1\xc1",
    "second_hello": hello(),
    "unknown": frame(["Shutdown", 2]),
    "wrong_type": frame(["OpenChannel", "two", "gateway"]),
    "bad_prefix": frame(["OpenChannel", 2, "a b\n"]),
    "anothers_channel": frame(["JoinGroup", 2, FANOUT_GROUP, "feed.inmemory!abc"]),
    "reply_to_the_engine": frame(["Send", 2, commands("engine")]),
    "no_reply_to": frame(["Send", 2, {"type": "commands", "batch": b""}]),
    "other_message": frame(["Send", 2, {"type": "shutdown", "reply_to": "engine"}]),
    "more_than_a_message": frame(["Send", 2, {**commands("engine"), "more": 1}]),
    "text_for_bytes": frame(["Send", 2, {**commands("engine"), "batch": "text"}]),
    "cut_off": OPEN[:-1],
}


async def _closed_after(venue: Venue, data: bytes, *, eof: bool) -> None:
    reader, writer = await asyncio.open_unix_connection(str(venue.path))
    writer.write(data)
    if eof:
        writer.write_eof()
    with suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()


@pytest.mark.parametrize("name", [*BAD_BEGINNINGS, *BAD_REQUESTS])
async def test_what_is_no_frame_ends_its_own_connection_and_nothing_else(
    venue: Venue, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: it is not the time for the rest of a frame that ends it."""
    monkeypatch.setattr(frames, "REST_OF_FRAME_S", 10 * PATIENCE_S)
    monkeypatch.setattr(server, "HELLO_S", 10 * PATIENCE_S)
    layer = await venue.client()
    mine = await layer.new_channel("gateway")
    bad = BAD_BEGINNINGS.get(name) or hello() + OPEN + BAD_REQUESTS[name]
    await _closed_after(venue, bad, eof=name in ("half_a_length", "half_a_frame", "cut_off"))
    assert not venue.layers["engine"].channels.get(QUEUE)
    await layer.send(QUEUE, commands(mine))
    assert await received(venue.layers["engine"], QUEUE) == commands(mine)


@pytest.mark.parametrize("data", [b"", b"\x00", hello()[:20], hello() + OPEN[:-1]])
async def test_a_command_that_stops_in_the_middle_loses_its_connection(
    venue: Venue, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "REST_OF_FRAME_S", 0.1)
    monkeypatch.setattr(server, "HELLO_S", 0.2)
    await _closed_after(venue, data, eof=False)


async def test_too_many_channels_end_a_connection(venue: Venue) -> None:
    layer = await venue.client()
    for _ in range(server.MAX_CHANNELS):
        await layer.new_channel("gateway")
    with pytest.raises(ConnectionError):
        await layer.new_channel("gateway")


async def test_a_feed_may_leave_and_come_back_for_ever(venue: Venue) -> None:
    layer = await venue.client("default")
    for _ in range(3 * server.MAX_CHANNELS):
        channel = await layer.new_channel("feed")
        await layer.group_add(FANOUT_GROUP, channel)
        await layer.group_discard(FANOUT_GROUP, channel)
    assert venue.members() == 0


async def test_a_command_that_does_not_read_is_let_go_and_holds_up_nobody(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STALL_S", 0.3)
    good, at_good = await feed_of(venue)
    stuck = socket.socket(socket.AF_UNIX)
    stuck.settimeout(PATIENCE_S)
    await asyncio.to_thread(stuck.connect, str(venue.path))
    stuck.sendall(hello("default") + OPEN)
    layer = venue.layers["default"]
    answers = b""
    while answers.count(b"gateway.inmemory!") < 1:
        answers += await asyncio.to_thread(stuck.recv, 1)
    name = (b"gateway.inmemory!" + await asyncio.to_thread(stuck.recv, 12)).decode()
    stuck.sendall(frame(["JoinGroup", 2, FANOUT_GROUP, name]))
    await soon(lambda: venue.members() == 2)
    for number in range(40):
        await venue.publish(bytes([number]) * 100_000)
        assert (await received(good, at_good))["data"][0] == number
    await soon(lambda: venue.members() == 1)
    assert list(layer.groups[FANOUT_GROUP]) == [at_good]
    await venue.publish(b"afterwards")
    assert (await received(good, at_good))["data"] == b"afterwards"
    stuck.close()


async def test_a_command_that_is_gone_leaves_nothing_behind(venue: Venue) -> None:
    layer, _ = await feed_of(venue)
    assert venue.members() == 1
    layer._writer.transport.abort()
    await soon(lambda: venue.members() == 0 and not venue.bridge._connections)


# -- coming together, and parting ---------------------------------------------------------------


async def test_another_version_is_told_to_start_the_venue_again(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "version", lambda: "another")
    with pytest.raises(EngineUnavailable, match="another version"):
        await venue.client()


async def test_one_command_too_many_is_told(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    await venue.client()
    with pytest.raises(EngineUnavailable, match="Too many commands"):
        await venue.client()


async def test_a_venue_that_says_nothing_is_not_waited_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_S", 0.1)
    path = address.socket_path()
    address.make_folder(path.parent)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(EngineUnavailable, match="does not answer"):
            await BridgeLayer.connect(path, "engine")


async def test_the_socket_is_its_owners_alone_and_goes_with_the_venue(venue: Venue) -> None:
    assert stat.S_IMODE(venue.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(venue.path.parent.stat().st_mode) == 0o700
    await venue.bridge.stop()
    assert not venue.path.exists()


async def test_the_socket_of_a_venue_that_was_killed_is_replaced(data_dir: Path) -> None:
    path = address.socket_path()
    path.parent.mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NoVenueRuns):
        await joining.join_venue()
    venue = Venue(path)
    await venue.bridge.start()
    assert await (await venue.client()).new_channel("gateway")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await venue.close()


async def test_a_long_data_dir_has_its_socket_in_a_short_folder(
    data_dir: Path, settings: Any
) -> None:
    settings.DATA_DIR = data_dir / ("a-long-name/" * 12)
    path = address.socket_path()
    assert len(str(path)) < 80
    settings.DATA_DIR = data_dir / ("another-long-name/" * 12)
    assert address.socket_path() != path
    venue = Venue(path)
    try:
        await venue.bridge.start()
        assert await (await venue.client()).new_channel("gateway")
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        await venue.close()
        path.parent.rmdir()


async def test_a_short_folder_that_somebody_else_laid_out_is_not_used(
    data_dir: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "_SHORT_PARENT", data_dir)
    settings.DATA_DIR = data_dir / ("a-long-name/" * 12)
    path = address.socket_path()
    assert path.parent.parent == data_dir
    (data_dir / "elsewhere").mkdir()
    path.parent.symlink_to(data_dir / "elsewhere")
    with pytest.raises(address.UnsafeFolder):
        await BridgeServer(path, {}).start()
    with pytest.raises(EngineUnavailable, match="not this user's folder"):
        await joining.join_venue()


async def test_a_venue_that_ends_ends_what_was_asked_of_it(venue: Venue) -> None:
    layer = await venue.client()
    await layer.new_channel("gateway")
    await venue.bridge.stop()
    await asyncio.wait_for(layer.lost.wait(), PATIENCE_S)
    with pytest.raises(ConnectionError):
        await layer.send(QUEUE, commands("gateway"))
    with pytest.raises(NoVenueRuns):
        await joining.join_venue()


async def test_work_beside_a_venue_ends_with_it(venue: Venue) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with joined_venue() as joined:
        assert await joined.while_it_runs(asyncio.sleep(0, "done")) == "done"
        working = asyncio.create_task(joined.while_it_runs(work()))
        await asyncio.sleep(0)
        await venue.bridge.stop()
        with pytest.raises(VenueEnded, match="may have been carried out or not"):
            await asyncio.wait_for(working, PATIENCE_S)
    assert ended.is_set()
    assert not isinstance(channel_layers.backends.get("engine"), BridgeLayer)


async def test_callers_of_a_venue_that_ends_are_told_at_once(
    venue: Venue, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Long before the deadline, and without a line of warnings for each attempt to send again."""
    gateway: Gateway = await asyncio.to_thread(get_gateway)
    try:
        command = asyncio.create_task(
            asyncio.to_thread(gateway.submit_blocking, DefineAsset("ABC", 2))
        )
        query = asyncio.create_task(
            asyncio.to_thread(gateway.query_blocking, GetStatus(), timeout_s=PATIENCE_S)
        )
        for _ in range(2):
            await received(venue.layers["engine"], QUEUE)
        settings.COMMAND_DEADLINE_S = PATIENCE_S
        await venue.bridge.stop()
        with pytest.raises(OutcomeUnknown):
            await command
        with pytest.raises(EngineUnavailable):
            await query
        with pytest.raises(NoVenueRuns, match=str(settings.DATA_DIR)):
            await asyncio.to_thread(get_gateway)
    finally:
        set_gateway(None)
    assert not [one for one in caplog.records if one.levelname == "WARNING"]
