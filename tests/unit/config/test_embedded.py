"""What the embedded venue does by itself."""

import threading
from pathlib import Path

import pytest

from config import embedded
from config.embedded import EmbeddedVenue


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
