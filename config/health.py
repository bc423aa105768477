"""Answers for machines that watch the venue: alive, ready, and its numbers."""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Awaitable
from typing import Any

from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from config.exceptions import error_body
from orderbook import journal, metrics
from orderbook.gateway.gateway import get_gateway
from orderbook.models import JournalBatch, ProjectionCursor
from orderbook.projections import registered

CHECK_TIMEOUT_S = 2.0
ANSWER_KEPT_S = 0.5
"""How long one answer serves every caller: asking often must not cost the venue anything."""
LAG_WARNING_COMMANDS = 100_000
"""Reads stay exact behind any lag, but each has to look at so many commands."""
LAG_WARNING_S = 30.0
"""Age of a command that a table does not show yet; a projector that failed shows so on a quiet
venue too."""

_FORWARDING_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


@csrf_exempt
@require_safe
@never_cache
async def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. What it needs may be away: that is readyz's matter."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
@never_cache
async def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every part that order entry needs is there, else 503; which part, in JSON."""
    parts = await _readiness.parts()
    ready = all(part["status"] != "failed" for part in parts.values())
    body = {"status": "ready" if ready else "not ready", "parts": parts}
    return JsonResponse(body, status=200 if ready else 503)


@csrf_exempt
@require_safe
@never_cache
async def metrics_page(request: HttpRequest) -> HttpResponse:
    """Prometheus's page; for METRICS_TOKEN's holder, or without one for this network's machines."""
    if not _may_read_metrics(request):
        message = "Metrics are for this network's machines, or for the holder of METRICS_TOKEN."
        return JsonResponse(error_body("permission_denied", message), status=403)
    await _measure_lag()
    page, content_type = await asyncio.to_thread(metrics.render)
    return HttpResponse(page, content_type=content_type)


async def _measure_lag() -> None:
    """The projector tells it too, but not while it hangs or is away, when it matters most."""
    found = await _outcome(sync_to_async(_check_journal)())
    if found["status"] != "failed":
        metrics.PROJECTOR_LAG_COMMANDS.set(found["projector_lag_commands"])
        metrics.PROJECTOR_LAG_SECONDS.set(found["projector_lag_s"])


def _may_read_metrics(request: HttpRequest) -> bool:
    """A request that came through a proxy has the proxy's address: it needs the token."""
    if token := settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    if any(name in request.headers for name in _FORWARDING_HEADERS):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_private
    except ValueError:
        return False


class Readiness:
    """What is there, part by part; one look serves every caller for a moment."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Any]] = {}
        self._looked_at = float("-inf")

    async def parts(self) -> dict[str, dict[str, Any]]:
        if time.monotonic() - self._looked_at > ANSWER_KEPT_S:
            names_and_checks = {
                "database": sync_to_async(_check_database)(),
                "journal": sync_to_async(_check_journal)(),
                "engine": _check_engine(),
                "channel_layer": _check_channel_layer(),
            }
            answers = await asyncio.gather(*map(_outcome, names_and_checks.values()))
            self._parts = dict(zip(names_and_checks, answers, strict=True))
            self._looked_at = time.monotonic()
        return self._parts


_readiness = Readiness()


async def _outcome(check: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """What the check found; an error's text may hold addresses, so only its kind is told."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return {"status": "ok", **await check}
    except TimeoutError:
        return {"status": "failed", "reason": f"no answer in {CHECK_TIMEOUT_S:g} s"}
    except Exception as error:
        return {"status": "failed", "reason": type(error).__name__}


def _check_database() -> dict[str, Any]:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    return {}


def _check_journal() -> dict[str, Any]:
    """The journal's end, and how far the slowest table is behind it."""
    last_sequence = journal.last_sequence()
    cursors = dict(ProjectionCursor.objects.values_list("name", "sequence"))
    slowest = min((cursors.get(p.name, 0) for p in registered()), default=last_sequence)
    lag_commands = max(0, last_sequence - slowest)
    waiting = JournalBatch.objects.filter(first_sequence__gt=slowest).order_by("first_sequence")
    oldest_ns = waiting.values_list("time_ns", flat=True).first() if lag_commands else None
    lag_s = max(0.0, (time.time_ns() - oldest_ns) / 1e9) if oldest_ns else 0.0
    is_slow = lag_commands > LAG_WARNING_COMMANDS or lag_s > LAG_WARNING_S
    return {
        "status": "slow" if is_slow else "ok",
        "last_sequence": last_sequence,
        "projector_lag_commands": lag_commands,
        "projector_lag_s": round(lag_s, 3),
    }


async def _check_engine() -> dict[str, Any]:
    gateway = get_gateway()
    assert gateway.loop is not None
    alive = asyncio.run_coroutine_threadsafe(gateway.engine_alive(), gateway.loop)
    if not await asyncio.wrap_future(alive):
        return {"status": "failed", "reason": "the engine does not answer"}
    return {}


async def _check_channel_layer() -> dict[str, Any]:
    """A message to a group without members goes all the way to the layer's server."""
    layer = get_channel_layer()
    assert layer is not None
    await layer.group_send("health", {"type": "health"})
    return {}
