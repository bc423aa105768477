"""Orders that are more than limit and market, and call auctions, as two traders live them."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import WAIT_MS
from tests.support.embedded_venue import REQUEST_TIMEOUT_S, EmbeddedVenue
from trading.ticket import KINDS

TRADE = "/trade/BTC-USDT/"
SYMBOL = "BTC-USDT"
DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}}
ROW = "#open-orders tr[id^=order-]"


class Trader:
    """Somebody else's program, over REST."""

    def __init__(self, venue: EmbeddedVenue, user: str) -> None:
        self.client = httpx.Client(
            base_url=f"{venue.url}/api/v1",
            headers={"Authorization": f"Bearer {venue.token(user)}"},
            timeout=REQUEST_TIMEOUT_S,
        )

    def place(self, side: str, price: str, quantity: str) -> int:
        order = {"symbol": SYMBOL, "side": side, "type": "limit"}
        response = self.client.post("/orders", json={**order, "price": price, "quantity": quantity})
        assert response.status_code == 201, response.text
        return int(response.json()["id"])

    def cancel_all(self) -> None:
        self.client.delete("/orders").raise_for_status()


@pytest.fixture(scope="module")
def programs(venue: EmbeddedVenue) -> Iterator[dict[str, Trader]]:
    traders = {user: Trader(venue, user) for user in ("alice", "bob")}
    yield traders
    for trader in traders.values():
        trader.client.close()


@pytest.fixture
def bob(programs: dict[str, Trader]) -> Iterator[Trader]:
    yield programs["bob"]
    for trader in programs.values():
        trader.cancel_all()


def live(page: Any) -> Any:
    page.wait_for_selector("#terminal[data-connection=live]")
    return page


def ticket(page: Any, side: str, kind: str, **fields: str) -> None:
    page.click(f"label[for=side-{side}]")
    page.click(f"label[for=kind-{kind}]")
    for name, value in fields.items():
        page.fill(f"#ticket-{name}", value)
    page.click(".ticket-submit")


def rows(page: Any, count: int) -> Any:
    """The open orders' rows, once there are so many."""
    if not count:
        page.wait_for_selector("#open-orders .empty")
    else:
        page.wait_for_selector(f"#open-orders[data-count='{count}']")
    return page.locator(ROW)


def test_a_stop_order_waits_is_set_off_and_says_so(
    open_page: Any, bob: Trader, console_errors: list[str]
) -> None:
    bob.place("sell", "50000.00", "0.1")
    bob.place("buy", "50000.00", "0.1")
    page = live(open_page(TRADE, "alice", **DESK))
    assert not page.is_visible("#ticket-stop_price")
    ticket(page, "sell", "stop_market", stop_price="49000.00", quantity="0.1")
    assert not page.is_visible("#ticket-price")
    row = rows(page, 1)
    assert "Waiting" in row.inner_text()
    assert "Stop 49,000.00" in row.inner_text()
    bob.place("buy", "49000.00", "0.5")
    bob.place("sell", "49000.00", "0.1")
    page.wait_for_selector(".toast.trigger:has-text('was set off')")
    rows(page, 0)
    page.click("#tab-fills")
    page.wait_for_selector("#own-fills tbody tr:has-text('49,000.00')")
    assert console_errors == []


def test_an_order_is_amended_where_it_stands(
    open_page: Any, bob: Trader, console_errors: list[str]
) -> None:
    page = live(open_page(TRADE, "alice", **DESK))
    ticket(page, "buy", "limit", price="41000.00", quantity="0.2")
    rows(page, 1)
    page.click("#open-orders .row-actions a")
    page.wait_for_selector("#amend-price:focus")
    page.fill("#amend-price", "41000.005")
    page.keyboard.press("Enter")
    page.wait_for_selector("#amend-price-error")
    page.fill("#amend-price", "41500.00")
    page.fill("#amend-quantity", "0.1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#amend [role=status]:has-text('was amended')")
    page.wait_for_selector(f"{ROW}:has-text('41,500.00'):has-text('0.10000')")
    page.wait_for_selector("#ladder .bids .own[data-price='41500.00']")
    page.keyboard.press("Escape")
    page.wait_for_selector("#amend form", state="detached")
    # The refused attempt was answered with 400, which the browser writes into its console.
    assert [line for line in console_errors if "400" not in line] == []


def test_the_legs_of_an_oco_stand_together_and_end_together(open_page: Any, bob: Trader) -> None:
    bob.place("sell", "50000.00", "0.1")
    bob.place("buy", "50000.00", "0.1")
    page = live(open_page(TRADE, "alice", **PHONE))
    ticket(page, "sell", "oco", price="52000.00", stop_price="48000.00", quantity="0.1")
    page.wait_for_selector("#ticket-result:has-text('OCO')")
    legs = rows(page, 2)
    lists = {legs.nth(place).get_attribute("data-list") for place in range(2)}
    assert len(lists) == 1
    bob.place("buy", "52000.00", "0.1")
    rows(page, 0)


