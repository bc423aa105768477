"""A queue that neither takes nor refuses, and a gateway that has stopped: callers always hear."""

import asyncio
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer

from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway import gateway as gateway_module
from orderbook.gateway.gateway import Gateway
from orderbook.gateway.protocol import GetStatus
from tests.integration.venue import limit_order, running_gateway

FAR_TOO_LONG_S = 60.0


@pytest.fixture(autouse=True)
def fresh_layers() -> None:
    channel_layers.backends.clear()


class HangingQueue:
    """What a frozen server or a cut network looks like: a send that never ends."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.hangs = True
        self.tried = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if self.hangs:
            self.tried.set()
            await asyncio.Event().wait()
        await self._layer.send(channel, message)


@pytest.fixture
def endless_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A send that hangs outlasts the test: whatever ends did not wait for it."""
    monkeypatch.setattr(gateway_module, "SEND_TIMEOUT_S", 10 * FAR_TOO_LONG_S)


async def test_a_queue_that_hangs_delays_no_deadline(settings: Any, endless_sends: None) -> None:
    settings.COMMAND_DEADLINE_S = 0.5
    async with running_gateway() as gateway:
        gateway._layer = HangingQueue(get_channel_layer("engine"))
        async with asyncio.timeout(FAR_TOO_LONG_S):
            with pytest.raises(OutcomeUnknown):
                await gateway.submit(limit_order(1, Side.BUY, 100, 5))


async def test_what_waits_behind_a_hanging_send_is_refused_in_time(
    settings: Any, endless_sends: None
) -> None:
    """Also while what was sent before is being sent again, and that hangs too."""
    settings.COMMAND_DEADLINE_S = 10 * FAR_TOO_LONG_S
    async with running_gateway() as gateway:
        gateway._layer = queue = HangingQueue(get_channel_layer("engine"))
        first = asyncio.create_task(gateway.submit(limit_order(1, Side.BUY, 100, 5)))
        await queue.tried.wait()
        async with asyncio.timeout(FAR_TOO_LONG_S):
            for _ in range(2):
                with pytest.raises(EngineUnavailable):
                    await gateway.submit(limit_order(1, Side.BUY, 101, 5))
        assert not first.done()
    with pytest.raises(OutcomeUnknown):
        await first


async def test_sending_goes_on_after_a_send_that_hung(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.COMMAND_DEADLINE_S = 0.2
    monkeypatch.setattr(gateway_module, "SEND_TIMEOUT_S", 0.1)
    monkeypatch.setattr(gateway_module, "UNSENT_PATIENCE_S", FAR_TOO_LONG_S)
    async with running_gateway() as gateway:
        gateway._layer = queue = HangingQueue(get_channel_layer("engine"))
        async with asyncio.timeout(FAR_TOO_LONG_S):
            with pytest.raises(OutcomeUnknown):
                await gateway.submit(limit_order(1, Side.BUY, 100, 5))
            queue.hangs = False
            with pytest.raises(OutcomeUnknown):
                await gateway.submit(limit_order(1, Side.BUY, 100, 5))
            message = await queue.receive(settings.ENGINE_QUEUE)
    assert message["type"] in ("query", "commands")


async def test_a_query_ends_in_time_on_a_queue_that_hangs() -> None:
    async with running_gateway() as gateway:
        gateway._layer = HangingQueue(get_channel_layer("engine"))
        async with asyncio.timeout(FAR_TOO_LONG_S):
            with pytest.raises(EngineUnavailable):
                await gateway.query(GetStatus(), timeout_s=0.3)


async def test_a_stopped_gateway_refuses_at_once() -> None:
    gateway = Gateway()
    await gateway.start()
    await gateway.stop()
    async with asyncio.timeout(FAR_TOO_LONG_S):
        with pytest.raises(EngineUnavailable):
            await gateway.submit(limit_order(1, Side.BUY, 100, 5))
