"""REST: amends, replacements, lists, batches, the dead man's switch, over the real engine core."""

from typing import Any

import pytest
from django.test import Client

from accounts import roles
from accounts.models import User
from accounts.tokens import forget_everything, issue_tokens
from orderbook.errors import EngineUnavailable, OutcomeUnknown, VenueError
from tests.unit.trading.venue import ALICE, BOB, SYMBOL, Venue, fields
from trading import services
from trading.order_state import OrderState
from trading.rate_limit import RateLimit

ORDERS = "/api/v1/orders"
ONE_MS = 1
"""Shorter than a dead man's switch takes."""
pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture
def alice(venue: Venue) -> Client:
    forget_everything()
    user = User.objects.create_user("alice", "alice@example.com", "pw", id=ALICE)
    roles.give_role(user, roles.TRADER)
    return Client(headers={"Authorization": f"Bearer {issue_tokens(user).access}"})


def place(account: int = ALICE, **changes: Any) -> OrderState:
    return services.place_order_blocking(account, fields(**changes)).order


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
    too_much = fields(quantity="9999", price="9000000")
    commands = [{"place": fields(price="24000")}, {"place": too_much}]
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
        ({"commands": [{"cancel": "1"}], "all_or_nothing": "yes"}, "all_or_nothing"),
        (
            {"commands": [{"amend": {"id": "1", "price": "1"}}], "all_or_nothing": True},
            "commands[0]",
        ),
        ({"commands": [{"place": fields(type="ioc")}], "all_or_nothing": True}, "commands[0]"),
    ],
)
def test_a_bad_batch_names_the_place(alice: Client, body: Any, field: str) -> None:
    status, answer = send(alice, "post", "/batches", body)
    assert status in (400, 404, 422)
    assert answer["error"]["field"] == field


def test_the_dead_mans_switch(alice: Client, venue: Venue) -> None:
    status, body = send(alice, "post", "/cancel-all-after", {"timeout_ms": 5_000})
    assert status == 200
    assert body["cancels_at"].endswith("Z")
    assert venue.engine.next_due_ns == venue.time_ns + 5_000_000_000
    assert send(alice, "post", "/cancel-all-after", {"timeout_ms": 0})[1] == {"cancels_at": None}
    for wrong in (86_400_001, "5", True, None, ONE_MS):
        status, body = send(alice, "post", "/cancel-all-after", {"timeout_ms": wrong})
        assert (status, body["error"]["field"]) == (422 if wrong is ONE_MS else 400, "timeout_ms")


def test_only_one_side_is_canceled(alice: Client) -> None:
    place()
    place(side="sell", price="26000")
    assert len(alice.delete(f"{ORDERS}?side=sell").json()["canceled"]) == 1
    assert [row["side"] for row in alice.get(ORDERS, {"status": "open"}).json()["results"]] == [
        "buy"
    ]


def test_at_best_effort_an_order_that_is_not_there_holds_up_no_other(alice: Client) -> None:
    """Nor does a stranger's, whether it is to be amended or canceled."""
    theirs = place(BOB, side="sell", price="26000")
    commands = [
        {"amend": {"id": theirs.id, "price": "25500"}},
        {"cancel": 2**63},
        {"place": fields(price="24000")},
        {"cancel": theirs.id},
        {"amend": {"id": "client:never", "quantity": "1"}},
    ]
    status, body = send(alice, "post", "/batches", {"commands": commands})
    assert status == 200
    assert [result.get("error", {}).get("code") for result in body["results"]] == [
        "unknown_order",
        "unknown_order",
        None,
        "unknown_order",
        "unknown_order",
    ]
    assert body["results"][2]["order"]["price"] == "24000.0"
    status, body = send(alice, "post", "/batches", {"commands": commands[:2]})
    assert (status, len(body["results"])) == (200, 2)


BATCH = {"commands": [{"place": fields(client_order_id="b")}, {"place": fields(price="24000")}]}
OCO = {
    "kind": "oco",
    "orders": [
        fields(side="sell", price="26000", client_order_id="take"),
        fields(side="sell", price=None, type="stop_market", stop_price="20000"),
    ],
}


def test_what_is_sent_again_is_not_executed_again(alice: Client) -> None:
    place(BOB, side="sell", quantity="0.1", price="25000")
    place(quantity="0.1", price="25000")
    place(client_order_id="old")
    replacement = {"id": "client:old", "order": fields(price="24500", client_order_id="new")}
    for path, body in (("/replacements", replacement), ("/lists", OCO)):
        assert send(alice, "post", path, body)[0] == 201
        assert send(alice, "post", path, body)[0] == 409
    assert send(alice, "post", "/batches", {**BATCH, "all_or_nothing": True})[0] == 200
    status, body = send(alice, "post", "/batches", {**BATCH, "all_or_nothing": True})
    assert (status, body["error"]["code"], body["error"]["field"]) == (
        409,
        "duplicate_client_order_id",
        "commands[0].client_order_id",
    )
    body = send(alice, "post", "/batches", BATCH)[1]
    assert body["results"][0]["error"]["code"] == "duplicate_client_order_id"
    assert "order" in body["results"][1]


