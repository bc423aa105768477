"""The admin site: who may do what, and that the venue's records cannot be changed in it."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts import roles
from accounts.models import LedgerEntry, ReconciliationRun, User
from orderbook.core.commands import Deposit, SetAccountStatus
from orderbook.core.units import AccountStatus
from orderbook.models import AuditEntry, Epoch, JournalBatch, Snapshot
from tests.unit.accounts.conftest import PASSWORD, Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture
def operator(venue: Venue) -> User:
    user = User.objects.create_user("operator", "operator@example.org", PASSWORD)
    roles.give_role(user, roles.ADMIN)
    return user


@pytest.fixture
def browser(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def text(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


LISTS = [
    "accounts/user",
    "accounts/wallet",
    "accounts/ledgerentry",
    "accounts/notification",
    "accounts/asset",
    "accounts/reconciliationrun",
    "orderbook/journalbatch",
    "orderbook/snapshot",
    "orderbook/epoch",
    "orderbook/projectioncursor",
    "orderbook/auditentry",
]


@pytest.fixture
def filled(venue: Venue, alice: User) -> Venue:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "<script>"))
    venue.project()
    Epoch.objects.create(number=1, owner="here")
    Snapshot.objects.create(
        sequence=1, time_ns=10**18, state=b"x", state_hash=b"h", journal_checksum=b"c"
    )
    return venue


@pytest.mark.parametrize("name", LISTS)
def test_lists_open_and_search(filled: Venue, browser: Client, name: str) -> None:
    page = text(browser.get(f"/admin/{name}/"))
    assert "<script>" not in page.replace("<script src", "")
    for query in ("1", "x y", "%00", "9" * 30):
        assert browser.get(f"/admin/{name}/?q={query}").status_code in {200, 302}


@pytest.mark.parametrize("name", [name for name in LISTS if name != "accounts/user"])
def test_records_cannot_be_added_changed_or_deleted(
    filled: Venue, browser: Client, name: str
) -> None:
    assert browser.get(f"/admin/{name}/add/").status_code == 403
    (row, *_) = re.findall(rf'href="/admin/{name}/([^/"]+)/change/', text_or_empty(browser, name))
    page = f"/admin/{name}/{row}"
    assert "Save" not in text(browser.get(f"{page}/change/"))
    assert browser.post(f"{page}/change/", {}).status_code == 403
    assert browser.post(f"{page}/delete/", {"post": "yes"}).status_code == 403


def text_or_empty(browser: Client, name: str) -> str:
    """The list, with a row in it where the fixture made none."""
    if name == "accounts/reconciliationrun":
        browser.post("/admin/accounts/reconciliationrun/run/")
    if name == "orderbook/auditentry":
        browser.post("/admin/accounts/reconciliationrun/run/")
    return text(browser.get(f"/admin/{name}/"))


def test_traders_and_strangers_stay_out(alice: User) -> None:
    client = Client()
    assert client.get("/admin/").status_code == 302
    client.force_login(alice)
    assert client.get("/admin/accounts/user/").status_code == 302
    assert client.post(f"/admin/accounts/user/{alice.pk}/control/cancel-all/").status_code == 302


def test_a_batch_is_shown_decoded(filled: Venue, browser: Client) -> None:
    newest = JournalBatch.objects.latest("first_sequence").pk
    page = text(browser.get(f"/admin/orderbook/journalbatch/{newest}/change/"))
    assert f"{newest} Deposit account_id=" in page
    assert "BalanceChanged" in page
    assert "reference=&lt;script&gt;" in page


def test_a_damaged_batch_says_so(filled: Venue, browser: Client) -> None:
    JournalBatch.objects.filter(pk=1).update(payload=b"\xff")
    assert "cannot be decoded" in text(browser.get("/admin/orderbook/journalbatch/1/change/"))


def user_form(user: User, **changes: str) -> dict[str, str]:
    form = {"username": user.username, "email": user.email, "notify": "on", "is_active": "on"}
    return {name: value for name, value in {**form, **changes}.items() if value}


def test_unticking_active_closes_the_account(filled: Venue, browser: Client, alice: User) -> None:
    url = f"/admin/accounts/user/{alice.pk}/change/"
    assert browser.post(url, user_form(alice, is_active="")).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active
    assert filled.commands[-1] == SetAccountStatus(alice.pk, AccountStatus.CLOSED)
    browser.post(url, user_form(alice))
    assert filled.commands[-1] == SetAccountStatus(alice.pk, AccountStatus.ACTIVE)


def test_an_operator_cannot_raise_itself_or_touch_other_staff(
    filled: Venue, browser: Client, alice: User, operator: User
) -> None:
    own = f"/admin/accounts/user/{operator.pk}/change/"
    browser.post(own, user_form(operator, is_superuser="on", is_staff="on"))
    operator.refresh_from_db()
    assert not operator.is_superuser
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    for path in ("change/", "password/"):
        response = browser.post(f"/admin/accounts/user/{root.pk}/{path}", user_form(root))
        assert response.status_code == 403
    assert browser.post(f"/admin/accounts/user/{alice.pk}/delete/", {}).status_code == 403


def test_a_superuser_hands_out_roles(filled: Venue, alice: User) -> None:
    from django.contrib.auth.models import Group

    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = Client()
    client.force_login(root)
    group = Group.objects.get(name=roles.ADMIN)
    form = user_form(alice, groups=str(group.pk))
    assert client.post(f"/admin/accounts/user/{alice.pk}/change/", form).status_code == 302
    alice.refresh_from_db()
    assert alice.is_staff
    assert AuditEntry.objects.filter(action="user.change").exists()


def test_users_are_created_with_unique_names_and_addresses(
    filled: Venue, browser: Client, alice: User
) -> None:
    form = {
        "username": "ALICE",
        "email": "ALICE@example.org",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    page = text(browser.post("/admin/accounts/user/add/", form))
    assert "Another user has this name" in page
    form["username"] = "dave"
    page = text(browser.post("/admin/accounts/user/add/", form))
    assert "Another user has this e-mail address" in page
    form["email"] = "Dave@Example.org"
    assert browser.post("/admin/accounts/user/add/", form).status_code == 302
    assert User.objects.get(username="dave").email == "dave@example.org"


def test_reconciling_now(filled: Venue, browser: Client) -> None:
    assert "Reconcile now" in text(browser.get("/admin/accounts/reconciliationrun/"))
    response = browser.post("/admin/accounts/reconciliationrun/run/")
    run = ReconciliationRun.objects.get()
    assert response["Location"].endswith(f"/{run.pk}/change/")
    assert run.result == "agreed"
    assert browser.get("/admin/accounts/reconciliationrun/run/").status_code == 403


def test_amounts_are_shown_as_decimals(filled: Venue, browser: Client) -> None:
    assert LedgerEntry.objects.exists()
    assert "1.00" in text(browser.get("/admin/accounts/ledgerentry/"))
    assert "1.00" in text(browser.get("/admin/accounts/wallet/"))


def test_an_operator_cannot_verify_addresses(filled: Venue, browser: Client) -> None:
    assert browser.get("/admin/account/emailaddress/").status_code == 403
    assert browser.get("/admin/account/emailaddress/add/").status_code == 403