def test_a_bracket_protects_what_its_entry_fills(open_page: Any, bob: Trader) -> None:
    page = live(open_page(TRADE, "alice", **DESK))
    page.click("summary:has-text('Take profit')")
    fields = {"price": "45000.00", "take_profit": "47000.00", "stop_loss": "44000.00"}
    ticket(page, "buy", "limit", quantity="0.1", **fields)
    page.wait_for_selector("#ticket-result:has-text('Bracket')")
    rows(page, 3)
    assert page.locator(f"{ROW}:has-text('Pending')").count() == 2
    bob.place("sell", "45000.00", "0.1")
    rows(page, 2)
    page.wait_for_selector(f"{ROW}:has-text('Waiting')")
    page.wait_for_selector("#ladder .asks .own[data-price='47000.00']")


def set_phase(operator: Any, venue: EmbeddedVenue, phase: str) -> None:
    """As the venue's operator does it, in the admin site."""
    operator.goto(f"{venue.url}/admin/market/instrument/{SYMBOL}/change/")
    operator.select_option("[name=status]", phase)
    operator.click(".submit-row [type=submit]")
    operator.wait_for_selector(".messagelist .success")


def test_an_auction_shows_its_price_while_it_collects_and_trades_at_it(
    open_page: Any, venue: EmbeddedVenue, bob: Trader
) -> None:
    page = live(open_page(TRADE, "alice", **DESK))
    list_page = live_list(open_page("/markets/", "bob", **DESK))
    assert page.inner_text("#phase") == "Trading"
    operator = open_page("/admin/", "admin", **DESK)
    set_phase(operator, venue, "opening_auction")
    page.wait_for_selector("#phase:has-text('Opening auction')")
    list_page.wait_for_selector(f"#market-{SYMBOL}:has-text('Opening auction')")
    page.wait_for_selector("#auction-price:has-text('none yet')")

    bob.place("sell", "50100.00", "0.3")
    bob.place("sell", "50300.00", "0.2")
    ticket(page, "buy", "limit", price="50300.00", quantity="0.6")
    page.wait_for_selector("#ticket-result:has-text('rests')")
    page.wait_for_selector("#auction-volume:has-text('0.50000')")
    page.wait_for_selector("#auction-imbalance.buy:has-text('0.10000 buy')")
    assert page.inner_text("#auction-price") == "50,300.00"
    assert "Crossed" in page.inner_text("#spread")
    assert page.locator("#own-fills tbody tr:has-text('50,300.00')").count() == 0

    set_phase(operator, venue, "trading")
    page.wait_for_selector("#phase:has-text('Trading')")
    page.wait_for_selector("#auction", state="detached")
    page.wait_for_selector("#trades tr:has-text('50,300.00'):has-text('0.30000')")
    page.wait_for_selector("#ladder .bids .own[data-price='50300.00']")
    page.wait_for_selector(f"{ROW}:has-text('0.50000 filled')")


def live_list(page: Any) -> Any:
    page.wait_for_selector("[data-connection=live]")
    return page


def test_a_stop_order_and_its_amend_need_no_javascript(open_page: Any, bob: Trader) -> None:
    bob.place("sell", "50000.00", "0.1")
    bob.place("buy", "50000.00", "0.1")
    page = open_page(TRADE, "alice", java_script_enabled=False, **PHONE)
    ticket(page, "sell", "stop_limit", stop_price="47000.00", price="46900.00", quantity="0.1")
    page.wait_for_selector(".messages:has-text('waits')")
    page.click("#open-orders .row-actions a")
    page.wait_for_selector("#amend-stop_price")
    page.fill("#amend-stop_price", "47500.00")
    page.click(".amend-submit")
    page.wait_for_selector(".messages:has-text('was amended')")
    page.wait_for_selector(".facts:has-text('47,500.00')")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_every_kind_of_ticket_fits_the_screen(open_page: Any, screen: Any, theme: str) -> None:
    page = live(open_page(TRADE, "alice", color_scheme=theme, **screen))
    page.click("summary:has-text('Advanced')")
    page.set_default_timeout(WAIT_MS)
    for kind, side in itertools.product((name for name, _, _ in KINDS), ("buy", "sell")):
        page.click(f"label[for=side-{side}]")
        page.click(f"label[for=kind-{kind}]")
        assert page.is_visible(".ticket-submit")
        waits = kind.startswith(("stop", "take")) or kind == "oco"
        assert page.is_visible("#ticket-stop_price") is waits, kind
        assert page.is_visible("#ticket-trailing_distance") is (kind == "trailing_stop")
        assert page.is_visible("#ticket-quantity")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= screen["viewport"]["width"], kind
