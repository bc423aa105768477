"""One structured line for each HTTP request, whichever handler answered it, and its count."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from prometheus_client import Counter

from config.logging import ACCESS_LOGGER
from orderbook import metrics
from orderbook.gateway.command_trace import start_trace

logger = logging.getLogger(ACCESS_LOGGER)

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SLOW_REQUEST_S = 1.0
"""From here on even a request of a quiet path has its line."""
QUIET_PATHS = ("/static/", "/healthz", "/readyz", "/metrics", "/api/v1/orders")
"""Answered often, and what they did is told elsewhere (the journal): no line when all went well."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """Wraps the HTTP application; a client that went away before the answer counts as 499."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        start_trace()
        status, request_id = 499, ""

        async def send_and_note(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message.get("headers", ()):
                    if name.lower() == b"x-request-id":
                        request_id = value.decode("latin-1")
            await send(message)

        try:
            await self._application(scope, receive, send_and_note)
        except Exception:
            status = 500
            raise
        finally:
            _report(scope, status, request_id, time.perf_counter() - started)


@lru_cache(maxsize=1_024)
def _count_of(method: str, status: int) -> Counter:
    return metrics.HTTP_REQUESTS.labels(method, str(status))


def _report(scope: Scope, status: int, request_id: str, duration_s: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    _count_of(method, status).inc()
    level = _level(scope["path"], status, duration_s)
    if logger.isEnabledFor(level):
        # The path alone: a query string may carry a token.
        extra = {
            "method": method,
            "path": scope["path"],
            "status": status,
            "duration_ms": round(duration_s * 1_000, 1),
            "request_id": request_id,
        }
        logger.log(level, "request", extra=extra)


def _level(path: str, status: int, duration_s: float) -> int:
    if status >= 500:
        return logging.WARNING
    if status < 400 and duration_s < SLOW_REQUEST_S and path.startswith(QUIET_PATHS):
        return logging.DEBUG
    return logging.INFO
