"""Account pages, error pages, the admin site and the API's documentation in a real browser."""

import time
from typing import Any

import pytest

from tests.e2e.test_trade_page import DESK, PHONE
from tests.support.embedded_venue import PASSWORD, EmbeddedVenue

DOORS = (
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-bad/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/nonsense/",
    "/accounts/inactive/",
)
OWN = (
    "/portfolio/",
    "/notifications/",
    "/profile/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/reauthenticate/",
    "/accounts/logout/",
)
ERRORS = {"/nothing/": 404, "/portfolio/?kind=x": 400, "/admin/": 403}
ADMIN_APPS = ("accounts", "market", "orderbook", "trading", "auth", "account")


SCRIPTS_LATE_S = 0.5
"""Later than the first paint: scripts of a slow line begin on a page that is seen already."""
KEEP_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const shift of list.getEntries()) {
        window.shifts.push(shift.sources.map(({ node }) => node?.className || node?.nodeName));
      }
    }).observe({ type: "layout-shift", buffered: true });
"""


def late(route: Any) -> None:
    time.sleep(SCRIPTS_LATE_S)
    route.continue_()


def fits(page: Any, screen: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= screen["viewport"]["width"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_account_pages_fit_the_screen_and_leave_the_console_clean(
    open_page: Any, venue: EmbeddedVenue, console_errors: list[str], screen: Any, theme: str
) -> None:
    for user, paths in ((None, DOORS), ("alice", OWN)):
        page = open_page("/markets/", user, color_scheme=theme, **screen)
        for path in paths:
            assert page.goto(venue.url + path).status == 200, path
            assert fits(page, screen), path
            assert page.locator("h1").count() == 1, path
    assert console_errors == []
    for path, status in ERRORS.items():
        assert page.goto(venue.url + path).status == status
        assert fits(page, screen), path
        assert page.is_visible("text=Go to the markets")


@pytest.mark.parametrize("user", [None, "alice"], ids=["stranger", "trader"])
@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_the_top_bar_stays_where_it_is_when_scripts_begin(
    open_page: Any, venue: EmbeddedVenue, screen: Any, user: str | None
) -> None:
    page = open_page("/accounts/password/reset/", user, **screen)
    page.route("**/htmx*.min.js", late)
    page.add_init_script(KEEP_SHIFTS)
    for path in ("/accounts/password/reset/", "/orders/" if user else "/accounts/login/"):
        page.goto(venue.url + path)
        assert page.is_visible("[data-theme-toggle]")
        assert page.evaluate("window.shifts") == [], path


def test_numbers_of_the_portfolio_end_under_their_headings(open_page: Any) -> None:
    page = open_page("/portfolio/", "alice", **DESK)
    table = page.locator("table", has=page.locator("#balances"))
    heads = table.locator("thead th.num").all()
    cells = table.locator("tbody tr").first.locator("td.num").all()
    assert len(heads) == len(cells) == 3
    for head, cell in zip(heads, cells, strict=True):
        assert head.evaluate("e => getComputedStyle(e).textAlign") == "right"
        right = [e.evaluate("e => e.getBoundingClientRect().right") for e in (head, cell)]
        assert right[0] == pytest.approx(right[1], abs=1)
        assert "tabular-nums" in cell.evaluate("e => getComputedStyle(e).fontVariantNumeric")
    assert page.inner_text("#balance-USDT td.num >> nth=0") == "100,000.00"
    last = page.locator("#balances tr").last.locator("th, td").all()
    assert {c.evaluate("e => getComputedStyle(e).borderBottomWidth") for c in last} == {"0px"}


def test_what_is_wrong_with_a_sign_up_stands_beside_its_field(open_page: Any) -> None:
    page = open_page("/accounts/signup/", **PHONE)
    page.fill("#id_username", "a b")
    page.fill("#id_email", "new@example.org")
    page.fill("#id_password1", "12345")
    page.fill("#id_password2", "12345")
    page.click("main form button[type=submit]")
    page.wait_for_selector("#id_password1_error")
    page.wait_for_load_state()
    for name, words in (("username", "letters, digits"), ("password1", "too short")):
        field = page.locator(f"#id_{name}")
        assert field.get_attribute("aria-invalid") == "true"
        described = (field.get_attribute("aria-describedby") or "").split()
        assert words in page.inner_text(f"#id_{name}_error")
        assert f"id_{name}_error" in described
    assert page.input_value("#id_email") == "new@example.org"


def test_the_keyboard_reaches_every_part_of_a_form_and_shows_where_it_is(open_page: Any) -> None:
    page = open_page("/accounts/login/", **DESK)
    page.focus("#id_login")
    reached = []
    for _ in range(5):
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.type"))
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert [name for name in reached if name in {"login", "password", "remember", "submit"}] == [
        "login",
        "password",
        "remember",
        "submit",
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_admin_site_works_within_the_content_policy(
    open_page: Any, venue: EmbeddedVenue, console_errors: list[str], theme: str
) -> None:
    page = open_page("/admin/", "admin", color_scheme=theme, **DESK)
    links = page.locator("#content-main th a").evaluate_all("a => a.map(e => e.pathname)")
    lists = [path for path in links if path.count("/") == 4 and path.split("/")[2] in ADMIN_APPS]
    assert len(lists) == 19
    for path in lists:
        assert page.goto(venue.url + path).status == 200, path
        rows = page.locator("#result_list tbody th a")
        if rows.count():
            rows.first.click()
            page.wait_for_url("**/change/**")
            assert page.is_visible("#content h1, #content h2"), path
    for path in (
        "accounts/user/add/",
        "accounts/user/2/control/limits/",
        "accounts/user/venue-kill-switch/",
        "market/instrument/add/",
        "market/instrument/BTC-USDT/control/schedule/",
        "trading/operatorrequest/credit/2/",
    ):
        assert page.goto(f"{venue.url}/admin/{path}").status == 200
    assert console_errors == []


def second_operator(venue: EmbeddedVenue) -> str:
    """The demo has one operator; what one asks for, another approves."""
    venue.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    made = venue.manage(
        "createsuperuser", "--noinput", "--username", "otto", "--email", "otto@demo.invalid"
    )
    assert made.returncode == 0, made.stderr
    return "otto"


def test_operators_credit_an_account_together_and_one_withdraws_trading(
    open_page: Any, venue: EmbeddedVenue
) -> None:
    trader = open_page("/trade/BTC-USDT/", "bob", **DESK)
    assert trader.is_visible(".ticket-submit")
    page = open_page("/admin/accounts/user/", "admin", **DESK)
    page.click("text=bob >> nth=0")
    page.click("text=Credit or debit")
    page.select_option("#id_asset", "INR")
    page.fill("#id_amount", "12.5")
    page.fill("#id_reason", "a gift")
    page.click("text=Continue")
    page.click("text=Carry out")
    page.wait_for_selector("text=waits for another operator")
    other = open_page("/admin/trading/operatorrequest/", second_operator(venue), **DESK)
    other.click("#result_list tbody th a >> nth=0")
    assert "12.5000 INR" in other.inner_text("#content")
    other.click("text=Approve and carry out")
    other.wait_for_selector("text=Carried out")
    page.goto(f"{venue.url}/admin/accounts/user/?q=bob")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "withdraw_trading")
    page.click("button[name=index]")
    page.wait_for_selector("text=may not trade now")
    trader.reload()
    assert "may look but not trade" in trader.inner_text("#ticket")
    assert not trader.is_visible(".ticket-submit")
    trader.goto(f"{venue.url}/portfolio/")
    assert trader.inner_text("#balance-INR td.num >> nth=0") == "1,000,012.50"


def test_the_api_documentation_is_shown(open_page: Any, console_errors: list[str]) -> None:
    page = open_page("/api/docs/", **DESK)
    page.wait_for_selector(".opblock")
    page.click("#operations-Trading-place_order .opblock-summary-control")
    page.wait_for_selector("text=permission_denied")
    assert console_errors == []
