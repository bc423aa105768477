"""A start that cannot succeed says so in a line, not in a stack trace."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from config.embedded import AlreadyRunning
from config.lifespan import Lifespan


@pytest.mark.parametrize("command", ["run_embedded", "run_full", "run_web"])
@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "8000.5"])
def test_a_port_that_is_none_is_refused_in_words(
    command: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(CommandError, match="from 1 to 65535"):
        call_command(command, stderr=StringIO())


@pytest.mark.parametrize(
    ("error", "has_trace"), [(AlreadyRunning("in use"), False), (RuntimeError("a bug"), True)]
)
async def test_only_a_start_that_failed_by_a_bug_shows_its_stack(
    error: Exception, has_trace: bool, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async def fail(self: Lifespan, running: object) -> None:
        raise error

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    monkeypatch.setattr(Lifespan, "_start", fail)
    await Lifespan()({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": str(error)}]
    assert any(record.exc_info for record in caplog.records) == has_trace
