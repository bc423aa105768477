"""The fast path and the documented views: the same requests, the same answers."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import Permission
from django.core.asgi import get_asgi_application

from accounts import roles
from accounts.models import User
from accounts.tokens import forget_everything, issue_tokens
from config.exceptions import error_parts
from config.middleware import bind_request_id
from orderbook.core.commands import PlaceOrder
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from tests.unit.trading.venue import ALICE, BOB, Venue, fields
from trading import api_urls, services
from trading.hot_routes import OrderRoutes
from trading.rate_limit import RateLimit

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

ORDERS = "/api/v1/orders"
django_application = get_asgi_application()


async def unreachable(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(f"{scope['method']} {scope['path']} fell through to Django")


def fast(application: Any = unreachable) -> OrderRoutes:
    return OrderRoutes(application, bind_request_id=bind_request_id, error_parts=error_parts)


def transport(application: Any) -> httpx.ASGITransport:
    return httpx.ASGITransport(application)


def make_user(account_id: int) -> str:
    name = f"user{account_id}"
    user = User.objects.create_user(name, f"{name}@example.com", "pw", id=account_id)
    roles.give_role(user, roles.TRADER)
    return issue_tokens(user).access


class Doors:
    """The same caller at the fast path and at the view behind it."""

    def __init__(self, tokens: dict[int, str]) -> None:
        self._tokens = tokens
        self.hot = httpx.AsyncClient(transport=transport(fast()), base_url="http://localhost")
        self.view = httpx.AsyncClient(
            transport=transport(django_application), base_url="http://localhost"
        )

    async def both(
        self, method: str, path: str, *, account: int = ALICE, **request: Any
    ) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {self._tokens[account]}"}
        headers |= request.pop("headers", {})
        return [
            await client.request(method, path, headers=headers, **request)
            for client in (self.hot, self.view)
        ]


@pytest.fixture
async def doors(transactional_db: None, venue: Venue) -> AsyncIterator[Doors]:
    forget_everything()
    await database_sync_to_async(roles.ensure_roles)()  # emptied with the tables
    tokens = {account: await database_sync_to_async(make_user)(account) for account in (ALICE, BOB)}
    doors = Doors(tokens)
    yield doors
    await doors.hot.aclose()
    await doors.view.aclose()
    forget_everything()


CHANGING = {"id", "sequence", "created_at", "updated_at", "request_id", "trade_id"}


def comparable(body: Any) -> Any:
    """The body without what differs from one order or request to the next."""
    if isinstance(body, dict):
        return {key: comparable(value) for key, value in body.items() if key not in CHANGING}
    return [comparable(item) for item in body] if isinstance(body, list) else body


def assert_same(hot: httpx.Response, view: httpx.Response) -> None:
    assert (hot.status_code, comparable(hot.json())) == (view.status_code, comparable(view.json()))
    assert list(hot.json()) == list(view.json())
    for name in (
        "content-type",
        "retry-after",
        "www-authenticate",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "x-frame-options",
    ):
        assert hot.headers.get(name) == view.headers.get(name), name
    assert ("location" in hot.headers) == ("location" in view.headers)


def raw(content: bytes | str) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": "application/json"}}


REQUESTS: list[tuple[int, dict[str, Any]]] = [
    (201, {"json": fields()}),
    (201, {"json": fields(side="sell", price="26000.00", time_in_force="GTC")}),
    (201, {"json": fields(type="ioc")}),
    (201, {"json": fields(type="fok", quantity="3")}),
    (201, raw(json.dumps(fields()).encode("utf-8"))),
    (
        201,
        {
            "content": json.dumps(fields()),
            "headers": {"Content-Type": "application/json; charset=utf-8"},
        },
    ),
    (400, {"json": fields(price=25_000)}),
    (400, {"json": fields(price="0.01")}),
    (400, {"json": fields(colour="red")}),
    (400, {"json": fields(side=None)}),
    (400, {"json": fields(client_order_id="a b")}),
    (400, {"json": fields(symbol="\x00")} | {"json": fields(quantity="\x00")}),
    (404, {"json": fields(symbol="NO-SUCH")}),
    (404, {"json": fields(symbol="\x00' OR 1=1 --")}),
    (422, {"json": fields(quantity="0.00001")}),
    (422, {"json": fields(price="99999999.0", quantity="9999")}),
    (422, {"json": fields(type="market", price=None, quantity="5", symbol="ETH-USDT")}),
    (400, raw(b"")),
    (400, raw(b"{")),
    (400, raw(b"null")),
    (400, raw(b"[]")),
    (400, raw(b'"text"')),
    (400, raw(b"\xff\xfe")),
    (400, raw('{"price": NaN}')),
    (400, raw('{"price": 1e999}')),
    (400, raw('{"a": 1} {"b": 2}')),
    (400, raw('{"side": "buy", "side": "sell"}')),
    (400, raw('{"symbol": "\\ud800"}')),
    (400, raw('{"\\u0000<script>": 1}')),
    (400, raw("[" * 60_000)),
    (413, raw(b" " * 65_537)),
]


@pytest.mark.parametrize(("status", "request_"), REQUESTS)
async def test_placing(doors: Doors, status: int, request_: dict[str, Any]) -> None:
    hot, view = await doors.both("POST", ORDERS, **request_)
    assert hot.status_code == status, hot.text
    assert_same(hot, view)
    if status >= 400:
        error = hot.json()["error"]
        assert set(error) <= {"code", "message", "field", "request_id"}
        assert error["request_id"] == hot.headers["x-request-id"]


async def test_fills_are_in_the_answer(doors: Doors, venue: Venue) -> None:
    await doors.hot.post(
        ORDERS,
        json=fields(side="sell", quantity="4"),
        headers={"Authorization": f"Bearer {doors._tokens[BOB]}"},
    )
    hot, view = await doors.both("POST", ORDERS, json=fields(client_order_id=None))
    assert_same(hot, view)
    body = hot.json()
    assert body["status"] == "filled"
    assert body["fills"] == [
        {
            "trade_id": body["fills"][0]["trade_id"],
            "price": "25000.0",
            "quantity": "1.00000",
            "fee": "0.00200000",
            "fee_asset": "BTC",
            "liquidity": "taker",
        }
    ]
    assert hot.headers["location"] == f"{ORDERS}/{body['id']}"


async def test_duplicates_are_a_conflict(doors: Doors) -> None:
    body = fields(client_order_id="once")
    assert (await doors.both("POST", ORDERS, json=body))[0].status_code == 201
    hot, view = await doors.both("POST", ORDERS, json=body)
    assert hot.status_code == 409
    assert hot.json()["error"]["field"] == "client_order_id"
    assert_same(hot, view)


async def placed(doors: Doors, account: int = ALICE, **changes: Any) -> list[int]:
    answers = await doors.both("POST", ORDERS, account=account, json=fields(**changes))
    return [answer.json()["id"] for answer in answers]


async def test_canceling(doors: Doors) -> None:
    first, second = await placed(doors)
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    hot = await doors.hot.delete(f"{ORDERS}/{first}", headers=headers)
    view = await doors.view.delete(f"{ORDERS}/{second}", headers=headers)
    assert hot.status_code == 200
    assert_same(hot, view)
    assert hot.json()["remaining_quantity"] == "1.00000"
    hot, view = await doors.both("DELETE", f"{ORDERS}/{first}")
    assert (hot.status_code, hot.json()["error"]["code"]) == (409, "order_not_open")
    assert_same(hot, view)


async def test_canceling_by_client_order_id(doors: Doors) -> None:
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    for client, name in ((doors.hot, "a/b"), (doors.view, "c/d")):
        body = fields(client_order_id=name)
        assert (await client.post(ORDERS, json=body, headers=headers)).status_code == 201
        path = f"{ORDERS}/client:{name.replace('/', '%2F')}"
        assert (await client.delete(path, headers=headers)).json()["client_order_id"] == name


@pytest.mark.parametrize(
    ("status", "reference"),
    [
        (404, "999999"),
        (404, "0"),
        (404, str(2**63)),
        (404, "9" * 200),
        (404, "client:never"),
        (400, "abc"),
        (400, "-1"),
        (400, "1%00"),
        (400, "client:%00"),
        (400, "client:"),
        (400, "%3Cscript%3E"),
    ],
)
async def test_canceling_what_is_not_there(doors: Doors, status: int, reference: str) -> None:
    hot, view = await doors.both("DELETE", f"{ORDERS}/{reference}")
    assert hot.status_code == status
    assert_same(hot, view)


async def test_a_strangers_order_cannot_be_canceled(doors: Doors) -> None:
    order_id, _ = await placed(doors, BOB)
    hot, view = await doors.both("DELETE", f"{ORDERS}/{order_id}")
    assert (hot.status_code, hot.json()["error"]["code"]) == (404, "unknown_order")
    assert_same(hot, view)


async def test_canceling_all(doors: Doors) -> None:
    mine = await placed(doors)
    other = await placed(doors, symbol="ETH-USDT")
    await placed(doors, BOB)
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    hot = await doors.hot.delete(f"{ORDERS}?symbol=BTC-USDT", headers=headers)
    assert hot.json() == {"canceled": mine}
    view = await doors.view.delete(ORDERS, headers=headers)
    assert view.json() == {"canceled": other}
    for query in ("?symbol=NO-SUCH", "?symbol=", "?symbol=%00", "?symbol=%FF"):
        hot, view = await doors.both("DELETE", ORDERS + query)
        assert hot.status_code == 404
        assert_same(hot, view)


async def test_canceling_one_side(doors: Doors) -> None:
    bids = await placed(doors)
    asks = await placed(doors, side="sell", price="26000.00")
    others = await placed(doors, side="sell", price="3000.00", symbol="ETH-USDT")
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    hot = await doors.hot.delete(f"{ORDERS}?side=sell&symbol=BTC-USDT", headers=headers)
    assert hot.json() == {"canceled": asks}
    view = await doors.view.delete(f"{ORDERS}?side=sell", headers=headers)
    assert view.json() == {"canceled": others}
    for query in ("?side=", "?side=SELL", "?side=both", "?side=%00", "?side=sell&side=x"):
        hot, view = await doors.both("DELETE", ORDERS + query)
        assert hot.status_code == 400
        assert_same(hot, view)
    assert (await doors.hot.delete(f"{ORDERS}?side=buy", headers=headers)).json() == {
        "canceled": bids
    }


async def test_paths_below_orders_that_are_no_orders_go_on_to_django(doors: Doors) -> None:
    names = [str(route.pattern) for route in api_urls.urlpatterns]
    others = [f"/api/v1/{name}" for name in names if name.startswith("orders/") and "<" not in name]
    assert len(others) == 4
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    client = httpx.AsyncClient(
        transport=transport(fast(django_application)), base_url="http://localhost", headers=headers
    )
    for path in others:
        for method in ("DELETE", "PATCH", "PUT"):
            assert (await client.request(method, path)).status_code == 405, (method, path)
        assert (await client.post(path, json={"no": "such"})).status_code == 400
    order_id, _ = await placed(doors)
    amended = await client.patch(f"{ORDERS}/{order_id}", json={"quantity": "0.5"})
    assert (amended.status_code, amended.json()["quantity"]) == (200, "0.50000")
    await client.aclose()


async def test_bad_tokens(doors: Doors) -> None:
    for token in ("nonsense", "", "a.b.c", doors._tokens[ALICE] + "x"):
        headers = {"Authorization": f"Bearer {token}"}
        hot, view = await doors.both("POST", ORDERS, json=fields(), headers=headers)
        assert hot.status_code == 401
        assert_same(hot, view)


async def withdraw_trading(account_id: int) -> None:
    user = await User.objects.aget(pk=account_id)
    await user.groups.aclear()
    forget_everything()


async def test_who_may_not_trade_places_nothing(doors: Doors, venue: Venue) -> None:
    await withdraw_trading(ALICE)
    for request_ in ({"json": fields()}, raw(b"{"), raw(b" " * 65_537)):
        hot, view = await doors.both("POST", ORDERS, **request_)
        assert (hot.status_code, hot.json()["error"]["code"]) == (403, "permission_denied")
        assert "may look but not trade" in hot.json()["error"]["message"]
        assert_same(hot, view)
    assert not [command for command in venue.commands if isinstance(command, PlaceOrder)]


async def test_who_may_not_trade_any_more_still_cancels(doors: Doors) -> None:
    first, second = await placed(doors)
    rest = await placed(doors)
    await withdraw_trading(ALICE)
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    hot = await doors.hot.delete(f"{ORDERS}/{first}", headers=headers)
    view = await doors.view.delete(f"{ORDERS}/{second}", headers=headers)
    assert hot.status_code == 200
    assert_same(hot, view)
    assert (await doors.hot.delete(ORDERS, headers=headers)).json() == {"canceled": rest}


async def test_a_superuser_and_one_with_the_permission_itself_trade(doors: Doors) -> None:
    await withdraw_trading(ALICE)
    await withdraw_trading(BOB)
    await User.objects.filter(pk=ALICE).aupdate(is_superuser=True)
    permission = await Permission.objects.aget(codename="trade", content_type__app_label="accounts")
    bob = await User.objects.aget(pk=BOB)
    await bob.user_permissions.aadd(permission)
    for account in (ALICE, BOB):
        hot, view = await doors.both("POST", ORDERS, account=account, json=fields())
        assert hot.status_code == 201
        assert_same(hot, view)


@pytest.mark.parametrize("error", [EngineUnavailable(), OutcomeUnknown()])
async def test_an_engine_that_is_away(doors: Doors, venue: Venue, error: Exception) -> None:
    venue.down = error  # type: ignore[assignment]
    hot, view = await doors.both("POST", ORDERS, json=fields())
    assert (hot.status_code, hot.headers["retry-after"]) == (503, "1")
    assert_same(hot, view)
    assert_same(*await doors.both("DELETE", f"{ORDERS}/1"))
    assert_same(*await doors.both("DELETE", ORDERS))


async def test_too_many_orders(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_placements", RateLimit(2, clock=lambda: 0.0))
    await doors.both("POST", ORDERS, json=fields())
    hot, view = await doors.both("POST", ORDERS, json=fields())
    assert (hot.status_code, hot.headers["retry-after"]) == (429, "1")
    assert_same(hot, view)


async def test_a_bug_is_logged_and_answered(
    doors: Doors, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    venue.down = ZeroDivisionError()  # type: ignore[assignment]
    headers = {"Authorization": f"Bearer {doors._tokens[ALICE]}"}
    answer = await doors.hot.post(ORDERS, json=fields(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
    assert "ZeroDivisionError" in caplog.text


async def test_request_ids(doors: Doors) -> None:
    hot, view = await doors.both("POST", ORDERS, json={}, headers={"X-Request-ID": "given-id-1"})
    assert hot.headers["x-request-id"] == view.headers["x-request-id"] == "given-id-1"
    hot, _ = await doors.both("POST", ORDERS, json={}, headers={"X-Request-ID": "<script>"})
    assert len(hot.headers["x-request-id"]) == 32


async def test_a_large_body_is_refused_unread() -> None:
    read = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * 40_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    class Routes(OrderRoutes):
        async def _account_of(self, method: str, headers: dict[bytes, bytes]) -> int:
            return ALICE

    for length, reads in ((b"10000000", 0), (b"", 2)):
        read = 0
        sent.clear()
        scope = {
            "type": "http",
            "method": "POST",
            "path": ORDERS,
            "query_string": b"",
            "headers": [
                (b"authorization", b"Bearer x"),
                (b"content-type", b"application/json"),
                (b"content-length", length),
            ],
        }
        await Routes(unreachable, bind_request_id=bind_request_id, error_parts=error_parts)(
            scope, receive, send
        )
        assert (sent[0]["status"], read) == (413, reads)
        assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", ORDERS, {"Authorization": "Bearer x"}),
        ("POST", ORDERS, {"Content-Type": "application/json"}),
        ("POST", ORDERS, {"Content-Type": "text/plain", "Authorization": "Bearer x"}),
        ("POST", ORDERS, {"Authorization": "Bearer x"}),
        ("POST", ORDERS, {"Content-Type": "application/json", "Authorization": "Basic x"}),
        ("POST", f"{ORDERS}/1", {"Content-Type": "application/json", "Authorization": "Bearer x"}),
        ("DELETE", ORDERS, {"Authorization": "Bearer x", "Accept": "text/html"}),
        ("DELETE", f"{ORDERS}x", {"Authorization": "Bearer x"}),
        ("GET", "/markets/", {}),
    ],
)
async def test_the_rest_goes_on_to_django(method: str, path: str, headers: dict[str, str]) -> None:
    async def django(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with httpx.AsyncClient(
        transport=transport(fast(django)), base_url="http://localhost"
    ) as client:
        assert (await client.request(method, path, headers=headers)).status_code == 299
