import re

import pytest
from django.test import Client

from accounts.models import User
from orderbook.core.commands import CancelAllOrders, CancelOrder
from orderbook.errors import EngineUnavailable
from tests.unit.pages.conftest import client_of
from tests.unit.trading.venue import ALICE, BOB, OTHER_SYMBOL, SYMBOL, Venue, fields
from trading.pages import ORDERS_PER_PAGE
from trading.services import place_order_blocking

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

HTMX = {"HX-Request": "true"}
EVIL = "<img src=x onerror=alert(1)>"


def place(account_id: int = ALICE, **changes: str) -> int:
    return place_order_blocking(account_id, fields(**changes)).order.id


def test_anyone_may_look(venue: Venue) -> None:
    place(BOB, side="sell", price="25000.0")
    html = Client().get(f"/trade/{SYMBOL}/").content.decode()
    assert "Sign in to trade" in html
    assert "25,000.0" in html
    assert 'id="open-orders"' not in html
    assert 'id="balances"' not in html


def test_the_first_html_shows_own_orders_balances_and_the_book(venue: Venue, alice: Client) -> None:
    order_id = place()
    html = alice.get(f"/trade/{SYMBOL}/").content.decode()
    assert f'id="order-{order_id}"' in html
    assert 'id="buy-250000"' in html
    assert 'data-asset="USDT"' in html
    assert "25,000.00" in html


def test_the_page_is_there_although_the_engine_is_away(venue: Venue, alice: Client) -> None:
    venue.down = EngineUnavailable()
    response = alice.get(f"/trade/{SYMBOL}/")
    assert response.status_code == 200
    assert "No asks" in response.content.decode()


@pytest.mark.parametrize("symbol", ["NO-SUCH", "btc-usdt", "%3Cscript%3E", "a" * 200, "%00"])
def test_an_unknown_symbol_is_not_found(venue: Venue, symbol: str) -> None:
    assert Client().get(f"/trade/{symbol}/").status_code == 404


def test_trade_leads_to_the_first_market(venue: Venue) -> None:
    assert Client().get("/trade/")["Location"] == f"/trade/{SYMBOL}/"


def test_the_list_names_every_market(venue: Venue) -> None:
    html = Client().get("/markets/").content.decode()
    for symbol in (SYMBOL, OTHER_SYMBOL):
        assert f'href="/trade/{symbol}/"' in html


PAGES = ("/markets/", f"/trade/{SYMBOL}/", "/orders/", "/nothing-here/")
_INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", re.I)


@pytest.mark.parametrize("path", PAGES)
def test_pages_obey_a_strict_content_policy(alice: Client, path: str) -> None:
    response = alice.get(path)
    assert not _INLINE.findall(response.content.decode())
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_name_with_html_is_shown_as_text(venue: Venue) -> None:
    User.objects.filter(pk=ALICE).update(username=EVIL)
    for path in PAGES:
        html = client_of(ALICE).get(path).content.decode()
        assert EVIL not in html
        assert "&lt;img" in html


def test_orders_are_filtered(alice: Client) -> None:
    bought, sold = place(), place(side="sell", symbol=OTHER_SYMBOL)
    for query, shown in (
        ("", {bought, sold}),
        (f"?symbol={SYMBOL}", {bought}),
        ("?side=sell", {sold}),
        ("?status=filled", set()),
        ("?status=open&side=buy", {bought}),
        (f"?symbol={EVIL}", {bought, sold}),
    ):
        html = alice.get(f"/orders/{query}").content.decode()
        listed = {int(n) for n in re.findall(r'<a href="/orders/(\d+)/">\d+</a>', html)}
        assert listed == shown, query
        assert EVIL not in html


