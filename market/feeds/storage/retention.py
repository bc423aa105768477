"""Days that are no longer kept. A day's age counts from when it was last written to, so that a day
of the past that was stored yesterday is one day old.

On PostgreSQL a day that no feed keeps goes as a whole, with its partitions; else rows are deleted
in batches of bounded size, which hold up nobody for long.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db import models, transaction

from market.feeds.models import (
    BboBar,
    BboSegment,
    BookSnapshot,
    FeedInstrument,
    FeedTrade,
    RecordSegment,
    StorageGap,
    StorageRun,
    StoredDay,
)
from market.feeds.storage import partitions
from market.feeds.storage.partitions import DAY_NS, start_of

BATCH_ROWS: Final = 2_000
_BY_FEED: Final[tuple[tuple[type[models.Model], str], ...]] = (
    (RecordSegment, "start_ns"),
    (BboSegment, "start_ns"),
    (BookSnapshot, "ts_ns"),
)
_BY_INSTRUMENT: Final[tuple[tuple[type[models.Model], str], ...]] = (
    (BboBar, "start_ns"),
    (FeedTrade, "ts_recv"),
)


class PrunedDay(NamedTuple):
    feed: str
    day: date
    rows_deleted: int
    partitions_dropped: int
    """Counted with the first feed of the day."""


def expired(keep_days: int, feed_id: str | None = None) -> list[StoredDay]:
    """Days, of one feed or of all, that were last written to more than so many days ago."""
    limit = datetime.now(UTC) - timedelta(days=keep_days)
    days = StoredDay.objects.filter(written_at__lt=limit).order_by("day", "feed")
    return list(days if feed_id is None else days.filter(feed=feed_id))


def prune(days: Sequence[StoredDay]) -> list[PrunedDay]:
    """Deletes what is stored of these days. Safe to run again after it was cut off."""
    pruned = []
    for day in sorted({row.day for row in days}):
        rows = [row for row in days if row.day == day]
        kept = StoredDay.objects.filter(day=day).exclude(pk__in=[row.pk for row in rows])
        dropped = 0
        for row in rows:
            _shorten_runs(row)
        if partitions.drops_whole_days() and not kept.exists():
            dropped = partitions.drop(day)
        for row in rows:
            deleted = _delete_rows(row)
            with transaction.atomic(using=settings.FEEDS_DATABASE):
                _forget_gaps(row)
                row.delete()
            pruned.append(PrunedDay(row.feed_id, day, deleted, dropped))
            dropped = 0
    return pruned


def _delete_rows(stored: StoredDay) -> int:
    start = start_of(stored.day)
    deleted = 0
    for model, column in _BY_FEED:
        wanted = {"feed_id": stored.feed_id, **_span(column, start)}
        deleted += _delete_in_batches(model, wanted)
    instruments = list(
        FeedInstrument.objects.filter(feed=stored.feed_id).values_list("pk", flat=True)
    )
    for model, column in _BY_INSTRUMENT:
        for instrument in instruments:
            wanted = {"instrument_id": instrument, **_span(column, start)}
            deleted += _delete_in_batches(model, wanted)
    return deleted


def _span(column: str, start: int) -> dict[str, int]:
    return {f"{column}__gte": start, f"{column}__lt": start + DAY_NS}


def _delete_in_batches(model: type[models.Model], wanted: dict[str, object]) -> int:
    deleted = 0
    while True:
        found = model._default_manager.filter(**wanted).values_list("pk", flat=True)[:BATCH_ROWS]
        batch = list(found)
        if not batch:
            return deleted
        # The span again: it says which partition.
        rows = model._default_manager.filter(pk__in=batch, **wanted)
        deleted += rows._raw_delete(rows.db)


def _shorten_runs(stored: StoredDay) -> None:
    """The day is the oldest part of the runs that tell of it, or all of them. They stop to tell of
    it before its rows go, so that nobody looks for these."""
    start, end = start_of(stored.day), start_of(stored.day) + DAY_NS
    runs = StorageRun.objects.filter(feed=stored.feed_id, start_ns__gte=start, start_ns__lt=end)
    with transaction.atomic(using=settings.FEEDS_DATABASE):
        # The newest run stays: the next one's position follows from it.
        newest = StorageRun.objects.filter(feed=stored.feed_id).order_by("-number").first()
        ended = runs.filter(end_ns__lt=end)
        if newest is not None:
            ended.filter(pk=newest.pk).update(record_count=0)
            ended.exclude(pk=newest.pk).delete()
        for run in runs.filter(end_ns__gte=end):
            first = (
                RecordSegment.objects.filter(feed=stored.feed_id, run=run.number, start_ns__gte=end)
                .order_by("position")
                .values_list("position", "start_ns")
                .first()
            )
            if first is not None:
                run.first_position, run.start_ns = first
                run.save(update_fields=["first_position", "start_ns"])


def _forget_gaps(stored: StoredDay) -> None:
    """Those of the day, but not a run's last one while records after it are kept: books may be
    unknown since, and would be taken for empty."""
    feed_id = stored.feed_id
    start, end = start_of(stored.day), start_of(stored.day) + DAY_NS
    newest: dict[int, StorageGap] = {}
    for gap in StorageGap.objects.filter(feed=feed_id, end_ns__lt=end).order_by("position"):
        newest[gap.run] = gap
    needed = [
        gap.pk
        for gap in newest.values()
        if RecordSegment.objects.filter(
            feed=feed_id, run=gap.run, position__gt=gap.position
        ).exists()
    ]
    in_day = StorageGap.objects.filter(feed=feed_id, end_ns__gte=start, end_ns__lt=end)
    in_day.exclude(pk__in=needed).delete()
    kept = set(StoredDay.objects.filter(feed=feed_id).values_list("day", flat=True))
    older = StorageGap.objects.filter(feed=feed_id, end_ns__lt=start).exclude(pk__in=needed)
    for gap in older:
        if partitions.day_of(gap.end_ns) not in kept:
            gap.delete()
