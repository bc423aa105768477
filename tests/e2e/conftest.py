"""A venue without bots, and signed-in browsers, for tests that look at pages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.embedded_venue import PASSWORD, EmbeddedVenue, embedded_venue


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedVenue]:
    with embedded_venue(tmp_path_factory.mktemp("venue")) as running:
        yield running


@pytest.fixture
def console_errors() -> list[str]:
    return []


@pytest.fixture
def open_page(
    chromium: Any, venue: EmbeddedVenue, console_errors: list[str]
) -> Iterator[Callable[..., Any]]:
    """``open_page(path, user=None, **context)`` gives a page whose console errors are kept."""
    contexts = []

    def open_(path: str, user: str | None = None, **options: Any) -> Any:
        context = chromium.new_context(**options)
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
        if user:
            page.goto(f"{venue.url}/accounts/login/")
            page.fill("[name=login]", user)
            page.fill("[name=password]", PASSWORD)
            page.click("main form button[type=submit]")
            page.wait_for_url("**/markets/")
        page.goto(venue.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
