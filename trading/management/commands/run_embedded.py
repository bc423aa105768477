"""The venue in one process: what `make run` ends in."""

import os
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.server import APPLICATION, banner, base_url, port_number, uvicorn_settings


class Command(BaseCommand):
    help = (
        "Runs the whole venue in this process on SQLite: web server, engine, projector, bots and "
        "scheduler. PORT, HOST, DATA_DIR and HTTPS=1 are read from the environment."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or "8000")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.VENUE_MODE != "embedded":
            raise CommandError("run_embedded needs DJANGO_SETTINGS_MODULE=config.settings.embedded")
        host, port = options["host"], options["port"]
        from config.embedded import AlreadyRunning, EmbeddedVenue, lock_taken_ahead

        _require_free_port(host, port)
        try:
            # Before anything is migrated: a venue that runs there may be of another version.
            with lock_taken_ahead():
                started = _run(host, port)
        except AlreadyRunning as error:
            raise CommandError(str(error)) from error
        if EmbeddedVenue.failed or not started:
            raise SystemExit(1)


def _run(host: str, port: int) -> bool:
    """Until it is stopped; whether it came to run at all."""
    for database in settings.DATABASES:
        call_command("migrate", database=database, verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    server = _Server(
        uvicorn.Config(
            APPLICATION, **uvicorn_settings(host=host, port=port, data_dir=settings.DATA_DIR)
        )
    )
    server.banner = banner(base_url(host, port), _credentials())
    # uvicorn raises it again after an orderly stop by Ctrl-C.
    with suppress(KeyboardInterrupt):
        server.run()
    return server.started


class _Server(uvicorn.Server):
    banner = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.banner, flush=True)  # noqa: T201


def _require_free_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used ({error.strerror}). "
                f"Choose another one: PORT={port + 1} make run"
            ) from error


def _credentials() -> str:
    if not settings.LOAD_DEMO:
        return ""
    from trading.demo import DEMO_USERNAMES, demo_password

    return f"Sign in as {', '.join(DEMO_USERNAMES)}; password {demo_password()}"
