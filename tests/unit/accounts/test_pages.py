"""The account pages, as a browser sees them."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.services import set_active
from orderbook.core.commands import Deposit
from orderbook.core.units import Side
from tests.unit.accounts.conftest import PASSWORD, Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

UP = {
    "username": "carol",
    "email": "carol@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def text(response: Any) -> str:
    return response.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/confirm-email/",
        "/accounts/confirm-email/nonsense/",
        "/accounts/password/reset/key/1-bad/",
        "/accounts/inactive/",
    ],
)
def test_entrance_pages_use_the_venues_frame_and_no_inline_code(db: None, path: str) -> None:
    response = Client().get(path)
    page = text(response)
    assert response.status_code == 200
    assert 'class="topbar"' in page
    assert not re.search(r"<script>|style=|onclick=", page)


@pytest.mark.parametrize(
    "path",
    [
        "/portfolio/",
        "/notifications/",
        "/profile/",
        "/accounts/email/",
        "/accounts/logout/",
        "/accounts/password/change/",
    ],
)
def test_pages_of_a_user_need_sign_in(browser: Client, path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 302
    if not path.startswith("/accounts/logout"):
        assert response["Location"].startswith("/accounts/login/?next=")
    response = browser.get(path)
    assert response.status_code == 200
    assert 'class="topbar"' in text(response)


def test_signing_up_makes_a_signed_in_trader(venue: Venue, settings: Any) -> None:
    settings.DEMO_FUNDS = {"BTC": "2"}
    client = Client()
    response = client.post("/accounts/signup/", UP)
    assert response.status_code == 302
    user = User.objects.get(username="carol")
    assert list(user.groups.values_list("name", flat=True)) == ["trader"]
    assert cells(text(client.get("/portfolio/")), "balances") == ["BTC", "2.00", "0.00", "2.00"]
    assert mail.outbox[0].to == ["carol@example.org"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"username": "ALICE"}, "already exists"),
        ({"username": "a b"}, "letters, digits"),
        ({"username": "x\x00y"}, "Null characters"),
        ({"email": "Alice@example.org"}, "already registered"),
        ({"password1": "12345", "password2": "12345"}, "too short"),
        ({"password2": "different"}, "same password"),
        ({"password1": "x" * 300, "password2": "x" * 300}, "at most 256"),
        ({"username": "<b>x</b>"}, "&lt;b&gt;x"),
    ],
)
def test_a_sign_up_that_is_refused_says_why(
    alice: User, changes: dict[str, str], message: str
) -> None:
    response = Client().post("/accounts/signup/", UP | changes)
    assert response.status_code == 200
    assert message in text(response)
    assert User.objects.count() == 1


def test_signing_in_by_name_or_address_and_out(alice: User) -> None:
    for login in ("alice", "ALICE@example.org"):
        client = Client()
        response = client.post("/accounts/login/", {"login": login, "password": PASSWORD})
        assert response["Location"] == "/markets/"
        assert client.get("/portfolio/").status_code == 200
        client.post("/accounts/logout/")
        assert client.get("/portfolio/").status_code == 302


def test_remember_me_keeps_the_session(alice: User) -> None:
    for remember, lasting in (("on", True), ("", False)):
        client = Client()
        form = {"login": "alice", "password": PASSWORD, "remember": remember}
        client.post("/accounts/login/", form)
        assert bool(client.cookies["sessionid"]["max-age"]) is lasting


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_off_the_venue(alice: User, target: str) -> None:
    form = {"login": "alice", "password": PASSWORD, "next": target}
    assert Client().post("/accounts/login/", form)["Location"] == "/markets/"


def test_signing_in_leads_to_where_one_was_going(alice: User) -> None:
    form = {"login": "alice", "password": PASSWORD, "next": "/portfolio/"}
    assert Client().post("/accounts/login/", form)["Location"] == "/portfolio/"


def test_a_closed_user_cannot_sign_in_and_loses_its_session(browser: Client, alice: User) -> None:
    set_active(alice, active=False, actor=alice)
    assert browser.get("/portfolio/").status_code == 302
    client = Client()
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    assert client.get("/portfolio/").status_code == 302


def test_guessing_passwords_is_limited(alice: User) -> None:
    form = {"login": "alice", "password": "wrong"}
    pages = [text(Client().post("/accounts/login/", form)) for _ in range(7)]
    assert "Too many failed login attempts" in pages[-1]


def test_a_forgotten_password_is_reset_by_mail(alice: User) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    (link,) = re.findall(
        r"http://testserver(/accounts/password/reset/key/\S+)", mail.outbox[-1].body
    )
    page = client.get(link, follow=True)
    new = "quite another password 7"
    client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new})
    alice.refresh_from_db()
    assert alice.check_password(new)


def test_an_address_is_verified_by_mail(venue: Venue) -> None:
    from allauth.account.models import EmailAddress

    client = Client()
    client.post("/accounts/signup/", UP)
    (link,) = re.findall(r"http://testserver(/accounts/confirm-email/\S+)", mail.outbox[-1].body)
    assert client.get(link).status_code == 200
    client.post(link)
    assert EmailAddress.objects.get().verified


def cells(page: str, table_id: str) -> list[str]:
    """The text of the table body's cells, in order."""
    (body,) = re.findall(rf'<tbody id="{table_id}">(.*?)</tbody>', page, re.S)
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", body)]


