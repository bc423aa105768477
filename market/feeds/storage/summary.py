"""What is stored of each feed: counts, sizes and gaps."""

from typing import Any

from django.db.models import Count, Max, Min, Sum

from market.feeds.models import Feed, StorageGap, StorageRun, StoredDay

RECORD_BYTES = 56
COUNTERS = (
    "record_count",
    "record_bytes",
    "bbo_count",
    "bbo_bytes",
    "trade_count",
    "snapshot_count",
    "snapshot_bytes",
)
"""Of ``StoredDay``. Bars are left out: one that goes on is written again and again."""
MAX_GAPS = 20


def summary(feed: Feed, *, days: bool = False) -> dict[str, Any]:
    """``days``: with one entry for each day."""
    found = StoredDay.objects.filter(feed=feed)
    sums = found.aggregate(**{f"{name}_sum": Sum(name) for name in COUNTERS})
    totals = {name: sums[f"{name}_sum"] or 0 for name in COUNTERS}
    runs = StorageRun.objects.filter(feed=feed, record_count__gt=0)
    span = runs.aggregate(count=Count("pk"), start_ns=Min("start_ns"), end_ns=Max("end_ns"))
    lost = StorageGap.objects.filter(feed=feed)
    records = totals["record_count"]
    answer = {
        "feed": feed.pk,
        "runs": span["count"],
        "start_ns": span["start_ns"],
        "end_ns": span["end_ns"],
        **totals,
        "bytes_per_record": round(totals["record_bytes"] / records, 2) if records else None,
        "packed_to": (
            round(totals["record_bytes"] / records / RECORD_BYTES, 4) if records else None
        ),
        "gap_count": lost.count(),
        "lost_records": lost.aggregate(lost=Sum("record_count"))["lost"] or 0,
        "newest_gaps": [_gap(gap) for gap in lost.order_by("-position")[:MAX_GAPS]],
    }
    if days:
        answer["days"] = [
            {"day": row.day.isoformat(), **{name: getattr(row, name) for name in COUNTERS}}
            for row in found.order_by("day")
        ]
    return answer


def _gap(gap: StorageGap) -> dict[str, Any]:
    names = ("run", "position", "record_count", "start_ns", "end_ns", "reason")
    return {name: getattr(gap, name) for name in names}
