"""Separate processes on PostgreSQL and Redis: docker compose, and `make run-full` on one machine.

Refuses to start without a strong SECRET_KEY, DATABASE_URL and REDIS_URL.
"""

from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from config.settings.base import *  # noqa: F403
from config.settings.base import env

VENUE_MODE = "full"
SECRET_KEY_MIN_LENGTH = 50

SECRET_KEY = env.str("SECRET_KEY", default="")
if (
    len(SECRET_KEY) < SECRET_KEY_MIN_LENGTH
    or len(set(SECRET_KEY)) < 10
    or SECRET_KEY.startswith("django-insecure-")
):
    raise ImproperlyConfigured(
        "SECRET_KEY must be set to at least 50 random characters, for example the output of: "
        "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
    )

if not env.str("DATABASE_URL").startswith(("postgres://", "postgresql://")):
    raise ImproperlyConfigured("DATABASE_URL must be an address like postgres://user:pw@host/name")
DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"] |= {
    "CONN_MAX_AGE": 0,
    # The pool tries a connection before it hands it out: after a restart of the server the broken
    # ones would otherwise fail a request each.
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", default=8), "timeout": 5},
    },
}

REDIS_URL = env.str("REDIS_URL")
if not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must be an address like redis://:password@host:6379/0")
_REDIS_HOST = {"address": REDIS_URL}
CHANNEL_LAYERS = {
    # Fan-out of events to web processes: nothing is stored, a slow reader misses and resyncs.
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [_REDIS_HOST], "prefix": "rialto-fanout"},
    },
    # The engine's queue and the replies.
    "engine": {
        "BACKEND": "orderbook.gateway.redis_queue.RedisQueueLayer",
        "CONFIG": {
            "hosts": [_REDIS_HOST],
            "prefix": "rialto-engine",
            "capacity": 1_000,
            "expiry": 60,
        },
    },
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A pooled connection to a server that was restarted is found broken at its next use.
        "OPTIONS": {"retry": Retry(NoBackoff(), 1), "retry_on_error": [RedisConnectionError]},
    }
}
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
"""A broker that is away is waited for, however long."""
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)

# TLS ends at the proxy in front, or (PLAIN_HTTP=1) the venue is tried out on loopback without it.
_TLS = not env.bool("PLAIN_HTTP", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = _TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if _TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _TLS
SESSION_COOKIE_SECURE = _TLS
CSRF_COOKIE_SECURE = _TLS
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}