def test_the_ledger_shows_what_went_out_and_for_which_trade(
    venue: Venue, browser: Client, alice: User, bob: User
) -> None:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "in"))
    venue.execute(Deposit(bob.pk, "USDT", 10**12, "in"))
    venue.order(alice.pk, Side.SELL, 100_000)
    venue.order(bob.pk, Side.BUY, 100_000)
    rows = cells(text(browser.get("/portfolio/")), "ledger")
    trade = next(cell for cell in rows if cell.startswith("Trade "))
    assert "-1.00" in rows
    assert [rows[1], rows[4]] in (["Fee", trade], ["Trade", trade])


def test_the_portfolio_shows_balances_and_pages_the_ledger(
    venue: Venue, browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.views.PAGE_ROWS", 2)
    for amount in (1, 2, 3_000):
        venue.execute(Deposit(alice.pk, "BTC", amount * 10**8, f"<script>x{amount}"))
    venue.order(alice.pk, Side.SELL, 1_000)
    page = text(browser.get("/portfolio/"))
    assert "<script>x" not in page
    assert cells(page, "balances") == ["BTC", "3,002.99", "0.01", "3,003.00"]
    assert cells(page, "ledger")[1:4] == ["Deposit", "BTC", "+3,000.00"]
    assert "+1.00" not in page
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    assert "+1.00" in text(browser.get("/portfolio/" + older.replace("&amp;", "&")))
    assert "no movements" in text(browser.get("/portfolio/?kind=trade"))


@pytest.mark.parametrize("query", ["cursor=%00", "cursor=zzz", "kind=x", "asset=%00", "limit=-1"])
@pytest.mark.parametrize("path", ["/portfolio/", "/api/v1/ledger"])
def test_bad_queries_are_bad_requests(browser: Client, path: str, query: str) -> None:
    assert browser.get(f"{path}?{query}").status_code == 400


def test_notifications_are_listed_counted_and_marked_read(
    venue: Venue, browser: Client, alice: User
) -> None:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "hello"))
    page = text(browser.get("/notifications/"))
    assert "Received 1 BTC" in page
    assert "Notifications, 1 unread" in page
    browser.post("/notifications/read/")
    assert "unread" not in text(browser.get("/notifications/"))
    assert browser.get("/notifications/read/").status_code == 405


def test_the_profile_switches_notifications(browser: Client, alice: User) -> None:
    browser.post("/profile/", {})
    alice.refresh_from_db()
    assert not alice.notify
    browser.post("/profile/", {"notify": "on"})
    alice.refresh_from_db()
    assert alice.notify


def test_the_api_reads_with_a_session_too(venue: Venue, browser: Client, alice: User) -> None:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "hello"))
    assert browser.get("/api/v1/balances").json() == {
        "results": [
            {
                "asset": "BTC",
                "available": "1.00000000",
                "held": "0.00000000",
                "total": "1.00000000",
            }
        ]
    }
    (entry,) = browser.get("/api/v1/ledger?asset=BTC&kind=deposit").json()["results"]
    assert (entry["amount"], entry["reference"]) == ("1.00000000", "hello")
    assert isinstance(entry["sequence"], int)
    (notice,) = browser.get("/api/v1/notifications").json()["results"]
    assert (notice["title"], notice["read"]) == ("Received 1 BTC", False)
    assert notice["details"]["amount_minor"] == "100000000"
    answer = browser.post("/api/v1/notifications/read", {"up_to": notice["id"]}, "application/json")
    assert answer.json() == {"unread": 0}


@pytest.mark.parametrize("up_to", [0, 1.5, None, [], "", "x", "-1", "1\n", "\u0661", "9" * 20])
def test_an_id_that_is_none_marks_nothing_read(
    venue: Venue, browser: Client, alice: User, up_to: Any
) -> None:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "hello"))
    url = "/api/v1/notifications/read"
    assert browser.post(url, {"up_to": up_to}, "application/json").status_code == 400
    assert browser.post(url, {"up_to": "9" * 19}, "application/json").json() == {"unread": 0}
