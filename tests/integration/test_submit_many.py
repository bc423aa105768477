"""Many commands submitted at once: answered in order, and executed once whatever is repeated."""

import asyncio
import time
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings

from orderbook.core.events import OrderAccepted
from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.gateway import gateway as gateway_module
from orderbook.gateway import protocol
from orderbook.gateway.parts import all_answers
from orderbook.worker import repeats
from tests.integration.venue import limit_order, place, running_gateway, running_venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

PATIENCE_S = 20.0


def orders(count: int) -> list[Any]:
    return [limit_order(1, Side.BUY, 100 + n % 7, 1, f"c{n}") for n in range(count)]


def accepted_ids(answers: list[protocol.Answer]) -> list[str]:
    events = [answer.events[0] for answer in answers]
    return [event.client_order_id for event in events if isinstance(event, OrderAccepted)]


@pytest.mark.parametrize("count", [0, 1, protocol.MAX_BATCH_COMMANDS, 1_201])
async def test_answers_come_in_the_order_of_the_commands(count: int) -> None:
    async with running_venue() as gateway:
        answers = await gateway.submit_many(orders(count))
    assert accepted_ids(answers) == [f"c{n}" for n in range(count)]
    sequences = [answer.sequence for answer in answers]
    assert sequences == sorted(set(sequences))


async def test_single_commands_and_many_share_messages() -> None:
    async with running_venue() as gateway:
        one, many, other = await asyncio.gather(
            gateway.submit(limit_order(2, Side.BUY, 90, 1, "one")),
            gateway.submit_many(orders(20)),
            gateway.submit(limit_order(2, Side.BUY, 91, 1, "other")),
        )
    assert accepted_ids([one, *many, other]) == ["one", *(f"c{n}" for n in range(20)), "other"]
    assert one.sequence < many[0].sequence < many[-1].sequence < other.sequence


async def test_one_command_that_cannot_travel_submits_none_of_them() -> None:
    async with running_venue() as gateway:
        bad = limit_order(1, Side.BUY, 2**64, 1)
        with pytest.raises(InvalidInput):
            await gateway.submit_many([*orders(600), bad])
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert isinstance(depth, protocol.Depth)
    assert depth.levels == []


async def test_more_than_may_wait_is_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "MAX_WAITING", 10)
    async with running_venue() as gateway:
        with pytest.raises(EngineUnavailable):
            await gateway.submit_many(orders(11))
        assert len(await gateway.submit_many(orders(10))) == 10


async def test_without_an_engine_the_outcome_of_many_is_unknown(settings: Any) -> None:
    settings.COMMAND_DEADLINE_S = 0.3
    async with running_venue():
        pass
    async with running_gateway() as gateway:
        with pytest.raises(OutcomeUnknown):
            await gateway.submit_many(orders(3))


async def test_a_lost_reply_is_asked_for_again_and_many_are_executed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_venue() as gateway:
        take = gateway._take
        lost: list[dict[str, Any]] = []

        def lose_first(message: dict[str, Any]) -> None:
            if lost:
                take(message)
            else:
                lost.append(message)

        monkeypatch.setattr(gateway, "_take", lose_first)
        async with asyncio.timeout(PATIENCE_S):
            answers = await gateway.submit_many(orders(50))
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert protocol.decode_answers(lost[0]["batch"]) == answers
    assert isinstance(depth, protocol.Depth)
    assert sum(level.quantity_lots for level in depth.levels) == 50


async def test_what_may_be_a_copy_of_a_forgotten_command_is_neither_executed_nor_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_venue() as gateway:
        layer = get_channel_layer("engine")
        reply_to = await layer.new_channel("test")
        deadline_ns = time.time_ns() + 4 * 10**9
        copied = protocol.Envelope(b"c" * 16, deadline_ns, limit_order(1, Side.BUY, 100, 5))
        later = protocol.Envelope(
            b"l" * 16, deadline_ns + 5 * 10**9, limit_order(1, Side.BUY, 90, 1)
        )

        async def send(envelope: protocol.Envelope) -> None:
            batch = protocol.encode([envelope])
            message = {"type": "commands", "reply_to": reply_to, "batch": batch}
            await layer.send(settings.ENGINE_QUEUE, message)

        async def receive() -> list[protocol.Answer]:
            async with asyncio.timeout(PATIENCE_S):
                return protocol.decode_answers((await layer.receive(reply_to))["batch"])

        await send(copied)
        assert [answer.command_id for answer in await receive()] == [b"c" * 16]
        monkeypatch.setattr(repeats, "MAX_REMEMBERED", 3)
        for price in (101, 102, 103):
            await place(gateway, 1, Side.BUY, price, 1)
        await send(copied)
        await send(later)
        assert [answer.command_id for answer in await receive()] == [b"l" * 16]
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert isinstance(depth, protocol.Depth)
    assert [level.quantity_lots for level in depth.levels if level.price_ticks == 100] == [5]


def test_of_several_errors_the_one_counts_that_promises_least() -> None:
    given = [protocol.Answer(b"", 1, 0, [])]
    assert all_answers([given, given]) == given * 2
    with pytest.raises(EngineUnavailable):
        all_answers([EngineUnavailable(), EngineUnavailable()])
    with pytest.raises(OutcomeUnknown):
        all_answers([EngineUnavailable(), OutcomeUnknown()])
    with pytest.raises(OutcomeUnknown):
        all_answers([given, EngineUnavailable()])
