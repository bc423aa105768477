import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient, Client

from config import health
from orderbook.gateway import gateway as gateway_module
from orderbook.models import JournalBatch


class FakeGateway:
    def __init__(self, loop: Any, *, alive: bool) -> None:
        self.loop = loop
        self._alive = alive

    async def engine_alive(self) -> bool:
        return self._alive


@pytest.fixture
async def set_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(health, "_readiness", health.Readiness())
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 60.0)

    def set_alive(alive: bool) -> None:
        monkeypatch.setattr(gateway_module, "_gateway", FakeGateway(loop, alive=alive))

    return set_alive


def test_the_process_is_alive_without_a_database() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_watching_takes_no_other_method(path: str) -> None:
    response = Client(enforce_csrf_checks=True).post(path)
    assert response.status_code == 405


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_ready_when_every_part_answers(set_engine: Callable[[bool], None]) -> None:
    set_engine(True)
    response = await AsyncClient().get("/readyz")
    assert response.status_code == 200, response.content
    parts = response.json()["parts"]
    assert set(parts) == {"database", "journal", "engine", "channel_layer"}
    assert {part["status"] for part in parts.values()} == {"ok"}
    assert parts["journal"]["projector_lag_commands"] == 0


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
@pytest.mark.parametrize(("age_s", "status"), [(1, "ok"), (60, "slow")])
async def test_tables_that_stand_still_are_told_however_little_waits(
    set_engine: Callable[[bool], None], age_s: int, status: str
) -> None:
    set_engine(True)
    await JournalBatch.objects.acreate(
        first_sequence=1,
        last_sequence=1,
        epoch=1,
        time_ns=time.time_ns() - age_s * 10**9,
        payload=b"",
        checksum=b"",
    )
    response = await AsyncClient().get("/readyz")
    part = response.json()["parts"]["journal"]
    assert part["status"] == status
    assert age_s <= part["projector_lag_s"] < age_s + 20
    assert response.status_code == 200


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_not_ready_without_an_engine(set_engine: Callable[[bool], None]) -> None:
    set_engine(False)
    response = await AsyncClient().get("/readyz")
    assert response.status_code == 503
    body = response.json()
    assert body["status"] == "not ready"
    assert body["parts"]["engine"] == {"status": "failed", "reason": "the engine does not answer"}
    assert body["parts"]["database"]["status"] == "ok"


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_not_ready_without_a_database_and_no_address_is_told(
    set_engine: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, Any]:
        raise ConnectionError("postgres://rialto:s3cret@db")

    set_engine(True)
    monkeypatch.setattr(health, "_check_database", broken)
    response = await AsyncClient().get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["database"]["reason"] == "ConnectionError"
    assert b"s3cret" not in response.content


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "172.20.0.5"])
def test_machines_of_this_network_read_metrics(address: str) -> None:
    response = Client().get("/metrics", REMOTE_ADDR=address)
    assert response.status_code == 200
    for name in (
        "rialto_orders_total",
        "rialto_rejects_total",
        "rialto_engine_command_seconds",
        "rialto_engine_queue_depth",
        "rialto_journal_commit_seconds",
        "rialto_projector_lag_commands",
        "rialto_sockets",
    ):
        assert f"# HELP {name} " in response.text


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", ""])
def test_strangers_do_not_read_metrics(address: str) -> None:
    response = Client().get("/metrics", REMOTE_ADDR=address)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "permission_denied"


def test_a_request_through_a_proxy_is_not_of_this_network() -> None:
    response = Client().get(
        "/metrics", headers={"X-Forwarded-For": "8.8.8.8"}, REMOTE_ADDR="127.0.0.1"
    )
    assert response.status_code == 403


def test_with_a_token_only_its_holder_reads_metrics(settings: Any) -> None:
    settings.METRICS_TOKEN = "a-long-token"
    assert Client().get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403
    wrong = Client().get("/metrics", headers={"Authorization": "Bearer é"}, REMOTE_ADDR="127.0.0.1")
    assert wrong.status_code == 403
    right = Client().get(
        "/metrics", headers={"Authorization": "Bearer a-long-token"}, REMOTE_ADDR="8.8.8.8"
    )
    assert right.status_code == 200


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_metrics_tell_the_tables_lag_while_no_projector_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 60.0)
    await JournalBatch.objects.acreate(
        first_sequence=1,
        last_sequence=3,
        epoch=1,
        time_ns=time.time_ns() - 60 * 10**9,
        payload=b"",
        checksum=b"",
    )
    lines = (await AsyncClient().get("/metrics")).content.decode().splitlines()
    numbers = dict(line.split(" ") for line in lines if line.startswith("rialto_projector_lag"))
    assert float(numbers["rialto_projector_lag_commands"]) == 3
    assert float(numbers["rialto_projector_lag_seconds"]) >= 60
