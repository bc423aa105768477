"""The fast path of order entry: an ASGI handler in front of Django.

Serves ``POST /api/v1/orders``, ``DELETE /api/v1/orders`` and ``DELETE /api/v1/orders/{id}`` for
callers with a bearer token, without middleware, request objects or database, and with the same
validation and the same answers as the documented views (``trading/views.py``; a test compares
them). Whatever is not plainly such a request (a browser's session, an unusual content type) goes on
to Django.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from django.http import QueryDict

from accounts.tokens import aauthenticate_bearer, aauthenticate_trader
from trading import services
from trading.errors import BodyTooLarge
from trading.json_body import MAX_BODY_BYTES, decode_object
from trading.order_entry import read_cancel_filters, read_reference

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BindRequestId = Callable[[str | None], str]
ErrorParts = Callable[[Exception], tuple[int, dict[str, str], dict[str, Any]]]
"""Status, extra headers and body that an error is answered with."""

ORDERS_PATH = "/api/v1/orders"
_ORDER_PREFIX = ORDERS_PATH + "/"
_OTHER_PATHS = frozenset(
    _ORDER_PREFIX + name for name in ("batches", "cancel-all-after", "lists", "replacements")
)
"""Below the prefix, but no order's; a test compares them with ``trading/api_urls.py``."""
_encode = msgspec.json.Encoder().encode
_FIXED_HEADERS = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Disconnected(Exception):
    """The client went away before its request was whole."""


class OrderRoutes:
    def __init__(
        self,
        application: Application,
        *,
        bind_request_id: BindRequestId,
        error_parts: ErrorParts,
    ) -> None:
        self._application = application
        self._bind_request_id = bind_request_id
        self._error_parts = error_parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(ORDERS_PATH):
            headers = dict(scope["headers"])
            if _is_ours(scope["method"], path, headers):
                await self._serve(scope, headers, receive, send)
                return
        await self._application(scope, receive, send)

    async def _serve(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        given_id = headers.get(b"x-request-id")
        request_id = self._bind_request_id(given_id.decode("latin-1") if given_id else None)
        extra: dict[str, str] = {}
        body: object
        try:
            account_id = await self._account_of(scope["method"], headers)
            if scope["method"] == "POST":
                sent = await _read_body(headers, receive)
                fields = decode_object(sent) if sent else {}
                placed = await services.place_order(account_id, fields)
                status, body = 201, placed.resource()
                extra = {"location": f"{_ORDER_PREFIX}{placed.order.id}"}
            elif scope["path"] == ORDERS_PATH:
                query = QueryDict(scope["query_string"])
                symbol, side = read_cancel_filters(query)
                canceled_ids = await services.cancel_all(account_id, symbol, side)
                status, body = 200, {"canceled": canceled_ids}
            else:
                reference = read_reference(scope["path"][len(_ORDER_PREFIX) :])
                canceled = await services.cancel_order(account_id, reference)
                status, body = 200, canceled.resource()
        except Disconnected:
            return
        except Exception as error:
            status, extra, body = self._error_parts(error)
            if isinstance(error, BodyTooLarge):
                extra = {**extra, "connection": "close"}
        await _respond(send, status, request_id, extra, _encode(body))

    async def _account_of(self, method: str, headers: dict[bytes, bytes]) -> int:
        """Placing needs the permission to trade; anybody may cancel its own orders."""
        identify = aauthenticate_trader if method == "POST" else aauthenticate_bearer
        return await identify(headers[b"authorization"])


def _is_ours(method: str, path: str, headers: dict[bytes, bytes]) -> bool:
    """Whether it is plainly an order request of a program; Django serves all the rest."""
    if method == "POST":
        if path != ORDERS_PATH or not _is_json(headers.get(b"content-type", b"")):
            return False
    elif method != "DELETE" or not _is_of_orders(path):
        return False
    return headers.get(b"authorization", b"")[:7].lower() == b"bearer " and _takes_json(
        headers.get(b"accept", b"*/*")
    )


def _is_of_orders(path: str) -> bool:
    return path == ORDERS_PATH or (path.startswith(_ORDER_PREFIX) and path not in _OTHER_PATHS)


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


def _takes_json(accept: bytes) -> bool:
    return b"*/*" in accept or b"application/json" in accept or b"application/*" in accept


async def _read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The request's body; a longer one than allowed is refused unread. Raises BodyTooLarge."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:20]) > MAX_BODY_BYTES:
        raise BodyTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        if not message.get("more_body"):
            return bytes(body)


async def _respond(
    send: Send, status: int, request_id: str, extra: dict[str, str], body: bytes
) -> None:
    headers = [
        *_FIXED_HEADERS,
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        *((name.lower().encode(), value.encode()) for name, value in extra.items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
