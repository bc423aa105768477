"""Private servers and the environment of a venue on them: measurements without a whole venue."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.venue import BASE_DIR, VenueUnusable
from config.private_services import PrivatePostgres, PrivateRedis, PrivateServiceError
from config.processes import ProcessSpec, spawn, stop

POLL_S = 0.05
SHOWN_LOG_BYTES = 4_000


@contextmanager
def _running(spec: ProcessSpec, folder: Path) -> Iterator[None]:
    log = folder / f"{spec.name}.log"
    with log.open("wb") as output:
        process = spawn(spec, output)
    try:
        deadline = time.monotonic() + spec.start_timeout_s
        while not spec.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                shown = log.read_bytes()[-SHOWN_LOG_BYTES:].decode(errors="replace")
                raise VenueUnusable(f"{spec.name} did not start:\n{shown}")
            time.sleep(POLL_S)
        yield
    finally:
        stop(process, spec)


@contextmanager
def full_environment(*, with_redis: bool) -> Iterator[dict[str, str]]:
    """Environment of a full-mode venue with an empty database of its own.

    Raises VenueUnusable where a server is missing or does not start.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rialto-bench-")))
        folder.chmod(0o755)  # The private PostgreSQL server's own user passes through.
        redis_url = "redis://127.0.0.1:1/0"
        try:
            postgres = PrivatePostgres(folder)
            postgres.prepare()
            stack.enter_context(_running(postgres.spec(), folder))
            postgres.create_database()
            if with_redis:
                redis = PrivateRedis(folder)
                redis.prepare()
                stack.enter_context(_running(redis.spec(), folder))
                redis_url = redis.url
        except PrivateServiceError as error:
            raise VenueUnusable(str(error)) from None
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "DATA_DIR": str(folder),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis_url,
            "PLAIN_HTTP": "1",
            "LOG_FORMAT": "console",
            "METRICS_PORT": "",
            "PYTHONUNBUFFERED": "1",
        }
        migrate(environment)
        yield environment


@contextmanager
def embedded_environment() -> Iterator[dict[str, str]]:
    """Environment of an embedded venue with empty databases of its own."""
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as folder:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            "DATA_DIR": folder,
            "LOG_LEVEL": "WARNING",
        }
        migrate(environment)
        migrate(environment, "--database", "journal")
        migrate(environment, "--database", "feeds")
        yield environment


def migrate(environment: dict[str, str], *options: str) -> None:
    done = subprocess.run(
        (sys.executable, "manage.py", "migrate", "-v0", *options),
        env=environment,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise VenueUnusable(f"migrate failed:\n{done.stderr[-SHOWN_LOG_BYTES:]}")
