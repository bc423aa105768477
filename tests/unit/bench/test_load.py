"""The load generator's client reads every answer whole, and its percentiles are exact."""

import asyncio

import pytest

from bench.load import (
    Address,
    Connection,
    Latencies,
    connect,
    error_code,
    request_head,
    with_body,
    without_body,
)
from tests.unit.bench.fake_venue import HANG_UP, Reply, Request, Script, fake_venue

ORDER = {"symbol": "BTC-USDT"}


async def ask(script: Script, requests: int = 1) -> list[tuple[int, bytes]]:
    """What one connection is answered to requests one after another."""
    answers: list[tuple[int, bytes]] = []
    done = asyncio.Event()

    def answered(connection: Connection, status: int, body: bytes) -> None:
        assert connection.latency_s > 0
        answers.append((status, body))
        if len(answers) == requests:
            done.set()
        else:
            connection.send(request)

    async with fake_venue(script) as address:
        head = request_head(address, "POST", "/api/v1/orders", {"authorization": "Bearer t"})
        request = with_body(head, b'{"symbol":"BTC-USDT"}')
        connection = await connect(address, answered, lambda lost: done.set())
        connection.send(request)
        async with asyncio.timeout(60):
            await done.wait()
        connection.close()
    return answers


@pytest.mark.parametrize("pieces", [1, 2, 7, 60])
async def test_an_answer_is_whole_however_it_is_cut(pieces):
    asked: list[Request] = []

    def script(request: Request) -> Reply:
        asked.append(request)
        return Reply(201, {"id": "1", "status": "open"}, pieces)

    answers = await ask(script, requests=3)
    assert answers == [(201, b'{"id":"1","status":"open"}')] * 3
    assert asked == [Request("POST", "/api/v1/orders", ORDER)] * 3


async def test_a_lost_connection_is_told():
    assert await ask(lambda request: HANG_UP) == []


def test_a_request_without_a_body_ends_after_its_headers():
    head = request_head(Address("127.0.0.1", 80), "DELETE", "/x", {"a": "b"})
    assert without_body(head) == b"DELETE /x HTTP/1.1\r\nhost: 127.0.0.1:80\r\na: b\r\n\r\n"


@pytest.mark.parametrize("url", ["https://127.0.0.1", "127.0.0.1:8000", "http://"])
def test_only_plain_http_addresses_are_taken(url):
    with pytest.raises(ValueError, match="not an address"):
        Address.of(url)


def test_an_address_has_a_port_of_its_own_or_the_usual_one():
    assert Address.of("http://localhost:8123/x") == ("localhost", 8123)
    assert Address.of("http://localhost") == ("localhost", 80)


def test_percentiles_are_samples_by_nearest_rank():
    latencies = Latencies()
    for milliseconds in range(1, 101):
        latencies.add(milliseconds / 1000)
    assert latencies.summary_ms() == {
        "p50_ms": 50.0,
        "p99_ms": 99.0,
        "p999_ms": 100.0,
        "max_ms": 100.0,
    }
    both = Latencies.merged([latencies, latencies])
    assert len(both) == 200
    assert both.summary_ms()["p50_ms"] == 50.0


def test_no_samples_give_zeros():
    assert set(Latencies().summary_ms().values()) == {0.0}


def test_the_code_of_a_refusal_is_read_from_the_error_shape():
    assert error_code(b'{"error":{"code":"rate_limited","message":"x"}}') == "rate_limited"
    for body in (b"", b"[]", b"<html>", b'{"error":1}'):
        assert error_code(body) == "unreadable_answer"
