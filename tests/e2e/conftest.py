"""A venue without bots, and signed-in browsers, for tests that look at pages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.embedded_venue import PASSWORD, EmbeddedVenue, embedded_venue

WAIT_MS = 60_000
"""For elements and pages, on a machine that does much else."""


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedVenue]:
    with embedded_venue(tmp_path_factory.mktemp("venue")) as running:
        yield running


@pytest.fixture
def console_errors() -> list[str]:
    return []


@pytest.fixture(scope="module")
def sessions(venue: EmbeddedVenue) -> dict[str, Any]:
    """By user of the module's venue: what a browser keeps once the user has signed in."""
    return {}


def sign_in(page: Any, venue: EmbeddedVenue, user: str) -> None:
    page.goto(f"{venue.url}/accounts/login/")
    page.fill("[name=login]", user)
    page.fill("[name=password]", PASSWORD)
    page.click("main form button[type=submit]")
    page.wait_for_url("**/markets/")


@pytest.fixture
def open_page(
    chromium: Any, venue: EmbeddedVenue, console_errors: list[str], sessions: dict[str, Any]
) -> Iterator[Callable[..., Any]]:
    """``open_page(path, user=None, **context)`` gives a page whose console errors are kept."""
    contexts = []

    def open_(path: str, user: str | None = None, **options: Any) -> Any:
        has_scripts = options.get("java_script_enabled", True)
        known = sessions.get(user) if user and has_scripts else None
        context = chromium.new_context(storage_state=known, **options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                console_errors.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        if user and known is None:
            sign_in(page, venue, user)
            sessions[user] = context.storage_state()
        page.goto(venue.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
