"""Bodies that are no request: malformed, of another type, or far too large."""

import json
import socket

import httpx
import pytest

from tests.integration.bad_input.answers import CHANGES, JSON, ORDER, ORDERS, check_refused
from tests.integration.bad_input.values import BODIES, with_raw
from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow

ANSWER_TIMEOUT_S = 60.0
POSTS = (
    ORDERS,
    *(path for method, path, _ in CHANGES.values() if method == "POST"),
    "/api/v1/signup",
    "/api/v1/signin",
    "/api/v1/token/refresh",
)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_bodies_that_are_no_request(client: httpx.Client, path: str, body: bytes) -> None:
    check_refused(client.post(path, content=body, headers=JSON), 400)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/jsonp",
        "x",
        "",
    ],
)
def test_wrong_content_types(client: httpx.Client, path: str, content_type: str) -> None:
    body = json.dumps(ORDER).encode()
    headers = {"Content-Type": content_type}
    check_refused(client.post(path, content=body, headers=headers), 400, 415)


def raw_answer(venue: EmbeddedVenue, head: str, body: bytes) -> bytes:
    """What the server says to a request that is not sent to its end."""
    address = ("127.0.0.1", venue.port)
    with socket.create_connection(address, timeout=ANSWER_TIMEOUT_S) as connection:
        connection.sendall(head.encode() + body)
        return connection.recv(65_536)


@pytest.mark.parametrize("path", POSTS)
def test_a_huge_body_is_refused_before_it_has_come(
    client: httpx.Client, venue: EmbeddedVenue, token: str, path: str
) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\n"
    )
    announced = f"{head}Content-Length: {10 * 2**20}\r\n\r\n"
    assert b" 413 " in raw_answer(venue, announced, b"x" * 100_000).partition(b"\r\n")[0]
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n"
    chunks = (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 3
    assert b" 413 " in raw_answer(venue, chunked, chunks).partition(b"\r\n")[0]
    assert client.get("/api/v1/time").status_code == 200


def test_ten_megabytes_sent_whole(client: httpx.Client) -> None:
    """A client that sends on may get the answer or a closed connection, and never a 5xx."""
    body = with_raw(ORDER, "symbol", json.dumps("A" * 10 * 2**20))
    try:
        response = client.post(ORDERS, content=body, headers=JSON)
    except httpx.TransportError:
        return
    check_refused(response, 413)
