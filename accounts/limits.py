"""How often somebody may try to sign in or up: settings.SIGN_RATES, counted by django-ratelimit."""

import hashlib

from allauth.core.internal.httpkit import get_client_ip
from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.errors import LimiterUnavailable, TooManyRequests


def count_attempt(request: HttpRequest, rate_name: str, who: str | None = None) -> None:
    """Counts one attempt of ``who`` (default: the caller's address) under settings.SIGN_RATES.

    Raises TooManyRequests once there are more than the rate allows.
    """
    if not settings.RATELIMIT_ENABLE:
        return
    key = who if who is not None else (get_client_ip(request) or "unknown")
    digest = hashlib.blake2b(key.encode(errors="replace"), digest_size=16).hexdigest()
    try:
        usage = get_usage(
            request,
            group=rate_name,
            key=lambda group, request: digest,
            rate=settings.SIGN_RATES[rate_name],
            method=get_usage.ALL,
            increment=True,
        )
    except (RedisError, OSError) as error:
        raise LimiterUnavailable from error
    if usage and usage["should_limit"]:
        raise TooManyRequests(max(1, int(usage["time_left"])))
