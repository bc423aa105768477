"""Runs the demo bots in a process of their own, with their own gateway and feed."""

import asyncio
import signal
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orderbook import garbage, metrics
from orderbook.gateway.feed import Feed, set_feed
from orderbook.gateway.gateway import Gateway, set_gateway
from trading.demo import run_demo_bots


class Command(BaseCommand):
    help = "Runs the demo bots until it is stopped. Full mode only; BOT_RATE sets their pace."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.VENUE_MODE == "embedded":
            raise CommandError("An embedded venue runs its bots itself (RUN_BOTS=1).")
        metrics.serve_metrics()
        asyncio.run(_run())


async def _run() -> None:
    gateway, feed = Gateway(), Feed()
    await gateway.start()
    set_gateway(gateway)
    set_feed(feed)
    bots = asyncio.create_task(run_demo_bots(), name="bots")
    await feed.start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, bots.cancel)
    garbage.settle()
    try:
        with suppress(asyncio.CancelledError):
            await bots
    finally:
        await feed.stop()
        await gateway.stop()
