"""Settings shared by every mode. Addresses and secrets come from the environment."""

from datetime import timedelta
from pathlib import Path

import environ
from celery.schedules import crontab
from csp.constants import NONE, SELF

from config.logging import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()

DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "django_htmx",
    "csp",
    "orderbook",
    "accounts",
    "market",
    "market.feeds",
    "trading",
]

MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.notifications",
            ],
        },
    },
]

TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
"""Proxies in front whose X-Forwarded-For entries are believed."""

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/markets/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/markets/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="optional")
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Rialto] "
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.sign_forms.SignInForm",
    "signup": "accounts.sign_forms.SignUpForm",
    "add_email": "accounts.sign_forms.AddEmailForm",
    "change_password": "accounts.sign_forms.ChangePasswordForm",
    "reset_password": "accounts.sign_forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.sign_forms.ResetPasswordKeyForm",
    "reauthenticate": "accounts.sign_forms.ReauthenticateForm",
}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Rialto <venue@localhost>")

RATELIMIT_ENABLE = env.bool("RATELIMIT_ENABLE", default=True)
SIGN_RATES = {
    "signup_address": env.str("SIGNUP_RATE_PER_ADDRESS", default="60/m"),
    "signin_address": env.str("SIGNIN_RATE_PER_ADDRESS", default="120/m"),
    "signin_name": env.str("SIGNIN_RATE_PER_NAME", default="20/m"),
}
"""Attempts through the API; ACCOUNT_RATE_LIMITS of allauth covers the pages."""
API_RATES = {
    "user": env.str("API_RATE_PER_USER", default="12000/m"),
    "address": env.str("API_RATE_PER_ADDRESS", default="6000/m"),
}
"""Requests to the REST API, signed in and not; order routes have ORDER_RATE_PER_S instead."""
if not RATELIMIT_ENABLE:
    ACCOUNT_RATE_LIMITS = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or DATA_DIR / "static")

DATABASE_ROUTERS = ["orderbook.routers.JournalRouter"]
JOURNAL_DATABASE = "default"
"""Alias of the database that holds the journal; embedded mode gives it a file of its own."""
FEEDS_DATABASE = "default"
"""The same for market data from outside, whose writing must not hold up the venue's tables."""
FEEDS_KEEP_DAYS = env.int("FEEDS_KEEP_DAYS", default=30)
"""How long a stored day of market data from outside is kept after it was last written to."""

REST_FRAMEWORK = {
    "NUM_PROXIES": TRUSTED_PROXY_COUNT,
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "accounts.authentication.BrowserSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["trading.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["config.throttling.ApiThrottle"],
    "EXCEPTION_HANDLER": "config.exceptions.api_exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rialto",
    "DESCRIPTION": "REST interface of a Rialto trading venue. Decimals are strings; times are UTC.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "PhaseEnum": "market.serializers.PHASES",
        "OrderStatusEnum": "trading.order_state.STATUSES",
        "SideEnum": ["buy", "sell"],
    },
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", default=60)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.int("REFRESH_TOKEN_DAYS", default=7)),
    "UPDATE_LAST_LOGIN": False,
    # A new password ends what the old one opened.
    "CHECK_REVOKE_TOKEN": True,
}

# Engine. See DESIGN.md section 1 for what each promise rests on.
ENGINE_QUEUE = "engine"
ENGINE_SNAPSHOT_EVERY = env.int("ENGINE_SNAPSHOT_EVERY", default=100_000)
"""Commands between two snapshots of the engine's state."""
COMMAND_DEADLINE_S = env.float("COMMAND_DEADLINE_S", default=5.0)
"""How long a gateway resends an unanswered command before it answers "outcome unknown"."""
ORDER_RATE_PER_S = env.int("ORDER_RATE_PER_S", default=2_000)
"""Most orders, and most cancels, that one account may send a second to one process; 0: no limit."""

# Demonstration funds for a new trader, as {asset: decimal string}; empty means none.
DEMO_FUNDS: dict[str, str] = env.json("DEMO_FUNDS", default={})
RUN_BOTS = env.bool("RUN_BOTS", default=False)

CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "settle-accounts": {"task": "accounts.tasks.fund_new_traders", "schedule": 15.0},
    "prune-notifications": {
        "task": "accounts.tasks.prune_notifications",
        "schedule": crontab(hour=2, minute=30),
    },
    "prune-feeds": {
        "task": "market.feeds.tasks.prune_feeds",
        "schedule": crontab(hour=2, minute=45),
    },
    "reconcile": {"task": "accounts.tasks.reconcile", "schedule": crontab(hour=3, minute=0)},
}

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
"""Largest request body in bytes; every request of the venue is far smaller."""

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""Who sends it as a bearer token reads /metrics; without one, only machines of this network do."""

LOGGING = logging_config(
    level=env.str("LOG_LEVEL", default="INFO"),
    fmt=env.str("LOG_FORMAT", default="json"),
    access=env.bool("ACCESS_LOG", default=None),
)
LOGGING_CONFIG = "logging.config.dictConfig"
