"""What strangers can and cannot do at the venue's doors."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.selectors import balances_of
from tests.unit.accounts.conftest import PASSWORD, Venue
from tests.unit.accounts.test_pages import UP, text

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

SIGN_IN = {"login": "alice", "password": PASSWORD}
ELSEWHERE = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]


def without_tokens(response: Any) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", text(response))


def test_a_new_trader_is_signed_in_funded_and_at_the_markets(venue: Venue, settings: Any) -> None:
    settings.DEMO_FUNDS = {"USDT": "1000", "BTC": "2"}
    client = Client()
    response = client.post("/accounts/signup/", UP)
    assert response["Location"] == "/markets/"
    user = User.objects.get(username="carol")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert [(b.asset, b.available_minor) for b in balances_of(user.pk)] == [
        ("BTC", 2 * 10**8),
        ("USDT", 10**9),
    ]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_no_door_leads_off_the_venue(venue: Venue, alice: User, target: str) -> None:
    assert Client().post("/accounts/login/", SIGN_IN | {"next": target})["Location"] == "/markets/"
    assert Client().post(f"/accounts/login/?next={target}", SIGN_IN)["Location"] == "/markets/"
    assert Client().post("/accounts/signup/", UP | {"next": target})["Location"] == "/markets/"
    client = Client()
    client.force_login(alice)
    assert client.post("/accounts/logout/", {"next": target})["Location"] == "/markets/"


def test_signing_in_changes_the_sessions_and_the_forms_keys(alice: User) -> None:
    client = Client()
    client.get("/accounts/login/")
    session = client.session
    session["kept"] = "yes"
    session.save()
    before = str(session.session_key)
    client.cookies["sessionid"] = before
    token = client.cookies["csrftoken"].value
    client.post("/accounts/login/", SIGN_IN)
    assert client.cookies["sessionid"].value != before
    assert client.cookies["csrftoken"].value != token
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_signing_out_ends_the_session(alice: User) -> None:
    client = Client()
    client.post("/accounts/login/", SIGN_IN)
    stolen = client.cookies["sessionid"].value
    client.post("/accounts/logout/")
    client.cookies["sessionid"] = stolen
    assert client.get("/portfolio/").status_code == 302


def test_a_new_password_ends_other_sessions(alice: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/accounts/login/", SIGN_IN)
    new = "quite another password 7"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert here.get("/portfolio/").status_code == 200
    assert there.get("/portfolio/").status_code == 302


def test_a_wrong_password_and_an_unknown_name_look_alike(alice: User) -> None:
    pages = [
        without_tokens(Client().post("/accounts/login/", {"login": login, "password": "wrong"}))
        for login in ("alice", "alicf")
    ]
    assert pages[0].replace("alice", "alicf") == pages[1]


def test_a_reset_says_the_same_for_a_known_and_an_unknown_address(alice: User) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": email}, follow=True)
        for email in ("alice@example.org", "nobody@example.org")
    ]
    assert without_tokens(answers[0]) == without_tokens(answers[1])
    assert [message.to for message in mail.outbox] == [
        ["alice@example.org"],
        ["nobody@example.org"],
    ]
    assert "/accounts/password/reset/key/" in mail.outbox[0].body
    assert "/accounts/password/reset/key/" not in mail.outbox[1].body


class TestWithVerifiedAddressesOnly:
    @pytest.fixture(autouse=True)
    def _mandatory(self, settings: Any) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    def test_a_sign_up_page_does_not_tell_which_addresses_are_known(
        self, venue: Venue, alice: User
    ) -> None:
        new = Client().post("/accounts/signup/", UP, follow=True)
        known = Client().post(
            "/accounts/signup/", UP | {"username": "eve", "email": alice.email}, follow=True
        )
        assert new.redirect_chain == known.redirect_chain == [("/accounts/confirm-email/", 302)]
        assert not User.objects.filter(username="eve").exists()
        assert [message.to for message in mail.outbox] == [["carol@example.org"], [alice.email]]
        assert "/accounts/confirm-email/" not in mail.outbox[1].body

    def test_nor_does_the_api(self, venue: Venue, alice: User) -> None:
        body = {"username": "carol", "email": "carol@example.org", "password": PASSWORD}
        new = Client().post("/api/v1/signup", body, "application/json")
        known = Client().post(
            "/api/v1/signup",
            body | {"username": "eve", "email": alice.email},
            "application/json",
        )
        for answer in (new, known):
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                403,
                "email_not_verified",
            )
        assert not User.objects.filter(username="eve").exists()
        assert [message.to for message in mail.outbox] == [["carol@example.org"], [alice.email]]

    def test_the_address_is_verified_and_then_signing_in_works(self, venue: Venue) -> None:
        client = Client()
        client.post("/accounts/signup/", UP)
        assert client.get("/portfolio/").status_code == 302
        (link,) = re.findall(
            r"http://testserver(/accounts/confirm-email/\S+)", mail.outbox[-1].body
        )
        page = text(client.get(link))
        assert "carol@example.org" in page
        client.post(link)
        form = {"login": "carol", "password": PASSWORD}
        client.post("/accounts/login/", form)
        assert client.get("/portfolio/").status_code == 200


@pytest.mark.parametrize(
    ("path", "form", "limit"),
    [
        ("/accounts/signup/", {}, 20),
        ("/accounts/login/", {}, 30),
        ("/accounts/password/reset/", {"email": "x@example.org"}, 5),
    ],
)
def test_forms_are_limited_and_say_so_on_a_page(
    db: None, path: str, form: dict[str, str], limit: int
) -> None:
    client = Client()
    answers = [client.post(path, form) for _ in range(limit + 1)]
    assert answers[0].status_code in {200, 302}
    assert answers[-1].status_code == 429
    page = answers[-1].content.decode()
    assert "Too many attempts" in page
    assert 'class="topbar"' in page


def test_limits_and_the_prevention_of_enumeration_are_on(settings: Any) -> None:
    from allauth.account import app_settings

    assert settings.RATELIMIT_ENABLE
    assert app_settings.RATE_LIMITS["login_failed"]
    assert app_settings.PREVENT_ENUMERATION
