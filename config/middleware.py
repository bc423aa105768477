"""A request id on every request, response, log line and error."""

import re
import secrets
from collections.abc import Awaitable, Callable

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def bind_request_id(given: str | None) -> str:
    """Takes a sane ``X-Request-ID`` of the caller, else makes one; binds it for the logs."""
    request_id = given if given and _ACCEPTED_ID.fullmatch(given) else secrets.token_hex(16)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current_request_id() -> str:
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestIdMiddleware:
    async_capable = True
    sync_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
    ) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._is_async:
            return self._answer(request)
        request_id = bind_request_id(request.headers.get("X-Request-ID"))
        response = self.get_response(request)
        assert isinstance(response, HttpResponse)
        response["X-Request-ID"] = request_id
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        request_id = bind_request_id(request.headers.get("X-Request-ID"))
        answer = self.get_response(request)
        assert isinstance(answer, Awaitable)
        response: HttpResponse = await answer
        response["X-Request-ID"] = request_id
        return response
