"""Every read of accounts.

What is derived from the journal is read so that an acknowledged command is always in it: the
projection's cursor first, then its rows, then the journal's events after the cursor over them.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from django.db.models import Count, Q, QuerySet

from accounts import roles
from accounts.models import Asset, LedgerEntry, Notification, NotificationsRead, User, Wallet
from accounts.notices import Notice, notices_of
from accounts.postings import Posting, postings_of
from accounts.projections import MoneyProjection, NotificationProjection
from orderbook.core.events import AssetDefined, BalanceChanged
from orderbook.gateway import tail
from orderbook.gateway.pagination import Page, PageRequest, page_of

MAX_NOTIFICATIONS_PER_ACCOUNT = 500
"""Older ones are deleted by the nightly task; lists and counts look no further."""


# -- users -----------------------------------------------------------------------------------------


def user_by_login(login: str) -> User | None:
    """By name or, where there is an @ in it, by address."""
    login = login.strip()
    if "@" in login:
        return User.objects.filter(email__iexact=login).first()
    return User.objects.filter(username__iexact=login).first()


def email_taken(email: str) -> bool:
    """By a user's main address, or by another address that it has verified."""
    return (
        User.objects.filter(email__iexact=email).exists()
        or EmailAddress.objects.filter(email__iexact=email, verified=True).exists()
    )


def roles_of(user: User) -> list[str]:
    return list(user.groups.order_by("name").values_list("name", flat=True))


def active_admins() -> list[User]:
    """Who is told of what only operators can mend."""
    admins = User.objects.filter(Q(is_superuser=True) | Q(groups__name=roles.ADMIN))
    return list(admins.filter(is_active=True).distinct().order_by("id"))


# -- assets and balances ---------------------------------------------------------------------------


def asset_decimals(needed: Collection[str] = ()) -> dict[str, int]:
    """Decimal places of every asset; the journal's tail is read only for ``needed`` ones that the
    table does not have."""
    cursor = tail.cursor_of(MoneyProjection.name)
    decimals = dict(Asset.objects.order_by("code").values_list("code", "decimals"))
    if any(code not in decimals for code in needed):
        for record in tail.records_after(cursor):
            if isinstance(record.event, AssetDefined):
                decimals[record.event.asset] = record.event.decimals
    return decimals


class Balance(NamedTuple):
    asset: str
    decimals: int
    available_minor: int
    held_minor: int
    sequence: int
    """Of the command that changed it last."""

    @property
    def total_minor(self) -> int:
        return self.available_minor + self.held_minor


def balances_of(account_id: int) -> list[Balance]:
    """Every asset that the account has ever held, by code."""
    cursor = tail.cursor_of(MoneyProjection.name)
    rows = Wallet.objects.filter(account_id=account_id)
    found = {
        asset: (available_minor, held_minor, sequence)
        for asset, available_minor, held_minor, sequence in rows.values_list(
            "asset", "available_minor", "held_minor", "sequence"
        )
    }
    for record in tail.records_after(cursor, account_id):
        event = record.event
        if isinstance(event, BalanceChanged) and event.account_id == account_id:
            known = found.get(event.asset)
            if known is None or known[2] < record.sequence:
                found[event.asset] = (event.available_minor, event.held_minor, record.sequence)
    decimals = asset_decimals(found)
    return [
        Balance(asset, decimals[asset], available_minor, held_minor, sequence)
        for asset, (available_minor, held_minor, sequence) in sorted(found.items())
    ]


# -- ledger ----------------------------------------------------------------------------------------


class LedgerFilter(NamedTuple):
    asset: str | None = None
    kind: str | None = None

    def query(self) -> Q:
        given = {name: value for name, value in self._asdict().items() if value is not None}
        return Q(**given)

    def accepts(self, posting: Posting) -> bool:
        return (self.asset is None or posting.asset == self.asset) and (
            self.kind is None or posting.kind == self.kind
        )


def ledger_of(account_id: int, page: PageRequest, only: LedgerFilter | None = None) -> Page:
    """The account's postings, newest first; the page's results are ``Posting``."""
    only = only or LedgerFilter()
    cursor = tail.cursor_of(MoneyProjection.name)
    rows = LedgerEntry.objects.filter(only.query(), account_id=account_id)
    if page.after:
        rows = rows.filter(id__lt=page.after[0])
    stored = map(
        Posting._make, rows.order_by("-id").values_list(*Posting._fields)[: page.limit + 1]
    )
    recent = (
        posting
        for record in tail.records_after(cursor, account_id)
        for posting in postings_of(record)
        if posting.account_id == account_id and only.accepts(posting)
    )
    return _newest_first(stored, recent, page)


def _newest_first(stored: Iterator[Any], recent: Iterator[Any], page: PageRequest) -> Page:
    """Rows of the table and of the journal's tail as one list; what is in both appears once."""
    before_id = page.after[0] if page.after else None
    rows = {row.id: row for row in recent if before_id is None or row.id < before_id}
    rows.update((row.id, row) for row in stored)
    ordered = [rows[row_id] for row_id in sorted(rows, reverse=True)]
    return page_of(ordered[: page.limit + 1], page.limit, lambda row: (row.id,))


# -- notifications ---------------------------------------------------------------------------------


def notifications_of(user: User, page: PageRequest) -> Page:
    """The user's notifications, newest first; the page's results are ``Notice``."""
    cursor = tail.cursor_of(NotificationProjection.name)
    rows = Notification.objects.filter(account_id=user.pk)
    if page.after:
        rows = rows.filter(id__lt=page.after[0])
    stored = map(Notice._make, rows.order_by("-id").values_list(*Notice._fields)[: page.limit + 1])
    return _newest_first(stored, iter(_recent_notices(user, cursor)), page)


def unread_count(user: User) -> int:
    """Unread notifications, up to MAX_NOTIFICATIONS_PER_ACCOUNT."""
    cursor = tail.cursor_of(NotificationProjection.name)
    read_to_id = notifications_read_to(user.pk)
    unread = Notification.objects.filter(account_id=user.pk, id__gt=read_to_id).order_by("-id")
    ids = set(unread.values_list("id", flat=True)[:MAX_NOTIFICATIONS_PER_ACCOUNT])
    ids.update(n.id for n in _recent_notices(user, cursor) if n.id > read_to_id)
    return min(len(ids), MAX_NOTIFICATIONS_PER_ACCOUNT)


def newest_notification_id(user: User) -> int:
    newest = notifications_of(user, PageRequest(limit=1)).results
    return newest[0].id if newest else 0


def notifications_read_to(account_id: int) -> int:
    mark = NotificationsRead.objects.filter(account_id=account_id).values_list("read_to_id").first()
    return mark[0] if mark else 0


def accounts_with_more_notifications_than(count: int) -> list[int]:
    counts = Notification.objects.values("account_id").annotate(count=Count("id"))
    return list(counts.filter(count__gt=count).values_list("account_id", flat=True))


def notifications_beyond(account_id: int, keep: int) -> QuerySet[Notification]:
    """The account's notifications older than its newest ``keep``."""
    rows = Notification.objects.filter(account_id=account_id)
    ids = list(rows.order_by("-id").values_list("id", flat=True)[keep - 1 : keep])
    return rows.filter(id__lt=ids[0]) if ids else rows.none()


def _recent_notices(user: User, cursor: int) -> list[Notice]:
    if not user.notify:
        return []
    records = tail.records_after(cursor, user.pk)
    return [notice for notice in notices_of(records) if notice.account_id == user.pk]
