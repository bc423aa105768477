"""The documented views: reads, browsers' sessions, and shapes that match the documentation."""

from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from django.test import Client

from accounts import roles
from accounts.models import User
from accounts.tokens import forget_everything, issue_tokens
from orderbook.core.text import is_client_order_id
from orderbook.errors import VenueError
from orderbook.gateway.decimals import parse_decimal
from tests.unit.trading.test_order_entry import INSTRUMENT, LIMIT
from tests.unit.trading.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Venue, fields
from trading import services
from trading.order_entry import read_order
from trading.order_state import OrderState
from trading.resources import average_price, iso_time
from trading.serializers import (
    DECIMAL_PATTERN,
    ORDER_REQUEST,
    CanceledOrdersSerializer,
    CancellationSerializer,
    FillSerializer,
    OrderSerializer,
    PlacementFillSerializer,
    PlacementSerializer,
)

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
ORDERS = "/api/v1/orders"
FILLS = "/api/v1/fills"


@pytest.fixture
def alice(venue: Venue) -> Client:
    forget_everything()
    user = User.objects.create_user("alice", "alice@example.com", "pw", id=ALICE)
    roles.give_role(user, roles.TRADER)
    return Client(headers={"Authorization": f"Bearer {issue_tokens(user).access}"})


def place(account: int = ALICE, **changes: Any) -> OrderState:
    return services.place_order_blocking(account, fields(**changes)).order


def test_shapes_are_as_documented(alice: Client) -> None:
    place(BOB, side="sell", quantity="0.25")
    placed = alice.post(ORDERS, fields(client_order_id="a"), content_type="application/json").json()
    assert list(placed) == list(PlacementSerializer().fields)
    assert list(placed["fills"][0]) == list(PlacementFillSerializer().fields)
    shown = alice.get(f"{ORDERS}/client:a").json()
    assert list(shown) == list(OrderSerializer().fields)
    assert shown == {key: value for key, value in placed.items() if key != "fills"}
    listed = alice.get(ORDERS).json()
    assert listed == {"results": [shown], "next": None}
    fills = alice.get(FILLS).json()
    assert list(fills["results"][0]) == list(FillSerializer().fields)
    canceled = alice.delete(f"{ORDERS}/{placed['id']}").json()
    assert list(canceled) == list(CancellationSerializer().fields)
    assert list(alice.delete(ORDERS).json()) == list(CanceledOrdersSerializer().fields)


def test_an_order_in_full(alice: Client) -> None:
    place(BOB, side="sell", quantity="0.25", price="24999.5")
    place(BOB, side="sell", quantity="0.5")
    answer = alice.post(ORDERS, fields(client_order_id="a/b"), content_type="application/json")
    body = answer.json()
    assert answer.status_code == 201
    assert {key: body[key] for key in body if key not in {"id", "sequence", "fills"}} == {
        "client_order_id": "a/b",
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "time_in_force": "GTC",
        "price": "25000.0",
        "stop_price": None,
        "trailing_distance": None,
        "quantity": "1.00000",
        "filled_quantity": "0.75000",
        "remaining_quantity": "0.25000",
        "display_quantity": None,
        "quote_quantity": None,
        "average_price": "24999.83333",
        "fee": "0.00150000",
        "fee_asset": "BTC",
        "rebate": "0.000000",
        "post_only": "off",
        "self_trade_prevention": "none",
        "expires_at": None,
        "list_id": None,
        "status": "partially_filled",
        "cancel_reason": None,
        "created_at": body["updated_at"],
        "updated_at": body["updated_at"],
    }
    assert body["updated_at"].startswith("2023-11-14T22:13:20.1")
    assert body["updated_at"].endswith("Z")
    assert alice.get(f"{ORDERS}/client:a%2Fb").json()["id"] == body["id"]


