"""`make run-full` as a whole: it opens, heals itself, stops in order and resumes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.data_folder import free_port, kept_port
from config.private_services import PrivateServiceError
from config.private_services.binaries import postgres_folder, redis_binary
from config.processes import ProcessSpec, spawn
from tests.conftest import missing, open_folder
from tests.support.embedded_venue import LONG_DEADLINE_S

pytestmark = [pytest.mark.services, pytest.mark.slow]

BASE_DIR = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 300.0
DEADLINE_S = 120.0


class FullVenue:
    def __init__(self, process: "subprocess.Popen[bytes]", facts: dict[str, Any]) -> None:
        self.process = process
        self.facts = facts
        self.client = httpx.Client(base_url=facts["url"], timeout=60)

    def pid(self, name: str) -> int:
        return int(Path(self.facts["pid_folder"], f"{name}.pid").read_text())

    def sequence(self) -> int:
        """As soon as the venue is ready: what was killed may have taken another part with it."""
        eventually(lambda: answers(self), "readiness")
        answer = self.client.get("/readyz")
        return int(answer.json()["parts"]["journal"]["last_sequence"])

    def is_ready(self) -> bool:
        return self.client.get("/readyz").status_code == 200


def eventually(holds: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(0.1)


@contextmanager
def full_venue(data_dir: Path) -> Iterator[FullVenue]:
    ready = data_dir / "ready.json"
    log = data_dir / "log"
    spec = ProcessSpec(
        "run_full",
        (sys.executable, str(BASE_DIR / "manage.py"), "run_full", "--ready-file", str(ready)),
        {
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            "DATA_DIR": str(data_dir),
            "PORT": str(kept_port(data_dir / "web-port")),
            "RUN_BOTS": "0",
            "COMMAND_DEADLINE_S": LONG_DEADLINE_S,
            "DATABASE_URL": "",
            "REDIS_URL": "",
        },
    )
    with log.open("ab") as output:
        process = spawn(spec, output)
    try:
        eventually(
            lambda: ready.exists() or process.poll() is not None, "the start", START_TIMEOUT_S
        )
        assert ready.exists(), log.read_text()[-4000:]
        yield FullVenue(process, json.loads(ready.read_text()))
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    try:
        postgres_folder()
        redis_binary()
    except PrivateServiceError as error:
        missing(str(error))
    with open_folder("rialto-full-") as folder:
        yield folder


def test_it_opens_heals_itself_stops_in_order_and_resumes(data_dir: Path) -> None:
    with full_venue(data_dir) as venue:
        assert venue.client.get("/healthz").json() == {"status": "ok"}
        assert venue.client.get("/markets/").status_code == 200
        assert_metrics_of_every_process(venue)
        assert_demo_users_can_sign_in(venue)

        for name in ("engine", "redis", "postgres", "web"):
            killed = venue.pid(name)
            os.kill(killed, signal.SIGKILL)
            eventually(lambda name=name, killed=killed: venue.pid(name) != killed, f"new {name}")  # type: ignore[misc]
            eventually(lambda: answers(venue), f"readiness after the end of {name}")
        sequence = venue.sequence()
        pids = {name: venue.pid(name) for name in ("postgres", "redis", "engine", "web", "beat")}

        venue.process.send_signal(signal.SIGINT)
        assert venue.process.wait(DEADLINE_S) == 0
        assert not [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]
        assert not (data_dir / "ready.json").exists()

    with full_venue(data_dir) as again:
        assert again.sequence() >= sequence
        second = subprocess.run(
            [sys.executable, "manage.py", "run_full", "--port", str(free_port())],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATA_DIR": str(data_dir),
                "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert second.returncode == 1
        assert "Another run-full uses" in second.stderr


def answers(venue: FullVenue) -> bool:
    try:
        return venue.is_ready()
    except httpx.TransportError:
        return False


def assert_metrics_of_every_process(venue: FullVenue) -> None:
    page = venue.client.get("/metrics").text
    assert "\nrialto_engine_leader 1.0\n" in page
    assert "\nrialto_projector_lag_commands " in page
    assert 'rialto_http_requests_total{method="GET",status="200"}' in page
    (commands,) = [line for line in page.splitlines() if line.startswith("rialto_commands_total ")]
    assert float(commands.split()[1]) > 0, "the demo went through the engine"


def assert_demo_users_can_sign_in(venue: FullVenue) -> None:
    credentials = {"username": "alice", "password": venue.facts["demo_password"]}
    answer = venue.client.post("/api/v1/signin", json=credentials)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) >= {"access", "refresh"}


def test_missing_binaries_are_named_with_their_packages(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "run_full", "--port", str(free_port())],
        cwd=BASE_DIR,
        env={
            "PATH": str(tmp_path),
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": "postgres://elsewhere",
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert result.returncode == 1
    assert "Redis is not installed" in result.stderr
    assert "apt-get install redis-server" in result.stderr
    assert "REDIS_URL" in result.stderr
