"""The amend form: what it offers, what it changes, and what it says where it cannot."""

import pytest
from django.test import Client

from accounts.models import User
from orderbook.core.commands import AmendOrder
from tests.unit.trading.venue import ALICE, BOB, SYMBOL, Venue, fields
from trading import changes
from trading.order_entry import Reference
from trading.selectors import order_of
from trading.services import cancel_order_blocking, place_order_blocking

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

HTMX = {"HX-Request": "true"}
WAS = {"was_price": "25000.0", "was_quantity": "1.00000"}


def place(account_id: int = ALICE, **changed: object) -> int:
    return place_order_blocking(account_id, fields(**changed)).order.id


def amends(venue: Venue) -> list[AmendOrder]:
    return [command for command in venue.commands if isinstance(command, AmendOrder)]


def test_the_form_shows_what_may_change_as_it_is(alice: Client) -> None:
    order_id = place()
    html = alice.get(f"/orders/{order_id}/amend/", headers=HTMX).content.decode()
    assert 'name="price" inputmode="decimal" maxlength="40" value="25000.0"' in html
    assert 'name="quantity" inputmode="decimal" maxlength="40" value="1.00000"' in html
    assert 'name="stop_price"' not in html
    assert f'action="/orders/{order_id}/amend/#amend"' in html


def test_only_what_was_typed_anew_is_changed(venue: Venue, alice: Client) -> None:
    order_id = place()
    typed = {"price": "25000.0", "quantity": "0.5", **WAS}
    response = alice.post(f"/orders/{order_id}/amend/", typed, headers=HTMX)
    assert response.status_code == 200
    assert f"Order {order_id} was amended." in response.content.decode()
    (amend,) = amends(venue)
    assert (amend.price_ticks, amend.quantity_lots, amend.stop_ticks) == (0, 50_000, 0)


def test_a_waiting_stop_is_amended_at_its_stop_price(venue: Venue, alice: Client) -> None:
    order_id = place(side="sell", type="stop_limit", stop_price="24000.0", price="23900.0")
    html = alice.get(f"/orders/{order_id}/").content.decode()
    assert 'name="stop_price"' in html
    assert "Waiting" in html
    typed = {"stop_price": "23950.0", "was_stop_price": "24000.0"}
    response = alice.post(f"/orders/{order_id}/amend/", typed)
    assert response["Location"] == "/orders/"
    assert order_of(ALICE, Reference(order_id)).stop_ticks == 239_500


def test_without_javascript_an_amend_goes_back_to_the_order(alice: Client) -> None:
    order_id = place()
    typed = {"price": "24900.0", "quantity": "1.00000", "next": f"/orders/{order_id}/", **WAS}
    response = alice.post(f"/orders/{order_id}/amend/", typed, follow=True)
    assert response.redirect_chain == [(f"/orders/{order_id}/", 302)]
    html = response.content.decode()
    assert f"Order {order_id} was amended." in html
    assert "24,900.0" in html


@pytest.mark.parametrize(
    ("typed", "where"),
    [({"price": "24900.05"}, "amend-price-error"), ({"quantity": "x"}, "amend-quantity-error")],
)
@pytest.mark.parametrize("headers", [HTMX, {}])
def test_what_is_wrong_stands_beside_its_field(
    venue: Venue, alice: Client, typed: dict[str, str], where: str, headers: dict[str, str]
) -> None:
    order_id = place()
    whole = {"price": "25000.0", "quantity": "1.00000", **WAS, **typed}
    response = alice.post(f"/orders/{order_id}/amend/", whole, headers=headers)
    html = response.content.decode()
    assert 400 <= response.status_code < 500
    assert f'id="{where}"' in html
    assert f'value="{next(iter(typed.values()))}"' in html
    assert not amends(venue)


def test_nothing_new_is_said_to_be_nothing(venue: Venue, alice: Client) -> None:
    typed = {"price": "25000.0", "quantity": "1.00000", **WAS}
    response = alice.post(f"/orders/{place()}/amend/", typed, headers=HTMX)
    assert response.status_code == 422
    assert "Nothing was changed" in response.content.decode()
    assert not amends(venue)


def test_a_refusal_by_the_rules_keeps_what_was_typed(alice: Client) -> None:
    order_id = place()
    typed = {"price": "25000.0", "quantity": "900000", **WAS}
    response = alice.post(f"/orders/{order_id}/amend/", typed, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 422
    assert 'value="900000"' in html


def test_an_order_that_is_done_says_so(alice: Client) -> None:
    order_id = place()
    cancel_order_blocking(ALICE, Reference(order_id))
    html = alice.get(f"/orders/{order_id}/amend/", headers=HTMX).content.decode()
    assert "can no longer be amended" in html
    assert 'id="amend-title"' not in alice.get(f"/orders/{order_id}/").content.decode()


def test_a_strangers_order_cannot_be_amended(venue: Venue, bob: Client) -> None:
    order_id = place(ALICE)
    assert bob.get(f"/orders/{order_id}/amend/").status_code == 404
    assert bob.post(f"/orders/{order_id}/amend/", {"price": "1.0"}).status_code == 404
    assert bob.get("/orders/99999999999999999999/amend/").status_code == 404
    assert not amends(venue)


def test_who_may_not_trade_cannot_amend(venue: Venue, alice: Client) -> None:
    order_id = place()
    User.objects.get(pk=ALICE).groups.clear()
    assert alice.post(f"/orders/{order_id}/amend/", {}, headers=HTMX).status_code == 403
    assert alice.post(f"/orders/{order_id}/amend/", {}).status_code == 403
    assert not amends(venue)


def test_the_legs_of_a_bracket_are_shown_together(alice: Client) -> None:
    exits = {"symbol": SYMBOL, "side": "sell", "quantity": "1"}
    placed = changes.place_list(
        ALICE,
        {
            "kind": "bracket",
            "orders": [
                fields(),
                {**exits, "type": "limit", "price": "27000.0"},
                {**exits, "type": "stop_market", "stop_price": "24000.0"},
            ],
        },
    )
    ids = [order.id for order, _ in placed.orders]
    for order_id in ids:
        html = alice.get(f"/orders/{order_id}/").content.decode()
        assert "Bracket" in html
        assert html.count('class="leg"') == 3
    assert 'name="price"' not in alice.get(f"/orders/{ids[1]}/").content.decode()
    for status, listed in (("pending", ids[1:]), ("waiting", [])):
        html = alice.get(f"/orders/?status={status}").content.decode()
        assert [f'href="/orders/{id_}/"' in html for id_ in ids[1:]] == [bool(listed)] * 2


def test_all_orders_of_one_side_are_canceled_together(alice: Client) -> None:
    bought, sold = place(), place(side="sell", price="26000.0")
    response = alice.post("/orders/cancel-all/", {"symbol": SYMBOL, "side": "buy"}, follow=True)
    assert "1 buy orders on BTC-USDT were canceled." in response.content.decode()
    assert not order_of(ALICE, Reference(bought)).is_open
    assert order_of(ALICE, Reference(sold)).is_open


def test_a_waiting_order_is_not_marked_in_the_book(alice: Client) -> None:
    place(BOB)
    order_id = place(side="sell", type="stop_limit", stop_price="24000.0", price="23900.0")
    html = alice.get(f"/trade/{SYMBOL}/").content.decode()
    row = html[html.index(f'id="order-{order_id}"') :].partition("</tr>")[0]
    assert "data-open-price" not in row
    assert "Stop 24,000.0" in row
    assert "Waiting" in row
