"""Reconciliation: do the tables, the engine and what was paid in and out agree?

Everything is compared at one journal sequence, that of the engine's answer. The ledger can be
summed up to any sequence; a wallet is compared unless it has changed again since. What the
projector has not brought into the tables yet is read from the journal. Nothing is repaired here:
the run is kept, and every admin is told of a difference.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import DatabaseError
from django.db.models import Sum
from django.utils import timezone

from accounts import selectors
from accounts.models import (
    EXTERNAL_ACCOUNT_ID,
    LedgerEntry,
    Notification,
    ReconciliationRun,
    Wallet,
)
from accounts.postings import PLACES_PER_COMMAND, place_id, postings_of
from accounts.projections import MoneyProjection
from orderbook import journal
from orderbook.bulk import upsert_rows
from orderbook.core.events import BalanceChanged
from orderbook.errors import VenueError
from orderbook.gateway import tail
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Balances, GetBalances
from orderbook.projections import Recorded

logger = structlog.get_logger(__name__)

PROJECTOR_PATIENCE_S = 10.0
"""How long the tables may take to reach the engine's sequence; the journal fills in the rest."""
POLL_S = 0.1
QUERY_TIMEOUT_S = 30.0
MAX_KEPT_DIFFERENCES = 1_000
"""Differences that a run keeps; it counts them all."""

Key = tuple[int, str]
"""(account_id, asset)"""


class ReconciliationFailed(Exception):
    """Nothing could be compared."""


@dataclass
class Comparison:
    """What was compared at ``sequence`` and what did not agree."""

    sequence: int
    checked_count: int = 0
    difference_count: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    def check(self, what: str, key: Key, *, tables: int, engine: int) -> None:
        """Counts one comparison of minor units, and the difference if there is one."""
        self.checked_count += 1
        if tables == engine:
            return
        self.difference_count += 1
        if len(self.differences) < MAX_KEPT_DIFFERENCES:
            account_id, asset = key
            self.differences.append(
                {
                    "what": what,
                    "account_id": account_id,
                    "asset": asset,
                    "tables_minor": str(tables),
                    "engine_minor": str(engine),
                }
            )


def reconcile_with_engine() -> ReconciliationRun:
    """Asks the running engine. A run that cannot be carried out is kept as failed."""
    started_at = timezone.now()
    try:
        balances = get_gateway().query_blocking(GetBalances(), timeout_s=QUERY_TIMEOUT_S)
        assert isinstance(balances, Balances)
    except (VenueError, LookupError) as error:
        return _keep_failure(started_at, ReconciliationRun.Source.ENGINE, error)
    return reconcile(balances, ReconciliationRun.Source.ENGINE, started_at=started_at)


def reconcile(
    balances: Balances, source: str, *, started_at: datetime | None = None
) -> ReconciliationRun:
    """Compares the tables with these balances, keeps the result and reports any difference."""
    started_at = started_at or timezone.now()
    try:
        comparison = compare(balances)
    except (ReconciliationFailed, DatabaseError, journal.JournalDamaged) as error:
        return _keep_failure(started_at, source, error)
    results = ReconciliationRun.Result
    run = ReconciliationRun.objects.create(
        started_at=started_at,
        finished_at=timezone.now(),
        source=source,
        sequence=comparison.sequence,
        result=results.DIFFERED if comparison.difference_count else results.AGREED,
        checked_count=comparison.checked_count,
        difference_count=comparison.difference_count,
        differences=comparison.differences,
    )
    logger.info("reconciled", run=run.pk, result=run.result, sequence=run.sequence)
    if comparison.difference_count:
        _tell_admins(run)
    return run


def compare(balances: Balances) -> Comparison:
    """Wallets, ledger and engine at the sequence of ``balances``."""
    sequence = balances.sequence
    cursor = _wait_for_projector(sequence)
    engine = {(account, asset): (free, held) for account, asset, free, held in balances.balances}
    wallets = _wallets()
    ledger = _ledger_totals(min(cursor, sequence))
    for record in _records_between(cursor, sequence):
        _lay_over(record, wallets, ledger)
    comparison = Comparison(sequence)
    _compare_wallets(comparison, wallets, engine)
    _compare_ledger(comparison, ledger, engine)
    return comparison


def _compare_wallets(
    comparison: Comparison,
    wallets: dict[Key, tuple[int, int, int]],
    engine: dict[Key, tuple[int, int]],
) -> None:
    for key in sorted(wallets.keys() | engine.keys()):
        available, held, changed_at = wallets.get(key, (0, 0, 0))
        if changed_at > comparison.sequence:
            continue
        engine_available, engine_held = engine.get(key, (0, 0))
        comparison.check("wallet_available", key, tables=available, engine=engine_available)
        comparison.check("wallet_held", key, tables=held, engine=engine_held)


