"""The engine as a process of its own (full mode). A second one stands by."""

import asyncio
import signal
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orderbook import event_loop, garbage, metrics
from orderbook.worker.engine_worker import EngineWorker


class Command(BaseCommand):
    help = (
        "Runs the engine: recovers from the journal, then executes commands from the queue. A "
        "second engine stands by and takes over when the first one stops. Exits when a commit "
        "fails; whatever supervises it starts it again and it recovers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.VENUE_MODE == "embedded":
            raise CommandError("In embedded mode the engine is part of run_embedded (make run).")
        metrics.serve_metrics()
        event_loop.run(_run())


async def _run() -> None:
    task = asyncio.current_task()
    assert task is not None
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    # Before it leads: with a large book this takes a second, which a takeover does not have.
    worker = EngineWorker(when_recovered=garbage.settle)
    with suppress(asyncio.CancelledError):
        await worker.run()
