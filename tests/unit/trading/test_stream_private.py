"""Private channels: a snapshot, then every change of the account in order, and nobody else's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async

from accounts.models import User
from accounts.tokens import forget_everything, issue_tokens
from market.errors import AuthenticationNeeded
from market.stream_channels import Channel, Identity, provider_of
from orderbook.errors import VenueError
from orderbook.gateway.feed import set_feed
from orderbook.gateway.protocol import PublishedBatch
from tests.unit.trading.venue import ALICE, BOB, Venue, fields
from trading import services
from trading.order_entry import Reference
from trading.stream_private import PrivateChannels, authenticate

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)
DEADLINE_S = 60.0


class Subscriber:
    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.refreshes = 0

    def offer(self, frame: str) -> None:
        self.frames.append(json.loads(frame))

    def refresh(self) -> None:
        self.refreshes += 1

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [row for frame in self.frames for row in frame[name]]


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not happened():  # noqa: ASYNC110 - polls what threads and tasks change
            await asyncio.sleep(0.005)


class Feed:
    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def subscribe(self, listener: Any) -> None:
        self.listeners.append(listener)

    def unsubscribe(self, listener: Any) -> None:
        self.listeners.remove(listener)


class Streams:
    """Runs services and publishes what the engine did, as the feed would."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.feed = Feed()
        self.provider = PrivateChannels()

    async def open(self, name: str, account: int = ALICE) -> tuple[Channel, Subscriber]:
        channel = await self.provider.open(name, Identity(account, 2**33))
        subscriber = Subscriber()
        channel.attach(subscriber)
        return channel, subscriber

    async def do(self, service: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """The service's result; its events are published as one batch."""
        events: list[Any] = []
        execute = self.venue.engine.apply

        def remember(command: Any, time_ns: int) -> Any:
            events.extend(made := execute(command, time_ns))
            return made

        self.venue.engine.apply = remember  # type: ignore[method-assign]
        result = await service(*args)
        self.venue.engine.apply = execute  # type: ignore[method-assign]
        sequence, time_ns = self.venue.sequence, self.venue.time_ns
        batch = PublishedBatch(sequence - 1, sequence, time_ns, [(sequence, time_ns, events)], [])
        for listener in list(self.feed.listeners):
            listener.on_batch(batch)
        return result

    async def place(self, account: int = ALICE, **changes: Any) -> int:
        placed = await self.do(services.place_order, account, fields(**changes))
        return int(placed.order.id)


@pytest.fixture
async def streams(transactional_db: None, venue: Venue) -> AsyncIterator[Streams]:
    streams = Streams(venue)
    set_feed(streams.feed)  # type: ignore[arg-type]
    yield streams
    set_feed(None)


async def test_orders_snapshot_then_changes(streams: Streams) -> None:
    first = await streams.place()
    await streams.place(BOB, side="sell", price="40000.0")
    channel, subscriber = await streams.open("orders")
    snapshot = json.loads(await channel.snapshot())
    assert (snapshot["type"], snapshot["seq"], snapshot["complete"]) == ("snapshot", 0, True)
    assert [order["id"] for order in snapshot["orders"]] == [first]

    await streams.place(BOB, side="sell", quantity="0.25")
    second = await streams.place(price="24000.0")
    await streams.do(services.cancel_order, ALICE, Reference(first))
    await until(lambda: any(row["status"] == "canceled" for row in subscriber.rows("orders")))
    last = {row["id"]: row for row in subscriber.rows("orders")}
    assert [(last[id_]["status"], last[id_]["filled_quantity"]) for id_ in (first, second)] == [
        ("canceled", "0.25000"),
        ("open", "0.00000"),
    ]
    sequences = [row["sequence"] for row in subscriber.rows("orders")]
    assert sequences == sorted(sequences)


async def test_the_order_of_changes_survives_a_read_in_between(streams: Streams) -> None:
    """The first change of an order from before makes the channel read; later ones must wait."""
    orders = [await streams.place(price=f"{20_000 + i}.0") for i in range(3)]
    _, subscriber = await streams.open("orders")
    for order in orders:
        await streams.do(services.cancel_order, ALICE, Reference(order))
    newest = await streams.place()
    await until(lambda: any(row["id"] == newest for row in subscriber.rows("orders")))
    seen = [row["id"] for row in subscriber.rows("orders")]
    assert list(dict.fromkeys(seen)) == [*orders, newest]
    assert [frame["seq"] for frame in subscriber.frames] == list(
        range(1, len(subscriber.frames) + 1)
    )


async def test_fills(streams: Streams) -> None:
    await streams.place(side="sell", quantity="2")
    await streams.place(BOB)
    channel, subscriber = await streams.open("fills")
    snapshot = json.loads(await channel.snapshot())
    assert [fill["liquidity"] for fill in snapshot["fills"]] == ["maker"]
    await streams.place(BOB, quantity="0.5")
    await until(lambda: subscriber.frames)
    (frame,) = subscriber.frames
    assert frame["seq"] == 1
    assert [(fill["quantity"], fill["side"]) for fill in frame["fills"]] == [("0.50000", "sell")]


async def test_balances(streams: Streams) -> None:
    channel, subscriber = await streams.open("balances")
    snapshot = json.loads(await channel.snapshot())
    before = {row["asset"]: row for row in snapshot["balances"]}
    assert before["USDT"]["available"] == "1000000000.000000"
    assert 0 < before["USDT"]["sequence"] <= streams.venue.sequence
    await streams.place()
    await until(lambda: subscriber.frames)
    (frame,) = subscriber.frames
    assert [(row["asset"], row["available"], row["held"]) for row in frame["balances"]] == [
        ("USDT", "999975000.000000", "25000.000000")
    ]
    assert frame["balances"][0]["sequence"] == streams.venue.sequence


async def test_nobody_hears_of_others(streams: Streams) -> None:
    heard = [(await streams.open(name, BOB))[1] for name in ("orders", "fills", "balances")]
    _, own = await streams.open("orders", ALICE)
    await streams.place()
    await until(lambda: own.frames)
    assert [subscriber.frames for subscriber in heard] == [[], [], []]


async def test_a_gap_makes_everyone_start_anew(streams: Streams) -> None:
    channel, subscriber = await streams.open("orders")
    await services.place_order(ALICE, fields())  # never published
    streams.feed.listeners[0].on_gap()
    assert subscriber.refreshes == 1
    assert len(json.loads(await channel.snapshot())["orders"]) == 1


async def test_a_failed_read_makes_everyone_start_anew(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await streams.place()
    _, subscriber = await streams.open("orders")

    def broken(*_: Any) -> Any:
        raise OSError("the database is away")

    monkeypatch.setattr("trading.selectors.current_orders", broken)
    await streams.do(services.cancel_order, ALICE, Reference(order))
    await until(lambda: subscriber.refreshes)
    assert subscriber.frames == []


async def test_sockets_of_one_account_share_a_channel(streams: Streams) -> None:
    channel, first = await streams.open("orders")
    again, second = await streams.open("orders")
    assert channel is again
    channel.detach(first)
    assert streams.feed.listeners
    channel.detach(second)
    assert not streams.feed.listeners
    assert (await streams.open("orders"))[0] is not channel


async def test_a_token_is_needed(streams: Streams) -> None:
    with pytest.raises(AuthenticationNeeded):
        await streams.provider.open("orders", None)
    assert provider_of("orders") is not None
    forget_everything()
    user = await database_sync_to_async(User.objects.create_user)("carol", "c@example.com", "pw")
    token = issue_tokens(user).access
    identity = await authenticate(token)
    assert identity.account_id == user.pk
    assert identity.expires_at_s > 1_700_000_000
    for bad in ("", "nonsense", "x" * 10_000, token + "x"):
        with pytest.raises(VenueError) as caught:
            await authenticate(bad)
        assert caught.value.status == 401