def _compare_ledger(
    comparison: Comparison, ledger: dict[Key, int], engine: dict[Key, tuple[int, int]]
) -> None:
    in_engine: dict[str, int] = defaultdict(int)
    paid_in: dict[str, int] = defaultdict(int)
    for key in sorted(ledger.keys() | engine.keys()):
        account_id, asset = key
        if account_id == EXTERNAL_ACCOUNT_ID:
            paid_in[asset] -= ledger[key]
            continue
        total = sum(engine.get(key, (0, 0)))
        in_engine[asset] += total
        comparison.check("ledger_total", key, tables=ledger.get(key, 0), engine=total)
    for asset in sorted(in_engine.keys() | paid_in.keys()):
        key = (EXTERNAL_ACCOUNT_ID, asset)
        comparison.check(
            "deposits_less_withdrawals", key, tables=paid_in[asset], engine=in_engine[asset]
        )


def _wait_for_projector(sequence: int) -> int:
    """The projection's cursor, once it has reached ``sequence`` or patience has run out."""
    give_up_at = time.monotonic() + PROJECTOR_PATIENCE_S
    while True:
        cursor = tail.cursor_of(MoneyProjection.name)
        if cursor >= sequence:
            return cursor
        if time.monotonic() >= give_up_at:
            if journal.last_sequence() < sequence:
                raise ReconciliationFailed(f"the journal does not reach sequence {sequence}")
            return cursor
        time.sleep(POLL_S)


def _wallets() -> dict[Key, tuple[int, int, int]]:
    rows = Wallet.objects.values_list(
        "account_id", "asset", "available_minor", "held_minor", "sequence"
    )
    return {
        (account_id, asset): (available, held, sequence)
        for account_id, asset, available, held, sequence in rows.iterator()
    }


def _ledger_totals(up_to_sequence: int) -> dict[Key, int]:
    entries = LedgerEntry.objects.filter(id__lt=(up_to_sequence + 1) * PLACES_PER_COMMAND)
    sums = entries.order_by().values_list("account_id", "asset").annotate(Sum("amount_minor"))
    return {(account_id, asset): int(total) for account_id, asset, total in sums.iterator()}


def _records_between(after: int, last: int) -> Iterator[Recorded]:
    while after < last:
        batches = journal.read_batches(after)
        if not batches:
            return
        for batch in batches:
            for record in journal.records(batch):
                if record.sequence > last:
                    return
                yield record
        after = batches[-1].last_sequence


def _lay_over(
    record: Recorded, wallets: dict[Key, tuple[int, int, int]], ledger: dict[Key, int]
) -> None:
    event = record.event
    if isinstance(event, BalanceChanged):
        key = (event.account_id, event.asset)
        if record.sequence > wallets.get(key, (0, 0, 0))[2]:
            wallets[key] = (event.available_minor, event.held_minor, record.sequence)
        return
    for posting in postings_of(record):
        key = (posting.account_id, posting.asset)
        ledger[key] = ledger.get(key, 0) + posting.amount_minor


def _keep_failure(started_at: datetime, source: str, error: Exception) -> ReconciliationRun:
    logger.error("reconciliation_failed", source=source, reason=str(error))
    return ReconciliationRun.objects.create(
        started_at=started_at,
        finished_at=timezone.now(),
        source=source,
        result=ReconciliationRun.Result.FAILED,
        failure=str(error),
    )


def _tell_admins(run: ReconciliationRun) -> None:
    admins = selectors.active_admins()
    data = {
        "run_id": run.pk,
        "sequence": run.sequence,
        "difference_count": run.difference_count,
    }
    # Counted from the end of the command's places: its own events count from the beginning.
    rows = [
        (
            place_id(run.sequence, PLACES_PER_COMMAND - 1 - place),
            time.time_ns(),
            admin.pk,
            Notification.Kind.RECONCILIATION.value,
            data,
        )
        for place, admin in enumerate(admins)
    ]
    fields = ["id", "time_ns", "account_id", "kind", "data"]
    upsert_rows(Notification, fields, rows, ["id"], ["time_ns", "account_id", "kind", "data"])
    addresses = [admin.email for admin in admins if admin.email]
    try:
        send_mail(
            f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}Reconciliation found differences",
            f"Run {run.pk} compared the venue at sequence {run.sequence} and found "
            f"{run.difference_count} differences. The admin site lists them under "
            "Reconciliation runs.",
            None,
            addresses,
        )
    except OSError:
        logger.exception("mail_not_sent", run=run.pk)
