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
from orderbook.core.commands import AdvanceTime, AmendOrder, BustTrade
from orderbook.core.events import Trade
from orderbook.errors import EngineUnavailable, OutcomeUnknown, VenueError
from orderbook.gateway.feed import set_feed
from orderbook.gateway.protocol import PublishedBatch
from tests.unit.trading.venue import ALICE, BOB, Venue, fields
from trading import changes, disconnects, selectors, services
from trading.disconnects import cancel_after_disconnect
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
        self.published: list[Any] = []

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
        self.published += events
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


async def orders_after(streams: Streams, subscriber: Subscriber, id_: int, status: str) -> Any:
    """The newest row of an order, once it has the status."""

    def newest() -> Any:
        rows = [row for row in subscriber.rows("orders") if row["id"] == id_]
        return rows[-1] if rows else None

    await until(lambda: (newest() or {}).get("status") == status)
    return newest()


async def submit(streams: Streams, command: Any) -> None:
    await streams.do(streams.venue.submit, command)


async def test_a_waiting_order_is_followed_to_its_trigger(streams: Streams) -> None:
    await streams.place(BOB, price="24000.0")
    await streams.place(BOB, side="sell", price="25000.0")
    await streams.place(BOB, price="25000.0", quantity="0.1")
    stop = await streams.place(
        side="sell", type="stop_market", price=None, stop_price="24000.0", quantity="0.5"
    )
    _, subscriber = await streams.open("orders")
    await submit(streams, AmendOrder(ALICE, stop, stop_ticks=240_000 - 10))
    await until(lambda: subscriber.rows("orders"))
    assert subscriber.rows("orders")[-1]["stop_price"] == "23999.0"
    await submit(streams, AmendOrder(ALICE, stop, stop_ticks=240_000))
    await streams.place(BOB, side="sell", price="24000.0", quantity="0.1")
    row = await orders_after(streams, subscriber, stop, "filled")
    assert (row["filled_quantity"], row["stop_price"]) == ("0.50000", "24000.0")


async def test_a_trailing_stop_tells_where_it_stands(streams: Streams) -> None:
    await streams.place(BOB, side="sell", price="25000.0")
    await streams.place(BOB, price="25000.0", quantity="0.1")
    trailing = await streams.place(
        side="sell", type="trailing_stop", price=None, trailing_distance="100.0"
    )
    _, subscriber = await streams.open("orders")
    await streams.place(BOB, side="sell", price="25050.0", quantity="0.1")
    await streams.place(BOB, price="25050.0")
    await until(lambda: subscriber.rows("orders"))
    (row,) = subscriber.rows("orders")
    assert (row["id"], row["status"], row["stop_price"]) == (trailing, "waiting", "24950.0")


async def test_the_exits_of_a_bracket_are_followed_from_pending_to_the_others_end(
    streams: Streams,
) -> None:
    exits = fields(side="sell", quantity="1", price=None)
    orders = [
        fields(),
        {**exits, "type": "limit", "price": "27000.0"},
        {**exits, "type": "stop_market", "stop_price": "24000.0"},
    ]
    _, subscriber = await streams.open("orders")
    placed = await streams.do(
        database_sync_to_async(changes.place_list), ALICE, {"kind": "bracket", "orders": orders}
    )
    entry, profit, stop = (order.id for order, _ in placed.orders)
    await orders_after(streams, subscriber, profit, "pending")
    await streams.place(BOB, side="sell")
    await orders_after(streams, subscriber, entry, "filled")
    await orders_after(streams, subscriber, profit, "open")
    await orders_after(streams, subscriber, stop, "waiting")
    await streams.place(BOB, price="27000.0")
    await orders_after(streams, subscriber, profit, "filled")
    row = await orders_after(streams, subscriber, stop, "canceled")
    assert row["cancel_reason"] == "other_leg"


async def test_self_trade_prevention_and_expiry_are_told(streams: Streams) -> None:
    maker = await streams.place(quantity="3")
    _, subscriber = await streams.open("orders")
    taker = await streams.place(side="sell", self_trade_prevention="decrement")
    await orders_after(streams, subscriber, taker, "canceled")
    row = await orders_after(streams, subscriber, maker, "open")
    assert (row["quantity"], row["remaining_quantity"]) == ("2.00000", "2.00000")
    late = await streams.place(price="20000.0", time_in_force="DAY")
    streams.venue.time_ns += 86_400 * 10**9
    await submit(streams, AdvanceTime())
    row = await orders_after(streams, subscriber, late, "canceled")
    assert row["cancel_reason"] == "expired"


@pytest.mark.parametrize("projected", [True, False])
async def test_a_busted_fill_comes_again_with_its_flag(streams: Streams, projected: bool) -> None:
    await streams.place(side="sell")
    await streams.place(BOB)
    trade = next(event for event in streams.published if isinstance(event, Trade))
    if projected:
        await database_sync_to_async(streams.venue.project)()
    _, subscriber = await streams.open("fills")
    _, balances = await streams.open("balances")
    await submit(streams, BustTrade(trade))
    await until(lambda: subscriber.frames and balances.frames)
    (row,) = subscriber.rows("fills")
    assert (row["trade_id"], row["side"], row["is_busted"]) == (trade.trade_id, "sell", True)


# -- cancel on disconnect --------------------------------------------------------------------------


async def test_a_lost_connection_cancels_the_accounts_orders_alone(streams: Streams) -> None:
    mine, theirs = await streams.place(), await streams.place(BOB, price="24000.0")
    await cancel_after_disconnect(ALICE)
    find = database_sync_to_async(selectors.order_of)
    order = await find(ALICE, Reference(mine))
    assert (order.status, order.cancel_reason) == ("canceled", "disconnected")
    assert (await find(BOB, Reference(theirs))).is_open


async def test_an_engine_that_is_away_is_asked_again(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disconnects, "RETRY_S", 0.01)
    order = await streams.place()
    streams.venue.down = EngineUnavailable()
    task = asyncio.create_task(cancel_after_disconnect(ALICE))
    await asyncio.sleep(0)
    streams.venue.down = None
    async with asyncio.timeout(DEADLINE_S):
        await task
    assert not (await database_sync_to_async(selectors.order_of)(ALICE, Reference(order))).is_open


async def test_an_engine_that_stays_away_is_given_up_in_the_log(
    streams: Streams, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disconnects, "GIVE_UP_AFTER_S", 0.0)
    streams.venue.down = OutcomeUnknown()
    await cancel_after_disconnect(ALICE)
    assert "outlive its connection" in caplog.text


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
