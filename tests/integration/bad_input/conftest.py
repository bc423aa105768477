"""One running venue for all tests of this folder, and a trader in whose name nothing may happen."""

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.bad_input.feed import store_feed
from tests.integration.bad_input.journal_file import state_without_time
from tests.support.embedded_venue import EmbeddedVenue, embedded_venue


@pytest.fixture(scope="package")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedVenue]:
    """No request may have ended in an exception that nobody expected."""
    folder = tmp_path_factory.mktemp("bad-input")
    with embedded_venue(folder, RATELIMIT_ENABLE="0", ACCESS_TOKEN_MINUTES="600") as running:
        yield running
        for mistake in ("Exception in ASGI application", "Internal Server Error"):
            assert mistake not in running.log(), running.log()[-6000:]


@pytest.fixture(scope="package")
def feed(venue: EmbeddedVenue, tmp_path_factory: pytest.TempPathFactory) -> str:
    return store_feed(venue, tmp_path_factory.mktemp("feed"))


@pytest.fixture(scope="package")
def token(venue: EmbeddedVenue) -> str:
    return venue.token("alice")


@pytest.fixture
def client(venue: EmbeddedVenue, token: str) -> Iterator[httpx.Client]:
    """A signed-in trader. Books, balances, ids and accounts must be the same afterwards."""
    before = state_without_time(venue.data_dir)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=venue.url, headers=headers, timeout=60) as client:
        yield client
    assert state_without_time(venue.data_dir) == before
