"""A wall clock that jumps: nothing is executed twice, and the venue goes on."""

import asyncio
import time

import pytest
from channels.layers import get_channel_layer
from django.conf import settings

from orderbook import journal
from orderbook.core.events import OrderAccepted, OrderRejected
from orderbook.core.rejects import RejectReason
from orderbook.core.units import Side
from orderbook.errors import OutcomeUnknown
from orderbook.gateway import protocol
from orderbook.worker import engine_worker, repeats
from orderbook.worker.repeats import RecentAnswers
from tests.integration.venue import (
    LONG_DEADLINE_NS,
    limit_order,
    place,
    running_engine,
    running_gateway,
    running_venue,
)

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

HOUR_NS = 3_600 * 10**9
SECOND_NS = 10**9
PATIENCE_S = 60.0


class Clock:
    """The engine's wall clock, which the test sets; other clocks go on as they do."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def time_ns(self) -> int:
        return time.time_ns() + self.ahead_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(engine_worker, "time", clock)
    return clock


async def jump_ahead_and_back(clock: Clock) -> None:
    """One command is journaled while the clock is an hour ahead, as after a bad time server."""
    clock.ahead_ns = HOUR_NS
    reply_to = await get_channel_layer("engine").new_channel("test")
    deadline_ns = clock.time_ns() + LONG_DEADLINE_NS
    answers = await send(reply_to, b"j" * 16, deadline_ns)
    assert isinstance(answers[0].events[0], OrderAccepted)
    clock.ahead_ns = 0


async def send(reply_to: str, command_id: bytes, deadline_ns: int) -> list[protocol.Answer]:
    layer = get_channel_layer("engine")
    envelope = protocol.Envelope(command_id, deadline_ns, limit_order(1, Side.BUY, 100, 5))
    message = {
        "type": "commands",
        "reply_to": reply_to,
        "batch": protocol.encode([envelope]),
    }
    await layer.send(settings.ENGINE_QUEUE, message)
    async with asyncio.timeout(PATIENCE_S):
        reply = await layer.receive(reply_to)
    return protocol.decode_answers(reply["batch"])


async def test_a_clock_that_was_ahead_for_a_moment_stops_no_order(clock: Clock) -> None:
    async with running_venue() as gateway:
        await jump_ahead_and_back(clock)
        first = await place(gateway, 1, Side.BUY, 101, 5)
        second = await place(gateway, 1, Side.BUY, 102, 5)
    async with running_engine(), running_gateway() as gateway:
        third = await place(gateway, 1, Side.BUY, 103, 5)
    times = [batch.time_ns for batch in await asyncio.to_thread(journal.read_batches, 0)]
    assert times == sorted(times)
    assert first.sequence < second.sequence < third.sequence


async def test_a_clock_that_was_set_back_executes_nothing_twice(clock: Clock) -> None:
    async with running_venue() as gateway:
        reply_to = await get_channel_layer("engine").new_channel("test")
        clock.ahead_ns = SECOND_NS
        deadline_ns = clock.time_ns() + LONG_DEADLINE_NS - SECOND_NS
        first = await send(reply_to, b"b" * 16, deadline_ns)
        await jump_ahead_and_back(clock)
        assert await send(reply_to, b"b" * 16, deadline_ns) == first
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert isinstance(depth, protocol.Depth)
    assert [level.quantity_lots for level in depth.levels] == [10]


@pytest.mark.parametrize(
    ("ahead_s", "reason"),
    [(60.0, RejectReason.DEADLINE_TOO_FAR), (-0.5, RejectReason.DEADLINE_PASSED)],
)
async def test_a_command_that_was_refused_for_its_deadline_is_never_executed_later(
    clock: Clock, ahead_s: float, reason: RejectReason
) -> None:
    async with running_venue() as gateway:
        reply_to = await get_channel_layer("engine").new_channel("test")
        deadline_ns = time.time_ns() + int(ahead_s * SECOND_NS)
        first = await send(reply_to, b"t" * 16, deadline_ns)
        assert isinstance(first[0].events[0], OrderRejected)
        assert first[0].events[0].reason is reason
        clock.ahead_ns = int(ahead_s * SECOND_NS) - LONG_DEADLINE_NS
        assert await send(reply_to, b"t" * 16, deadline_ns) == first
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert isinstance(depth, protocol.Depth)
    assert depth.levels == []


@pytest.mark.parametrize("ahead_s", [12, -3_600])
async def test_a_refusal_for_the_deadline_promises_the_caller_nothing(
    clock: Clock, ahead_s: int
) -> None:
    """Another leader, whose clock is right, may still execute a copy of the command."""
    async with running_venue() as gateway:
        clock.ahead_ns = ahead_s * SECOND_NS
        with pytest.raises(OutcomeUnknown, match="clocks"):
            await place(gateway, 1, Side.BUY, 100, 5)
        with pytest.raises(OutcomeUnknown, match="clocks"):
            await gateway.submit_many([limit_order(1, Side.BUY, 100, 5)] * 3)
        clock.ahead_ns = 0
        assert (await place(gateway, 1, Side.BUY, 100, 5)).sequence


def test_the_memory_of_answers_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_REMEMBERED", 3)
    answers = RecentAnswers()
    given = [protocol.Answer(bytes([number]), number, 0, []) for number in range(5)]
    for answer in given:
        answers.remember(0, [answer.command_id], protocol.encode([answer]))
    assert len(answers) == 3
    assert answers.get(bytes([1])) is None
    assert answers.get(bytes([2])) == given[2]
