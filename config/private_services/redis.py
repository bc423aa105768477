"""The private Redis server: the engine's queue, fan-out, cache and Celery's broker.

Nothing in it needs to survive (the journal does), so nothing is written to disk; when its memory
limit is reached it refuses writes, which the gateways answer as backpressure, and evicts nothing.
"""

import os
import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.data_folder import kept_port, kept_secret
from config.private_services.binaries import redis_binary
from config.private_services.system_user import service_folder, unprivileged_user
from config.processes import ProcessSpec

MAX_MEMORY = "512mb"

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir {folder}
daemonize no
save ""
appendonly no
maxmemory {max_memory}
maxmemory-policy noeviction
loglevel warning
"""


class PrivateRedis:
    """One server of one data folder. ``prepare`` first, then run ``spec()``."""

    def __init__(self, data_dir: Path) -> None:
        self._user = unprivileged_user()
        self._secret = data_dir / "redis-password"
        self._port_file = data_dir / "redis-port"
        self._binary = redis_binary()
        self.folder = service_folder(data_dir, "redis", self._user)
        self.password = kept_secret(self._secret, size_bytes=32)
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Ends a server that an unclean stop left behind; writes the configuration."""
        self._stop_leftover()
        self.port = kept_port(self._port_file)
        path = self.folder / "redis.conf"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        if self._user:
            os.chown(path, self._user.uid, self._user.gid)
        path.write_text(
            _CONFIGURATION.format(
                port=self.port, password=self.password, folder=self.folder, max_memory=MAX_MEMORY
            )
        )

    def spec(self) -> ProcessSpec:
        return ProcessSpec(
            name="redis",
            argv=(str(self._binary), str(self.folder / "redis.conf")),
            run_as=self._user,
            stop_signal=signal.SIGTERM,
            is_ready=self.is_ready,
            start_timeout_s=30.0,
        )

    def is_ready(self) -> bool:
        try:
            with self._client(self.port) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _stop_leftover(self) -> None:
        """Only a server that knows our password is ours."""
        try:
            with self._client(int(self._port_file.read_text())) as client:
                client.ping()
                client.shutdown(nosave=True)
        except (OSError, ValueError, redis.RedisError):
            return

    def _client(self, port: int) -> "redis.Redis":
        return redis.Redis(
            host="127.0.0.1",
            port=port,
            password=self.password,
            socket_timeout=2,
            socket_connect_timeout=2,
            # Whoever waits for the server asks again; the client's own pauses would be seconds.
            retry=Retry(NoBackoff(), 0),
        )
