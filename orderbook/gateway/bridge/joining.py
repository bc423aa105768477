"""How a process that is not the venue comes to be served by the venue's engine.

In full mode there is nothing to do: the layers of the settings are everybody's. An embedded venue
is joined over its socket: what ``get_channel_layer`` gives is from then on the venue's. One that
ends meanwhile is not joined again: what was under way ends with a line that says so.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, TypeVar

from channels.layers import channel_layers
from django.conf import settings

from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway.bridge.address import require_own, socket_path
from orderbook.gateway.bridge.client import BridgeLayer

T = TypeVar("T")
LAYERS = ("engine", "default")
"""Of settings.CHANNEL_LAYERS: the engine's queue, and what the engine publishes."""


class NoVenueRuns(EngineUnavailable):
    def __init__(self) -> None:
        super().__init__(
            f"No venue answers in {settings.DATA_DIR}. Start it there (make run, with the same "
            "DATA_DIR) and try again; one that is starting answers in a moment."
        )


class VenueEnded(OutcomeUnknown):
    message = (
        "The venue ended, or closed the connection, while this command ran. What it had not "
        "answered yet may have been carried out or not."
    )


class Venue(NamedTuple):
    """The venue that was joined; no layers in full mode."""

    layers: tuple[BridgeLayer, ...]

    async def wait_until_lost(self) -> None:
        """Never returns in full mode."""
        waiting = [asyncio.create_task(layer.lost.wait()) for layer in self.layers]
        if not waiting:
            await asyncio.Event().wait()
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def while_it_runs(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` gives. Raises VenueEnded, after canceling it, where the venue ends."""
        task = asyncio.create_task(work)
        lost = asyncio.create_task(self.wait_until_lost())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise VenueEnded
            return await task
        finally:
            for one in (task, lost):
                one.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)

    async def close(self) -> None:
        for name, layer in zip(LAYERS, self.layers, strict=False):
            if channel_layers.backends.get(name) is layer:
                del channel_layers.backends[name]
            await layer.close()


async def join_venue() -> Venue:
    """Raises NoVenueRuns, or EngineUnavailable where the venue refuses this process."""
    if settings.VENUE_MODE != "embedded":
        return Venue(())
    path = socket_path()
    async with AsyncExitStack() as opened:
        try:
            require_own(path.parent)
            layers = []
            for name in LAYERS:
                layer = await BridgeLayer.connect(path, name)
                opened.push_async_callback(layer.close)
                layers.append(layer)
        except (FileNotFoundError, ConnectionError) as error:
            raise NoVenueRuns from error
        except OSError as error:
            message = f"The venue's socket {path} cannot be used: {error}."
            raise EngineUnavailable(message) from error
        opened.pop_all()
    for name, layer in zip(LAYERS, layers, strict=True):
        channel_layers.set(name, layer)
    return Venue(tuple(layers))


@asynccontextmanager
async def joined_venue() -> AsyncIterator[Venue]:
    """``join_venue``, closed at the end."""
    venue = await join_venue()
    try:
        yield venue
    finally:
        await venue.close()
