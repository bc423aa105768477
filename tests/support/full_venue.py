"""A full-mode venue as processes of its own, on servers that a test may kill and start again."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

from config.data_folder import free_port
from config.private_services import PrivatePostgres, PrivateRedis
from config.processes import ProcessSpec, spawn, stop
from tests.support.embedded_venue import LONG_DEADLINE_S, REQUEST_TIMEOUT_S, ROOT

START_TIMEOUT_S = 300.0
RESTART_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 120.0
SHOWN_LOG_CHARACTERS = 6_000


def wait_until(condition: Callable[[], object], what: str, timeout_s: float) -> None:
    """Polls until ``condition`` holds; says ``what`` did not come about at the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.05)


class Server:
    """A private server that can be stopped, killed and started again, on the same port."""

    def __init__(self, server: PrivatePostgres | PrivateRedis, log_path: Path) -> None:
        self.private = server
        self._log_path = log_path
        self._spec: ProcessSpec = server.spec()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it is ready. The server ends with the thread that calls this: not for
        short-lived ones."""
        with self._log_path.open("ab") as log:
            self._process = spawn(self._spec, log)
        wait_until(self._spec.is_ready, f"{self._spec.name} is ready", self._spec.start_timeout_s)

    def stop(self) -> None:
        """As an operator stops it: PostgreSQL by a fast shutdown."""
        if self._process is not None:
            stop(self._process, self._spec)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Servers:
    """A PostgreSQL and a Redis server of one test, with databases by number of the venue."""

    def __init__(self, folder: Path) -> None:
        postgres, self.redis_server = PrivatePostgres(folder), PrivateRedis(folder)
        postgres.prepare()
        self.redis_server.prepare()
        self.postgres_server = postgres
        self.postgres = Server(postgres, folder / "postgres.log")
        self.redis = Server(self.redis_server, folder / "redis.log")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.postgres_server.url,
            "REDIS_URL": self.redis_server.url,
        }

    def redis_client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_server.url)


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Running servers in a temporary folder that their unprivileged user can reach.

    Raises PrivateServiceError where their binaries are missing.
    """
    with tempfile.TemporaryDirectory(prefix="rialto-servers-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        servers = Servers(folder)
        try:
            servers.postgres.start()
            servers.postgres_server.create_database()
            servers.redis.start()
            yield servers
        finally:
            servers.redis.kill()
            servers.postgres.stop()


class FullVenue:
    """What `make run-full` starts, in ``data_dir``, without bots."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = data_dir / "venue.log"
        self._ready_file = data_dir / "ready.json"
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "RUN_BOTS": "0",
            "LOG_FORMAT": "console",
            "COMMAND_DEADLINE_S": LONG_DEADLINE_S,
            **environment,
        }
        self.facts: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_full", "--ready-file", str(self._ready_file)],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        wait_until(self._started, "the venue starts", START_TIMEOUT_S)
        self.facts = json.loads(self._ready_file.read_text())

    def _started(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the venue did not start:\n{self.log()}")
        return self._ready_file.exists() and self.is_ready()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=REQUEST_TIMEOUT_S).status_code == 200
        except httpx.HTTPError:
            return False

    def pid_of(self, name: str) -> int:
        return int((Path(self.facts["pid_folder"]) / f"{name}.pid").read_text())

    def kill(self, name: str) -> int:
        """SIGKILL to one of the processes; its supervisor starts it again. Returns its pid."""
        pid = self.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_another(self, name: str, old_pid: int) -> None:
        """Until the process has been started again and the venue is ready."""
        wait_until(
            lambda: self.pid_of(name) != old_pid and self.is_ready(),
            f"{name} is back",
            RESTART_TIMEOUT_S,
        )

    def wait_for_a_snapshot(self) -> None:
        """Until an engine has stored one at any time, as its log says."""
        wait_until(
            lambda: b"snapshot at " in self.log_path.read_bytes(),
            "a snapshot is stored",
            RESTART_TIMEOUT_S,
        )

    @property
    def venue_environment(self) -> dict[str, str]:
        """The environment of the venue's own processes, for a command beside them."""
        return {**os.environ, **self.facts["environment"]}

    def stop(self) -> int:
        """As Ctrl-C does; returns the exit code. Harmless where it does not run."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                return self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def log(self) -> str:
        """The end of what the processes printed."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return text[-SHOWN_LOG_CHARACTERS:]


@contextmanager
def full_venue(data_dir: Path, **environment: str) -> Iterator[FullVenue]:
    venue = FullVenue(data_dir, **environment)
    try:
        venue.start()
        yield venue
    finally:
        venue.stop()
