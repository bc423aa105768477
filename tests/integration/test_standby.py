"""A standby takes over from a leader that is killed or frozen; nothing that was answered is lost.

The engines are processes of their own on PostgreSQL and Redis, under load, as in
``bench/failover_job.py``: it compares every answer with the journal (I3), looks for commands that
were executed twice, verifies the whole journal (I4, I5), and notes reads that went back to an epoch
that had ended.
"""

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from config.private_services import PrivateServiceError
from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable
from orderbook.gateway import protocol
from orderbook.worker.journal_writer import JournalWriter
from orderbook.worker.recovery import Replica
from tests.conftest import missing
from tests.integration.venue import place, running_venue
from tests.support.embedded_venue import ROOT
from tests.support.full_venue import full_venue, private_servers, wait_until

JOB_TIMEOUT_S = 300.0
PATIENCE_S = 90.0
FREEZE_S = 6.0
"""Twice as long as a standby waits for a silent leader."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    try:
        with private_servers() as servers:
            environment = {
                **os.environ,
                **servers.environment,
                "DJANGO_SETTINGS_MODULE": "config.settings.production",
                "SECRET_KEY": secrets.token_urlsafe(64),
                "DATA_DIR": str(tmp_path_factory.mktemp("standby")),
                "PLAIN_HTTP": "1",
                "LOG_FORMAT": "console",
                "METRICS_PORT": "",
            }
            migrate = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(migrate, env=environment, cwd=ROOT, check=True)
            yield environment
    except PrivateServiceError as error:
        missing(str(error))


def failover(environment: dict[str, str], folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.failover_job", "--folder", str(folder), *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=JOB_TIMEOUT_S,
        check=False,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert "faults" in report, done.stderr
    return report


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize("signal", ["kill", "freeze"])
def test_a_standby_takes_over_and_nothing_answered_is_lost(
    environment: dict[str, str], tmp_path: Path, signal: str
) -> None:
    arguments = ("--freeze-s", str(FREEZE_S)) if signal == "freeze" else ()
    report = failover(environment, tmp_path, "--blows", "2", *arguments)
    assert report["faults"] == []
    assert len(report["takeovers_s"]) == 2
    assert report["acknowledged"] > 100


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_an_engine_whose_session_was_ended_answers_no_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What needs no commit must not come from a leader that was replaced while it was frozen."""
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
        assert isinstance(await gateway.query(protocol.GetStatus()), protocol.Status)

        def ended(writer: JournalWriter) -> None:
            raise OperationalError("terminating connection due to administrator command")

        monkeypatch.setattr(JournalWriter, "check_connection", ended)
        with pytest.raises(EngineUnavailable):
            await gateway.query(protocol.GetStatus(), timeout_s=1.0)


@pytest.mark.django_db(databases=["default", "journal"], transaction=True)
async def test_an_engine_that_recovers_does_not_hold_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A recovery takes long and is silent: a standby would take its session for a frozen one's."""
    held_by_others: list[bool] = []
    recover = Replica.recover

    def looking(replica: Replica) -> None:
        other = JournalWriter()
        held_by_others.append(not other.try_lock())
        other._release()
        recover(replica)

    monkeypatch.setattr(Replica, "recover", looking)
    async with running_venue() as gateway:
        await asyncio.wait_for(place(gateway, 1, Side.BUY, 100, 5), 30)
    assert held_by_others == [False]


@pytest.mark.slow
@pytest.mark.services
def test_run_full_keeps_a_standby_that_takes_over(
    environment: dict[str, str], tmp_path: Path
) -> None:
    servers = {name: environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    with full_venue(tmp_path, STANDBYS="1", LOAD_DEMO="0", **servers) as venue:

        def leaders() -> list[str]:
            return re.findall(r"^(engine\S*) .* leading epoch", venue.log_path.read_text(), re.M)

        wait_until(leaders, "an engine leads", PATIENCE_S)
        wait_until(
            lambda: "standing by" in venue.log_path.read_text(), "the other is level", PATIENCE_S
        )
        first = leaders()[-1]
        venue.kill(first)
        wait_until(lambda: leaders()[-1] != first, "the other one leads", PATIENCE_S)
        wait_until(venue.is_ready, "the venue is ready", PATIENCE_S)
