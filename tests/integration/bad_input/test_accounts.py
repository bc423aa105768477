"""Signing up and in with what no name, address, password or token is."""

import json
import sqlite3

import httpx
import pytest

from tests.integration.bad_input.answers import JSON, check_refused
from tests.integration.bad_input.values import TEXTS, with_raw
from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow

SIGN_UP = {"username": "mallory", "email": "mallory@example.com", "password": "a-Quiet-harbour-7"}
FORMS = {
    "/api/v1/signin": {"username": "alice", "password": "wrong"},
    "/api/v1/token/refresh": {"refresh": "x"},
    "/api/v1/notifications/read": {"up_to": "0"},
}
RAW = ("1", "1.5", "true", "null", "[]", "{}", '["alice"]', '""', '" "')


def user_count(venue: EmbeddedVenue) -> int:
    path = venue.data_dir / "venue.sqlite3"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(database.execute("SELECT count(*) FROM accounts_user").fetchone()[0])
    finally:
        database.close()


@pytest.mark.parametrize("field", ["username", "email"])
def test_names_and_addresses_that_are_none(
    venue: EmbeddedVenue, client: httpx.Client, field: str
) -> None:
    before = user_count(venue)
    for raw in (*RAW, *map(json.dumps, TEXTS.values())):
        body = with_raw(SIGN_UP, field, raw)
        check_refused(client.post("/api/v1/signup", content=body, headers=JSON), 400)
    assert user_count(venue) == before


def test_passwords_that_are_none(venue: EmbeddedVenue, client: httpx.Client) -> None:
    before = user_count(venue)
    hostile = (TEXTS["nul"], TEXTS["surrogate"], TEXTS["long"], "short", "12345678901", "password")
    for raw in (*RAW, *map(json.dumps, hostile)):
        body = with_raw(SIGN_UP, "password", raw)
        check_refused(client.post("/api/v1/signup", content=body, headers=JSON), 400)
    for field in SIGN_UP:
        fields = {name: value for name, value in SIGN_UP.items() if name != field}
        check_refused(client.post("/api/v1/signup", json=fields), 400)
    assert user_count(venue) == before


@pytest.mark.parametrize("path", FORMS)
def test_other_forms(client: httpx.Client, path: str) -> None:
    for field in FORMS[path]:
        for raw in (*RAW, *map(json.dumps, TEXTS.values())):
            body = with_raw(FORMS[path], field, raw)
            check_refused(client.post(path, content=body, headers=JSON), 400, 401)


def test_a_name_that_is_taken(client: httpx.Client) -> None:
    for name in ("alice", "ALICE", "Alice"):
        check_refused(client.post("/api/v1/signup", json={**SIGN_UP, "username": name}), 409)
