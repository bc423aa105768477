"""What starts and stops with a web process: gateway, feed, market hub; embedded, all the rest.

Speaks the ASGI lifespan protocol, so that any server that knows it runs the venue rightly.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from django.conf import settings

from config.embedded import AlreadyRunning, EmbeddedVenue, open_bridge
from market.feeds.serving.hub import get_feed_hub
from market.replica import get_market_hub
from orderbook import garbage
from orderbook.gateway.feed import Feed, set_feed
from orderbook.gateway.gateway import Gateway, set_gateway

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Lifespan:
    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as running:
            try:
                await self._start(running)
            except Exception as error:
                # The server writes the message; only what nobody expected has more to show.
                if not isinstance(error, AlreadyRunning):
                    logger.exception("the venue could not start")
                await running.aclose()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, running: AsyncExitStack) -> None:
        """Starts the parts in the order in which they need each other; ``running`` stops them."""
        started = time.perf_counter()
        venue = EmbeddedVenue() if settings.VENUE_MODE == "embedded" else None
        if venue is not None:
            running.push_async_callback(venue.stop)
            await venue.start_engine()

        gateway = Gateway()
        await gateway.start()
        set_gateway(gateway)
        running.push_async_callback(gateway.stop)

        feed = Feed()
        set_feed(feed)
        running.push_async_callback(feed.stop)
        hub = get_market_hub()
        if venue is not None:
            await venue.load_demo(gateway)
        await hub.start()
        running.push_async_callback(hub.stop)
        await get_feed_hub().start()
        running.push_async_callback(get_feed_hub().stop)
        await feed.start()

        if venue is not None:
            await venue.start_followers()
            running.push_async_callback(venue.stop_bots)
            bridge = await open_bridge()
            running.push_async_callback(bridge.stop)
        garbage.settle()
        logger.info("up after %.1f s", time.perf_counter() - started)
