"""The venue as separate processes under one supervisor: what `make run-full` ends in."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.data_folder import port_is_free
from config.full_venue import MAX_STANDBYS, AlreadyRunning, FullVenue
from config.private_services import PrivateServiceError
from config.server import port_number
from config.supervisor import StartFailed


class Command(BaseCommand):
    help = (
        "Runs the venue as separate processes on PostgreSQL and Redis, private ones unless "
        "DATABASE_URL and REDIS_URL are given, until Ctrl-C. HOST, PORT, DATA_DIR, WEB_PROCESSES, "
        "STANDBYS, HTTPS=1, LOAD_DEMO=0 and RUN_BOTS=0 are read from the environment."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or "8000")
        parser.add_argument(
            "--standbys",
            type=int,
            choices=range(MAX_STANDBYS + 1),
            default=os.environ.get("STANDBYS") or "0",
            help="engines that take over when the leading one ends (default: none)",
        )
        parser.add_argument(
            "--ready-file",
            type=Path,
            metavar="PATH",
            help="write a JSON object there (address, process ids, environment) once all is up",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.VENUE_MODE != "embedded":
            raise CommandError("run_full needs DJANGO_SETTINGS_MODULE=config.settings.embedded")
        host, port = options["host"], options["port"]
        if not port_is_free(port, host):
            raise CommandError(
                f"Port {port} on {host} cannot be used. Choose another one: PORT={port + 1} "
                "make run-full"
            )
        venue = FullVenue(
            data_dir=settings.DATA_DIR,
            host=host,
            port=port,
            environment={"DEMO_FUNDS": json.dumps(settings.DEMO_FUNDS), **os.environ},
            ready_file=options["ready_file"],
            load_demo=settings.LOAD_DEMO,
            run_bots=settings.RUN_BOTS,
            standbys=options["standbys"],
        )
        try:
            asyncio.run(venue.run())
        except (AlreadyRunning, PrivateServiceError, StartFailed) as error:
            raise CommandError(str(error)) from None