def test_each_command_counts_against_the_rate(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allow(placements: int, cancels: int) -> None:
        monkeypatch.setattr(services, "_placements", RateLimit(placements, clock=lambda: 0.0))
        monkeypatch.setattr(services, "_cancels", RateLimit(cancels, clock=lambda: 0.0))

    def statuses(path: str, body: Any) -> list[int]:
        return [send(alice, "post", path, body)[0] for _ in range(2)]

    three = {
        "commands": [{"place": fields(quantity="0.1")}, {"amend": {"id": 9**9, "price": "1"}}] * 2
    }
    allow(placements=6, cancels=1)
    assert statuses("/batches", three) == [200, 429]
    allow(placements=1, cancels=5)
    assert statuses("/batches", {"commands": [{"cancel": "1"}] * 3}) == [200, 429]
    allow(placements=3, cancels=1)
    assert statuses("/lists", OCO)[1] == 429
    allow(placements=1, cancels=1)
    assert statuses("/cancel-all-after", {"timeout_ms": 0}) == [200, 429]
    assert send(alice, "post", "", fields())[0] == 201


def test_who_may_not_trade_any_more_only_cancels(alice: Client) -> None:
    order = place(client_order_id="mine")
    second = place()
    User.objects.get(pk=ALICE).groups.clear()
    forget_everything()
    cancel = {"cancel": order.id}
    refused: tuple[tuple[str, str, Any], ...] = (
        ("patch", f"/{order.id}", {"quantity": "0.5"}),
        ("post", "/replacements", {"id": order.id, "order": fields()}),
        ("post", "/lists", OCO),
        ("post", "/batches", {"commands": [cancel, {"place": fields()}]}),
        ("post", "/batches", {"commands": [cancel, {"amend": {"id": order.id}}]}),
        ("post", "/batches", {"commands": []}),
        ("post", "/batches", {"commands": [{**cancel, "place": fields()}]}),
        ("post", "/batches", {}),
    )
    for method, path, body in refused:
        status, answer = send(alice, method, path, body)
        assert (status, answer["error"]["code"]) == (403, "permission_denied"), path
    status, body = send(alice, "post", "/batches", {"commands": [cancel]})
    assert (status, body["results"][0]["canceled"]["id"]) == (200, order.id)
    assert send(alice, "post", "/cancel-all-after", {"timeout_ms": 5_000})[0] == 200
    assert alice.delete(f"{ORDERS}?side=buy").json() == {"canceled": [second.id]}


@pytest.mark.parametrize("error", [EngineUnavailable(), OutcomeUnknown()])
def test_an_engine_that_is_away(alice: Client, venue: Venue, error: VenueError) -> None:
    order = place()
    venue.down = error
    for method, path, body in (
        ("patch", f"/{order.id}", {"quantity": "0.5"}),
        ("post", "/replacements", {"id": order.id, "order": fields()}),
        ("post", "/lists", OCO),
        ("post", "/batches", BATCH),
        ("post", "/cancel-all-after", {"timeout_ms": 5_000}),
    ):
        status, answer = send(alice, method, path, body)
        assert (status, answer["error"]["code"]) == (503, error.code), path


def test_a_browsers_session_needs_its_csrf_token(alice: Client) -> None:
    order = place()
    user = User.objects.get(pk=ALICE)
    roles.give_role(user, roles.TRADER)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    requests = (
        ("patch", f"/{order.id}", {"quantity": "0.5"}, 200),
        ("post", "/batches", BATCH, 200),
        ("post", "/replacements", {"id": order.id, "order": fields()}, 201),
        ("post", "/lists", OCO, 201),
        ("post", "/cancel-all-after", {"timeout_ms": 0}, 200),
    )
    place(BOB, side="sell", quantity="0.1", price="25500")
    place(quantity="0.1", price="25500")
    for method, path, body, _ in requests:
        assert send(browser, method, path, body)[0] == 403, path
    browser.get("/accounts/login/")
    browser.cookies["csrftoken"] = token = "a" * 32
    for method, path, body, expected in requests:
        answer = getattr(browser, method)(
            f"{ORDERS}{path}", body, content_type="application/json", headers={"X-CSRFToken": token}
        )
        assert answer.status_code == expected, (path, answer.content)


def test_a_trader_without_an_account_has_nothing_to_change(venue: Venue) -> None:
    forget_everything()
    user = User.objects.create_user("carol", "carol@example.com", "pw", id=77)
    roles.give_role(user, roles.TRADER)
    carol = Client()
    carol.force_login(user)
    assert send(carol, "patch", "/1", {"quantity": "1"})[0] == 404
    assert send(carol, "post", "/replacements", {"id": "1", "order": fields()})[0] == 404
    body = send(carol, "post", "/batches", {"commands": [{"cancel": "1"}]})
    assert body[0] in (200, 422), body


def test_a_slip_in_a_mass_cancels_filter_cancels_nothing(alice: Client) -> None:
    order = place()
    answer = alice.delete(f"{ORDERS}?sidee=sell")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_field")
    assert alice.get(f"{ORDERS}/{order.id}").json()["status"] == "open"
