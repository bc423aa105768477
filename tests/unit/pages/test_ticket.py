import re

import pytest
from django.test import Client

from accounts.models import User
from orderbook.core.commands import PlaceOrder
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from tests.unit.trading.venue import ALICE, BOB, SYMBOL, Venue, fields
from trading.services import place_order_blocking

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

URL = f"/trade/{SYMBOL}/orders/"
HTMX = {"HX-Request": "true"}
EVIL = '"><script>alert(1)</script>'


def form(**changes: str) -> dict[str, str]:
    return {
        "side": "buy",
        "kind": "limit",
        "price": "25000.0",
        "quantity": "1",
        "client_order_id": "web-1",
    } | changes


def orders_of(venue: Venue) -> list[PlaceOrder]:
    return [command for command in venue.commands if isinstance(command, PlaceOrder)]


def hidden_id(html: str) -> str:
    found = re.search(r'name="client_order_id" value="([^"]+)"', html)
    assert found
    return found[1]


def test_an_order_is_placed_and_the_next_ticket_has_another_id(venue: Venue, alice: Client) -> None:
    response = alice.post(URL, form(), headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 200
    assert "rests: 1.00000 BTC at 25,000.0" in html
    assert hidden_id(html).startswith("web-")
    assert hidden_id(html) != "web-1"
    assert [order.client_order_id for order in orders_of(venue)] == ["web-1"]


def test_the_same_ticket_twice_places_one_order(venue: Venue, alice: Client) -> None:
    alice.post(URL, form(), headers=HTMX)
    again = alice.post(URL, form(), headers=HTMX)
    assert again.status_code == 200
    assert "placed already" in again.content.decode()
    assert [level[2] for level in venue.engine.depth(SYMBOL)] == [100_000]


@pytest.mark.parametrize("error", [EngineUnavailable, OutcomeUnknown])
def test_an_unknown_outcome_keeps_the_id_so_that_a_second_try_is_safe(
    venue: Venue, alice: Client, error: type[Exception]
) -> None:
    venue.down = error()  # type: ignore[assignment]
    response = alice.post(URL, form(), headers=HTMX)
    assert response.status_code == 503
    assert hidden_id(response.content.decode()) == "web-1"


def test_a_refused_order_keeps_what_was_typed_and_gets_a_new_id(alice: Client) -> None:
    response = alice.post(URL, form(quantity="900000", side="sell", kind="fok"), headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 422
    assert 'value="900000"' in html
    assert 'id="side-sell" value="sell" checked' in html
    assert 'id="kind-fok" value="fok" checked' in html
    assert hidden_id(html) != "web-1"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"price": "25000.05"}, "price-error"),
        ({"price": ""}, "price-error"),
        ({"price": "-1"}, "price-error"),
        ({"price": "NaN"}, "price-error"),
        ({"price": "9" * 41}, "price-error"),
        ({"quantity": ""}, "quantity-error"),
        ({"quantity": "0"}, "quantity-error"),
        ({"quantity": "1e5"}, "quantity-error"),
        ({"quantity": "0.000001"}, "quantity-error"),
        ({"quantity": "0.00001"}, "quantity-error"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_placed(
    venue: Venue, alice: Client, changes: dict[str, str], where: str
) -> None:
    response = alice.post(URL, form(**changes), headers=HTMX)
    assert 400 <= response.status_code < 500
    assert f'id="{where}"' in response.content.decode()
    assert not venue.engine.depth(SYMBOL)


@pytest.mark.parametrize("field", ["side", "kind", "price", "quantity", "client_order_id"])
def test_html_in_any_field_comes_back_as_text(alice: Client, field: str) -> None:
    html = alice.post(URL, form(**{field: EVIL}), headers=HTMX).content.decode()
    assert "<script>" not in html


def test_a_market_order_ignores_a_price_that_was_typed_before(venue: Venue, alice: Client) -> None:
    place_order_blocking(BOB, fields(side="sell"))
    response = alice.post(URL, form(kind="market", price="1"), headers=HTMX)
    assert response.status_code == 200
    assert "filled at 25,000" in response.content.decode()
    assert orders_of(venue)[-1].price_ticks == 0


def test_without_javascript_a_post_ends_on_the_page_with_a_message(alice: Client) -> None:
    response = alice.post(URL, form(side="sell"), follow=True)
    assert response.redirect_chain == [(f"/trade/{SYMBOL}/?side=sell&kind=limit", 302)]
    html = response.content.decode()
    assert "Sell order" in html
    assert 'value="sell" checked' in html


def test_without_javascript_an_error_comes_with_the_whole_page(alice: Client) -> None:
    response = alice.post(URL, form(price="abc"))
    html = response.content.decode()
    assert response.status_code == 400
    assert "<!doctype html>" in html
    assert 'id="price-error"' in html
    assert 'value="abc"' in html


def test_signed_out_a_post_leads_to_sign_in_and_places_nothing(venue: Venue) -> None:
    plain = Client().post(URL, form())
    assert plain.status_code == 302
    assert plain["Location"].startswith("/accounts/login/")
    live = Client().post(URL, form(next=f"/trade/{SYMBOL}/"), headers=HTMX)
    assert live["HX-Redirect"] == f"/accounts/login/?next=/trade/{SYMBOL}/"
    assert not orders_of(venue)


def test_a_post_without_the_form_token_is_refused(venue: Venue) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(URL, form())
    assert response.status_code == 403
    assert "The form has expired" in response.content.decode()
    assert not orders_of(venue)


@pytest.fixture
def onlooker(alice: Client) -> Client:
    """Alice, after the venue's operator withdrew her trading."""
    User.objects.get(pk=ALICE).groups.clear()
    return alice


def test_the_ticket_of_who_may_not_trade_says_so_and_offers_no_button(onlooker: Client) -> None:
    html = onlooker.get(f"/trade/{SYMBOL}/").content.decode()
    assert "may look but not trade" in html
    assert '<button type="submit" class="button block ticket-submit">' not in html


def test_who_may_not_trade_cannot_post_a_ticket(venue: Venue, onlooker: Client) -> None:
    live = onlooker.post(URL, form(), headers=HTMX)
    assert live.status_code == 403
    assert live["Content-Type"].startswith("text/plain")
    plain = onlooker.post(URL, form())
    assert plain.status_code == 403
    for response in (live, plain):
        assert "may look but not trade" in response.content.decode()
    assert not orders_of(venue)


def test_who_may_not_trade_any_more_still_cancels(venue: Venue, alice: Client) -> None:
    alice.post(URL, form(), headers=HTMX)
    User.objects.get(pk=ALICE).groups.clear()
    assert alice.post("/orders/cancel-all/", {"symbol": SYMBOL}, headers=HTMX).status_code == 204
    assert not venue.engine.depth(SYMBOL)
