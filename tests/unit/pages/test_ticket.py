import re

import pytest
from django.test import Client

from accounts.models import User
from orderbook.core.commands import PlaceOrder, PlaceOrderList
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from tests.unit.trading.venue import ALICE, BOB, SYMBOL, Venue, fields
from trading.services import place_order_blocking
from trading.ticket import KINDS
from trading.ticket_orders import TEXT_FIELDS

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


# -- every kind of order ---------------------------------------------------------------------------


def lists_of(venue: Venue) -> list[PlaceOrderList]:
    return [command for command in venue.commands if isinstance(command, PlaceOrderList)]


def trade_at(price: str) -> None:
    """Makes ``price`` the last trade's."""
    place_order_blocking(BOB, fields(side="sell", price=price, quantity="0.01"))
    place_order_blocking(BOB, fields(price=price, quantity="0.01"))


@pytest.mark.parametrize(
    ("kind", "typed", "type_", "price_ticks", "stop_ticks", "trail_ticks"),
    [
        ("stop_limit", {"stop_price": "24000"}, OrderType.STOP_LIMIT, 250_000, 240_000, 0),
        ("stop_market", {"stop_price": "24000"}, OrderType.STOP_MARKET, 0, 240_000, 0),
        (
            "take_profit_limit",
            {"stop_price": "27000"},
            OrderType.TAKE_PROFIT_LIMIT,
            250_000,
            270_000,
            0,
        ),
        (
            "take_profit_market",
            {"stop_price": "27000"},
            OrderType.TAKE_PROFIT_MARKET,
            0,
            270_000,
            0,
        ),
        ("trailing_stop", {"trailing_distance": "100"}, OrderType.TRAILING_STOP, 0, 0, 1_000),
    ],
)
def test_orders_that_wait_take_their_own_fields_and_no_others(
    venue: Venue,
    alice: Client,
    kind: str,
    typed: dict[str, str],
    type_: OrderType,
    price_ticks: int,
    stop_ticks: int,
    trail_ticks: int,
) -> None:
    trade_at("25000.0")
    html = alice.post(URL, form(side="sell", kind=kind, **typed), headers=HTMX).content.decode()
    assert "waits" in html
    order = orders_of(venue)[-1]
    assert order.options is not None
    assert (order.type, order.price_ticks) == (type_, price_ticks)
    assert (order.options.stop_ticks, order.options.trail_ticks) == (stop_ticks, trail_ticks)


def test_advanced_terms_reach_the_engine_and_stay_on_the_form(venue: Venue, alice: Client) -> None:
    typed = {
        "time_in_force": "GTD",
        "expires_at": "2030-01-31T12:00",
        "post_only": "reprice",
        "display_quantity": "0.1",
        "self_trade_prevention": "cancel_oldest",
    }
    html = alice.post(URL, form(**typed), headers=HTMX).content.decode()
    order = orders_of(venue)[-1]
    assert order.time_in_force is TimeInForce.GTD
    assert order.options == OrderOptions(
        display_lots=10_000,
        post_only=PostOnly.REPRICE,
        self_trade=SelfTradePrevention.CANCEL_OLDEST,
        expire_time_ns=1_896_091_200 * 10**9,
    )
    assert '<option value="reprice" selected>' in html
    assert 'value="2030-01-31T12:00"' in html
    assert '<details class="more" open>' in html


def test_a_market_order_by_amount_spends_what_was_typed(venue: Venue, alice: Client) -> None:
    place_order_blocking(BOB, fields(side="sell"))
    typed = form(kind="market", amount_in="quote", quantity="1000", protection_price="26000")
    response = alice.post(URL, typed, headers=HTMX)
    assert "0.04000 BTC filled at 25,000" in response.content.decode()
    order = orders_of(venue)[-1]
    assert order.options is not None
    assert (order.quantity_lots, order.price_ticks) == (0, 260_000)
    assert order.options.quote_minor == 1_000_000_000


def test_an_oco_is_a_limit_order_and_a_stop(venue: Venue, alice: Client) -> None:
    trade_at("25000.0")
    typed = form(side="sell", kind="oco", price="27000", stop_price="24000")
    html = alice.post(URL, typed, headers=HTMX).content.decode()
    assert "OCO" in html
    (placed,) = lists_of(venue)
    assert placed.list_kind is OrderListKind.OCO
    assert [order.type for order in placed.orders] == [OrderType.LIMIT, OrderType.STOP_MARKET]
    assert placed.orders[0].client_order_id == "web-1"


