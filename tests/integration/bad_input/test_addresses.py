"""Addresses, methods and parameters that there are not: every one of the API's schema."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from tests.integration.bad_input.answers import check_refused
from tests.integration.bad_input.feed import FEED_ID
from tests.integration.bad_input.values import TEXTS
from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
VALUES = {"symbol": "BTC-USDT", "id": "1", "feed_id": FEED_ID}
"""Good values of path parameters."""
NUMBERS = ("-1", "0", "1.5", "1e3", "NaN", "9" * 30, "\u0663")


@pytest.fixture(scope="package")
def paths(venue: EmbeddedVenue, feed: str) -> dict[str, Any]:
    """By path of the documented API: its operations by method."""
    document = yaml.safe_load(httpx.get(f"{venue.url}/api/schema/", timeout=60).text)
    found: dict[str, Any] = document["paths"]
    assert len(found) > 15
    return found


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def parameters(operations: dict[str, Any], place: str) -> list[str]:
    found = operations.get("get", {}).get("parameters", [])
    return [parameter["name"] for parameter in found if parameter["in"] == place]


def test_hostile_path_parameters(client: httpx.Client, paths: dict[str, Any]) -> None:
    for path, operations in paths.items():
        for name in parameters(operations, "path"):
            for text in TEXTS.values():
                address = path.replace(f"{{{name}}}", encoded(text))
                check_refused(client.get(address), 400, 404, 414)
                if "delete" in operations:
                    check_refused(client.delete(address), 400, 404, 414)


def test_hostile_query_parameters(client: httpx.Client, paths: dict[str, Any]) -> None:
    for path, operations in paths.items():
        address = path.format(**VALUES) if "{id}" not in path else path
        for name in parameters(operations, "query"):
            for text in TEXTS.values():
                response = client.get(f"{address}?{name}={encoded(text)}")
                check_refused(response, 400, 404, 414)


def test_numbers_in_query_parameters(client: httpx.Client, paths: dict[str, Any]) -> None:
    for path, operations in paths.items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter["in"] != "query":
                continue
            for number in NUMBERS:
                query = f"{parameter['name']}={encoded(number)}"
                response = client.get(f"{path.format(**VALUES)}?{query}")
                if response.status_code != 200:
                    check_refused(response, 400, 404)
                else:
                    schema = parameter["schema"]
                    takes_whole = schema.get("type") == "integer" or "oneOf" in schema
                    assert not takes_whole or number == "0", query


def test_methods_that_an_address_does_not_have(client: httpx.Client, paths: dict[str, Any]) -> None:
    for path, operations in paths.items():
        for method in METHODS:
            if method.lower() not in operations:
                response = client.request(method, path.format(**VALUES))
                check_refused(response, 405)
                assert response.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nope",
        "/api/v1/orders/",
        "/api/v1/orders/1/",
        "/api/v1/orders/1/fills",
        "/api/v1/ordersx",
        "/api/v1/balances/",
        "/api/v1/markets/BTC-USDT/",
        "/api/v1/markets/BTC-USDT/nope",
        "/api/v1//orders",
        "/api/v1/ORDERS",
        "/api/v2/orders",
        "/api/%2e%2e/admin",
        "/api/v1/orders%00",
        "/api/" + "a" * 5_000,
    ],
)
def test_addresses_that_there_are_not(client: httpx.Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = client.request(method, path)
        check_refused(response, 400, 404, 405, 415)


def test_headers_that_no_client_sends(client: httpx.Client) -> None:
    for headers in (
        {"X-Request-ID": "a" * 5_000},
        {"X-Request-ID": '"><script>'},
        {"Accept": "text/html"},
        {"Accept": "x"},
        {"Accept": ""},
        {"Cookie": "sessionid=" + "x" * 4_000},
        {"Cookie": "=;=;\xff".encode("latin-1")},
        {"X-Forwarded-For": "'; DROP TABLE x; --"},
        {"Accept-Language": "x" * 4_000},
        {"Accept-Encoding": "zip-bomb"},
        {"Range": "bytes=0-0,-1"},
    ):
        response = client.get("/api/v1/markets", headers=headers)  # type: ignore[arg-type]
        if response.status_code != 200:
            check_refused(response)
    response = client.get("/api/v1/markets", headers={"Host": "evil.example"})
    check_refused(response, 400)
