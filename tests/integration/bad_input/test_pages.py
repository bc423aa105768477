"""Pages show what they were given as text, whatever it is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import pytest

from tests.integration.bad_input.values import SCRIPT, TEXTS
from tests.support.embedded_venue import PASSWORD, EmbeddedVenue

pytestmark = pytest.mark.slow

PLACES = (
    "/trade/{}/",
    "/markets/?q={}",
    "/markets/?sort={}",
    "/orders/?symbol={}",
    "/orders/?status={}",
    "/orders/?cursor={}",
    "/portfolio/?asset={}",
    "/accounts/login/?next={}",
    "/accounts/signup/?next={}",
    "/admin/login/?next={}",
    "/{}",
)


def check_page(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text[:500]
    assert SCRIPT not in response.text
    assert "<img src=x" not in response.text
    assert "set-cookie: stolen" not in str(response.headers).lower()
    if response.headers.get("content-type", "").startswith("text/html"):
        policy = response.headers["content-security-policy"]
        assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]


@contextmanager
def signed_in(venue: EmbeddedVenue) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=venue.url, timeout=60, follow_redirects=True) as client:
        form = {"login": "alice", "password": PASSWORD, **csrf(client, "/accounts/login/")}
        response = client.post("/accounts/login/", data=form, headers={"Referer": venue.url})
        assert "sessionid" in client.cookies, response.text[:500]
        yield client


def csrf(client: httpx.Client, path: str) -> dict[str, str]:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).text)
    assert found
    return {"csrfmiddlewaretoken": found[1]}


@pytest.mark.parametrize("place", PLACES)
def test_addresses_and_parameters_of_pages(
    venue: EmbeddedVenue, client: httpx.Client, place: str
) -> None:
    with httpx.Client(base_url=venue.url, timeout=60) as anybody, signed_in(venue) as alice:
        for text in TEXTS.values():
            address = place.format(quote(text.encode("utf-8", "surrogatepass"), safe=""))
            check_page(anybody.get(address))
            check_page(alice.get(address))


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])
def test_sign_in_and_sign_up_forms(venue: EmbeddedVenue, client: httpx.Client, path: str) -> None:
    names = ("login", "password", "username", "email", "password1", "password2", "next")
    with httpx.Client(base_url=venue.url, timeout=60) as anybody:
        token = csrf(anybody, path)
        for text in TEXTS.values():
            form = {name: text.encode("utf-8", "surrogatepass") for name in names}
            response = anybody.post(path, data={**token, **form})  # type: ignore[dict-item]
            check_page(response)
            assert response.status_code in (200, 400, 403), response.status_code


def test_the_order_ticket(venue: EmbeddedVenue, client: httpx.Client) -> None:
    """The form posts where the page says; nothing comes of it."""
    with signed_in(venue) as alice:
        page = alice.get("/trade/BTC-USDT/").text
        found = re.search(r'hx-post="([^"]+)"', page)
        assert found
        token = csrf(alice, "/trade/BTC-USDT/")
        fields = {
            "symbol": "BTC-USDT",
            "side": "buy",
            "type": "limit",
            "price": "1",
            "quantity": "1",
        }
        headers = {"HX-Request": "true", "Referer": venue.url}
        for name in (*fields, "client_order_id", "time_in_force"):
            for text in TEXTS.values():
                form = {**fields, "client_order_id": "x", **token}
                form[name] = text.encode("utf-8", "surrogatepass")  # type: ignore[assignment]
                response = alice.post(found[1], data=form, headers=headers)
                check_page(response)
                assert response.status_code in (200, 204, 400, 404, 422), (name, text)
