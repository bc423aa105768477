"""In which order an embedded venue's parts stop."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from config import embedded, lifespan

WAIT_S = 10.0


class Part:
    def __init__(self, name: str, stopped: list[str]) -> None:
        self._name = name
        self._stopped = stopped

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self._stopped.append(self._name)


class Beat:
    def __init__(self, *_args: object, **_options: object) -> None:
        self.service = self
        self.daemon = False

    def start(self) -> None:
        pass

    def stop(self, *, wait: bool) -> None:
        pass


class IdleProjector:
    def run(self, stopped: threading.Event) -> None:
        stopped.wait()


async def test_whoever_sends_commands_stops_before_the_gateway_and_the_engine_last(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    stopped: list[str] = []
    bots_run = asyncio.Event()

    class Engine:
        def __init__(self) -> None:
            self.leading = asyncio.Event()

        async def run(self) -> None:
            self.leading.set()
            await until_canceled("engine")

    async def until_canceled(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(name)

    async def run_bots() -> None:
        bots_run.set()
        await until_canceled("bots")

    async def open_bridge() -> Part:
        return Part("bridge", stopped)

    settings.VENUE_MODE, settings.DATA_DIR = "embedded", tmp_path
    settings.RUN_BOTS, settings.LOAD_DEMO = True, False
    markets, feeds = Part("markets", stopped), Part("feeds", stopped)
    for name, part in (
        ("Gateway", lambda: Part("gateway", stopped)),
        ("Feed", lambda: Part("feed", stopped)),
        ("set_gateway", lambda gateway: None),
        ("set_feed", lambda feed: None),
        ("get_market_hub", lambda: markets),
        ("get_feed_hub", lambda: feeds),
        ("open_bridge", open_bridge),
    ):
        monkeypatch.setattr(lifespan, name, part)
    monkeypatch.setattr("config.lifespan.garbage.settle", lambda: None)
    for name, replaced in (
        ("EngineWorker", Engine),
        ("Projector", IdleProjector),
        ("EmbeddedService", Beat),
        ("run_demo_bots", run_bots),
    ):
        monkeypatch.setattr(embedded, name, replaced)

    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        if sent:
            await asyncio.wait_for(bots_run.wait(), WAIT_S)
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await lifespan.Lifespan()({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert stopped == ["bridge", "bots", "feeds", "markets", "feed", "gateway", "engine"]
