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
STOP = {
    "symbol": "BTC-USDT",
    "side": "sell",
    "type": "stop_market",
    "stop_price": "1000.00",
    "quantity": "0.001",
}
NOBODYS = "client:nobody-s"
CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "amend": ("PATCH", f"{ORDERS}/{NOBODYS}", {"price": "60000.00"}),
    "replacement": ("POST", f"{ORDERS}/replacements", {"id": NOBODYS, "order": ORDER}),
    "list": ("POST", f"{ORDERS}/lists", {"kind": "oco", "orders": [ORDER, STOP]}),
    "batch": (
        "POST",
        f"{ORDERS}/batches",
        {"commands": [{"amend": {"id": NOBODYS, "price": "1.00"}}], "all_or_nothing": True},
    ),
    "switch": ("POST", f"{ORDERS}/cancel-all-after", {"timeout_ms": 1}),
}
"""Method, path and body of requests that change several orders, or those that there are; each is
refused: by the engine, or because the order is not there, or both legs would sell."""
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
