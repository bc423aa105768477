"""Bearer tokens: issuing them, and telling quickly whose a token is.

``authenticate_bearer`` is on the path of every order, so a token's signature is verified once and
remembered; only its expiry is looked at again. Whether the user may still sign in, and trade, is
asked of the database again after ``USER_FRESH_S``, in one query, by one caller while the others go
on. A token is refused from then on when its user is deactivated or deleted, or has a new password.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, NamedTuple, TypeVar

from channels.db import database_sync_to_async
from django.db.models import BooleanField, ExpressionWrapper
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts import roles
from accounts.errors import NotAuthenticated, TokenExpired, TokenInvalid, TradingNotAllowed
from accounts.models import User

MAX_CACHED_TOKENS = 20_000
MAX_CACHED_USERS = 20_000
MAX_TOKEN_BYTES = 2_048
"""A token of the venue has about 300."""
USER_FRESH_S = 3.0
"""How long after a user is deactivated, or loses the permission to trade, its tokens may still be
accepted, at most."""
_MAX_USER_ID = 2**63 - 1

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bearer(NamedTuple):
    """What a verified token says."""

    user_id: int
    expires_at: float
    password_mark: str
    """Changes with the user's password."""


class _Standing(NamedTuple):
    """What the database said about a user; ``password_mark`` is "" for one who may not sign in."""

    password_mark: str
    may_trade: bool
    checked_at: float


class _Recent(Generic[K, V]):
    """A bounded map that forgets what was used longest ago; safe between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            value = self._items.get(key)
            if value is not None:
                self._items.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            if len(self._items) > self._limit:
                self._items.popitem(last=False)

    def drop(self, key: K) -> None:
        with self._lock:
            self._items.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._items.clear()


_tokens: _Recent[bytes, Bearer] = _Recent(MAX_CACHED_TOKENS)
_standings: _Recent[int, _Standing] = _Recent(MAX_CACHED_USERS)


class TokenPair(NamedTuple):
    access: str
    refresh: str


def issue_tokens(user: User) -> TokenPair:
    refresh = RefreshToken.for_user(user)
    return TokenPair(str(refresh.access_token), str(refresh))


def refresh_access(refresh_token: str) -> str:
    """A new access token. Raises TokenInvalid or TokenExpired."""
    token = _verified(RefreshToken, refresh_token.encode(errors="replace"))
    bearer = _bearer(token)
    _require(_read_standing(bearer.user_id), bearer)
    return str(token.access_token)  # type: ignore[attr-defined]


def authenticate_bearer(header_value: bytes | str) -> int:
    """The user id of an ``Authorization`` header's value.

    Raises NotAuthenticated (no bearer token), TokenInvalid or TokenExpired, and OperationalError
    where the database is needed and down.
    """
    bearer, standing = _from_caches(header_value)
    if standing is None:
        standing = _read_standing(bearer.user_id)
    _require(standing, bearer)
    return bearer.user_id


async def aauthenticate_bearer(header_value: bytes | str) -> int:
    """As ``authenticate_bearer``; goes to a thread only where the database must be asked."""
    return (await abearer(header_value)).user_id


async def aauthenticate_trader(header_value: bytes | str) -> int:
    """As ``aauthenticate_bearer``. Raises TradingNotAllowed for a user who may not place orders."""
    bearer, standing = await _identify(header_value)
    if not standing.may_trade:
        raise TradingNotAllowed
    return bearer.user_id


async def abearer(header_value: bytes | str) -> Bearer:
    """As ``aauthenticate_bearer``, with when the token ends."""
    return (await _identify(header_value))[0]


async def _identify(header_value: bytes | str) -> tuple[Bearer, _Standing]:
    bearer, standing = _from_caches(header_value)
    if standing is None:
        read = database_sync_to_async(_read_standing, thread_sensitive=False)
        standing = await read(bearer.user_id)
    _require(standing, bearer)
    return bearer, standing


def forget_user(user_id: int) -> None:
    """Makes this process ask the database about the user at the next request."""
    _standings.drop(user_id)


def forget_everything() -> None:
    _tokens.clear()
    _standings.clear()


def _from_caches(header_value: bytes | str) -> tuple[Bearer, _Standing | None]:
    """The token's content, and the user's standing unless the caller must read it now."""
    raw = _raw_token(header_value)
    bearer = _tokens.get(raw)
    if bearer is None:
        bearer = _bearer(_verified(AccessToken, raw))
        _tokens.put(raw, bearer)
    elif bearer.expires_at <= time.time():
        _tokens.drop(raw)
        raise TokenExpired
    standing = _standings.get(bearer.user_id)
    now = time.monotonic()
    if standing is None or now - standing.checked_at < USER_FRESH_S:
        return bearer, standing
    # This caller asks; those that come meanwhile go on with what was known.
    _standings.put(bearer.user_id, standing._replace(checked_at=now))
    return bearer, None


def _raw_token(header_value: bytes | str) -> bytes:
    value = header_value.encode(errors="replace") if isinstance(header_value, str) else header_value
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise NotAuthenticated
    raw = rest.strip()
    if not raw or len(raw) > MAX_TOKEN_BYTES:
        raise TokenInvalid
    return raw


def _verified(kind: type[Token], raw: bytes) -> Token:
    try:
        return kind(raw)  # type: ignore[arg-type]
    except ExpiredTokenError:
        raise TokenExpired from None
    except (TokenError, ValueError):
        raise TokenInvalid from None


def _bearer(token: Token) -> Bearer:
    claims: dict[str, Any] = token.payload
    try:
        user_id = int(claims[api_settings.USER_ID_CLAIM])
        bearer = Bearer(user_id, float(claims["exp"]), str(claims[api_settings.REVOKE_TOKEN_CLAIM]))
    except (KeyError, TypeError, ValueError):
        raise TokenInvalid from None
    if not 0 < user_id <= _MAX_USER_ID:
        raise TokenInvalid
    return bearer


def _read_standing(user_id: int) -> _Standing:
    try:
        rows = User.objects.filter(pk=user_id).annotate(
            may_trade=ExpressionWrapper(roles.may_trade(), BooleanField())
        )
        row = rows.values_list("is_active", "password", "may_trade").first()
    except Exception:
        _standings.drop(user_id)
        raise
    is_active, password, may_trade = row or (False, "", False)
    mark = get_md5_hash_password(password) if is_active else ""
    standing = _Standing(mark, may_trade, time.monotonic())
    _standings.put(user_id, standing)
    return standing


def _require(standing: _Standing, bearer: Bearer) -> None:
    if not standing.password_mark or standing.password_mark != bearer.password_mark:
        raise TokenInvalid
