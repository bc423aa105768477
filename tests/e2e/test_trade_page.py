"""Pages in a real browser: exact ticket, keyboard, small screens, reconnects, a clean console."""

import time
from typing import Any

import pytest

from tests.support.embedded_venue import EmbeddedVenue

WAIT_S = 60.0
POLL_MS = 20
PHONE = {"viewport": {"width": 390, "height": 844}}
DESK = {"viewport": {"width": 1440, "height": 900}}
TRADE = "/trade/BTC-USDT/"
PAGES = ("/markets/", TRADE, "/orders/", "/portfolio/", "/notifications/")
OUTSIDE = ("/markets/", TRADE, "/accounts/login/", "/accounts/signup/")


# Keeps every state that the page's connection goes through, however short.
NOTE_STATES = """
() => {
  const terminal = document.getElementById("terminal");
  window.states = [];
  new MutationObserver(() => window.states.push(terminal.dataset.connection))
    .observe(terminal, {attributeFilter: ["data-connection"]});
}
"""


def until(page: Any, expression: str, wanted: object) -> None:
    """Polls; Playwright's own wait for a function needs eval, which the page's policy forbids."""
    deadline = time.monotonic() + WAIT_S
    while (found := page.evaluate(expression)) != wanted:
        assert time.monotonic() < deadline, f"{expression} is {found!r}, not {wanted!r}"
        page.wait_for_timeout(POLL_MS)


def live(page: Any) -> Any:
    page.wait_for_selector("#terminal[data-connection=live]")
    return page


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_pages_fit_the_screen_and_leave_the_console_clean(
    open_page: Any, venue: EmbeddedVenue, console_errors: list[str], screen: Any, theme: str
) -> None:
    for user, paths in (("alice", PAGES), (None, OUTSIDE)):
        page = open_page("/markets/", user, color_scheme=theme, **screen)
        for path in paths:
            page.goto(venue.url + path)
            page.wait_for_load_state("networkidle")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= screen["viewport"]["width"], path
    assert console_errors == []


def test_a_kept_theme_is_there_before_the_first_paint(open_page: Any) -> None:
    page = open_page("/markets/", color_scheme="light", **DESK)
    page.click("[data-theme-toggle]")
    page.reload(wait_until="commit")
    until(page, "document.documentElement?.dataset.theme", "dark")
    until(page, "getComputedStyle(document.documentElement).colorScheme", "dark")


def test_the_ticket_computes_exactly(open_page: Any) -> None:
    page = live(open_page(TRADE, "alice", **DESK))
    page.fill("#ticket-price", "30000.01")
    page.fill("#ticket-quantity", "0.10001")
    assert page.inner_text("#ticket-total") == "3,000.3010001 USDT"
    page.click("[data-percent='100']")
    lots = page.input_value("#ticket-quantity")
    available = page.get_attribute("#balances [data-asset=USDT]", "data-available-minor")
    spent = round(float(lots) * 100_000) * 3_000_001 * 10
    assert spent <= int(available) < spent + 3_000_001 * 10
    page.click("label[for=side-sell]")
    page.click("[data-percent='50']")
    held = int(page.get_attribute("#balances [data-asset=BTC]", "data-available-minor"))
    assert round(float(page.input_value("#ticket-quantity")) * 100_000) == held // 2 // 1_000


def test_an_order_is_entered_by_keyboard_alone(open_page: Any) -> None:
    page = live(open_page(TRADE, "alice", **DESK))
    page.keyboard.press("s")
    page.keyboard.press("p")
    page.keyboard.type("990000.00")
    page.keyboard.press("Tab")
    page.keyboard.type("0.001")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ticket-result")
    page.wait_for_selector("#open-orders tr[id^=order-]")
    page.wait_for_selector("#ladder .ask.own")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.input_value("#ticket-price") == "990000.00"
    page.click("#open-orders button")
    page.wait_for_selector("#open-orders tr[id^=order-]", state="detached")


def test_a_double_click_places_one_order(open_page: Any) -> None:
    page = live(open_page(TRADE, "bob", **DESK))
    page.fill("#ticket-price", "1000.00")
    page.fill("#ticket-quantity", "0.01")
    page.dblclick(".ticket-submit")
    page.wait_for_selector("#ticket-result")
    page.wait_for_selector("#open-orders tr[id^=order-]")
    page.goto(page.url.replace(TRADE, "/orders/?status=open"))
    assert page.locator(".orders-table tbody tr").count() == 1


def test_a_lost_socket_is_shown_and_comes_back_with_the_whole_book(open_page: Any) -> None:
    page = open_page("/markets/", **DESK)
    sockets: list[Any] = []

    def proxied(socket: Any) -> None:
        sockets.append((socket, socket.connect_to_server()))

    page.route_web_socket("**/ws/page/**", proxied)
    page.goto(page.url.replace("/markets/", TRADE))
    live(page)
    page.evaluate(NOTE_STATES)
    sockets[0][0].close(code=1012)
    until(page, "window.states.join()", "reconnecting,live")
    assert len(sockets) == 2
    until(page, "document.querySelectorAll('#ladder').length", 1)


def test_an_ended_session_moves_the_page_to_sign_in(open_page: Any) -> None:
    page = live(open_page(TRADE, "alice", **DESK))
    page.context.clear_cookies(name="sessionid")
    page.fill("#ticket-price", "1000.00")
    page.fill("#ticket-quantity", "0.01")
    page.click(".ticket-submit")
    page.wait_for_url("**/accounts/login/?next=/trade/BTC-USDT/")


def test_orders_can_be_placed_without_javascript(open_page: Any) -> None:
    page = open_page(TRADE, "alice", java_script_enabled=False, **DESK)
    page.click("label[for=side-sell]")
    page.fill("#ticket-price", "980000.00")
    page.fill("#ticket-quantity", "0.002")
    page.click(".ticket-submit")
    page.wait_for_selector(".messages:has-text('Sell order')")
    page.wait_for_load_state()
    assert page.locator("#open-orders tbody tr").count() == 1
    page.click("#open-orders tbody button")
    page.wait_for_selector(".messages:has-text('was canceled')")
