"""What the embedded venue does by itself."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config import embedded
from config.data_folder import free_port
from config.embedded import EmbeddedVenue
from trading.management.commands import run_embedded


class IdleEngine:
    def __init__(self) -> None:
        self.leading = asyncio.Event()

    async def run(self) -> None:
        self.leading.set()
        await asyncio.Event().wait()


def test_a_projector_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[threading.Event] = []

    class FailingOnce:
        def run(self, stopped: threading.Event) -> None:
            runs.append(stopped)
            if len(runs) == 1:
                raise OverflowError("a number that no column holds")
            stopped.set()

    monkeypatch.setattr(embedded, "Projector", FailingOnce)
    monkeypatch.setattr(embedded, "PROJECTOR_RETRY_S", 0.0)
    EmbeddedVenue()._project()
    assert len(runs) == 2


async def test_a_venue_runs_where_there_can_be_no_socket_for_commands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "no-folder"
    file.touch()
    monkeypatch.setattr(embedded, "socket_path", lambda: file / "venue.sock")
    bridge = await embedded.open_bridge()
    assert "commands beside this venue cannot reach it" in caplog.text
    await bridge.stop()


def test_the_folder_is_kept_from_the_check_on(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    """A replay that is started meanwhile would run a venue of its own there."""
    settings.VENUE_MODE, settings.DATA_DIR = "embedded", tmp_path
    done = []

    def migrate(*_args: object, **_options: object) -> None:
        with pytest.raises(embedded.AlreadyRunning):
            embedded.take_lock()
        done.append("migrated")
        raise CommandError("no further")

    monkeypatch.setattr(run_embedded, "call_command", migrate)
    with pytest.raises(CommandError, match="no further"):
        call_command("run_embedded", port=free_port())
    assert done == ["migrated"]
    embedded.take_lock().close()


async def test_a_venue_has_the_lock_that_was_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(embedded, "EngineWorker", IdleEngine)
    venue = EmbeddedVenue()
    with embedded.lock_taken_ahead():
        await venue.start_engine()
    with pytest.raises(embedded.AlreadyRunning):
        embedded.take_lock()
    await venue.stop()
    embedded.take_lock().close()
