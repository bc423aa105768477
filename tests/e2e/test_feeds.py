"""A feed from its sender to the browser: pages that live, fit and stay clean."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_trade_page import DESK, PHONE
from tests.support.embedded_venue import ROOT, EmbeddedVenue

WAIT_S = 300.0
"""The first start on a machine compiles the books."""


@pytest.fixture(scope="module")
def feed(venue: EmbeddedVenue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its id; a stream of 2,000 records a second that begins again at its end."""
    folder = tmp_path_factory.mktemp("feed")
    path = folder / "flow.dbn"
    made = venue.manage("generate_mbo", str(path), "--records", "60000", "--instruments", "2")
    assert made.returncode == 0, made.stderr
    processes = []
    try:
        sender = _started(
            venue,
            folder / "sender.log",
            "stream_mbo",
            *(str(path), "--rate", "2000", "--loop", "--wait-clients", "0", "--port", "0"),
        )
        processes.append(sender)
        port = _port_of(folder / "sender.log", sender)
        log = folder / "feed.log"
        reader = _started(venue, log, "run_feed", "syn", "--connect", f"127.0.0.1:{port}")
        processes.append(reader)
        _line_of(log, reader, "Published at ")
        yield "syn"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


def _started(venue: EmbeddedVenue, log: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=venue.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _port_of(log: Path, process: "subprocess.Popen[bytes]") -> int:
    return int(json.loads(_line_of(log, process, "{"))["port"])


def _line_of(log: Path, process: "subprocess.Popen[bytes]", beginning: str) -> str:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith(beginning):
                return line
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def opened(page: Any, venue: EmbeddedVenue, path: str) -> None:
    """Once the feed has its instruments."""
    deadline = time.monotonic() + WAIT_S
    while True:
        page.goto(venue.url + path)
        if page.query_selector("#ladder .level"):
            return
        assert time.monotonic() < deadline, page.content()
        page.wait_for_timeout(200)


def test_a_feeds_book_lives_on_its_page(
    open_page: Any, venue: EmbeddedVenue, feed: str, console_errors: list[str]
) -> None:
    page = open_page("/feeds/", **DESK)
    page.wait_for_selector(f"#feed-{feed}")
    opened(page, venue, f"/feeds/{feed}/")
    console_errors.clear()
    page.wait_for_selector("#feed[data-connection=live]")
    update = page.get_attribute("#ladder", "data-update-id")
    page.wait_for_selector(f"#ladder:not([data-update-id='{update}'])")
    page.wait_for_selector("#latency-p99")
    page.wait_for_selector("#chart canvas")
    assert page.inner_text("#feed-state") == "Live"
    page.keyboard.press("i")
    assert page.evaluate("document.activeElement.id") == "instrument"
    page.select_option("#instrument", index=1)
    page.wait_for_url("**instrument=1%3A1002**")
    page.wait_for_selector("#ladder .level")
    assert console_errors == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_feed_pages_fit_the_screen_and_leave_the_console_clean(
    open_page: Any,
    venue: EmbeddedVenue,
    feed: str,
    console_errors: list[str],
    screen: Any,
    theme: str,
) -> None:
    page = open_page("/feeds/", color_scheme=theme, **screen)
    opened(page, venue, f"/feeds/{feed}/")
    for path in ("/feeds/", f"/feeds/{feed}/"):
        page.goto(venue.url + path)
        page.wait_for_selector("[data-connection=live]")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= screen["viewport"]["width"], path
    assert console_errors == []


@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_a_feeds_page_does_not_jump_while_its_scripts_begin(
    open_page: Any, venue: EmbeddedVenue, feed: str, screen: Any
) -> None:
    page = open_page("/feeds/", **screen)
    opened(page, venue, f"/feeds/{feed}/")
    page.wait_for_selector("[data-connection=live]")
    page.wait_for_timeout(500)
    shift = page.evaluate(
        """() => new Promise((resolve) => {
            let sum = 0;
            new PerformanceObserver((list) => {
                const isPanel = ({ node }) => node?.matches?.(".panel, .column");
                for (const { sources, value } of list.getEntries())
                    if (sources.some(isPanel)) sum += value;
            }).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => resolve(sum), 200);
        })"""
    )
    assert shift < 0.25, "what web vitals call poor; levels may move as they like"
