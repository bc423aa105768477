"""Fields of an order that no order may have."""

import json

import httpx
import pytest

from tests.integration.bad_input.answers import CHANGES, JSON, ORDER, ORDERS, check_refused
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


OPTIONS: dict[str, dict[str, str | None]] = {
    "stop_price": {"type": "stop_limit"},
    "trailing_distance": {"type": "trailing_stop", "price": None},
    "display_quantity": {},
    "quote_quantity": {"type": "market", "price": None, "quantity": None},
    "post_only": {},
    "self_trade_prevention": {},
    "expires_at": {"time_in_force": "GTD"},
    "time_in_force": {},
}
"""By option: what else makes an order that takes it."""
RAW = ("1", "1.5", "true", "null", "[]", "{}", '["limit"]', '{"limit": 1}', "NaN", "1e400")
MOMENTS = (
    "2030", "2030-01-01", "2030-01-01 00:00:00Z", "2030-01-01T00:00:00",
    "2030-01-01T00:00:00+02:00",
    "2030-02-30T00:00:00Z", "2030-01-01T24:00:01Z", "2030-01-01T00:00:60Z", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.1234567Z", "\uff12030-01-01T00:00:00Z",
    "2020-01-01T00:00:00Z", "1893456000", "2030-01-01T00:00:00Z\n", "+2030-01-01T00:00:00Z",
)  # fmt: skip
"""Not one of them is when an order may end."""


def with_option(option: str, raw: str) -> bytes:
    fields = {**ORDER, **OPTIONS[option]}
    return with_raw({name: value for name, value in fields.items() if value}, option, raw)


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_hostile_options(client: httpx.Client, option: str) -> None:
    texts = [json.dumps(text) for text in (*TEXTS.values(), "")]
    for raw in (*RAW, *texts):
        error = check_refused(
            client.post(ORDERS, content=with_option(option, raw), headers=JSON), 400
        )
        assert error.get("field", option) == option, raw


@pytest.mark.parametrize(
    "option", ["stop_price", "trailing_distance", "display_quantity", "quote_quantity"]
)
def test_options_that_are_no_numbers(client: httpx.Client, option: str) -> None:
    for raw in NUMBERS.values():
        response = client.post(ORDERS, content=with_option(option, raw), headers=JSON)
        check_refused(response, 400, 422)


def test_moments_at_which_no_order_ends(client: httpx.Client) -> None:
    for moment in MOMENTS:
        body = with_option("expires_at", json.dumps(moment))
        error = check_refused(client.post(ORDERS, content=body, headers=JSON), 400, 422)
        assert (error["code"], error["field"]) == ("invalid_expire_time", "expires_at"), moment


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_hostile_changes(client: httpx.Client, what: str) -> None:
    """Each value in the place of each of the request's own, and of those one level below."""
    method, path, body = CHANGES[what]
    check_refused(client.request(method, path, json=body), 400, 404, 409, 422)
    texts = [json.dumps(text) for text in (*TEXTS.values(), "")]
    for field in (*body, "no_such_field", "__proto__"):
        for raw in (
            *RAW,
            *texts,
            "-1",
            "9" * 30,
            json.dumps("9" * 41),
            "[1, 2]",
            "[[]]",
            "[{}, {}]",
        ):
            content = with_raw(body, field, raw)
            check_refused(
                client.request(method, path, content=content, headers=JSON), 400, 404, 409, 422
            )


ITEMS = (
    "null", "1", '"x"', "[]", "{}", '{"place": null}', '{"place": {}}', '{"place": [1]}',
    '{"amend": {}}', '{"amend": {"id": null}}', '{"amend": {"id": 1.5, "price": "1.00"}}',
    '{"amend": []}', '{"cancel": null}', '{"cancel": []}',
    '{"cancel": 1e3}', '{"cancel": true}', '{"cancel": "a\\u0000"}', '{"cancel": -1}',
    '{"cancel": "client:"}', '{"cancel": 1, "place": {}}', '{"cancel": 1, "cancel": 2}',
    '{"destroy": 1}', '{"": 1}', '{"<script>": 1}',
)  # fmt: skip
"""Not one of them is a command, whatever stands beside it."""


@pytest.mark.parametrize("all_or_nothing", ["true", "false"])
def test_what_is_no_command_refuses_its_whole_batch(
    client: httpx.Client, all_or_nothing: str
) -> None:
    good = json.dumps({"place": ORDER})
    for item in ITEMS:
        for items in (item, f"{good}, {item}", ", ".join([good] * 49 + [item])):
            body = f'{{"commands": [{items}], "all_or_nothing": {all_or_nothing}}}'
            error = check_refused(
                client.post(f"{ORDERS}/batches", content=body.encode(), headers=JSON), 400
            )
            assert error["code"] == "malformed_json" or error["field"].startswith("commands[")
    for count in (0, 51, 500):
        commands = [{"cancel": "1"}] * count
        error = check_refused(client.post(f"{ORDERS}/batches", json={"commands": commands}), 400)
        assert (error["code"], error["field"]) == ("invalid_batch", "commands")
