"""Callers who are not who they say, or ask for what is not theirs."""

import base64
import time
from typing import Any

import httpx
import jwt
import pytest

from tests.integration.bad_input.answers import CHANGES, ORDER, ORDERS, check_refused
from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow


def bad_tokens(venue: EmbeddedVenue, good: str) -> dict[str, str]:
    key = (venue.data_dir / "secret-key").read_text()
    claims = jwt.decode(good, options={"verify_signature": False})
    head, payload, signature = good.split(".")
    no_algorithm = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()

    def signed(key_: str = key, **changes: Any) -> str:
        return jwt.encode({**claims, **changes}, key_, algorithm="HS256")

    assert jwt.decode(signed(), key, algorithms=["HS256"]) == claims, "the venue's own key"
    return {
        "none": f"{no_algorithm}.{payload}.",
        "none, signed": f"{no_algorithm}.{payload}.{signature}",
        "foreign key": signed("another-key-of-sufficient-length-0123456789"),
        "expired": signed(exp=int(time.time()) - 10),
        "no expiry": jwt.encode(
            {name: value for name, value in claims.items() if name != "exp"}, key, "HS256"
        ),
        "refresh": signed(token_type="refresh"),
        "nobody": signed(user_id="999999999"),
        "huge user": signed(user_id="9" * 40),
        "negative user": signed(user_id="-1"),
        "sql user": signed(user_id="1 OR 1=1"),
        "list user": signed(user_id=[2]),
        "other password": signed(hash_password="0" * 32),
        "garbled": good[:-5] + "AAAAA",
        "cut": good[:40],
        "two parts": f"{head}.{payload}",
        "text": "not-a-token",
        "dots": "..",
        "long": "a" * 8_000,
        "bytes": "\xff\xfe",
    }


def test_tokens_that_are_none(venue: EmbeddedVenue, token: str, client: httpx.Client) -> None:
    requests = [
        ("POST", ORDERS),
        ("GET", ORDERS),
        ("DELETE", ORDERS),
        ("GET", f"{ORDERS}/1"),
        ("DELETE", f"{ORDERS}/1"),
        *((method, path) for method, path, _ in CHANGES.values()),
        ("GET", "/api/v1/balances"),
        ("GET", "/api/v1/me"),
    ]
    for name, bad in bad_tokens(venue, token).items():
        for method, path in requests:
            headers = {"Authorization": f"Bearer {bad}".encode("latin-1")}
            body = ORDER if method in ("POST", "PATCH") else None
            response = client.request(method, path, json=body, headers=headers)  # type: ignore[arg-type]
            assert response.status_code == 401, (name, method, path, response.text[:300])
            check_refused(response, 401)
            assert response.headers["www-authenticate"].startswith("Bearer")
    for scheme in ("Basic YTpi", "Bearer", "Digest x", "Token x"):
        check_refused(client.get(ORDERS, headers={"Authorization": scheme}), 401)


def test_another_traders_order_does_not_exist(venue: EmbeddedVenue, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    client = httpx.Client(base_url=venue.url, headers=headers, timeout=60)
    headers = {"Authorization": f"Bearer {venue.token('bob')}"}
    with httpx.Client(base_url=venue.url, headers=headers, timeout=60) as bob:
        placed = bob.post(ORDERS, json={**ORDER, "client_order_id": "of-bob"}).json()
        for name in (placed["id"], "client:of-bob", 2**63 - 1, 2**63, 10**30, 0):
            check_refused(client.get(f"{ORDERS}/{name}"), 404)
            check_refused(client.delete(f"{ORDERS}/{name}"), 404)
            check_refused(client.patch(f"{ORDERS}/{name}", json={"quantity": "0.0005"}), 404)
            replacement = {"id": str(name), "order": ORDER}
            check_refused(client.post(f"{ORDERS}/replacements", json=replacement), 404)
            commands = [{"cancel": str(name)}, {"amend": {"id": str(name), "quantity": "0.0005"}}]
            for command in commands:
                batch = {"commands": [command], "all_or_nothing": True}
                check_refused(client.post(f"{ORDERS}/batches", json=batch), 404, 422)
            answer = client.post(f"{ORDERS}/batches", json={"commands": commands}).json()
            assert [one["error"]["code"] for one in answer["results"]] == ["unknown_order"] * 2
        assert (
            client.get("/api/v1/fills", params={"order_id": placed["id"]}).json()["results"] == []
        )
        assert bob.delete(f"{ORDERS}/{placed['id']}").status_code == 200
