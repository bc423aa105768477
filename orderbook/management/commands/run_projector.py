"""The projector as a process of its own (full mode)."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from orderbook import garbage, metrics
from orderbook.worker.projector import Projector


class Command(BaseCommand):
    help = "Follows the journal and keeps every table that is derived from it up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        metrics.serve_metrics()
        stopped = threading.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stopped.set())
        garbage.settle()
        Projector().run(stopped)
