"""What the venue must answer to bad input."""

from typing import Any

import httpx

ORDERS = "/api/v1/orders"
ORDER = {
    "symbol": "BTC-USDT",
    "side": "buy",
    "type": "limit",
    "price": "60000.00",
    "quantity": "0.001",
    "client_order_id": "never-placed",
}
JSON = {"Content-Type": "application/json"}


def check_refused(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    """A 4xx (one of these, where given) in the error shape; returns the error."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:500])
    if statuses:
        assert response.status_code in statuses, response.text[:500]
    assert response.headers["content-type"].partition(";")[0] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert (
        {"code", "message", "request_id"}
        <= set(error)
        <= {
            "code",
            "message",
            "field",
            "request_id",
        }
    )
    assert error["code"]
    assert error["message"]
    assert error["request_id"] == response.headers["x-request-id"]
    return error
