"""One process, SQLite, in-memory channel layer: what `make run` starts."""

from config.data_folder import kept_secret
from config.logging import logging_config
from config.settings.base import *  # noqa: F403
from config.settings.base import DATA_DIR, env

VENUE_MODE = "embedded"


SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret(DATA_DIR / "secret-key")


def _sqlite(name: str, *, synchronous: str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / name,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
        },
    }


DATABASES = {
    "default": _sqlite("venue.sqlite3", synchronous="NORMAL"),
    # FULL: a commit of the journal survives a power cut, not only a crash of the process.
    "journal": _sqlite("journal.sqlite3", synchronous="FULL"),
    "feeds": _sqlite("feeds.sqlite3", synchronous="NORMAL"),
}
JOURNAL_DATABASE = "journal"
FEEDS_DATABASE = "feeds"

_IN_MEMORY = {
    "BACKEND": "channels.layers.InMemoryChannelLayer",
    "CONFIG": {"capacity": 10_000, "expiry": 60},
}
CHANNEL_LAYERS = {"default": _IN_MEMORY, "engine": _IN_MEMORY}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# One process serves this mode, so a counter in its own memory counts everything.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
ENGINE_SNAPSHOT_EVERY = env.int("ENGINE_SNAPSHOT_EVERY", default=20_000)
DEMO_FUNDS = env.json(
    "DEMO_FUNDS",
    default={
        "USDT": "100000",
        "BTC": "2",
        "ETH": "30",
        "BNB": "100",
        "SOL": "500",
        "INR": "1000000",
    },
)
RUN_BOTS = env.bool("RUN_BOTS", default=True)
LOAD_DEMO = env.bool("LOAD_DEMO", default=True)

CELERY_BROKER_URL = "memory://"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = False

# A person reads these lines.
LOGGING = logging_config(
    level=env.str("LOG_LEVEL", default="INFO"),
    fmt=env.str("LOG_FORMAT", default="console"),
    access=env.bool("ACCESS_LOG", default=None),
)

_HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
