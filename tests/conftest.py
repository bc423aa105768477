"""What all tests share: private servers, a browser, and when tests that need them are left out.

Binaries that are missing skip the tests that need them, with the reason; with REQUIRE_SERVICES=1
(continuous integration) they fail instead, so that a green run has really run everything.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from config.private_services import PrivatePostgres, PrivateRedis, PrivateServiceError
from config.processes import ProcessSpec, spawn, stop
from orderbook import speedups

CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def services_are_required() -> bool:
    return os.environ.get("REQUIRE_SERVICES", "") not in ("", "0")


def missing(reason: str) -> NoReturn:
    """Skips the test that needs what is missing; fails it where everything must be run."""
    if services_are_required():
        pytest.fail(f"REQUIRE_SERVICES is set, but: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Each test begins as a process does: what another one's users and events were is forgotten."""
    from accounts import tokens
    from accounts.projections import NotificationProjection
    from market import instruments
    from orderbook.gateway import tail
    from orderbook.projections import registered

    tokens.forget_everything()
    instruments.cache.forget()
    tail.forget()
    for projection in registered():
        if isinstance(projection, NotificationProjection):
            projection.listeners.forget()


@pytest.fixture(autouse=True)
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are counted by the minute of the clock, which must not end in the middle of a test."""
    now = time.time()
    monkeypatch.setattr("django_ratelimit.core.time", SimpleNamespace(time=lambda: now))


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that the servers' unprivileged user can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def running(spec: ProcessSpec, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, ready for use; stopped at the end."""
    with log.open("ab") as output:
        process = spawn(spec, output)
    try:
        deadline = time.monotonic() + spec.start_timeout_s
        while not spec.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PrivateServiceError(f"{spec.name} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        stop(process, spec)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """A private PostgreSQL server; ``create_database`` and ``url_of`` give further databases."""
    with open_folder("rialto-postgres-") as folder:
        try:
            server = PrivatePostgres(folder)
        except PrivateServiceError as error:
            missing(str(error))
        server.prepare()
        with running(server.spec(), folder / "postgres.log"):
            server.create_database()
            yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    """A private Redis server with nothing in it; tests share it, so they use names of their own."""
    with open_folder("rialto-redis-") as folder:
        try:
            server = PrivateRedis(folder)
        except PrivateServiceError as error:
            missing(str(error))
        server.prepare()
        with running(server.spec(), folder / "redis.log"):
            yield server


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Chromium's binary: CHROMIUM_PATH, or the one on PATH."""
    names = (os.environ.get("CHROMIUM_PATH"), "chromium", "chromium-browser", "google-chrome")
    for name in names:
        if name and (found := shutil.which(name)):
            return found
    missing("Chromium is not installed: no chromium on PATH (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Any]:
    """A Playwright browser (synchronous interface). Each test opens its own contexts.

    Not for the session: while it is open an event loop counts as running in this thread, so that
    tests with loops of their own could not run.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=list(CHROMIUM_FLAGS)
        )
        yield browser
        browser.close()


_MARKER_OF_FIXTURE = {
    "postgres_server": "services",
    "redis_server": "services",
    "chromium": "browser",
    "chromium_path": "browser",
}


def pytest_report_header() -> str:
    return f"core: {speedups.state}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a server or a browser carries the marker, so that ``-m`` works."""
    for item in items:
        if speedups.state == speedups.COMPILED and item.get_closest_marker("plain_core"):
            item.add_marker(pytest.mark.skip(reason="replaces parts of the core: plain build only"))
        for fixture in getattr(item, "fixturenames", ()):
            if marker := _MARKER_OF_FIXTURE.get(fixture):
                item.add_marker(marker)
