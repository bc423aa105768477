"""Operators look at orders and fills as decimals, and cancel orders on the record."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from orderbook.gateway.pagination import PageRequest
from orderbook.models import AuditEntry
from tests.unit.trading.venue import ALICE, BOB, Venue, fields
from trading import selectors, services
from trading.order_entry import Reference

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

ORDERS = "/admin/trading/order/"
FILLS = "/admin/trading/fill/"


@pytest.fixture
def operator(client: Client) -> Client:
    user = User.objects.create_user("olga", "olga@example.com", "pw", is_staff=True)
    user.groups.add(Group.objects.get(name="admin"))
    client.force_login(user)
    return client


def test_lists_show_decimals(venue: Venue, operator: Client) -> None:
    order = services.place_order_blocking(ALICE, fields(client_order_id="mine")).order
    services.place_order_blocking(BOB, fields(side="sell", quantity="0.25"))
    venue.project()
    page = operator.get(ORDERS).content.decode()
    assert "25000.0" in page
    assert "0.25000" in page
    assert operator.get(f"{ORDERS}{order.id}/change/").status_code == 200
    page = operator.get(FILLS).content.decode()
    assert "0.00025000 BTC" in page  # the maker's fee
    fill = selectors.fills_of(ALICE, PageRequest(1)).results[0]
    assert operator.get(f"{FILLS}{fill.id}/change/").status_code == 200


@pytest.mark.parametrize(
    "term", ["1", "mine", "<script>", "'", "9" * 19, "9" * 40, "-1", "1 2", "%00", str(2**63 - 1)]
)
def test_any_search_is_answered(venue: Venue, operator: Client, term: str) -> None:
    services.place_order_blocking(ALICE, fields(client_order_id="mine"))
    services.place_order_blocking(BOB, fields(side="sell"))
    venue.project()
    for address in (ORDERS, FILLS):
        answer = operator.get(address, {"q": term})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.content.decode()
    found = operator.get(ORDERS, {"q": "mine"}).context["cl"].result_list
    assert [row.client_order_id for row in found] == ["mine"]


def test_nothing_can_be_changed(venue: Venue, operator: Client) -> None:
    order = services.place_order_blocking(ALICE, fields()).order
    venue.project()
    assert operator.get(f"{ORDERS}add/").status_code == 403
    assert operator.post(f"{ORDERS}{order.id}/change/", {"status": "filled"}).status_code == 403
    assert operator.post(f"{ORDERS}{order.id}/delete/", {"post": "yes"}).status_code == 403


def test_an_operators_cancel_is_audited(venue: Venue, operator: Client) -> None:
    order = services.place_order_blocking(ALICE, fields()).order
    venue.project()
    act = {"action": "cancel_orders", "_selected_action": [order.id]}
    page = operator.post(ORDERS, act, follow=True).content.decode()
    assert f"Order {order.id} has been canceled" in page
    now = selectors.order_of(ALICE, Reference(order.id))
    assert (now.status, now.cancel_reason) == ("canceled", "operator")
    page = operator.post(ORDERS, act, follow=True).content.decode()
    assert "canceled already" in page
    entries = AuditEntry.objects.order_by("id")
    assert [
        (entry.action, entry.actor_name, entry.outcome, entry.sequence) for entry in entries
    ] == [
        ("order.cancel", "olga", "done", now.updated_sequence),
        ("order.cancel", "olga", "order_not_open", 0),
    ]


def test_a_trader_may_not(venue: Venue, client: Client) -> None:
    order = services.place_order_blocking(ALICE, fields()).order
    venue.project()
    client.force_login(User.objects.create_user("tom", "tom@example.com", "pw"))
    act = {"action": "cancel_orders", "_selected_action": [order.id]}
    assert client.post(ORDERS, act).status_code == 302
    assert selectors.order_of(ALICE, Reference(order.id)).is_open
