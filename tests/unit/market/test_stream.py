"""The protocol of /ws/stream: what is answered, what is sent, and what a client may not do."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from market import stream, stream_channels, stream_public
from market.errors import AuthenticationNeeded
from market.stream import StreamConsumer
from market.stream_channels import MAX_CHANNEL_NAME_LENGTH, Channel, Identity
from market.stream_public import DepthChannel
from orderbook.core.events import AuctionIndicated, AuctionUncrossed, PhaseChanged
from orderbook.core.units import InstrumentStatus, PhaseReason
from orderbook.errors import VenueError
from tests.unit.market.builders import SYMBOL, T0, batch, depth, eventually, level, trade, update

# The consumer uses no tables, but channels looks after connections when a socket ends, and a thread
# that an earlier test has used may still hold one.
pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

WAIT_S = 60.0
DEPTH, TRADES, TICKER = f"depth@{SYMBOL}", f"trades@{SYMBOL}", f"ticker@{SYMBOL}"
AUCTION = f"auction@{SYMBOL}"
_OPENING = InstrumentStatus.OPENING_AUCTION


class Client:
    """A program at the other end of the socket."""

    def __init__(self, query: str = "") -> None:
        self.socket = WebsocketCommunicator(StreamConsumer.as_asgi(), f"/ws/stream{query}")

    async def connect(self) -> "Client":
        connected, _ = await self.socket.connect(WAIT_S)
        assert connected
        return self

    async def send(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.socket.send_to(text_data=text)

    async def read(self) -> dict[str, Any]:
        return json.loads(await self.socket.receive_from(timeout=WAIT_S))

    async def ask(self, message: Any) -> dict[str, Any]:
        await self.send(message)
        return await self.read()

    async def subscribe(self, *channels: str) -> list[dict[str, Any]]:
        """The snapshots, in the order of the channels."""
        answer = await self.ask({"op": "subscribe", "channels": channels, "id": 1})
        assert answer == {"op": "subscribed", "channels": list(channels), "id": 1}
        return [await self.read() for _ in channels]

    async def close_code(self) -> int:
        """Reads to the end."""
        while True:
            message = await self.socket.receive_output(timeout=WAIT_S)
            if message["type"] == "websocket.close":
                return int(message["code"])


@pytest.fixture
async def clients() -> AsyncIterator[Any]:
    opened: list[Client] = []

    async def connect(query: str = "") -> Client:
        opened.append(await Client(query).connect())
        return opened[-1]

    yield connect
    for client in opened:
        await client.socket.disconnect(timeout=WAIT_S)


@pytest.fixture
async def client(clients, hub) -> Client:
    return await clients()


# -- public channels -------------------------------------------------------------------------------


async def test_depth_begins_with_a_snapshot_and_goes_on_without_a_gap(client, feed):
    (snapshot,) = await client.subscribe(DEPTH)
    assert snapshot["type"] == "snapshot"
    assert snapshot["bids"] == [["0.99", "0.00005", 2], ["0.98", "0.00007", 1]]
    assert snapshot["asks"] == [["1.01", "0.00003", 1]]
    assert snapshot["last_update_id"] == 10
    feed.send(batch(11, updates=[update(11, 12, level("buy", 99, 0), level("buy", 100, 1))]))
    change = await client.read()
    assert change["channel"] == DEPTH
    assert (change["type"], change["first_update_id"], change["last_update_id"]) == (
        "update", 11, 12,
    )  # fmt: skip
    assert change["bids"] == [["1.00", "0.00001", 1], ["0.99", "0.00000", 0]]
    assert (change["asks"], change["sequence"]) == ([], 11)


async def test_changes_of_one_moment_come_in_one_frame_with_the_last_values(client, feed):
    await client.subscribe(DEPTH)
    for number in range(11, 31):
        feed.send(batch(number, updates=[update(number, number, level("sell", 101, number))]))
    change = await client.read()
    assert (change["first_update_id"], change["last_update_id"]) == (11, 30)
    assert change["asks"] == [["1.01", "0.00030", 1]]


async def test_a_second_client_joins_without_a_gap_for_either(clients, client, feed):
    await client.subscribe(DEPTH)
    feed.send(batch(11, updates=[update(11, 11, level("buy", 97, 1))]))
    second = await clients()
    (snapshot,) = await second.subscribe(DEPTH)
    assert snapshot["last_update_id"] == 11
    assert (await client.read())["last_update_id"] == 11
    feed.send(batch(12, updates=[update(12, 12, level("buy", 97, 0))]))
    assert (await client.read())["first_update_id"] == 12
    assert (await second.read())["first_update_id"] == 12


async def test_what_a_snapshot_has_already_does_not_follow_it(clients, client, feed, monkeypatch):
    monkeypatch.setattr(DepthChannel, "every_s", 3_600.0)
    await client.subscribe(DEPTH)
    feed.send(batch(11, updates=[update(11, 11, level("buy", 97, 1))]))
    assert (await client.read())["last_update_id"] == 11
    feed.send(batch(12, updates=[update(12, 12, level("buy", 97, 2))]))  # waits for its frame
    second = await clients()
    (snapshot,) = await second.subscribe(DEPTH)
    assert snapshot["last_update_id"] == 12
    assert (await client.read())["first_update_id"] == 12
    feed.send(batch(13, updates=[update(13, 13, level("buy", 97, 3))]))
    third = await clients()
    (snapshot,) = await third.subscribe(DEPTH)
    assert snapshot["last_update_id"] == 13
    assert (await second.read())["first_update_id"] == 13


async def test_trades_are_numbered_without_a_gap(client, feed):
    feed.send(batch(11, trade(1, 101, 2)))
    (snapshot,) = await client.subscribe(TRADES)
    assert [one["id"] for one in snapshot["trades"]] == [1]
    feed.send(batch(12, trade(2, 102), trade(3, 103)))
    change = await client.read()
    assert change["seq"] == snapshot["seq"] + 1
    assert [(one["id"], one["price"]) for one in change["trades"]] == [(2, "1.02"), (3, "1.03")]
    feed.send(batch(13, trade(4)))
    assert (await client.read())["seq"] == snapshot["seq"] + 2


async def test_the_ticker_tells_its_newest_state(client, feed, monkeypatch):
    monkeypatch.setattr(stream_public.TickerChannel, "every_s", 0.01)
    (snapshot,) = await client.subscribe(TICKER)
    assert (snapshot["last"], snapshot["bid"]) == (None, ["0.99", "0.00005"])
    feed.send(batch(11, trade(1, 90)))
    feed.send(batch(12, trade(2, 99, 3), updates=[update(11, 11, level("sell", 100, 1))]))
    change = await client.read()
    assert (change["last"], change["open"], change["change_percent"]) == ("0.99", "0.90", "10.00")
    assert (change["ask"], change["volume"]) == (["1.00", "0.00001"], "0.00004")
    assert change["seq"] == snapshot["seq"] + 1


async def test_an_auction_is_followed_from_its_beginning_to_its_uncross(client, feed):
    (snapshot,) = await client.subscribe(AUCTION)
    assert (snapshot["type"], snapshot["phase"], snapshot["price"]) == ("snapshot", "trading", None)
    feed.send(batch(11, PhaseChanged(SYMBOL, _OPENING, PhaseReason.VOLATILITY, T0)))
    change = await client.read()
    assert (change["phase"], change["seq"]) == ("opening_auction", snapshot["seq"] + 1)
    assert change["until"] == "2023-11-14T22:14:00.000000Z"
    crossed = [update(11, 11, level("buy", 110, 4), level("sell", 105, 6))]
    feed.send(batch(12, AuctionIndicated(SYMBOL, 105, 4, -2), updates=crossed))
    change = await client.read()
    assert (change["price"], change["volume"], change["imbalance"]) == (
        "1.05", "0.00004", "-0.00002",
    )  # fmt: skip
    assert "uncrossed" not in change
    events = [AuctionUncrossed(SYMBOL, 105, 4, -2), trade(9, 105, 4)]
    events.append(PhaseChanged(SYMBOL, InstrumentStatus.TRADING, PhaseReason.VOLATILITY_END))
    feed.send(batch(13, *events))
    change = await client.read()
    assert (change["phase"], change["price"], change["until"]) == ("trading", None, None)
    assert change["uncrossed"] == {"price": "1.05", "volume": "0.00004", "imbalance": "-0.00002"}


async def test_a_crossed_book_reaches_depth_and_ticker_as_it_is(client, feed):
    await client.subscribe(DEPTH, TICKER)
    feed.send(batch(11, updates=[update(11, 11, level("buy", 110, 4))]))
    changes = {frame["channel"]: frame for frame in [await client.read() for _ in range(2)]}
    assert changes[DEPTH]["bids"] == [["1.10", "0.00004", 1]]
    assert changes[TICKER]["bid"] == ["1.10", "0.00004"]
    assert changes[TICKER]["ask"] == ["1.01", "0.00003"]


async def test_after_a_gap_of_the_feed_every_channel_begins_anew(client, hub, feed, gateway):
    await client.subscribe(DEPTH, TRADES)
    gateway.book = depth(40, level("buy", 95, 1))
    feed.lose()
    frames = [await client.read(), await client.read()]
    assert {(frame["channel"], frame["type"]) for frame in frames} == {
        (DEPTH, "snapshot"), (TRADES, "snapshot"),
    }  # fmt: skip
    feed.send(batch(41, updates=[update(41, 41, level("buy", 94, 1))]))
    assert (await client.read())["first_update_id"] == 41


async def test_a_client_that_subscribes_during_a_gap_gets_its_snapshot_afterwards(
    client, hub, feed, gateway
):
    gateway.hold()
    feed.lose()
    answer = await client.ask({"op": "subscribe", "channels": [DEPTH]})
    assert answer["op"] == "subscribed"
    assert await client.socket.receive_nothing(timeout=0.05)
    gateway.release()
    assert (await client.read())["type"] == "snapshot"


async def test_each_frame_is_encoded_once_for_all_sockets(clients, hub, feed, monkeypatch):
    sockets = [await clients() for _ in range(5)]
    for socket in sockets:
        await socket.subscribe(DEPTH)
    encoded = []
    encode = stream_channels.encode_frame
    monkeypatch.setattr(
        stream_public,
        "encode_frame",
        lambda frame: encoded.append(frame) or encode(frame),  # type: ignore[func-returns-value]
    )
    feed.send(batch(11, updates=[update(11, 11, level("buy", 97, 1))]))
    frames = [await socket.read() for socket in sockets]
    assert all(frame == frames[0] for frame in frames)
    assert len(encoded) == 1


# -- the client's messages -------------------------------------------------------------------------


async def test_ping_is_answered_with_its_id(client):
    assert await client.ask({"op": "ping", "id": "abc"}) == {"op": "pong", "id": "abc"}


async def test_unsubscribing_ends_a_channel(client, hub, feed):
    await client.subscribe(DEPTH, TRADES)
    answer = await client.ask({"op": "unsubscribe", "channels": [DEPTH]})
    assert answer == {"op": "unsubscribed", "channels": [DEPTH]}
    feed.send(batch(11, trade(1), updates=[update(11, 11, level("buy", 97, 1))]))
    assert (await client.read())["channel"] == TRADES
    assert await client.socket.receive_nothing(timeout=0.1)


async def test_subscribing_twice_changes_nothing(client):
    await client.subscribe(DEPTH)
    assert (await client.ask({"op": "subscribe", "channels": [DEPTH]}))["op"] == "subscribed"
    assert await client.socket.receive_nothing(timeout=0.05)


async def test_nobody_listens_to_the_hub_once_all_have_left(clients, hub):
    first = await clients()
    await first.subscribe(DEPTH, TICKER)
    assert len(hub._listeners) == 2
    await first.socket.disconnect(timeout=WAIT_S)
    assert hub._listeners == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid_message"),
        (" ", "invalid_message"),
        ("[]", "invalid_message"),
        ("null", "invalid_message"),
        ('{"op": NaN}', "invalid_message"),
        ('{"op": 5}', "invalid_message"),
        ('{"op": "subscribe", "channels": "depth@BTC-USDT"}', "invalid_message"),
        ('{"op": "subscribe", "channels": [null]}', "invalid_message"),
        ('{"op": "ping", "id": {"a": 1}}', "invalid_message"),
        ('{"op": "ping", "id": 1e400}', "invalid_message"),
        ("[" * 10_000, "invalid_message"),
        ('{"op": "\ud800"}', "invalid_message"),
        ({"op": "explode"}, "unknown_op"),
        ({"op": "subscribe"}, "invalid"),
        ({"op": "subscribe", "channels": ["depth"]}, "unknown_channel"),
        ({"op": "subscribe", "channels": ["candles@BTC-USDT"]}, "unknown_channel"),
        ({"op": "subscribe", "channels": ["depth@btc-usdt"]}, "unknown_symbol"),
        ({"op": "subscribe", "channels": ["depth@BTC-USDT\x00"]}, "unknown_symbol"),
        ({"op": "subscribe", "channels": ["depth@"]}, "unknown_symbol"),
        ({"op": "subscribe", "channels": ["x" * (MAX_CHANNEL_NAME_LENGTH + 1)]}, "invalid_message"),
        ({"op": "unsubscribe", "channels": [DEPTH]}, "not_subscribed"),
    ],
)
async def test_a_mistake_is_answered_and_the_socket_goes_on(client, message, code):
    error = (await client.ask(message))["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"]
    assert (await client.ask({"op": "ping"}))["op"] == "pong"


async def test_one_bad_channel_refuses_the_whole_subscription(client, hub):
    answer = await client.ask({"op": "subscribe", "channels": [DEPTH, "nonsense"], "id": 9})
    assert (answer["error"]["code"], answer["error"]["field"]) == ("unknown_channel", "channels")
    assert answer["id"] == 9
    assert hub._listeners == []


async def test_binary_messages_are_refused(client):
    await client.socket.send_to(bytes_data=b"\x00\x01")
    assert (await client.read())["error"]["code"] == "invalid_message"


async def test_a_socket_has_a_limited_number_of_channels(client, monkeypatch):
    monkeypatch.setattr(stream, "MAX_CHANNELS", 2)
    await client.subscribe(DEPTH, TRADES)
    answer = await client.ask({"op": "subscribe", "channels": [TICKER]})
    assert answer["error"]["code"] == "too_many_channels"


async def test_an_oversized_message_ends_the_socket(client):
    await client.send("x" * (stream.MAX_MESSAGE_LENGTH + 1))
    assert (await client.read())["error"]["code"] == "message_too_large"
    assert await client.close_code() == 1009


async def test_a_flood_of_messages_ends_the_socket(client, monkeypatch):
    monkeypatch.setattr(stream, "MESSAGES_PER_S", 0)
    for _ in range(stream.MESSAGE_BURST):
        assert (await client.ask({"op": "ping"}))["op"] == "pong"
    assert (await client.ask({"op": "ping"}))["error"]["code"] == "rate_limited"
    assert await client.close_code() == 1008


async def test_a_full_process_asks_to_come_back_later(clients, hub, monkeypatch):
    monkeypatch.setattr(stream, "MAX_SOCKETS", StreamConsumer.open_sockets)
    refused = await clients()
    assert await refused.close_code() == 1013


# -- private channels ------------------------------------------------------------------------------


class Secrets(Channel):
    async def snapshot(self) -> str:
        return json.dumps({"channel": self.name, "type": "snapshot"})


async def test_a_snapshot_that_fails_is_tried_again(client, secrets, monkeypatch):
    monkeypatch.setattr("market.stream_outbox.SNAPSHOT_RETRY_S", 0.01)
    failures = [RuntimeError("the database is away"), VenueError()]
    whole = Secrets.snapshot

    async def failing(self: Secrets) -> str:
        if failures:
            raise failures.pop()
        return await whole(self)

    monkeypatch.setattr(Secrets, "snapshot", failing)
    await client.ask({"op": "auth", "token": "7"})
    assert (await client.subscribe("secrets"))[0]["type"] == "snapshot"
    assert failures == []


class SecretProvider:
    def __init__(self) -> None:
        self.channels: dict[int, Secrets] = {}

    def matches(self, name: str) -> bool:
        return name == "secrets"

    async def open(self, name: str, identity: Identity | None) -> Channel:
        if identity is None:
            raise AuthenticationNeeded(field="channels")
        return self.channels.setdefault(identity.account_id, Secrets(name))


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> SecretProvider:
    async def authenticate(token: str) -> Identity:
        account, _, lifetime = token.partition(":")
        if not account.isdigit():
            raise VenueError("No.", code="token_not_valid", field="token")
        return Identity(int(account), time.time() + float(lifetime or 60))  # type: ignore[arg-type]

    provider = SecretProvider()
    monkeypatch.setattr(stream_channels, "_providers", [provider, *stream_channels._providers])
    monkeypatch.setattr(stream_channels, "_authenticator", authenticate)
    return provider


async def test_private_channels_need_a_token(client, secrets):
    answer = await client.ask({"op": "subscribe", "channels": ["secrets"]})
    assert answer["error"]["code"] == "not_authenticated"
    answer = await client.ask({"op": "auth", "token": "7", "id": 2})
    assert answer == {"op": "authenticated", "account_id": 7, "id": 2}
    assert (await client.subscribe("secrets"))[0]["type"] == "snapshot"
    secrets.channels[7].publish('{"n": 1}')
    assert await client.read() == {"n": 1}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Accounts for which the venue acted because their connection ended."""
    accounts: list[int] = []

    async def remember(account_id: int) -> None:
        accounts.append(account_id)

    monkeypatch.setattr(stream_channels, "_disconnect_action", remember)
    return accounts


