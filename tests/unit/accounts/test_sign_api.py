"""Sign-up, sign-in and tokens over REST."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings

from accounts.models import User
from tests.unit.accounts.conftest import PASSWORD, Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

UP: dict[str, Any] = {"username": "Carol", "email": "Carol@Example.org", "password": PASSWORD}


def post(path: str, body: Any, **headers: str) -> Any:
    return Client().post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def error_of(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert error["message"]
    assert error["request_id"]
    return response.status_code, error["code"], error.get("field")


def me(access: str) -> Any:
    return Client().get("/api/v1/me", headers={"Authorization": f"Bearer {access}"})


def test_sign_up_gives_tokens_that_work(venue: Venue) -> None:
    response = post("signup", UP)
    assert response.status_code == 201
    assert response.json().keys() == {"access", "refresh"}
    assert not response.cookies
    body = me(response.json()["access"]).json()
    assert body["username"] == "Carol"
    assert body["email"] == "carol@example.org"
    assert body["roles"] == ["trader"]


def test_sign_up_sends_the_verification_mail(venue: Venue) -> None:
    post("signup", UP)
    (message,) = mail.outbox
    assert message.to == ["carol@example.org"]
    assert "/accounts/confirm-email/" in message.body


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"username": "cAROL", "email": "x@example.org"}, "username_taken", "username"),
        ({"username": "other", "email": "CAROL@example.ORG"}, "email_taken", "email"),
    ],
)
def test_taken_names_conflict_whatever_their_case(
    venue: Venue, changes: dict[str, str], code: str, field: str
) -> None:
    post("signup", UP)
    assert error_of(post("signup", UP | changes)) == (409, code, field)


@pytest.mark.parametrize("field", ["username", "email", "password"])
@pytest.mark.parametrize(
    "value",
    [None, "", 7, 1.5, True, [], ["a"], {}, "a\x00b", "a\x1bb", "a\nb", "x" * 10_000],
)
def test_bad_values_are_refused_and_named(venue: Venue, field: str, value: Any) -> None:
    status, _, named = error_of(post("signup", UP | {field: value}))
    assert (status, named) == (400, field)
    assert not User.objects.exists()


def test_text_that_is_no_unicode_is_no_json(venue: Venue) -> None:
    assert error_of(post("signup", UP | {"username": "\ud800"})) == (400, "malformed_json", None)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "a b"},
        {"username": "carol@example.org"},
        {"username": "<script>"},
        {"username": "кarol"},
        {"email": "carol"},
        {"email": "carol@"},
        {"password": "short"},
        {"password": "12345678901"},
        {"password": "password"},
        {"password": "carol@example.org"},
    ],
)
def test_unfit_names_and_weak_passwords_are_refused(venue: Venue, changes: dict[str, str]) -> None:
    status, _, field = error_of(post("signup", UP | changes))
    assert (status, field) == (400, next(iter(changes)))


@pytest.mark.parametrize("body", ["", "{", "[]", "1", "null", '"x"', "NaN"])
@pytest.mark.parametrize("path", ["signup", "signin", "token/refresh"])
def test_a_body_that_is_no_object_is_a_bad_request(venue: Venue, path: str, body: str) -> None:
    assert post(path, body).status_code == 400


@pytest.mark.parametrize(
    "who",
    [{"username": "carol"}, {"email": "CAROL@example.org"}, {"username": "carol@example.org"}],
)
def test_sign_in_by_name_or_address(venue: Venue, who: dict[str, str]) -> None:
    post("signup", UP)
    response = post("signin", {**who, "password": PASSWORD})
    assert response.status_code == 200
    assert me(response.json()["access"]).status_code == 200


def test_every_wrong_sign_in_looks_the_same(venue: Venue) -> None:
    post("signup", UP)
    User.objects.create_user("gone", "gone@example.org", PASSWORD, is_active=False)
    answers = [
        post("signin", body)
        for body in (
            {"username": "nobody", "password": PASSWORD},
            {"username": "carol", "password": "wrong"},
            {"username": "gone", "password": PASSWORD},
            {"username": "gone", "password": "wrong"},
            {"email": "a b c", "password": PASSWORD},
        )
    ]
    assert {error_of(a) for a in answers} == {(401, "invalid_credentials", None)}
    assert {a.json()["error"]["message"] for a in answers} == {
        "There is no active user with this name and password."
    }


def test_an_unknown_name_costs_a_hash_too(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(User, "set_password", lambda self, raw: hashed.append(raw))
    post("signin", {"username": "nobody", "password": "guess"})
    assert hashed == ["guess"]


def test_sign_in_needs_a_name(venue: Venue) -> None:
    assert error_of(post("signin", {"password": PASSWORD})) == (400, "invalid", "username")


def test_refresh(venue: Venue) -> None:
    tokens = post("signup", UP).json()
    response = post("token/refresh", {"refresh": tokens["refresh"]})
    assert response.status_code == 200
    assert me(response.json()["access"]).status_code == 200
    assert error_of(post("token/refresh", {"refresh": "x"})) == (401, "token_invalid", None)


def test_without_a_token_the_answer_is_401_and_says_how() -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
        response = Client().get("/api/v1/me", headers=headers)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert response.json()["error"]["code"] in {"not_authenticated", "token_invalid"}


@pytest.mark.parametrize("rate", ["signin_name", "signin_address"])
def test_too_many_sign_ins_are_turned_away(venue: Venue, settings: Any, rate: str) -> None:
    settings.RATELIMIT_ENABLE = True
    settings.SIGN_RATES = {**dict.fromkeys(settings.SIGN_RATES, "100/m"), rate: "2/m"}
    body = {"username": "carol", "password": "wrong"}
    assert [post("signin", body).status_code for _ in range(2)] == [401, 401]
    response = post("signin", body)
    assert error_of(response) == (429, "too_many_requests", None)
    assert 1 <= int(response["Retry-After"]) <= 61
    settings.RATELIMIT_ENABLE = False
    assert post("signin", body).status_code == 401


def test_the_limit_of_a_name_is_not_the_limit_of_another(venue: Venue, settings: Any) -> None:
    settings.RATELIMIT_ENABLE = True
    settings.SIGN_RATES = {**dict.fromkeys(settings.SIGN_RATES, "100/m"), "signin_name": "1/m"}
    names = ("carol", "CAROL ", "dave")
    statuses = [post("signin", {"username": n, "password": "x"}).status_code for n in names]
    assert statuses == [401, 429, 401]


def test_sign_ups_are_limited(venue: Venue, settings: Any) -> None:
    settings.RATELIMIT_ENABLE = True
    settings.SIGN_RATES = {**settings.SIGN_RATES, "signup_address": "1/m"}
    assert post("signup", UP).status_code == 201
    assert error_of(post("signup", UP))[0] == 429


@override_settings(ACCOUNT_EMAIL_VERIFICATION="mandatory")
def test_where_verification_is_demanded_there_are_no_tokens_before_it(venue: Venue) -> None:
    from allauth.account.models import EmailAddress

    assert error_of(post("signup", UP))[:2] == (403, "email_not_verified")
    signin = {"username": "carol", "password": PASSWORD}
    assert error_of(post("signin", signin))[:2] == (403, "email_not_verified")
    EmailAddress.objects.update(verified=True)
    assert post("signin", signin).status_code == 200
