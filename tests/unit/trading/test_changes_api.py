"""REST: amending, replacing, lists, batches and the dead man's switch, over the real engine core."""

from typing import Any

import pytest
from django.test import Client

from tests.unit.trading.test_api import ALICE, BOB, ORDERS, SYMBOL, alice, fields, place
from tests.unit.trading.venue import Venue

__all__ = ["alice"]

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture(autouse=True)
def _open(venue: Venue) -> None:
    """Every test here talks to a venue."""


def send(client: Client, method: str, path: str, body: Any) -> tuple[int, Any]:
    call = getattr(client, method)
    answer = call(f"{ORDERS}{path}", body, content_type="application/json")
    return answer.status_code, answer.json()


def test_a_smaller_quantity_and_a_new_price(alice: Client) -> None:
    order = place()
    status, body = send(alice, "patch", f"/{order.id}", {"quantity": "0.4"})
    assert (status, body["quantity"], body["remaining_quantity"]) == (200, "0.40000", "0.40000")
    status, body = send(alice, "patch", f"/{order.id}", {"price": "24000"})
    assert (status, body["price"], body["status"]) == (200, "24000.0", "open")
    assert alice.get(f"{ORDERS}/{order.id}").json()["price"] == "24000.0"


def test_an_amend_that_crosses_trades(alice: Client) -> None:
    order = place(price="24000")
    place(BOB, side="sell", quantity="0.25", price="25000")
    status, body = send(alice, "patch", f"/{order.id}", {"price": "25000"})
    assert (status, body["filled_quantity"], body["status"]) == (200, "0.25000", "partially_filled")
    assert [fill["quantity"] for fill in body["fills"]] == ["0.25000"]


def test_what_cannot_be_amended(alice: Client) -> None:
    order = place()
    other = place(BOB, side="sell", price="26000")
    assert send(alice, "patch", f"/{order.id}", {})[0] == 400
    assert send(alice, "patch", f"/{order.id}", {"side": "sell"})[1]["error"]["code"] == (
        "unknown_field"
    )
    assert send(alice, "patch", f"/{order.id}", {"price": "0.01"})[1]["error"]["field"] == "price"
    assert send(alice, "patch", f"/{other.id}", {"price": "25000"})[0] == 404
    alice.delete(f"{ORDERS}/{order.id}")
    status, body = send(alice, "patch", f"/{order.id}", {"price": "25000"})
    assert (status, body["error"]["code"]) == (409, "order_not_open")


def test_a_replacement_happens_whole_or_not_at_all(alice: Client) -> None:
    order = place(client_order_id="first")
    replacement = {"id": "client:first", "order": fields(price="24500", client_order_id="second")}
    status, body = send(alice, "post", "/replacements", replacement)
    assert (status, body["price"], body["client_order_id"]) == (201, "24500.0", "second")
    gone = alice.get(f"{ORDERS}/{order.id}").json()
    assert (gone["status"], gone["cancel_reason"]) == ("canceled", "replaced")
    too_much = {"id": body["id"], "order": fields(quantity="9999", price="9000000")}
    status, refusal = send(alice, "post", "/replacements", too_much)
    assert (status, refusal["error"]["code"]) == (422, "insufficient_balance")
    assert alice.get(f"{ORDERS}/{body['id']}").json()["status"] == "open"


