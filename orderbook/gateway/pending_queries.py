"""Reads of the engine's memory that are under way: sent again until answered or too late."""

import asyncio
import logging
from typing import Any

from django.conf import settings

from orderbook.errors import EngineUnavailable
from orderbook.gateway.protocol import (
    Query,
    QueryFailed,
    QueryResult,
    decode_query_result,
    encode,
)

logger = logging.getLogger(__name__)

QUERY_TIMEOUT_S = 2.0
RESEND_S = 0.5
RETRY_SEND_S = 0.2


def query_message(query_id: bytes, reply_to: str, query: Query) -> dict[str, Any]:
    """As it travels over the engine's queue."""
    return {"type": "query", "id": query_id, "reply_to": reply_to, "query": encode(query)}


class PendingQueries:
    """Belongs to the event loop of its gateway."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._futures: dict[bytes, asyncio.Future[QueryResult]] = {}

    async def ask(
        self, query: Query, query_id: bytes, reply_to: str, timeout_s: float
    ) -> QueryResult:
        """Raises EngineUnavailable, or LookupError where the engine knows no such thing."""
        loop = asyncio.get_running_loop()
        self._futures[query_id] = future = loop.create_future()
        message = query_message(query_id, reply_to, query)
        deadline = loop.time() + timeout_s
        try:
            while (left := deadline - loop.time()) > 0:
                try:
                    async with asyncio.timeout(min(left, RESEND_S)):
                        await self._layer.send(settings.ENGINE_QUEUE, message)
                        result: QueryResult = await asyncio.shield(future)
                except TimeoutError:
                    continue
                except EngineUnavailable:
                    raise
                except Exception as error:
                    logger.warning("query not sent: %s", error)
                    await asyncio.sleep(min(left, RETRY_SEND_S))
                    continue
                if isinstance(result, QueryFailed):
                    raise LookupError(result.message)
                return result
        finally:
            del self._futures[query_id]
        raise EngineUnavailable("The engine did not answer the query in time. Try again shortly.")

    def take(self, message: dict[str, Any]) -> None:
        """An answer; one that nobody waits for any more is dropped."""
        future = self._futures.get(message["id"])
        if future is not None and not future.done():
            future.set_result(decode_query_result(message["result"]))

    def give_up(self) -> None:
        """Tells everybody who waits that there will be no answer."""
        for future in self._futures.values():
            if not future.done():
                future.set_exception(EngineUnavailable("The venue is stopping."))
