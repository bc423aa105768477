"""The whole venue as separate processes on one machine: what `make run-full` starts.

The processes are those of the composed deployment, with the same settings module; only the
supervisor and, unless DATABASE_URL and REDIS_URL name others, the servers are private.
"""

import asyncio
import fcntl
import json
import os
import shutil
import ssl
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from config.certificates import self_signed_certificate
from config.data_folder import kept_secret
from config.private_services import PrivatePostgres, PrivateRedis
from config.processes import ProcessSpec
from config.server import banner, base_url, is_https
from config.supervisor import StopRequested, Supervisor
from orderbook.metrics import forget_process

BASE_DIR = Path(__file__).resolve().parent.parent
WEB_START_TIMEOUT_S = 180.0
"""Includes the engine's recovery: the web is ready when the engine answers."""
_PROBE_TIMEOUT_S = 3.0
MAX_STANDBYS = 3
"""Engines besides the leader. Each has the whole state in memory and replays every order."""


class AlreadyRunning(Exception):
    """Another supervisor runs the venue of this data folder."""


class FullVenue:
    """One run of the venue; ``run`` returns when somebody stopped it."""

    def __init__(
        self,
        *,
        data_dir: Path,
        host: str,
        port: int,
        environment: Mapping[str, str],
        ready_file: Path | None = None,
        load_demo: bool = True,
        run_bots: bool = True,
        standbys: int = 0,
    ) -> None:
        self._data_dir = data_dir
        self._host = host
        self._port = port
        self._ready_file = ready_file
        self._load_demo = load_demo
        self._run_bots = run_bots
        self._standbys = standbys
        self._pids = data_dir / "run"
        self._metrics = data_dir / "metrics"
        self._given = environment
        self._environment: dict[str, str] = {}
        self._lock: IO[str] | None = None
        self.url = base_url(host, port)

    async def run(self) -> None:
        """Raises AlreadyRunning, PrivateServiceError or StartFailed; then nothing is left running.

        A stop that is asked for during the start is no error.
        """
        self._take_lock()
        self._clear_traces()
        supervisor = Supervisor(
            on_start=self._note_pid, on_exit=lambda pid: forget_process(pid, self._metrics)
        )
        supervisor.stop_on_signals()
        try:
            await self._start(supervisor)
            await supervisor.wait()
        except StopRequested:
            pass
        finally:
            await supervisor.stop()
            self._clear_traces()
            supervisor.say("stopped")

    async def _start(self, supervisor: Supervisor) -> None:
        database_url = self._given.get("DATABASE_URL") or await self._start_postgres(supervisor)
        redis_url = self._given.get("REDIS_URL") or await self._start_redis(supervisor)
        self._environment = self._venue_environment(database_url, redis_url)
        supervisor.say("preparing the database and the static files")
        await supervisor.run_once("migrate", _manage("migrate", "-v0"), self._environment)
        await supervisor.run_once(
            "static", _manage("collectstatic", "-v0", "--noinput"), self._environment
        )
        for name in ("engine", *(f"engine-{number + 2}" for number in range(self._standbys))):
            await supervisor.start(self._spec(name, _manage("run_engine")))
        await supervisor.start(self._spec("projector", _manage("run_projector")))
        await supervisor.start(self._web())
        if self._load_demo:
            await supervisor.run_once("setup", _manage("load_demo"), self._environment)
        await supervisor.start(self._spec("worker", _celery("worker", "--pool", "solo")))
        schedule = str(self._data_dir / "beat-schedule-full")
        await supervisor.start(self._spec("beat", _celery("beat", "--schedule", schedule)))
        if self._run_bots:
            await supervisor.start(self._spec("bots", _manage("run_bots")))
        self._announce()

    async def _start_postgres(self, supervisor: Supervisor) -> str:
        server = PrivatePostgres(self._data_dir)
        supervisor.say(f"starting a private PostgreSQL server in {server.folder}")
        await asyncio.to_thread(server.prepare)
        await supervisor.start(server.spec())
        await asyncio.to_thread(server.create_database)
        return server.url

    async def _start_redis(self, supervisor: Supervisor) -> str:
        server = PrivateRedis(self._data_dir)
        supervisor.say(f"starting a private Redis server in {server.folder}")
        await asyncio.to_thread(server.prepare)
        await supervisor.start(server.spec())
        return server.url

    def _venue_environment(self, database_url: str, redis_url: str) -> dict[str, str]:
        """What the processes get besides our own environment; what was given by hand stays."""
        shutil.rmtree(self._metrics, ignore_errors=True)
        self._metrics.mkdir(parents=True)
        defaults = {
            "SECRET_KEY": kept_secret(self._data_dir / "secret-key"),
            "LOG_FORMAT": "console",
            "HSTS_SECONDS": "0",  # A browser would remember it for everything on localhost.
            **({} if is_https() else {"PLAIN_HTTP": "1"}),
            **({"DEMO_PASSWORD": self.demo_password()} if self._load_demo else {}),
        }
        return {
            **{name: self._given.get(name) or value for name, value in defaults.items()},
            **{name: value for name, value in self._given.items() if name == "DEMO_FUNDS"},
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "DATA_DIR": str(self._data_dir),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HOST": self._host,
            "PORT": str(self._port),
            # The web's /metrics answers for every process, so that none needs a port for its own.
            "PROMETHEUS_MULTIPROC_DIR": str(self._metrics),
            "METRICS_PORT": "",
            "PYTHONUNBUFFERED": "1",
        }

    def demo_password(self) -> str:
        given = self._given.get("DEMO_PASSWORD")
        return given or kept_secret(self._data_dir / "demo-password", size_bytes=9)

    def _spec(
        self,
        name: str,
        argv: tuple[str, ...],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        start_timeout_s: float = 60.0,
    ) -> ProcessSpec:
        return ProcessSpec(
            name, argv, self._environment, is_ready=is_ready, start_timeout_s=start_timeout_s
        )

    def _web(self) -> ProcessSpec:
        context: ssl.SSLContext | None = None
        if is_https():
            certificate, _ = self_signed_certificate(self._data_dir)
            context = ssl.create_default_context(cafile=str(certificate))

        def is_ready() -> bool:
            try:
                with urllib.request.urlopen(
                    f"{self.url}/readyz", timeout=_PROBE_TIMEOUT_S, context=context
                ) as answer:
                    return bool(answer.status == 200)
            except (OSError, ValueError):
                return False

        return self._spec(
            "web", _manage("run_web"), is_ready=is_ready, start_timeout_s=WEB_START_TIMEOUT_S
        )

    # -- what a run leaves in the data folder while it lasts -----------------------------------

    def _take_lock(self) -> None:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self._data_dir / "run-full.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"Another run-full uses {self._data_dir}. Stop that one, or choose another folder "
                "with DATA_DIR."
            ) from None

    def _note_pid(self, name: str, pid: int) -> None:
        self._pids.mkdir(exist_ok=True)
        draft = self._pids / f"{name}.pid.new"
        draft.write_text(f"{pid}\n")
        draft.rename(self._pids / f"{name}.pid")

    def _clear_traces(self) -> None:
        shutil.rmtree(self._pids, ignore_errors=True)
        if self._ready_file:
            self._ready_file.unlink(missing_ok=True)

    def _announce(self) -> None:
        credentials = ""
        if self._load_demo:
            from trading.demo import DEMO_USERNAMES

            credentials = f"Sign in as {', '.join(DEMO_USERNAMES)}; password {self.demo_password()}"
        sys.stdout.write(banner(self.url, credentials) + "\n")
        sys.stdout.flush()
        if self._ready_file:
            draft = self._ready_file.with_name(f"{self._ready_file.name}.new")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(self._facts()) + "\n")
            draft.rename(self._ready_file)

    def _facts(self) -> dict[str, object]:
        return {
            "ready": True,
            "url": self.url,
            "pid": os.getpid(),
            "pid_folder": str(self._pids),
            "demo_password": self.demo_password() if self._load_demo else None,
            "environment": self._environment,
        }


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(BASE_DIR / "manage.py"), *arguments)


def _celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "--quiet", "--app", "config", *arguments)