SWITCH_ON = {"op": "cancel_on_disconnect", "enabled": True, "id": 5}


async def test_the_end_of_a_connection_cancels_where_it_was_asked_for(clients, hub, secrets, ended):
    asking, other = await clients("?token=7"), await clients("?token=8")
    for client in (asking, other):
        assert (await client.read())["op"] == "authenticated"
    answer = await asking.ask(SWITCH_ON)
    assert answer == {"op": "cancel_on_disconnect", "enabled": True, "id": 5}
    await other.socket.disconnect()
    await asking.socket.disconnect()
    await eventually(lambda: ended == [7])


async def test_cancel_on_disconnect_can_be_switched_off_again(clients, hub, secrets, ended):
    client, after = await clients("?token=7"), await clients("?token=8")
    for one in (client, after):
        await one.read()
        await one.ask(SWITCH_ON)
    answer = await client.ask({"op": "cancel_on_disconnect", "enabled": False})
    assert answer == {"op": "cancel_on_disconnect", "enabled": False}
    await client.socket.disconnect()
    await after.socket.disconnect()
    await eventually(lambda: ended != [])
    assert ended == [8]


async def test_a_socket_that_the_venue_closes_has_its_orders_canceled_once(
    clients, hub, secrets, ended, monkeypatch
):
    client = await clients("?token=7")
    await client.read()
    await client.ask(SWITCH_ON)
    monkeypatch.setattr(stream, "MAX_MESSAGE_LENGTH", 20)
    await client.send("x" * 30)
    assert await client.close_code() == 1009
    await client.socket.disconnect()
    await eventually(lambda: ended != [])
    assert ended == [7]


