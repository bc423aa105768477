"""The tables about money and the notifications, as folds over the journal's events."""

import time
from collections.abc import Collection, Sequence

from django.db import connections, models, router

from accounts.models import Asset, LedgerEntry, Notification, User, Wallet
from accounts.notices import Notice, notices_of
from accounts.postings import Posting, postings_of
from orderbook.bulk import insert_rows, upsert_rows
from orderbook.core.events import AssetDefined, BalanceChanged
from orderbook.projections import Recorded

LISTENERS_FRESH_S = 10.0
"""How long it may take until a user's wish to be notified, or not, is followed."""
MAX_CACHED_LISTENERS = 100_000
EVENT_KINDS = [kind for kind in Notification.Kind if kind != Notification.Kind.RECONCILIATION]


class MoneyProjection:
    """Assets, wallets and the double-entry ledger."""

    name = "accounts.money"

    def apply(self, records: Sequence[Recorded]) -> None:
        assets: dict[str, int] = {}
        wallets: dict[tuple[int, str], tuple[int, int, int]] = {}
        postings: list[Posting] = []
        for record in records:
            event = record.event
            if isinstance(event, BalanceChanged):
                wallets[event.account_id, event.asset] = (
                    event.available_minor,
                    event.held_minor,
                    record.sequence,
                )
            elif isinstance(event, AssetDefined):
                assets[event.asset] = event.decimals
            else:
                postings.extend(postings_of(record))
        if assets:
            upsert_rows(Asset, ["code", "decimals"], assets.items(), ["code"], ["decimals"])
        if wallets:
            balance = ["available_minor", "held_minor", "sequence"]
            rows = [(*key, *value) for key, value in wallets.items()]
            keys = ["account_id", "asset"]
            upsert_rows(Wallet, [*keys, *balance], rows, keys, balance)
        if postings:
            insert_rows(LedgerEntry, Posting._fields, postings)

    def reset(self) -> None:
        for model in (Asset, Wallet, LedgerEntry):
            _empty(model)


class NotificationProjection:
    """Notifications of users who want them."""

    name = "accounts.notifications"

    def __init__(self) -> None:
        self.listeners = Listeners()

    def apply(self, records: Sequence[Recorded]) -> None:
        notices = list(notices_of(records))
        listening = self.listeners.among({notice.account_id for notice in notices})
        wanted = [notice for notice in notices if notice.account_id in listening]
        if wanted:
            insert_rows(Notification, Notice._fields, wanted)

    def reset(self) -> None:
        self.listeners.forget()
        Notification.objects.filter(kind__in=EVENT_KINDS).delete()


class Listeners:
    """Which accounts are users who want notifications; asks the database once in a while."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bool, float]] = {}

    def forget(self) -> None:
        self._known.clear()

    def among(self, account_ids: Collection[int]) -> set[int]:
        now = time.monotonic()
        oldest = now - LISTENERS_FRESH_S
        stale = [
            account_id
            for account_id in account_ids
            if (known := self._known.get(account_id)) is None or known[1] < oldest
        ]
        if stale:
            if len(self._known) + len(stale) > MAX_CACHED_LISTENERS:
                self._known.clear()
                stale = list(account_ids)
            # Not of accounts without a user: one may be created for them at any moment.
            for user_id, wish in User.objects.filter(id__in=stale).values_list("id", "notify"):
                self._known[user_id] = (wish, now)
        return {
            account_id
            for account_id in account_ids
            if (known := self._known.get(account_id)) is not None and known[0]
        }


def _empty(model: type[models.Model]) -> None:
    connection = connections[router.db_for_write(model)]
    table = connection.ops.quote_name(model._meta.db_table)
    truncate = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}" if truncate else f"DELETE FROM {table}")
