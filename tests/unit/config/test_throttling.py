"""The rate of the REST API: counted by user or address, told in the venue's error shape."""

import pytest
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import User
from accounts.tokens import issue_tokens
from config import throttling

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture(autouse=True)
def two_requests_a_minute(settings):
    settings.RATELIMIT_ENABLE = True
    settings.API_RATES = {"user": "2/m", "address": "2/m"}
    cache.clear()
    yield
    cache.clear()


def test_one_request_too_many_is_told_when_to_come_again(client: Client):
    answers = [client.get("/api/v1/time") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 61
    error = answers[-1].json()["error"]
    assert error["code"] == "throttled"
    assert error["request_id"]


def test_users_are_counted_apart_from_their_address(client: Client):
    users = [
        User.objects.create_user(name, f"{name}@example.com", "a-long-passphrase")
        for name in ("carol", "dave")
    ]
    for user in users:
        headers = {"Authorization": f"Bearer {issue_tokens(user).access}"}
        codes = [client.get("/api/v1/me", headers=headers).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
    assert client.get("/api/v1/time").status_code == 200


def test_nobody_is_turned_away_because_the_counters_are_away(client: Client, monkeypatch):
    def away(*args: object, **kwargs: object) -> None:
        raise RedisConnectionError("connection refused")

    monkeypatch.setattr(throttling, "get_usage", away)
    away.ALL = "ALL"  # type: ignore[attr-defined]
    assert [client.get("/api/v1/time").status_code for _ in range(3)] == [200, 200, 200]


def test_an_address_that_a_client_makes_up_counts_as_its_own(client: Client):
    codes = [
        client.get("/api/v1/time", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
        for n in range(3)
    ]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize(("rate", "status"), [("2/m", 200), ("0/m", 429)])
def test_nobody_is_turned_away_because_a_counter_vanished(
    client: Client, monkeypatch, settings, rate: str, status: int
):
    """Redis was flushed between the two steps of counting. A rate of 0 lets nobody through."""
    settings.API_RATES = {"user": rate, "address": rate}

    def vanished(key: str) -> int:
        raise ValueError(f"Key '{key}' not found.")

    client.get("/api/v1/time")
    if status == 200:
        monkeypatch.setattr(cache, "incr", vanished)
    assert client.get("/api/v1/time").status_code == status
