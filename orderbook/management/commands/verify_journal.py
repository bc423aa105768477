"""Proves that the journal is whole and says what the venue says."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from orderbook import journal
from orderbook.worker.verification import JournalVerifier


class Command(BaseCommand):
    help = (
        "Replays the journal from its first row and checks sequence numbers, checksums, every "
        "event, the invariants and the hash of every stored snapshot. Exits with 1 and the first "
        "bad sequence on a difference."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
        parser.add_argument(
            "--check-every",
            type=int,
            default=1_000,
            metavar="N",
            help="check the invariants of the whole state every N commands (default: 1000)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_every"] < 1:
            raise CommandError("--check-every takes a number of commands from 1")
        verifier = JournalVerifier(check_every=options["check_every"])
        with Progress(disable=options["json"]) as progress:
            task = progress.add_task("verifying", total=journal.last_sequence())
            for sequence in verifier.run():
                progress.update(task, completed=sequence)
        report = verifier.report()
        if options["json"]:
            self.stdout.write(json.dumps(report))
        elif verifier.fault is None:
            self.stdout.write(
                f"journal intact: {report['commands']} commands in {report['rows']} rows, "
                f"{report['snapshots']} snapshots, state {report['state_hash']}"
            )
        else:
            self.stderr.write(f"sequence {report['bad_sequence']}: {report['detail']}")
        if verifier.fault is not None:
            raise SystemExit(1)
