"""The venue's one error shape: ``{"error": {"code", "message", "field"?, "request_id"}}``."""

import json
import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from config.middleware import current_request_id
from orderbook.errors import VenueError

DATABASE_DOWN = {
    "code": "database_unavailable",
    "message": "The database cannot be reached now; nothing was changed. Try again shortly.",
}
MISTAKE = {
    "code": "server_error",
    "message": "The venue made a mistake; it has been logged.",
}
logger = logging.getLogger(__name__)


def error_body(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if field:
        error["field"] = field
    error["request_id"] = current_request_id()
    return {"error": error}


def venue_error_parts(error: VenueError) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, extra headers and body that a VenueError is answered with."""
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return int(error.status), headers, error_body(error.code, error.message, error.field)


def error_parts(error: Exception) -> tuple[int, dict[str, str], dict[str, Any]]:
    """As ``venue_error_parts``, for any error of a route that Django does not serve."""
    if isinstance(error, VenueError):
        return venue_error_parts(error)
    if isinstance(error, OperationalError | InterfaceError):
        return 503, {"Retry-After": "1"}, error_body(**DATABASE_DOWN)
    logger.error("a request failed", exc_info=error)
    return 500, {}, error_body(**MISTAKE)


def api_exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None lets a bug surface as a logged 500 (``server_error`` below)."""
    if isinstance(exc, VenueError):
        status, headers, body = venue_error_parts(exc)
        return Response(body, status=status, headers=headers)
    if isinstance(exc, OperationalError | InterfaceError):
        return Response(error_body(**DATABASE_DOWN), status=503, headers={"Retry-After": "1"})
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    if not isinstance(exc, exceptions.APIException):
        return None
    headers = {}
    if auth_header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    field, detail = _first_detail(exc.detail)
    code = getattr(detail, "code", None) or exc.default_code
    if isinstance(exc, exceptions.ValidationError):
        code = "invalid" if code in {"min_value", "max_value", "max_length", "min_length"} else code
    return Response(error_body(code, str(detail), field), status=exc.status_code, headers=headers)


def _first_detail(detail: Any, field: str | None = None) -> tuple[str | None, Any]:
    """The first error of DRF's nested detail, with the path of the field that it is about."""
    if isinstance(detail, dict):
        if "detail" in detail and "messages" in detail:  # simplejwt's InvalidToken
            return None, detail["detail"]
        key, value = next(iter(detail.items()), (None, "invalid"))
        name = None if key in (None, "non_field_errors", "detail") else str(key)
        return _first_detail(value, ".".join(filter(None, (field, name))) or None)
    if isinstance(detail, list):
        return _first_detail(detail[0], field) if detail else (field, "invalid")
    return field, detail


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _page_or_json(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse(error_body(code, message), status=status)
    from django.shortcuts import render

    return render(request, f"{status}.html", {"message": message}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = str(exception) if isinstance(exception, BadRequest) else ""
    return _page_or_json(request, 400, "bad_request", message or "A value in it makes no sense.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = str(exception) or "Your account does not have the permission for it."
    return _page_or_json(request, 403, "permission_denied", message)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_or_json(request, 404, "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Last resort, without templates or context processors: either may be what failed."""
    body = error_body(**MISTAKE)
    if _wants_json(request):
        return JsonResponse(body, status=500)
    return HttpResponse(
        f"<!doctype html><title>Error</title><h1>Something went wrong</h1>"
        f"<p>Request {json.dumps(body['error']['request_id'])} has been logged.</p>",
        status=500,
    )
