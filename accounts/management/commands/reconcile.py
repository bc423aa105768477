"""``manage.py reconcile``: compares tables, engine and deposits.

Exit code 0: everything agrees; 1: something differs; 2: nothing could be compared.
"""

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from accounts.models import ReconciliationRun
from accounts.reconciliation import reconcile, reconcile_with_engine
from orderbook.gateway.protocol import Balances
from orderbook.worker.recovery import Replica

EXIT_DIFFERED = 1
EXIT_FAILED = 2


class Command(BaseCommand):
    help = (
        "Compares wallets, ledger, engine balances and deposits less withdrawals at one sequence. "
        "The balances come from the running engine; in embedded mode, where it may not run, from a "
        "replay of the journal unless --source says otherwise. Exit code 0: everything agrees; "
        "1: something differs; 2: nothing could be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--source",
            choices=ReconciliationRun.Source.values,
            default="journal" if settings.VENUE_MODE == "embedded" else "engine",
            help="where the balances to compare with come from (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["source"] == ReconciliationRun.Source.ENGINE:
            run = reconcile_with_engine()
        else:
            run = reconcile(_replayed_balances(), ReconciliationRun.Source.JOURNAL)
        self.stdout.write(_as_json(run) if options["json"] else _as_text(run))
        if run.result == ReconciliationRun.Result.FAILED:
            sys.exit(EXIT_FAILED)
        if run.result == ReconciliationRun.Result.DIFFERED:
            sys.exit(EXIT_DIFFERED)


def _replayed_balances() -> Balances:
    replica = Replica()
    replica.recover()
    return Balances(replica.sequence, list(replica.engine.balances()))


def _as_json(run: ReconciliationRun) -> str:
    names = (
        "source",
        "sequence",
        "result",
        "checked_count",
        "difference_count",
        "differences",
        "failure",
    )
    return json.dumps({"run": run.pk, **{name: getattr(run, name) for name in names}})


def _as_text(run: ReconciliationRun) -> str:
    if run.result == ReconciliationRun.Result.FAILED:
        return f"Run {run.pk} failed: {run.failure}"
    lines = [
        f"Run {run.pk}: compared with {run.get_source_display().lower()} "
        f"at sequence {run.sequence}: "
        f"{run.checked_count} comparisons, {run.difference_count} differences."
    ]
    for difference in run.differences:
        lines.append(
            "  {what}: account {account_id}, {asset}: tables {tables_minor}, "
            "engine {engine_minor} minor units".format(**difference)
        )
    return "\n".join(lines)