@pytest.mark.parametrize(
    ("query", "message", "code"),
    [
        ("", SWITCH_ON, "not_authenticated"),
        ("?token=7", {"op": "cancel_on_disconnect"}, "required"),
    ],
)
async def test_cancel_on_disconnect_needs_an_account_and_a_choice(
    clients, hub, secrets, ended, query, message, code
):
    client = await clients(query)
    if query:
        await client.read()
    assert (await client.ask(message))["error"]["code"] == code
    await client.socket.disconnect()
    assert ended == []


async def test_a_token_may_come_with_the_address(clients, hub, secrets):
    client = await clients("?token=8")
    assert (await client.read())["account_id"] == 8


@pytest.mark.parametrize("query", ["?token=bad", "?token=%00", "?token=%ff"])
async def test_a_bad_token_in_the_address_ends_the_socket(clients, hub, secrets, query):
    client = await clients(query)
    assert (await client.read())["error"]["code"] == "token_not_valid"
    assert await client.close_code() == 4401


async def test_accounts_do_not_share_a_socket(client, secrets):
    await client.ask({"op": "auth", "token": "7"})
    answer = await client.ask({"op": "auth", "token": "8"})
    assert answer["error"]["field"] == "token"


async def test_the_socket_ends_with_its_token(client, secrets):
    await client.ask({"op": "auth", "token": "7:0"})
    assert (await client.read())["error"]["code"] == "token_expired"
    assert await client.close_code() == 4401