def test_an_ocos_stop_may_have_a_limit_of_its_own(venue: Venue, alice: Client) -> None:
    trade_at("25000.0")
    stop = {"stop_price": "24000", "limit_after_stop": "23900"}
    alice.post(URL, form(side="sell", kind="oco", price="27000", **stop), headers=HTMX)
    (placed,) = lists_of(venue)
    assert placed.orders[1].type is OrderType.STOP_LIMIT
    assert placed.orders[1].price_ticks == 239_000


def test_take_profit_and_stop_loss_make_a_bracket_once(venue: Venue, alice: Client) -> None:
    typed = form(take_profit="27000", stop_loss="24000")
    html = alice.post(URL, typed, headers=HTMX).content.decode()
    assert "take profit 27,000.0, stop loss 24,000.0" in html
    again = alice.post(URL, typed, headers=HTMX).content.decode()
    assert "placed already" in again
    entry, profit, stop = lists_of(venue)[0].orders
    assert (entry.side, profit.side, stop.side) == (Side.BUY, Side.SELL, Side.SELL)
    assert (profit.price_ticks, stop.options) == (270_000, OrderOptions(stop_ticks=240_000))
    assert len(venue.engine.accounts[ALICE].orders) == 3


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"kind": "stop_limit"}, "stop_price-error"),
        ({"kind": "stop_limit", "stop_price": "24000.05"}, "stop_price-error"),
        ({"kind": "stop_market", "stop_price": "26000", "side": "sell"}, "stop_price-error"),
        ({"kind": "trailing_stop"}, "trailing_distance-error"),
        ({"kind": "market", "protection_price": "x"}, "protection_price-error"),
        ({"kind": "market", "amount_in": "quote", "quantity": "x"}, "quantity-error"),
        ({"time_in_force": "GTD"}, "expires_at-error"),
        ({"time_in_force": "GTD", "expires_at": "2001-01-01T00:00"}, "expires_at-error"),
        ({"time_in_force": "GTD", "expires_at": "soon"}, "expires_at-error"),
        ({"display_quantity": "0.000001"}, "display_quantity-error"),
        ({"display_quantity": "9"}, "display_quantity-error"),
        ({"take_profit": "27000"}, "stop_loss-error"),
        ({"stop_loss": "24000"}, "take_profit-error"),
        ({"take_profit": "x", "stop_loss": "24000"}, "take_profit-error"),
        ({"take_profit": "27000", "stop_loss": "x"}, "stop_loss-error"),
        ({"take_profit": "27000", "stop_loss": "24000", "price": "x"}, "price-error"),
        (
            {"take_profit": "2", "stop_loss": "1", "kind": "market", "amount_in": "quote"},
            "quantity-error",
        ),
        ({"kind": "oco", "side": "sell", "stop_price": "x"}, "stop_price-error"),
        (
            {"kind": "oco", "side": "sell", "stop_price": "24000", "limit_after_stop": "x"},
            "limit_after_stop-error",
        ),
        ({"kind": "oco", "side": "sell", "stop_price": "24000", "price": ""}, "price-error"),
        ({"post_only": "reject", "price": "26000"}, "price-error"),
    ],
)
def test_what_is_wrong_with_an_advanced_order_stands_beside_its_field(
    venue: Venue, alice: Client, changes: dict[str, str], where: str
) -> None:
    trade_at("25000.0")
    place_order_blocking(BOB, fields(side="sell", price="26000"))
    response = alice.post(URL, form(**changes), headers=HTMX)
    html = response.content.decode()
    assert 400 <= response.status_code < 500
    assert f'id="{where}"' in html
    field = html[: html.index(f'id="{where}"')]
    opened, closed = field.count("<details"), field.count("</details>")
    assert opened == closed or "open>" in field[field.rindex("<details") :].partition("<summary")[0]
    assert not venue.engine.accounts[ALICE].orders


def test_a_bracket_on_the_wrong_side_is_explained(alice: Client) -> None:
    typed = form(take_profit="24000", stop_loss="27000")
    html = alice.post(URL, typed, headers=HTMX).content.decode()
    assert "better side of its stop loss" in html


@pytest.mark.parametrize("name", [*TEXT_FIELDS, "time_in_force", "amount_in", "post_only"])
def test_html_in_any_field_of_any_kind_comes_back_as_text(alice: Client, name: str) -> None:
    for kind, _, _ in KINDS:
        html = alice.post(URL, form(kind=kind, **{name: EVIL}), headers=HTMX).content.decode()
        assert "<script>" not in html


def test_without_javascript_the_form_has_every_field_of_every_kind(alice: Client) -> None:
    html = alice.get(f"/trade/{SYMBOL}/").content.decode()
    for kind, _, _ in KINDS:
        assert f'id="kind-{kind}"' in html
    for name in TEXT_FIELDS:
        assert f'for="ticket-{name}"' in html
        assert f'name="{name}"' in html
