"""The private PostgreSQL server: the journal and every table, with durable commits."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from config.data_folder import kept_port, kept_secret
from config.private_services.binaries import postgres_folder
from config.private_services.errors import PrivateServiceError
from config.private_services.system_user import service_folder, unprivileged_user
from config.processes import ProcessSpec

USER = "rialto"
DATABASE = "rialto"
_INITDB_TIMEOUT_S = 180
_LEFTOVER_STOP_TIMEOUT_S = 60

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # A commit that was reported is on disk: the journal's promise rests on these.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "cluster_name": "rialto",
    "log_line_prefix": "",
}


class PrivatePostgres:
    """One server of one data folder. ``prepare`` first, then run ``spec()``, then the database.

    ``port`` and ``url`` are valid after ``prepare``.
    """

    def __init__(self, data_dir: Path) -> None:
        self._user = unprivileged_user()
        postgres_folder()  # Says what is missing before anything is made.
        self.folder = service_folder(data_dir, "postgres", self._user)
        self._data = self.folder / "data"
        self._binaries = postgres_folder(self._version_of_data())
        self._port_file = data_dir / "postgres-port"
        self.password = kept_secret(data_dir / "postgres-password", size_bytes=32)
        self.port = 0

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgres://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Makes the data folder on the first start; ends a server that an unclean stop left."""
        if self._data.exists():
            self._stop_leftover()
        else:
            self._initialise()
        self.port = kept_port(self._port_file)

    def spec(self) -> ProcessSpec:
        settings = {**_SETTINGS, "port": str(self.port), **self._extensions()}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return ProcessSpec(
            name="postgres",
            argv=(str(self._binaries / "postgres"), "-D", str(self._data), *options),
            run_as=self._user,
            stop_signal=signal.SIGINT,  # Fast shutdown: ends sessions, then writes a checkpoint.
            stop_timeout_s=60.0,
            is_ready=self.is_ready,
            start_timeout_s=300.0,  # Recovery after a power cut may have to read much log.
        )

    def is_ready(self) -> bool:
        try:
            with psycopg.connect(self.url_of("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def create_database(self, name: str = DATABASE) -> None:
        """Makes a database if it is not there; the server must be ready."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _version_of_data(self) -> int | None:
        try:
            return int((self._data / "PG_VERSION").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _initialise(self) -> None:
        """Under another name first: a start that is cut off leaves no half-made data folder."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.folder / "initial-password"
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        if self._user:
            os.chown(password_file, self._user.uid, self._user.gid)
        password_file.write_text(self.password)
        try:
            self._run(
                "initdb",
                "--pgdata", str(draft),
                "--username", USER,
                "--pwfile", str(password_file),
                "--auth", "scram-sha-256",
                "--encoding", "UTF8",
                "--locale", "C",
                "--data-checksums",
            )  # fmt: skip
        finally:
            password_file.unlink()
        draft.rename(self._data)

    def _run(self, binary: str, *arguments: str) -> None:
        drop: dict[str, Any] = (
            {"user": self._user.uid, "group": self._user.gid, "extra_groups": []}
            if self._user
            else {}
        )
        result = subprocess.run(
            [str(self._binaries / binary), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_INITDB_TIMEOUT_S,
            cwd="/",
            **drop,
        )
        if result.returncode:
            raise PrivateServiceError(
                f"{binary} failed with code {result.returncode}:\n{result.stderr.strip()}"
            )

    def _stop_leftover(self) -> None:
        """Ends a server that still runs on our data folder, or removes a pid file that lies.

        PostgreSQL refuses to start where a pid file names any living process of the same user,
        which after a crash may be a process of somebody else altogether.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if not _is_server_of(pid, self._data):
            pid_file.unlink(missing_ok=True)
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + _LEFTOVER_STOP_TIMEOUT_S
        while _is_server_of(pid, self._data):
            if time.monotonic() > deadline:
                raise PrivateServiceError(
                    f"PostgreSQL (process {pid}) still runs on {self._data} and does not stop."
                )
            time.sleep(0.05)

    def _extensions(self) -> dict[str, str]:
        """TimescaleDB works only if the server loads it at its start."""
        pg_config = self._binaries / "pg_config"
        if not pg_config.exists():
            return {}
        answer = subprocess.run(
            [pg_config, "--pkglibdir"], capture_output=True, text=True, check=False, timeout=10
        )
        if answer.returncode == 0 and (Path(answer.stdout.strip()) / "timescaledb.so").exists():
            return {
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
            }
        return {}


def _is_server_of(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL server on this data folder (on Linux: certainly)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    return str(data).encode() in arguments
