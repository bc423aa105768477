"""Redis and PostgreSQL fail under load: order entry answers 503, then goes on by itself.

The flow notes every 5xx that is not a 503 with Retry-After in the error shape as a fault; the audit
compares every answer with the journal.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from config.private_services import PrivateServiceError
from tests.conftest import missing
from tests.crash.campaign import SNAPSHOT_EVERY, audit
from tests.crash.flow import FUNDS, Flow
from tests.crash.records import Claim
from tests.support.full_venue import FullVenue, Servers, full_venue, private_servers

pytestmark = [pytest.mark.slow, pytest.mark.services]

PATIENCE_S = 120.0
DEADLINE_S = 5.0
ENOUGH = 60
"""Acknowledgements that show that the venue works."""
SOME = 8
"""Answers that show that it does not."""


class Ground(NamedTuple):
    servers: Servers
    venue: FullVenue
    folder: Path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("outages")
    try:
        with private_servers() as servers:
            environment = {
                **servers.environment,
                "ENGINE_SNAPSHOT_EVERY": SNAPSHOT_EVERY,
                "COMMAND_DEADLINE_S": str(DEADLINE_S),
                "DEMO_FUNDS": FUNDS,
            }
            with full_venue(folder, **environment) as venue:
                yield Ground(servers, venue, folder)
                print(venue.log())
    except PrivateServiceError as error:
        missing(str(error))


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def load(ground: Ground, name: str) -> AsyncIterator[Flow]:
    """Order flow that works at the beginning and at the end; audited afterwards."""
    flow = Flow(ground.venue.url, seed=len(name), name=name, deadline_s=DEADLINE_S + 1)
    await flow.open()
    flow.run()
    await acknowledged(flow, ENOUGH)
    yield flow
    await acknowledged(flow, ENOUGH)
    await flow.pause()
    await flow.settle()
    await flow.check()
    await flow.close()
    report = await asyncio.to_thread(
        audit, flow, ground.folder, ground.venue.venue_environment, live=True
    )
    assert report["faults"] == [], flow.summary()


async def acknowledged(flow: Flow, more: int) -> None:
    before = flow.count(Claim.ACKNOWLEDGED)
    await until(lambda: flow.count(Claim.ACKNOWLEDGED) >= before + more, "orders are acknowledged")


async def refused(flow: Flow, more: int) -> None:
    """Until so many more orders were answered as not executed, or not answered."""
    before = flow.count(Claim.NOT_EXECUTED, Claim.UNKNOWN)
    await until(
        lambda: flow.count(Claim.NOT_EXECUTED, Claim.UNKNOWN) >= before + more,
        "orders are answered with 503",
    )


async def answer(ground: Ground, method: str, path: str, **arguments: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=ground.venue.url, timeout=PATIENCE_S) as client:
        return await client.request(method, path, **arguments)


async def test_redis_killed_and_started_empty(ground: Ground) -> None:
    async with load(ground, "redis") as flow:
        await asyncio.to_thread(ground.servers.redis.kill)
        await refused(flow, SOME)
        before = flow.count(Claim.ACKNOWLEDGED)
        await refused(flow, SOME)
        assert flow.count(Claim.ACKNOWLEDGED) == before, "acknowledged without a queue"
        assert flow.count(Claim.NOT_EXECUTED) > 0
        sign_in = {"username": "redis-0", "password": "not-the-password"}
        response = await answer(ground, "POST", "/api/v1/signin", json=sign_in)
        assert response.status_code == 503
        assert response.json()["error"]["code"]
        for path in ("/healthz", "/api/v1/markets", "/api/v1/markets/BTC-USDT/trades", "/markets/"):
            assert (await answer(ground, "GET", path)).status_code == 200, path
        assert (await answer(ground, "GET", "/readyz")).status_code == 503
        ground.servers.redis.start()


async def test_redis_flushed_again_and_again(ground: Ground) -> None:
    async with load(ground, "flush") as flow:
        with ground.servers.redis_client() as client:
            for _ in range(10):
                await acknowledged(flow, ENOUGH // 3)
                await asyncio.to_thread(client.flushall)
        assert flow.count(Claim.NOT_EXECUTED) == 0


async def test_postgres_stopped_and_started(ground: Ground) -> None:
    async with load(ground, "postgres") as flow:
        engine = ground.venue.pid_of("engine")
        await asyncio.to_thread(ground.servers.postgres.stop)
        await refused(flow, SOME)
        before = flow.count(Claim.ACKNOWLEDGED)
        await refused(flow, SOME)
        assert flow.count(Claim.ACKNOWLEDGED) == before, "acknowledged without a database"
        sign_in = {"username": "postgres-0", "password": "not-the-password"}
        response = await answer(ground, "POST", "/api/v1/signin", json=sign_in)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "database_unavailable"
        assert int(response.headers["retry-after"]) > 0
        assert (await answer(ground, "GET", "/healthz")).status_code == 200
        assert (await answer(ground, "GET", "/readyz")).status_code == 503
        ground.servers.postgres.start()
        await until(ground.venue.is_ready, "the venue is ready again")
        assert ground.venue.pid_of("engine") != engine, "the engine carried on"
