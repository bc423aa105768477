"""The web server as processes of its own (full mode)."""

import os
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.server import APPLICATION, port_number, uvicorn_settings


class Command(BaseCommand):
    help = (
        "Serves pages, API and sockets in full mode. HOST, PORT, WEB_PROCESSES and HTTPS=1 are "
        "read from the environment."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or "8000")
        parser.add_argument(
            "--processes", type=int, default=int(os.environ.get("WEB_PROCESSES") or 1)
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.VENUE_MODE == "embedded":
            raise CommandError("In embedded mode the web server is part of run_embedded.")
        arguments = uvicorn_settings(
            host=options["host"], port=options["port"], data_dir=settings.DATA_DIR
        )
        uvicorn.run(APPLICATION, workers=options["processes"], **arguments)
