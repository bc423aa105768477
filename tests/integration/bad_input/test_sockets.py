"""Frames that are no message: an error or a close, and the venue goes on for everyone else."""

import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.integration.bad_input.values import BODIES, TEXTS
from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow

ANSWER_TIMEOUT_S = 60.0


def stream(venue: EmbeddedVenue, path: str = "/ws/stream") -> ClientConnection:
    url = venue.url.replace("http", "ws") + path
    return connect(url, open_timeout=ANSWER_TIMEOUT_S, max_size=2**24)


def check_close(closed: ConnectionClosed) -> None:
    """1011 would say that the venue made a mistake."""
    if closed.rcvd is not None and closed.rcvd.code == 1011:
        raise AssertionError(f"closed with {closed.rcvd}")


def check_error_or_close(venue: EmbeddedVenue, frame: str | bytes) -> None:
    with stream(venue) as socket:
        socket.send(frame)
        try:
            while True:
                answer = json.loads(socket.recv(ANSWER_TIMEOUT_S))
                if "error" in json.dumps(answer):
                    return
                assert answer.get("type") not in ("snapshot", "update"), answer
        except ConnectionClosed as closed:
            check_close(closed)


@pytest.mark.parametrize(
    "body", [body for body in BODIES.values() if body.strip()], ids=lambda body: repr(body[:20])
)
def test_frames_that_are_no_message(
    venue: EmbeddedVenue, client: httpx.Client, body: bytes
) -> None:
    check_error_or_close(venue, body)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    check_error_or_close(venue, text)


@pytest.mark.parametrize("key", ["op", "channel", "channels", "token", "id", "type", "action"])
def test_hostile_text_in_messages(venue: EmbeddedVenue, client: httpx.Client, key: str) -> None:
    for text in TEXTS.values():
        for value in (text, [text], {"x": text}, [f"depth@{text}"], f"depth@{text}"):
            message = {"op": "subscribe", "channels": ["depth@NOPE-NOPE"], key: value}
            check_error_or_close(venue, json.dumps(message))


def test_a_frame_that_is_far_too_large(venue: EmbeddedVenue, client: httpx.Client) -> None:
    check_error_or_close(venue, "[" + "1," * 2**22 + "1]")
    assert client.get("/api/v1/time").status_code == 200


def test_sockets_where_there_are_none(venue: EmbeddedVenue, client: httpx.Client) -> None:
    for path in ("/ws/", "/ws/nope", "/ws/stream/", "/", "/api/v1/orders", "/ws/page/NOPE/"):
        try:
            with stream(venue, path) as socket:
                socket.recv(ANSWER_TIMEOUT_S)
        except InvalidStatus as refused:
            status = refused.response.status_code
        except ConnectionClosed as closed:
            check_close(closed)
            continue
        assert status < 500, path
