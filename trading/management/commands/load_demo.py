"""Fills a running venue with the demo assets, instruments, users and funds; safe to repeat."""

import asyncio
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from orderbook.errors import VenueError
from orderbook.gateway.bridge.joining import joined_venue
from orderbook.gateway.gateway import Gateway, set_gateway
from trading.demo import DEMO_USERNAMES, load_demo


class Command(BaseCommand):
    help = (
        "Loads the demo venue at the running venue; an embedded one, which is that in the same "
        "DATA_DIR, loads it by itself at its first start unless LOAD_DEMO=0. Full mode needs "
        "DEMO_PASSWORD."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(_load())
        except (VenueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Demo loaded. Users: {', '.join(DEMO_USERNAMES)}.")


async def _load() -> None:
    async with joined_venue() as venue:
        gateway = Gateway()
        await gateway.start()
        set_gateway(gateway)
        try:
            await venue.while_it_runs(load_demo(gateway))
        finally:
            set_gateway(None)
            await gateway.stop()
