"""Who may change whom in the admin site, and that every change is on the record."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.test import Client

from accounts import roles
from accounts.errors import TokenInvalid
from accounts.models import User
from accounts.tokens import authenticate_bearer, issue_tokens
from orderbook.models import AuditEntry
from tests.unit.accounts.conftest import PASSWORD, Venue
from tests.unit.accounts.test_admin import text, user_form

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

USERS = "/admin/accounts/user/"
NEW_PASSWORD = "a short and straight street"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(venue: Venue) -> User:
    user = User.objects.create_user("operator", "operator@example.org", PASSWORD)
    roles.give_role(user, roles.ADMIN)
    return user


@pytest.fixture
def browser(operator: User) -> Client:
    return signed_in(operator)


@pytest.fixture
def root(venue: Venue) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


def act(browser: Client, action: str, *users: User) -> str:
    form = {"action": action, "_selected_action": [user.pk for user in users]}
    return text(browser.post(USERS, form, follow=True))


def actions() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.order_by("id")
    return list(entries.values_list("actor_name", "action", "outcome"))


def may_trade(user: User) -> bool:
    return User.objects.get(pk=user.pk).has_perm(roles.TRADE)


def test_trading_is_withdrawn_and_allowed_again(browser: Client, alice: User, bob: User) -> None:
    assert "alice may not trade now" in act(browser, "withdraw_trading", alice).lower()
    assert [may_trade(alice), may_trade(bob)] == [False, True]
    act(browser, "allow_trading", alice)
    assert may_trade(alice)
    assert actions() == [
        ("operator", "trading.withdraw", "done"),
        ("operator", "trading.allow", "done"),
    ]


def test_a_permission_given_by_hand_is_withdrawn_too(browser: Client, alice: User) -> None:
    from django.contrib.auth.models import Permission

    alice.user_permissions.add(Permission.objects.get(codename="trade"))
    act(browser, "withdraw_trading", alice)
    assert not may_trade(alice)


def test_a_withdrawal_that_changes_nothing_says_so(root: User, alice: User) -> None:
    brokers = Group.objects.create(name="brokers")
    brokers.permissions.add(*Group.objects.get(name=roles.TRADER).permissions.all())
    alice.groups.add(brokers)
    assert "may still trade" in act(signed_in(root), "withdraw_trading", alice)
    assert actions() == [("root", "trading.withdraw", "still_allowed")]


def test_an_operator_does_not_trade_unless_it_is_a_trader_too(operator: User) -> None:
    assert not may_trade(operator)
    roles.give_role(operator, roles.TRADER)
    assert may_trade(operator)


def test_an_operator_changes_no_operator(browser: Client, root: User) -> None:
    other = User.objects.create_user("other", "other@example.org", PASSWORD)
    other.groups.add(Group.objects.get(name=roles.ADMIN))  # not yet marked as staff
    page = act(browser, "allow_trading", root, other)
    assert page.count("only a superuser changes operators") == 2
    assert not may_trade(other)
    for user in (root, other):
        assert browser.post(f"{USERS}{user.pk}/change/", user_form(user)).status_code == 403
        assert browser.post(f"{USERS}{user.pk}/password/", {}).status_code == 403
    assert actions() == []


@pytest.mark.parametrize(
    "path", ["auth/group/add/", "auth/group/1/change/", "auth/group/1/delete/"]
)
def test_an_operator_changes_no_role(browser: Client, path: str) -> None:
    assert browser.post(f"/admin/{path}", {"name": "kings"}).status_code == 403
    assert not Group.objects.filter(name="kings").exists()


def test_an_operator_gives_itself_nothing(browser: Client, operator: User) -> None:
    trader = str(Group.objects.get(name=roles.TRADER).pk)
    form = user_form(operator, groups=trader, is_superuser="on", user_permissions="1")
    browser.post(f"{USERS}{operator.pk}/change/", form)
    operator.refresh_from_db()
    assert not operator.is_superuser
    assert not operator.user_permissions.exists()
    assert list(operator.groups.values_list("name", flat=True)) == [roles.ADMIN]


def test_a_user_made_by_an_operator_is_a_trader_like_any_other(
    venue: Venue, browser: Client
) -> None:
    form = {
        "username": "dave",
        "email": "Dave@Example.org",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "is_superuser": "on",
        "is_staff": "on",
    }
    assert browser.post(f"{USERS}add/", form).status_code == 302
    dave = User.objects.get(username="dave")
    assert may_trade(dave)
    assert not dave.is_superuser
    assert not dave.is_staff
    assert dave.engine_status == "active"
    assert actions() == [("operator", "user.create", "done")]


def test_a_new_address_replaces_every_old_one(browser: Client, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email="old@example.org", verified=True)
    form = user_form(alice, email="New@example.org")
    assert browser.post(f"{USERS}{alice.pk}/change/", form).status_code == 302
    (address,) = EmailAddress.objects.filter(user=alice)
    assert (address.email, address.primary, address.verified) == ("new@example.org", True, False)
    entry = AuditEntry.objects.get()
    assert entry.action == "user.change"
    assert "E-mail address" in str(entry.details)


def test_a_password_set_by_an_operator_is_audited_and_ends_old_tokens(
    browser: Client, alice: User
) -> None:
    token = f"Bearer {issue_tokens(alice).access}"
    form = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert browser.post(f"{USERS}{alice.pk}/password/", form).status_code == 302
    with pytest.raises(TokenInvalid):
        authenticate_bearer(token)
    entry = AuditEntry.objects.get()
    assert entry.action == "user.change"
    assert NEW_PASSWORD not in str(entry.details)


def test_changes_of_roles_and_addresses_are_audited(root: User, alice: User) -> None:
    browser = signed_in(root)
    browser.post("/admin/auth/group/add/", {"name": "auditors"})
    group = Group.objects.get(name="auditors")
    browser.post(f"/admin/auth/group/{group.pk}/change/", {"name": "inspectors"})
    browser.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    address = EmailAddress.objects.create(user=alice, email=alice.email)
    verify = {"action": "make_verified", "_selected_action": [address.pk]}
    browser.post("/admin/account/emailaddress/", verify)
    address.refresh_from_db()
    assert address.verified
    assert [action for _, action, _ in actions()] == [
        "group.create",
        "group.change",
        "group.delete",
        "emailaddress.verify",
    ]


def test_the_admin_site_has_no_door_of_its_own(venue: Venue, alice: User) -> None:
    """The venue's page counts attempts; Django's own would not."""
    response = Client().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"
    form = {"username": "root", "password": PASSWORD}
    assert Client().post("/admin/login/", form)["Location"].startswith("/accounts/login/")
    assert signed_in(alice).get("/admin/", follow=True).status_code == 403
    response = signed_in(alice).get("/admin/password_change/")
    assert response["Location"] == "/accounts/password/change/"


def test_details_of_the_record_are_shown(browser: Client, alice: User) -> None:
    act(browser, "withdraw_trading", alice)
    entry: Any = AuditEntry.objects.get()
    page = text(browser.get(f"/admin/orderbook/auditentry/{entry.pk}/change/"))
    for shown in (f"{entry.at:%Y-%m-%d %H:%M}", "trading.withdraw", "roles", entry.request_id):
        assert shown in page
    found = text(browser.get(f"/admin/orderbook/auditentry/?q={entry.request_id}"))
    assert "1 audit entry" in found
