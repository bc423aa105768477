"""Makes the tables anew from the journal's first row."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from orderbook import journal
from orderbook.projections import registered
from orderbook.worker.projector import Projector, reset


class Command(BaseCommand):
    help = (
        "Empties the tables of the named projections (default: all) and fills them again from the "
        "journal. A venue may run meanwhile: its reads stay exact, but for one that falls into the "
        "moment in which a table is emptied."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        names = ", ".join(projection.name for projection in registered())
        parser.add_argument("names", nargs="*", metavar="PROJECTION", help=f"any of: {names}")
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = tuple(
            p for p in registered() if not options["names"] or p.name in options["names"]
        )
        unknown = set(options["names"]) - {p.name for p in chosen}
        if unknown:
            known = ", ".join(p.name for p in registered())
            raise CommandError(
                f"no projection is named {', '.join(sorted(unknown))}; there are {known}"
            )
        for projection in chosen:
            reset(projection)
        end = journal.last_sequence()
        with Progress(disable=options["json"]) as progress:
            task = progress.add_task("rebuilding", total=end)
            Projector(chosen).catch_up(lambda done: progress.update(task, completed=done))
            progress.update(task, completed=end)
        names = [projection.name for projection in chosen]
        if options["json"]:
            self.stdout.write(json.dumps({"projections": names, "last_sequence": end}))
        else:
            self.stdout.write(f"{', '.join(names)}: rebuilt to sequence {end}")