def test_an_oco_is_one_list_whose_other_leg_goes(alice: Client) -> None:
    place(BOB, side="sell", quantity="0.1", price="25000")
    place(quantity="0.1", price="25000")
    legs = [
        fields(side="sell", quantity="1", price="26000"),
        {
            "symbol": SYMBOL,
            "side": "sell",
            "type": "stop_market",
            "stop_price": "24000",
            "quantity": "1",
        },
    ]
    status, body = send(alice, "post", "/lists", {"kind": "oco", "orders": legs})
    assert status == 201, body
    assert [order["status"] for order in body["orders"]] == ["open", "waiting"]
    assert {order["list_id"] for order in body["orders"]} == {body["list_id"]}
    place(BOB, side="buy", quantity="1", price="26000")
    statuses = [alice.get(f"{ORDERS}/{order['id']}").json()["status"] for order in body["orders"]]
    assert statuses == ["filled", "canceled"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "otoco", "orders": []}, "kind"),
        ({"kind": "oco", "orders": [{}]}, "orders"),
        ({"kind": "oco", "orders": [1, 2]}, "orders[0]"),
        ({"kind": "oco", "orders": [{}, {}]}, "orders[0].side"),
        ({"kind": "oco", "orders": [], "more": 1}, "more"),
    ],
)
def test_a_bad_list_names_the_place(alice: Client, body: Any, field: str) -> None:
    status, answer = send(alice, "post", "/lists", body)
    assert (status, answer["error"]["field"]) == (400, field)


def test_a_batch_tells_what_became_of_each(alice: Client) -> None:
    order = place(client_order_id="old")
    commands = [
        {"place": fields(price="24000")},
        {"place": fields(quantity="99999")},
        {"amend": {"id": order.id, "quantity": "0.5"}},
        {"cancel": "client:old"},
        {"cancel": "client:old"},
    ]
    status, body = send(alice, "post", "/batches", {"commands": commands})
    assert status == 200, body
    first, second, third, fourth, fifth = body["results"]
    assert first["order"]["price"] == "24000.0"
    assert second["error"]["code"] == "quantity_too_large"
    assert third["order"]["id"] == order.id
    assert fourth["canceled"]["id"] == order.id
    assert fifth["error"]["code"] == "unknown_order"


def test_all_or_nothing_names_the_command_that_refused_it(alice: Client) -> None:
    commands = [{"place": fields(price="24000")}, {"place": fields(quantity="9999", price="9000000")}]
    status, body = send(alice, "post", "/batches", {"commands": commands, "all_or_nothing": True})
    assert (status, body["error"]["code"]) == (422, "insufficient_balance")
    assert body["error"]["field"].startswith("commands[1]")
    assert alice.get(ORDERS).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"commands": []}, "commands"),
        ({"commands": [{}] * 51}, "commands"),
        ({"commands": [7]}, "commands[0]"),
        ({"commands": [{"buy": {}}]}, "commands[0].commands"),
        ({"commands": [{"cancel": None}]}, "commands[0].id"),
        ({"commands": [{"amend": {"id": "1", "price": "1"}}]}, "commands[0]"),
        ({"commands": [{"cancel": "1"}], "all_or_nothing": "yes"}, "all_or_nothing"),
    ],
)
def test_a_bad_batch_names_the_place(alice: Client, body: Any, field: str) -> None:
    status, answer = send(alice, "post", "/batches", body)
    assert status in (400, 404)
    assert answer["error"]["field"] == field


def test_the_dead_mans_switch(alice: Client, venue: Venue) -> None:
    status, body = send(alice, "post", "/cancel-all-after", {"timeout_ms": 5_000})
    assert status == 200
    assert body["cancels_at"].endswith("Z")
    assert venue.engine.next_due_ns == venue.time_ns + 5_000_000_000
    assert send(alice, "post", "/cancel-all-after", {"timeout_ms": 0})[1] == {"cancels_at": None}
    for wrong in (1, 86_400_001, "5", True, None):
        status, body = send(alice, "post", "/cancel-all-after", {"timeout_ms": wrong})
        assert (status, body["error"].get("field")) in {(400, "timeout_ms"), (422, None)}


def test_only_one_side_is_canceled(alice: Client) -> None:
    place()
    place(side="sell", price="26000")
    assert len(alice.delete(f"{ORDERS}?side=sell").json()["canceled"]) == 1
    assert [row["side"] for row in alice.get(ORDERS, {"status": "open"}).json()["results"]] == [
        "buy"
    ]
