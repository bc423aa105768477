"""Old days go, and nothing else does."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections

from market.feeds.dbn.records import Records
from market.feeds.errors import NotStored
from market.feeds.models import BboBar, Feed, FeedTrade, RecordSegment, StorageRun, StoredDay
from market.feeds.storage import partitions, reading
from market.feeds.tasks import prune_feeds
from tests.unit.feeds.storage.flow import (
    KEYS,
    START_NS,
    Flow,
    direct,
    new_feed,
    recorder_of,
    same,
    store,
    until,
)

pytestmark = pytest.mark.django_db(databases=["feeds"])
DAY_NS = partitions.DAY_NS


def stored(name: str, seed: int) -> tuple[Feed, Flow, Records]:
    feed, flow = new_feed(name), Flow(seed, step_ns=DAY_NS // 100)
    records = flow.take(1_500)
    store(recorder_of(feed), records)
    return feed, flow, records


def make_old(feed: Feed, count: int) -> list[StoredDay]:
    """The feed's first days, as if they had been written long ago."""
    days = list(StoredDay.objects.filter(feed=feed).order_by("day")[:count])
    long_ago = datetime.now(UTC) - timedelta(days=100)
    StoredDay.objects.filter(pk__in=[day.pk for day in days]).update(written_at=long_ago)
    return days


def pruned(*options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("prune_feeds", "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def test_a_day_that_is_old_for_every_feed_goes_with_everything_in_it() -> None:
    feed, _, records = stored("es", 1)
    assert StoredDay.objects.filter(feed=feed).count() >= 4
    old = make_old(feed, 2)
    end = partitions.start_of(old[-1].day) + DAY_NS
    answer = pruned("--keep-days", "30")
    assert [day["day"] for day in answer["days"]] == [day.day.isoformat() for day in old]
    if connections[settings.FEEDS_DATABASE].vendor == "postgresql":
        assert (answer["partitions_dropped"], answer["rows_deleted"]) == (10, 0)
    else:
        assert answer["rows_deleted"] > 0
    for model in (RecordSegment, BboBar):
        assert not model.objects.filter(start_ns__lt=end).exists()
        assert model.objects.filter(start_ns__gte=end).exists()
    assert not FeedTrade.objects.filter(ts_recv__lt=end).exists()
    with pytest.raises(NotStored):
        reading.book_at(feed, KEYS[0], end - 1)
    for moment in (int(records["ts_recv"][-300]), int(records["ts_recv"][-1])):
        for key in KEYS:
            whole = direct(until(records, moment), key)
            assert same(reading.book_at(feed, key, moment), whole)


def test_the_first_moments_that_are_kept_are_still_known() -> None:
    feed, _, records = stored("es", 2)
    old = make_old(feed, 1)
    pruned("--keep-days", "30")
    start = partitions.start_of(old[0].day) + DAY_NS
    kept = records["ts_recv"][records["ts_recv"] >= start]
    for moment in map(int, kept[:5]):
        for key in KEYS:
            assert same(reading.book_at(feed, key, moment), direct(until(records, moment), key))


def test_what_another_feed_keeps_of_the_day_stays() -> None:
    feed, _, _ = stored("es", 3)
    other, _, records = stored("nq", 4)
    make_old(feed, 2)
    pruned("--keep-days", "30")
    assert RecordSegment.objects.filter(feed=other, start_ns__lt=START_NS + DAY_NS // 2).exists()
    everything = b"".join(part.tobytes() for part in reading.records(other, 0, 2**62))
    assert everything == records.tobytes()


def test_a_feed_that_is_pruned_whole_goes_on_with_new_positions() -> None:
    feed, flow, _ = stored("es", 5)
    make_old(feed, 100)
    assert prune_feeds() >= 4
    assert not RecordSegment.objects.exists()
    assert StorageRun.objects.get().next_position == 1_500
    again = flow.take(200)
    store(recorder_of(feed), again, run=2, position=1_500)
    assert b"".join(part.tobytes() for part in reading.records(feed, 0, 2**62)) == again.tobytes()


def test_a_dry_run_deletes_nothing() -> None:
    feed, _, _ = stored("es", 6)
    make_old(feed, 2)
    assert len(pruned("--keep-days", "30", "--dry-run")["days"]) == 2
    assert StoredDay.objects.filter(feed=feed).count() >= 4


@pytest.mark.parametrize("options", [("--keep-days", "-1"), ("--feed", "nothing")])
def test_mistakes_are_told_in_one_line(options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("prune_feeds", *options)
    assert caught.value.returncode == 2


def test_the_storage_command_tells_counts_sizes_and_gaps() -> None:
    feed, _, _ = stored("es", 7)
    recorder_of(feed).lose(2, 1_500, 7, "overflow")
    out = StringIO()
    call_command("feeds_storage", "es", "--days", "--json", stdout=out)
    (one,) = json.loads(out.getvalue())["feeds"]
    assert (one["record_count"], one["runs"], one["gap_count"]) == (1_500, 1, 0)
    assert sum(day["record_count"] for day in one["days"]) == 1_500
    assert one["trade_count"] == FeedTrade.objects.count()
    assert 0 < one["bytes_per_record"] < 56
    text = StringIO()
    call_command("feeds_storage", stdout=text)
    assert "1,500 records in 1 runs" in text.getvalue()
    with pytest.raises(CommandError):
        call_command("feeds_storage", "nothing")