def test_lists_filter_and_page(alice: Client) -> None:
    first = place()
    other = place(symbol=OTHER_SYMBOL)
    place(BOB, side="sell", quantity="0.5")

    def ids(**query: str | int) -> list[int]:
        return [row["id"] for row in alice.get(ORDERS, query).json()["results"]]

    assert ids() == [other.id, first.id]
    assert ids(symbol=OTHER_SYMBOL) == [other.id]
    assert ids(status="open") == [other.id, first.id]
    assert ids(status="partially_filled") == [first.id]
    assert ids(side="sell") == []
    page = alice.get(ORDERS, {"limit": 1}).json()
    assert [row["id"] for row in page["results"]] == [other.id]
    assert ids(limit=1, cursor=page["next"]) == [first.id]
    fills = alice.get(FILLS, {"order_id": str(first.id), "symbol": SYMBOL}).json()["results"]
    assert [(row["liquidity"], row["quantity"]) for row in fills] == [("maker", "0.50000")]
    assert alice.get(FILLS, {"order_id": other.id}).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ORDERS}?symbol=NO-SUCH", 404),
        (f"{ORDERS}?symbol=%00", 404),
        (f"{ORDERS}?status=OPEN", 400),
        (f"{ORDERS}?status=%00", 400),
        (f"{ORDERS}?side=both", 400),
        (f"{ORDERS}?limit=0", 400),
        (f"{ORDERS}?limit=501", 400),
        (f"{ORDERS}?limit=1e3", 400),
        (f"{ORDERS}?cursor=x", 400),
        (f"{ORDERS}?cursor=", 400),
        (f"{FILLS}?order_id=0", 404),
        (f"{FILLS}?order_id=-1", 400),
        (f"{FILLS}?order_id=client:x", 400),
        (f"{FILLS}?order_id={2**63}", 404),
        (f"{FILLS}?symbol='", 404),
        (f"{ORDERS}/{2**63 - 1}", 404),
        (f"{ORDERS}/{2**64}", 404),
        (f"{ORDERS}/0", 404),
        (f"{ORDERS}/abc", 400),
        (f"{ORDERS}/client:%3Cb%3E", 400),
        (f"{ORDERS}/client:none", 404),
    ],
)
def test_bad_reads_are_told(alice: Client, path: str, status: int) -> None:
    answer = alice.get(path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) <= {"code", "message", "field", "request_id"}


def test_strangers_see_nothing(alice: Client) -> None:
    order = place(BOB, client_order_id="bobs")
    for reference in (str(order.id), "client:bobs"):
        assert alice.get(f"{ORDERS}/{reference}").status_code == 404
        assert alice.delete(f"{ORDERS}/{reference}").status_code == 404
    assert alice.get(ORDERS).json()["results"] == []
    for method, path in (("GET", ORDERS), ("POST", ORDERS), ("DELETE", ORDERS), ("GET", FILLS)):
        assert Client().generic(method, path).status_code == 401


def test_other_methods_and_types_are_refused_in_the_error_shape(alice: Client) -> None:
    for answer, status in (
        (alice.put(ORDERS, "{}", content_type="application/json"), 405),
        (alice.post(ORDERS, {"symbol": SYMBOL}), 415),
        (alice.post(ORDERS, "<a/>", content_type="text/xml"), 415),
        (alice.get(ORDERS, headers={"Accept": "text/html"}), 406),
    ):
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"code", "message", "request_id"}


def test_a_browser_needs_its_csrf_token(alice: Client) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.get(pk=ALICE))
    refused = browser.post(ORDERS, fields(), content_type="application/json")
    assert refused.status_code == 403
    assert set(refused.json()["error"]) == {"code", "message", "request_id"}
    browser.cookies["csrftoken"] = token = "t" * 32
    headers = {"X-CSRFToken": token}
    placed = browser.post(ORDERS, fields(), content_type="application/json", headers=headers)
    assert placed.status_code == 201
    assert browser.get(f"{ORDERS}/{placed.json()['id']}").status_code == 200


