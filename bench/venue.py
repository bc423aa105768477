"""The venue that a measurement runs against: its own full one, or one that runs already."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from config.data_folder import free_port

BASE_DIR = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 120.0
COMMAND_TIMEOUT_S = 300.0
API_TIMEOUT_S = 60.0
SHOWN_LOG_BYTES = 4_000


class VenueUnusable(Exception):
    """The venue did not start, or did not do what the measurement needs."""


class Venue:
    """A running venue, as its clients and (its own one) its operator see it."""

    def __init__(self, url: str, facts: Mapping[str, Any] | None = None) -> None:
        self.url = url.rstrip("/")
        self.facts = facts
        """What ``run_full`` wrote into its ready file; None for a venue that is not our own."""
        self.api = httpx.Client(base_url=self.url, timeout=API_TIMEOUT_S)

    def manage(self, *arguments: str) -> str:
        """Runs a management command of our own venue and gives what it printed."""
        if self.facts is None:
            raise VenueUnusable("only the operator of this venue can do that; see --help")
        done = subprocess.run(
            (sys.executable, str(BASE_DIR / "manage.py"), *arguments),
            env={**os.environ, **self.facts["environment"]},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise VenueUnusable(f"manage.py {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, path: str, token: str = "", **params: Any) -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = self.api.get(f"/api/v1/{path}", params=params, headers=headers)
        if answer.status_code != httpx.codes.OK:
            raise VenueUnusable(f"GET {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def sign_up(self, prefix: str) -> tuple[str, str]:
        """(user name, access token) of a new trader."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        body = {
            "username": name,
            "email": f"{name}@load.invalid",
            "password": secrets.token_urlsafe(16),
        }
        answer = self.api.post("/api/v1/signup", json=body)
        if answer.status_code != httpx.codes.CREATED:
            raise VenueUnusable(f"sign-up: {answer.status_code} {answer.text[:500]}")
        return name, answer.json()["access"]


@contextmanager
def own_venue(settings: Mapping[str, str]) -> Iterator[Venue]:
    """A new venue in full mode, with its own data folder and servers, stopped at the end.

    ``settings`` are environment variables for it. Raises VenueUnusable.
    """
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # The private PostgreSQL server's own user passes through.
        ready_file = folder / "ready.json"
        environment = {
            **os.environ,
            **settings,
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            "DATA_DIR": str(folder / "data"),
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
        }
        argv = (sys.executable, "manage.py", "run_full", "--ready-file", str(ready_file))
        with (folder / "venue.log").open("w+b") as log:
            process = subprocess.Popen(
                argv,
                cwd=BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                facts = _wait_until_ready(process, ready_file, log)
                yield Venue(str(facts["url"]), facts)
            finally:
                _stop(process)


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", ready_file: Path, log: IO[bytes]
) -> Mapping[str, Any]:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            shown = log.read()[-SHOWN_LOG_BYTES:].decode(errors="replace")
            raise VenueUnusable(f"the venue did not start:\n{shown}")
        time.sleep(0.1)
    facts: Mapping[str, Any] = json.loads(ready_file.read_text())
    return facts


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


Samples = dict[str, float]
"""Value by name of sample, summed over its labels."""


def parse_metrics(page: str) -> Samples:
    samples: Samples = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            samples[sample.name] = samples.get(sample.name, 0.0) + sample.value
    return samples
