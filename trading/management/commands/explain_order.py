"""``manage.py explain_order``: why an order filled, waited, was refused or was canceled."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.loader import render_to_string
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orderbook.core.units import MAX_ID
from orderbook.errors import VenueError
from orderbook.explanation.explain import explain_client_order, explain_command, explain_order
from orderbook.explanation.reading import Progress as Told
from orderbook.explanation.steps import Explanation
from orderbook.journal import JournalDamaged
from trading.models import Order


class Command(BaseCommand):
    help = (
        "Tells from the journal what became of an order and why: what was asked, the rules that it "
        "met, the queue ahead of it, each fill with its counterpart, each change and the reason of "
        "its end; where it still works, its place now. A venue may run meanwhile. Exit code 1: the "
        "journal has no such order."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("order_id", nargs="?", type=int, help="the engine's order id")
        which.add_argument(
            "--client",
            nargs=2,
            metavar=("ACCOUNT", "CLIENT_ID"),
            help="the newest order of an account with this client order id, refused ones included",
        )
        which.add_argument(
            "--sequence", type=int, help="what became of the command at this journal sequence"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.completed} commands"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, disable=options["json"], transient=True) as bar:
            task = bar.add_task("reading the journal", total=None)
            try:
                explanation = _explained(options, lambda done: bar.advance(task, done))
            except VenueError as error:
                raise CommandError(error.message) from error
            except JournalDamaged as error:
                raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(explanation.as_json()))
        else:
            text = render_to_string("explanation/steps.txt", {"explanation": explanation})
            self.stdout.write(text.strip())


def _explained(options: dict[str, Any], progress: Told) -> Explanation:
    if options["client"] is not None:
        account, client_order_id = options["client"]
        return explain_client_order(_number(account), client_order_id, progress=progress)
    if options["sequence"] is not None:
        return explain_command(_number(options["sequence"]), progress=progress)
    order_id = _number(options["order_id"])
    return explain_order(order_id, created_sequence=_created(order_id), progress=progress)


def _created(order_id: int) -> int:
    """Where the tables say that it was accepted: a hint that saves a search. 0: not known."""
    rows = Order.objects.filter(pk=order_id).values_list("created_sequence", flat=True)
    return rows.first() or 0


def _number(value: int | str) -> int:
    try:
        number = int(value)
    except ValueError as error:
        raise CommandError(f"{value!r} is no number.") from error
    if not 0 <= number <= MAX_ID:
        raise CommandError(f"{number} is out of bounds.")
    return number
