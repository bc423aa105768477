import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from config.access_log import AccessLog

Answer = Callable[[Any], Awaitable[None]]


def answering(status: int) -> Answer:
    async def answer(send: Any) -> None:
        headers = [(b"X-Request-ID", b"request-1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return answer


async def crashing(send: Any) -> None:
    raise RuntimeError("bug")


async def silent(send: Any) -> None:
    return


async def request(answer: Answer, *, method: str = "GET", path: str = "/markets/") -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await answer(send)

    async def ignore(message: Any) -> None:
        return

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": method, "path": path, "query_string": b"token=s3cret"}
    await AccessLog(application)(scope, receive, ignore)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="rialto.access")
    return caplog


async def test_a_request_has_one_line_without_its_query(log: Any) -> None:
    await request(answering(200))
    (record,) = log.records
    assert (record.method, record.path, record.status) == ("GET", "/markets/", 200)
    assert record.request_id == "request-1"
    assert record.duration_ms >= 0
    assert "s3cret" not in str(record.__dict__)


async def test_a_failure_of_the_venue_is_a_warning(log: Any) -> None:
    await request(answering(503))
    assert [record.levelname for record in log.records] == ["WARNING"]


async def test_a_crash_is_counted_as_500_and_goes_on_to_the_server(log: Any) -> None:
    with pytest.raises(RuntimeError):
        await request(crashing)
    assert [record.status for record in log.records] == [500]


async def test_a_client_that_went_away_has_its_own_status(log: Any) -> None:
    await request(silent)
    assert [record.status for record in log.records] == [499]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/orders", "/static/css/base.css"])
async def test_a_busy_path_is_quiet_when_all_is_well_and_not_when_refused(
    log: Any, path: str
) -> None:
    await request(answering(200), path=path)
    assert not log.records
    await request(answering(422), path=path)
    assert [record.status for record in log.records] == [422]


async def test_made_up_methods_share_one_label() -> None:
    labels = {"method": "OTHER", "status": "405"}

    def count() -> float:
        return REGISTRY.get_sample_value("rialto_http_requests_total", labels) or 0

    before = count()
    await request(answering(405), method="BREW")
    await request(answering(405), method="STEEP")
    assert count() == before + 2