def test_long_histories_come_in_pages_without_repeats(alice: Client) -> None:
    placed = {place(quantity="0.001") for _ in range(ORDERS_PER_PAGE + 3)}
    first = alice.get("/orders/?side=buy").content.decode()
    older = re.search(r'href="(\?side=buy&amp;cursor=[^"]+)"', first)
    assert older
    second = alice.get("/orders/" + older[1].replace("&amp;", "&")).content.decode()
    ids = [re.findall(r'<a href="/orders/(\d+)/">\d+</a>', html) for html in (first, second)]
    assert [len(page) for page in ids] == [ORDERS_PER_PAGE, 3]
    assert {int(n) for page in ids for n in page} == placed


@pytest.mark.parametrize("cursor", ["x", "", "999", "%00", "9" * 500])
def test_a_made_up_cursor_is_not_found(alice: Client, cursor: str) -> None:
    assert alice.get(f"/orders/?cursor={cursor}").status_code == 404


def test_an_order_is_shown_with_its_fills(alice: Client) -> None:
    place(BOB, side="sell", quantity="0.4")
    order_id = place()
    html = alice.get(f"/orders/{order_id}/").content.decode()
    assert "Partly filled" in html
    assert "0.40000" in html
    assert "Taker" in html
    assert "Cancel this order" in html


def test_a_strangers_order_is_not_found(bob: Client) -> None:
    order_id = place(ALICE)
    assert bob.get(f"/orders/{order_id}/").status_code == 404
    assert bob.get("/orders/99999999999999999999/").status_code == 404


def test_own_orders_need_a_sign_in(venue: Venue) -> None:
    for path in ("/orders/", f"/orders/{place()}/"):
        assert Client().get(path)["Location"].startswith("/accounts/login/")


def test_a_cancel_from_the_live_page_answers_without_content(venue: Venue, alice: Client) -> None:
    order_id = place()
    response = alice.post(f"/orders/{order_id}/cancel/", headers=HTMX)
    assert response.status_code == 204
    assert "Canceled" in alice.get(f"/orders/{order_id}/").content.decode()


def test_a_cancel_without_javascript_goes_back_to_where_it_came_from(alice: Client) -> None:
    order_id = place()
    response = alice.post(f"/orders/{order_id}/cancel/", {"next": f"/trade/{SYMBOL}/"}, follow=True)
    assert response.redirect_chain[0][0] == f"/trade/{SYMBOL}/"
    assert f"Order {order_id} was canceled." in response.content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:1"])
def test_no_cancel_leads_off_the_site(alice: Client, target: str) -> None:
    response = alice.post(f"/orders/{place()}/cancel/", {"next": target})
    assert response["Location"] == "/orders/"


def test_a_stranger_cannot_cancel_and_is_told_nothing(venue: Venue, bob: Client) -> None:
    order_id = place(ALICE)
    response = bob.post(f"/orders/{order_id}/cancel/", headers=HTMX)
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/plain")
    missing = bob.post("/orders/987654/cancel/", headers=HTMX)
    assert missing.content == response.content
    assert "Open" in client_of(ALICE).get(f"/orders/{order_id}/").content.decode()


def test_cancel_all_of_one_market_leaves_the_others(alice: Client) -> None:
    here, there = place(), place(symbol=OTHER_SYMBOL)
    response = alice.post("/orders/cancel-all/", {"symbol": SYMBOL}, follow=True)
    assert "1 orders on BTC-USDT were canceled." in response.content.decode()
    still_open = alice.get("/orders/?status=open").content.decode()
    open_ids = re.findall(r'href="/orders/(\d+)/"', still_open)
    assert [int(n) for n in open_ids] == [there]
    assert here != there


@pytest.mark.parametrize("path", ["/orders/1/cancel/", "/orders/cancel-all/"])
def test_cancels_are_posts_of_signed_in_users(venue: Venue, alice: Client, path: str) -> None:
    assert alice.get(path).status_code == 405
    Client().post(path)
    assert not [c for c in venue.commands if isinstance(c, CancelOrder | CancelAllOrders)]
