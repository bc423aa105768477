"""Refuses bodies that are too large before they have come, for everything that Django serves.

Django reads a body to its end, into a file where it is long, before it looks at the request. Here a
request is answered 413 as soon as it announces, or turns out to have, more than any request of the
venue needs.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from config.exceptions import error_parts
from config.middleware import bind_request_id
from trading.errors import BodyTooLarge

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    def __init__(self, application: Application, *, max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._announced(scope) > self._max_bytes:
            await _refuse(scope, send)
            return
        received = 0
        started = False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise BodyTooLarge
            return message

        async def noted_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._application(scope, counted_receive, noted_send)
        except BodyTooLarge:
            if not started:
                await _refuse(scope, send)

    @staticmethod
    def _announced(scope: Scope) -> int:
        length = dict(scope["headers"]).get(b"content-length", b"")
        return int(length[:20]) if length.isdigit() else 0


async def _refuse(scope: Scope, send: Send) -> None:
    """Closes the connection afterwards: what is left of the body is not read."""
    given_id = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    request_id = bind_request_id(given_id)
    status, _, body = error_parts(BodyTooLarge())
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
