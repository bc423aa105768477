"""Fields of an order that no order may have."""

import json

import httpx
import pytest

from tests.integration.bad_input.answers import JSON, ORDER, ORDERS, check_refused
from tests.integration.bad_input.values import NUMBERS, SCRIPT, TEXTS, with_raw

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("field", sorted(ORDER))
def test_hostile_text_in_an_order(client: httpx.Client, field: str) -> None:
    for name, text in {**TEXTS, "empty": ""}.items():
        if (field, name) == ("client_order_id", "path"):
            continue  # Made of characters that a client order id may have.
        body = with_raw(ORDER, field, json.dumps(text))
        check_refused(client.post(ORDERS, content=body, headers=JSON), 400, 404)


@pytest.mark.parametrize("field", sorted(ORDER))
def test_wrong_types_in_an_order(client: httpx.Client, field: str) -> None:
    for raw in ("1", "1.5", "true", "null", "[]", "{}", '["limit"]', '{"limit": 1}', "NaN"):
        check_refused(
            client.post(ORDERS, content=with_raw(ORDER, field, raw), headers=JSON), 400, 404
        )


@pytest.mark.parametrize("field", ["price", "quantity"])
@pytest.mark.parametrize("raw", NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_that_are_none(client: httpx.Client, field: str, raw: str) -> None:
    if (field, raw) == ("quantity", '"' + "9" * 19 + '"'):
        return check_refused_by_a_rule(client, with_raw(ORDER, field, raw))
    response = client.post(ORDERS, content=with_raw(ORDER, field, raw), headers=JSON)
    error = check_refused(response, 400)
    assert error.get("field", field) == field
    return None


def check_refused_by_a_rule(client: httpx.Client, body: bytes) -> None:
    check_refused(client.post(ORDERS, content=body, headers=JSON), 400, 422)


@pytest.mark.parametrize("missing", ["symbol", "side", "type", "price", "quantity"])
def test_a_missing_field_is_named(client: httpx.Client, missing: str) -> None:
    fields = {name: value for name, value in ORDER.items() if name != missing}
    error = check_refused(client.post(ORDERS, json=fields), 400)
    assert (error["code"], error["field"]) == ("required", missing)


def test_unknown_and_repeated_fields(client: httpx.Client) -> None:
    check_refused(client.post(ORDERS, json={**ORDER, "account_id": 1}), 400)
    check_refused(client.post(ORDERS, json={**ORDER, SCRIPT: "x"}), 400)
    check_refused(client.post(ORDERS, json={**ORDER, "__proto__": {}}), 400)
    doubled = json.dumps(ORDER).encode()[:-1] + b', "quantity": "0.002"}'
    assert check_refused(client.post(ORDERS, content=doubled, headers=JSON), 400)["code"] == (
        "malformed_json"
    )
