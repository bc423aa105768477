"""An embedded venue as a process of its own, as `make run` starts it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from config.data_folder import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 60.0
LONG_DEADLINE_S = "9"
"""Nearly the longest that an engine accepts: answers may take long on a busy machine."""
PASSWORD = "rialto-demo"


__all__ = ["EmbeddedVenue", "embedded_venue", "free_port"]


class EmbeddedVenue:
    """A venue in ``data_dir``; ``start`` returns once it is ready, again after ``kill`` as well."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = data_dir / "venue.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATA_DIR"},
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "RUN_BOTS": "0",
            "LOG_FORMAT": "console",
            "COMMAND_DEADLINE_S": LONG_DEADLINE_S,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """A management command on this venue's data that is not waited for."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command on this venue's data."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self) -> float:
        """Seconds until the venue was ready."""
        started = time.monotonic()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_embedded"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() - started > START_TIMEOUT_S:
                self.kill()
                raise RuntimeError(f"the venue did not start:\n{self.log()[-4000:]}")
            time.sleep(0.05)
        return time.monotonic() - started

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=REQUEST_TIMEOUT_S).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> int:
        """Asks it to stop, as Ctrl-C does; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(2)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: whatever was not durable is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def token(self, username: str) -> str:
        response = httpx.post(
            f"{self.url}/api/v1/signin",
            json={"username": username, "password": PASSWORD},
            timeout=REQUEST_TIMEOUT_S,
        )
        response.raise_for_status()
        return str(response.json()["access"])


@contextmanager
def embedded_venue(data_dir: Path, **environment: str) -> Iterator[EmbeddedVenue]:
    venue = EmbeddedVenue(data_dir, **environment)
    try:
        venue.start()
        yield venue
    finally:
        venue.kill()
