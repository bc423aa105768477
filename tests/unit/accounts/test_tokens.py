"""Whose a bearer token is, and when it is nobody's any more."""

from datetime import timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import Permission
from django.db import OperationalError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts import roles, tokens
from accounts.errors import NotAuthenticated, TokenExpired, TokenInvalid, TradingNotAllowed
from accounts.models import User
from accounts.tokens import (
    aauthenticate_bearer,
    aauthenticate_trader,
    authenticate_bearer,
    issue_tokens,
    refresh_access,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("carol", "carol@example.org", "a long and winding road")


def header(user: User) -> str:
    return f"Bearer {issue_tokens(user).access}"


def make_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "USER_FRESH_S", 0.0)


def test_a_token_names_its_user(user: User) -> None:
    for value in (header(user), header(user).encode(), header(user).replace("Bearer", "bearer")):
        assert authenticate_bearer(value) == user.pk


def test_a_known_token_costs_no_query(
    user: User, django_assert_num_queries: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "USER_FRESH_S", 3600.0)
    value = header(user)
    authenticate_bearer(value)
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert authenticate_bearer(value) == user.pk


@pytest.mark.parametrize("value", ["", "   ", "Basic YTpi", "Bearer", b"\xff\xfe", "Token x"])
def test_no_bearer_token_is_not_authenticated(value: str | bytes) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        authenticate_bearer(value)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "value", ["Bearer x", "Bearer a.b.c", "Bearer \x00", "Bearer é", "Bearer " + "a" * 5_000]
)
def test_garbage_is_invalid(value: str) -> None:
    with pytest.raises(TokenInvalid):
        authenticate_bearer(value)


def test_a_refresh_token_is_no_access_token(user: User) -> None:
    with pytest.raises(TokenInvalid):
        authenticate_bearer(f"Bearer {issue_tokens(user).refresh}")


def test_a_token_signed_with_another_key_is_invalid(user: User) -> None:
    head, body, signature = issue_tokens(user).access.split(".")
    with pytest.raises(TokenInvalid):
        authenticate_bearer(f"Bearer {head}.{body}.{signature[:-4]}AAAA")


@pytest.mark.parametrize("user_id", ["x", None, -1, 0, 2**70, [1]])
def test_a_signed_token_with_a_strange_user_id_is_invalid(user: User, user_id: object) -> None:
    token = AccessToken.for_user(user)
    token["user_id"] = user_id
    with pytest.raises(TokenInvalid):
        authenticate_bearer(f"Bearer {token}")


def test_an_expired_token_says_so(user: User) -> None:
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=-timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        authenticate_bearer(f"Bearer {token}")


def test_a_remembered_token_still_expires(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    value = header(user)
    authenticate_bearer(value)
    monkeypatch.setattr("accounts.tokens.time.time", lambda: 4_000_000_000.0)
    with pytest.raises(TokenExpired):
        authenticate_bearer(value)


def test_a_deactivated_user_is_refused_once_the_check_is_stale(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = header(user)
    authenticate_bearer(value)
    User.objects.update(is_active=False)
    assert authenticate_bearer(value) == user.pk
    make_stale(monkeypatch)
    with pytest.raises(TokenInvalid):
        authenticate_bearer(value)


def test_a_deleted_user_is_refused(user: User) -> None:
    value = header(user)
    authenticate_bearer(value)
    user_id = user.pk
    User.objects.all().delete()
    tokens.forget_user(user_id)
    with pytest.raises(TokenInvalid):
        authenticate_bearer(value)


def test_a_new_password_ends_old_tokens(user: User) -> None:
    value, refresh = header(user), issue_tokens(user).refresh
    authenticate_bearer(value)
    user.set_password("another long and winding road")
    user.save()
    tokens.forget_user(user.pk)
    with pytest.raises(TokenInvalid):
        authenticate_bearer(value)
    with pytest.raises(TokenInvalid):
        refresh_access(refresh)


def test_with_the_database_down_a_recent_answer_goes_on_and_a_stale_one_fails(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = header(user)
    authenticate_bearer(value)

    def down(*args: object, **kwargs: object) -> None:
        raise OperationalError("down")

    monkeypatch.setattr(User.objects, "filter", down)
    assert authenticate_bearer(value) == user.pk
    make_stale(monkeypatch)
    for _ in range(2):
        with pytest.raises(OperationalError):
            authenticate_bearer(value)


def test_caches_stay_bounded() -> None:
    recent: tokens._Recent[int, str] = tokens._Recent(3)
    for key in range(5):
        recent.put(key, str(key))
        recent.get(0)
    assert [recent.get(key) for key in range(5)] == ["0", None, None, "3", "4"]


def test_refresh_gives_an_access_token(user: User) -> None:
    assert authenticate_bearer(f"Bearer {refresh_access(issue_tokens(user).refresh)}") == user.pk


def test_refresh_refuses_access_tokens_and_expired_ones(user: User) -> None:
    with pytest.raises(TokenInvalid):
        refresh_access(issue_tokens(user).access)
    expired = RefreshToken.for_user(user)
    expired.set_exp(lifetime=-timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        refresh_access(str(expired))


@pytest.mark.django_db(transaction=True)
async def test_the_async_form_answers_alike() -> None:
    user = await User.objects.acreate(username="dave", email="d@example.org", password="x")
    value = header(user)
    assert await aauthenticate_bearer(value) == user.pk
    await User.objects.aupdate(is_active=False)
    tokens.forget_user(user.pk)
    with pytest.raises(TokenInvalid):
        await aauthenticate_bearer(value)
    with pytest.raises(NotAuthenticated):
        await aauthenticate_bearer(b"")


@pytest.mark.parametrize("given", ["nothing", "role", "permission", "superuser", "closed"])
def test_who_may_trade_is_asked_as_django_would_in_one_query(
    user: User, given: str, django_assert_num_queries: Any
) -> None:
    if given == "role":
        roles.give_role(user, roles.TRADER)
    elif given == "permission":
        user.user_permissions.add(Permission.objects.get(codename="trade"))
    elif given == "superuser":
        User.objects.update(is_superuser=True)
    elif given == "closed":
        roles.give_role(user, roles.TRADER)
        User.objects.update(is_active=False)
    with django_assert_num_queries(1):
        standing = tokens._read_standing(user.pk)
    may_trade = standing.may_trade and bool(standing.password_mark)
    assert may_trade == User.objects.get().has_perm(roles.TRADE)
    assert may_trade == (given in {"role", "permission", "superuser"})


@pytest.mark.django_db(transaction=True)
async def test_a_withdrawn_permission_is_noticed_once_the_check_is_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await database_sync_to_async(roles.ensure_roles)()
    user = await User.objects.acreate(username="dave", email="d@example.org", password="x")
    await database_sync_to_async(roles.give_role)(user, roles.TRADER)
    value = header(user)
    assert await aauthenticate_trader(value) == user.pk
    await user.groups.aclear()
    assert await aauthenticate_trader(value) == user.pk
    make_stale(monkeypatch)
    with pytest.raises(TradingNotAllowed):
        await aauthenticate_trader(value)
    assert await aauthenticate_bearer(value) == user.pk
