"""How often one caller may use the API: settings.API_RATES, counted by django-ratelimit.

Order routes have a bucket of their own (trading/rate_limit.py), sign-in and sign-up their own rates
(accounts/limits.py). This one covers every view of Django REST Framework.
"""

import logging
from typing import Any

from django.conf import settings
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)


class ApiThrottle(BaseThrottle):
    """By user where the caller has signed in, else by address. Without its counters it lets
    everyone through: reads are no danger, and what orders need is told by the engine."""

    def __init__(self) -> None:
        self._wait_s: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        if not settings.RATELIMIT_ENABLE:
            return True
        signed_in = bool(request.user and request.user.is_authenticated)
        who = f"user:{request.user.pk}" if signed_in else f"address:{self.get_ident(request)}"
        try:
            usage = get_usage(
                request._request,
                group="api",
                key=lambda group, request: who,
                rate=settings.API_RATES["user" if signed_in else "address"],
                method=get_usage.ALL,
                increment=True,
            )
        except (RedisError, OSError) as error:
            logger.warning("requests are not counted: %s", error)
            return True
        if not usage or not usage["should_limit"] or _was_not_counted(usage):
            return True
        self._wait_s = max(1.0, float(usage["time_left"]))
        return False

    def wait(self) -> float | None:
        return self._wait_s


def _was_not_counted(usage: dict[str, Any]) -> bool:
    """The counter vanished between two steps, as when Redis restarts or is flushed. This is how
    django-ratelimit tells it: no rate has a limit of 0 otherwise."""
    return not usage["limit"] and usage["time_left"] < 0