BAD_OR_GOOD = [
    ({}, True),
    ({"type": "ioc"}, True),
    ({"type": "fok", "time_in_force": "FOK"}, True),
    ({"type": "market", "price": ...}, True),
    ({"client_order_id": "a.b:c/d_e-f"}, True),
    ({"time_in_force": "FOK"}, True),
    ({"type": "market"}, True),
    ({"type": "market", "quote_quantity": "1"}, False),
    ({"type": "market", "quantity": ..., "quote_quantity": "1"}, True),
    ({"type": "market", "quantity": ...}, False),
    ({"type": "stop_limit", "stop_price": "1"}, True),
    ({"type": "stop_limit"}, False),
    ({"type": "trailing_stop", "price": ..., "trailing_distance": "10"}, True),
    ({"time_in_force": "DAY", "post_only": "reject"}, True),
    ({"post_only": "maybe"}, False),
    ({"expires_at": "2030-01-01T00:00:00Z"}, True),
    ({"price": ...}, False),
    ({"price": None}, False),
    ({"price": 1}, False),
    ({"price": "1e3"}, False),
    ({"quantity": "-1"}, False),
    ({"quantity": "01"}, False),
    ({"quantity": "0"}, False),
    ({"price": "0.00"}, False),
    ({"type": "ioc", "time_in_force": "GTC"}, False),
    ({"type": "market", "price": ..., "time_in_force": "GTC"}, False),
    ({"client_order_id": ""}, False),
    ({"client_order_id": "a" * 37}, False),
    ({"extra": 1}, False),
    ({"side": "Buy"}, False),
]


@pytest.mark.parametrize(("changes", "good"), BAD_OR_GOOD)
def test_the_documented_request_is_what_is_read(changes: dict[str, Any], good: bool) -> None:
    body = {name: value for name, value in (LIMIT | changes).items() if value is not ...}
    assert jsonschema.Draft202012Validator(ORDER_REQUEST).is_valid(body) is good
    try:
        read_order(body, ALICE, lambda _: INSTRUMENT)
    except VenueError:
        assert not good
    else:
        assert good


@pytest.mark.parametrize("text", ["0.1", "1.50", "9" * 20, "0." + "1" * 18, "1" * 19 + ".1"])
def test_the_documented_decimals_are_what_is_read(text: str) -> None:
    jsonschema.validate(text, {"pattern": DECIMAL_PATTERN})
    assert parse_decimal(text, "price") == Decimal(text)


def test_the_documented_client_order_ids_are_the_engines() -> None:
    pattern = ORDER_REQUEST["oneOf"][0]["properties"]["client_order_id"]["pattern"]
    for text in ("a", "A9.:/_-", "a" * 36, "", "a" * 37, "a b", "ä", "a\x00"):
        assert jsonschema.Draft202012Validator({"pattern": pattern}).is_valid(text) is bool(
            is_client_order_id(text)
        )


@pytest.mark.parametrize(
    ("filled_lots", "quote_minor", "text"),
    [
        (0, 0, None),
        (100_000, 25_000_000_000, "25000.0"),
        (3, 1_000_000, "33333.33333"),
        (3, 2_000_000, "66666.66667"),
        (7, 1, "0.01429"),
        (2 * 10**15, 10**9, "0.0"),
    ],
)
def test_average_prices_are_rounded(filled_lots: int, quote_minor: int, text: str | None) -> None:
    state = OrderState(
        1, 1, SYMBOL, "buy", "limit", "GTC", 1, 10**15, filled_lots, quote_minor, 0, "open",
        "", "", 0, 0, 1, 1,
    )  # fmt: skip
    assert average_price(state, INSTRUMENT) == text


def test_times_keep_their_microseconds() -> None:
    assert iso_time(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456Z"
    assert iso_time(0) == "1970-01-01T00:00:00.000000Z"
