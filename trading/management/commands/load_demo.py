"""Fills a running venue with the demo assets, instruments, users and funds; safe to repeat."""

import asyncio
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from orderbook.errors import VenueError
from orderbook.gateway.gateway import Gateway, set_gateway
from trading.demo import DEMO_USERNAMES, load_demo


class Command(BaseCommand):
    help = (
        "Loads the demo venue through the running engine. Full mode only; an embedded venue loads "
        "it by itself at its first start. Needs DEMO_PASSWORD."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        from django.conf import settings

        if settings.VENUE_MODE == "embedded":
            raise CommandError("An embedded venue loads its demo by itself when it starts.")
        try:
            asyncio.run(_load())
        except (VenueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Demo loaded. Users: {', '.join(DEMO_USERNAMES)}.")


async def _load() -> None:
    gateway = Gateway()
    await gateway.start()
    set_gateway(gateway)
    try:
        await load_demo(gateway)
    finally:
        set_gateway(None)
        await gateway.stop()
