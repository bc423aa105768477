"""Operators contain accounts and stop the venue: confirmed, by the engine, on the record."""

from typing import Any

import pytest
from django.test import Client

from accounts import controls, roles
from accounts.models import User
from orderbook.core.commands import Deposit
from orderbook.core.units import SelfTradePrevention, Side
from orderbook.errors import CommandRefused, EngineUnavailable
from orderbook.models import AuditEntry
from tests.unit.accounts.conftest import PASSWORD, Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
VENUE_SWITCH = "/admin/accounts/user/venue-kill-switch/"
LIMITS = {
    "self_trade": "cancel_oldest",
    "max_open_orders": "5",
    "orders_per_second": "10",
    "messages_per_second": "0",
}


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


@pytest.fixture
def trading(venue: Venue, alice: User, bob: User) -> Venue:
    """Both have money and two open orders."""
    for user in (alice, bob):
        venue.execute(Deposit(user.pk, "BTC", 10**10, ""))
        for price_ticks in (250_000, 260_000):
            venue.order(user.pk, Side.SELL, 1_000, price_ticks)
    return venue


def page_of(user: User, name: str) -> str:
    return f"/admin/accounts/user/{user.pk}/control/{name}/"


def confirm(browser: Client, address: str, **form: str) -> str:
    answer = browser.post(address, {**form, "confirmed": "yes"}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def open_orders(venue: Venue, user: User) -> int:
    return len(venue.engine.accounts[user.pk].orders)


def last_entry() -> AuditEntry:
    return AuditEntry.objects.latest("id")


def test_limits_are_confirmed_set_and_shown(
    trading: Venue, browser: Client, alice: User, operator: User
) -> None:
    address = page_of(alice, "limits")
    page = browser.post(address, LIMITS).content.decode()
    assert "max open orders: 0 becomes 5" in page
    assert controls.controls_of(alice.pk) == controls.AccountControls()
    assert "have been set" in confirm(browser, address, **LIMITS)
    found = controls.controls_of(alice.pk)
    assert found is not None
    assert found[:4] == (SelfTradePrevention.CANCEL_OLDEST, 5, 10, 0)
    entry = last_entry()
    assert (entry.action, entry.actor_id, entry.outcome) == ("account.limits", operator.pk, "done")
    assert entry.details["max_open_orders"] == 5
    assert entry.sequence == trading.sequence
    page = browser.get(address).content.decode()
    assert 'value="cancel_oldest" selected' in page
    assert "Nothing changes" in browser.post(address, LIMITS).content.decode()


@pytest.mark.parametrize(
    "changes",
    [{"max_open_orders": "-1"}, {"orders_per_second": "9999999"}, {"self_trade": "x"},
     {"messages_per_second": ""}],
)  # fmt: skip
def test_limits_out_of_bounds_are_shown_as_mistakes(
    trading: Venue, browser: Client, alice: User, changes: dict[str, str]
) -> None:
    page = confirm(browser, page_of(alice, "limits"), **{**LIMITS, **changes})
    assert "errorlist" in page
    assert controls.controls_of(alice.pk) == controls.AccountControls()


def test_the_kill_switch_of_an_account(
    trading: Venue, browser: Client, alice: User, bob: User
) -> None:
    address = page_of(alice, "kill-switch")
    page = browser.post(address, {"switch": "engage"}).content.decode()
    assert f"Every open order of account {alice.pk} is canceled" in page
    assert open_orders(trading, alice) == 2
    assert "orders canceled: 2" in confirm(browser, address, switch="engage")
    assert (open_orders(trading, alice), open_orders(trading, bob)) == (0, 2)
    assert (last_entry().action, last_entry().target) == (
        "kill_switch.engage",
        f"account {alice.pk}",
    )
    assert "It is engaged now" in browser.get(address).content.decode()
    assert "released" in confirm(browser, address, switch="release")
    assert "It is not engaged now" in browser.get(address).content.decode()


def test_the_kill_switch_of_the_venue(
    trading: Venue, browser: Client, alice: User, bob: User
) -> None:
    assert VENUE_SWITCH in browser.get("/admin/accounts/user/").content.decode()
    page = browser.post(VENUE_SWITCH, {"switch": "engage"}).content.decode()
    assert "Every open order of the venue is canceled" in page
    assert "orders canceled: 4" in confirm(browser, VENUE_SWITCH, switch="engage")
    assert (open_orders(trading, alice), open_orders(trading, bob)) == (0, 0)
    assert last_entry().target == "venue"
    assert "It is engaged now" in browser.get(VENUE_SWITCH).content.decode()
    confirm(browser, VENUE_SWITCH, switch="release")
    trading.order(alice.pk, Side.SELL, 1_000)
    assert open_orders(trading, alice) == 1


def test_an_operator_cancels_every_order_of_an_account(
    trading: Venue, browser: Client, alice: User, bob: User
) -> None:
    address = page_of(alice, "cancel-all")
    assert "in every market" in browser.post(address).content.decode()
    assert open_orders(trading, alice) == 2
    assert f"Orders of account {alice.pk} canceled: 2" in confirm(browser, address)
    assert (open_orders(trading, alice), open_orders(trading, bob)) == (0, 2)
    assert last_entry().action == "account.cancel_all"


@pytest.mark.parametrize(
    ("name", "form"),
    [("limits", LIMITS), ("kill-switch", {"switch": "engage"}), ("cancel-all", {})],
)
def test_an_engine_that_is_away_is_said_so_and_audited(
    trading: Venue, browser: Client, alice: User, name: str, form: dict[str, str]
) -> None:
    address = page_of(alice, name)
    trading.down = EngineUnavailable()
    assert browser.get(address).status_code == 200
    assert "nothing was executed" in confirm(browser, address, **form)
    assert last_entry().outcome == "engine_unavailable"
    assert open_orders(trading, alice) == 2


def test_what_the_engine_refuses_is_audited(venue: Venue, operator: User) -> None:
    with pytest.raises(CommandRefused):
        controls.cancel_all(99, operator)
    assert last_entry().outcome == "unknown_account"


def test_only_who_may_reaches_the_pages(trading: Venue, alice: User, operator: User) -> None:
    watcher: Any = User.objects.create_user("w", "w@example.org", PASSWORD, is_staff=True)
    client = Client()
    client.force_login(watcher)
    before = len(trading.commands)
    addresses = [page_of(alice, name) for name in ("limits", "kill-switch", "cancel-all")]
    for address in (*addresses, VENUE_SWITCH):
        assert client.get(address).status_code == 403
        assert client.post(address, {"confirmed": "yes", "switch": "engage"}).status_code == 403
    client.force_login(operator)
    assert client.get(page_of(alice, "nothing")).status_code == 404
    assert client.get("/admin/accounts/user/9999/control/limits/").status_code == 404
    page = client.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    assert all(address in page for address in addresses)
    assert len(trading.commands) == before
