"""What a gateway may say of a command when the queue fails at the worst moment."""

import asyncio
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer

from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway import gateway as gateway_module
from orderbook.gateway import protocol
from orderbook.gateway.gateway import UNSENT_PATIENCE_S
from tests.integration.venue import limit_order, place, running_engine, running_gateway

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)


PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def fresh_layers() -> None:
    channel_layers.backends.clear()


class DyingQueue:
    """Delivers one message and is gone before it says so: what a queue server that is killed
    between storing a message and the layer's next step looks like. Nothing is delivered after."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.delivered: list[dict[str, Any]] = []
        self.tried = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if not self.delivered:
            self.delivered.append(message)
            self.tried.set()
        raise ConnectionRefusedError(111, "Connect call failed")


async def test_a_refused_connection_after_the_delivery_is_no_proof_of_no_execution(
    settings: Any,
) -> None:
    settings.COMMAND_DEADLINE_S = 2 * UNSENT_PATIENCE_S
    async with running_gateway() as gateway:
        queue: Any = DyingQueue(get_channel_layer("engine"))
        gateway._layer = queue
        with pytest.raises(OutcomeUnknown):
            await place(gateway, 1, Side.BUY, 100, 5)
    assert protocol.decode_envelopes(queue.delivered[0]["batch"])


async def test_what_was_never_tried_on_a_dead_queue_is_certainly_not_executed(
    settings: Any,
) -> None:
    settings.COMMAND_DEADLINE_S = 10 * PATIENCE_S
    async with running_gateway() as gateway:
        queue: Any = DyingQueue(get_channel_layer("engine"))
        gateway._layer = queue
        first = asyncio.create_task(gateway.submit(limit_order(1, Side.BUY, 100, 5)))
        await queue.tried.wait()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(EngineUnavailable):
                await gateway.submit(limit_order(1, Side.BUY, 101, 5))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_commands_flow_again_once_the_queue_is_back(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "UNSENT_PATIENCE_S", PATIENCE_S)
    settings.COMMAND_DEADLINE_S = 9.0
    async with running_engine(), running_gateway() as gateway:
        layer = gateway._layer
        queue: Any = DyingQueue(layer)
        gateway._layer = queue
        lost = asyncio.create_task(gateway.submit(limit_order(1, Side.BUY, 100, 5)))
        await queue.tried.wait()
        gateway._layer = layer
        async with asyncio.timeout(PATIENCE_S):
            assert (await gateway.submit(limit_order(1, Side.BUY, 101, 5))).events
            assert (await lost).events