async def test_a_new_token_keeps_the_socket_open(client, secrets, monkeypatch):
    timers: list[asyncio.TimerHandle] = []
    expire_at = StreamConsumer._expire_at

    def noted(consumer: StreamConsumer, expires_at_s: int) -> None:
        expire_at(consumer, expires_at_s)
        assert consumer.expiry is not None
        timers.append(consumer.expiry)

    monkeypatch.setattr(StreamConsumer, "_expire_at", noted)
    await client.ask({"op": "auth", "token": "7:60"})
    await client.ask({"op": "auth", "token": "7:3600"})
    assert [timer.cancelled() for timer in timers] == [True, False]
    assert timers[1].when() - timers[0].when() == pytest.approx(3540, abs=30)
    assert (await client.ask({"op": "ping"}))["op"] == "pong"


# -- slow clients ----------------------------------------------------------------------------------


class Pipe:
    """An ASGI server whose client reads only when the test lets it."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await self.reading.wait()
        self.sent.append(message)

    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(one["text"]) for one in self.sent if one["type"] == "websocket.send"]

    async def run(self) -> None:
        scope = {"type": "websocket", "path": "/ws/stream", "query_string": b"", "headers": []}
        await StreamConsumer.as_asgi()(scope, self.incoming.get, self.send)


@pytest.fixture
async def pipe(hub) -> AsyncIterator[Pipe]:
    pipe = Pipe()
    task = asyncio.create_task(pipe.run())
    await pipe.incoming.put({"type": "websocket.connect"})
    text = json.dumps({"op": "subscribe", "channels": [DEPTH]})
    await pipe.incoming.put({"type": "websocket.receive", "text": text})
    await eventually(lambda: len(pipe.frames()) == 2)
    yield pipe
    await pipe.incoming.put({"type": "websocket.disconnect", "code": 1006})
    await task


async def test_a_client_that_lags_gets_a_snapshot_instead_of_a_backlog(
    pipe, hub, feed, monkeypatch
):
    monkeypatch.setattr(stream_public.DepthChannel, "every_s", 0.0)
    monkeypatch.setattr("market.stream_outbox.MAX_PENDING_FRAMES", 5)
    pipe.reading.clear()
    for number in range(11, 41):
        feed.send(batch(number, updates=[update(number, number, level("buy", 97, number))]))
        await asyncio.sleep(0.001)
    pipe.reading.set()
    await eventually(lambda: _reached(pipe, 40))
    frames = pipe.frames()[1:]
    assert len(frames) < 20
    assert [frame["type"] for frame in frames].count("snapshot") >= 2
    numbers = [(frame.get("first_update_id"), frame["last_update_id"]) for frame in frames]
    for (_, before), (first, _) in pairwise(numbers):
        assert first in (None, before + 1), "an update follows what came before it without a gap"


def _reached(pipe: Pipe, update_id: int) -> bool:
    return bool(pipe.frames()[-1].get("last_update_id") == update_id)


async def test_a_client_that_stops_reading_is_closed_and_let_go(pipe, hub, feed, monkeypatch):
    monkeypatch.setattr(stream, "SEND_TIMEOUT_S", 0.05)
    open_sockets = StreamConsumer.open_sockets
    pipe.reading.clear()
    feed.send(batch(11, updates=[update(11, 11, level("buy", 97, 1))]))
    await eventually(lambda: pipe.sent[-1]["type"] == "websocket.close")
    assert pipe.sent[-1]["code"] == 1013
    assert hub._listeners == []
    assert StreamConsumer.open_sockets == open_sockets - 1, "its place is free at once"


async def test_a_client_that_asks_and_never_reads_is_closed(pipe, monkeypatch):
    monkeypatch.setattr(stream, "SEND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(stream, "MESSAGE_BURST", 10_000)
    monkeypatch.setattr(stream, "MESSAGES_PER_S", 10_000)
    monkeypatch.setattr("market.stream_outbox.MAX_PENDING_REPLIES", 5)
    pipe.reading.clear()
    for _ in range(20):
        await pipe.incoming.put({"type": "websocket.receive", "text": '{"op": "ping"}'})
    await eventually(lambda: pipe.sent[-1]["type"] == "websocket.close")
    assert pipe.sent[-1]["code"] == 1013
