"""Transactions that are stored although nobody heard of it, and such that fail."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, connections

from market.feeds.books.plain import PlainBooks
from market.feeds.models import FeedInstrument, FeedTrade, RecordSegment, StorageRun
from market.feeds.storage import partitions, reading, tables
from market.feeds.storage.partitions import Partitions
from market.feeds.storage.recorder import Recorder
from market.feeds.storage.tables import Batch
from tests.unit.feeds.storage.flow import PLAN, Flow, joined, new_feed, recorder_of, store

pytestmark = pytest.mark.django_db(databases=["feeds"])


def test_a_transaction_whose_end_was_lost_is_not_stored_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = new_feed()
    recording, records = recorder_of(feed), Flow(3).take(1_000)
    write = tables.write

    def and_lose_touch(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(tables, "write", write)
        raise OperationalError("the connection was lost")

    monkeypatch.setattr(tables, "write", and_lose_touch)
    recording.take(1, 0, records[:600])
    with pytest.raises(OperationalError):
        recording.commit()
    stored = RecordSegment.objects.count(), FeedTrade.objects.count()
    assert recording.commit() == 600
    assert (RecordSegment.objects.count(), FeedTrade.objects.count()) == stored
    recording.take(1, 600, records[600:])
    assert recording.commit() == 1_000
    assert StorageRun.objects.get(feed=feed).record_count == 1_000


def test_a_transaction_that_failed_is_stored_at_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = new_feed()
    recording, records = recorder_of(feed), Flow(4).take(500)
    write = tables.write

    def fail(*arguments: object) -> None:
        monkeypatch.setattr(tables, "write", write)
        raise OperationalError("the database is away")

    monkeypatch.setattr(tables, "write", fail)
    recording.take(1, 0, records)
    with pytest.raises(OperationalError):
        recording.commit()
    assert not StorageRun.objects.filter(feed=feed).exists()
    assert recording.commit() == 500
    assert StorageRun.objects.get(feed=feed).record_count == 500


class CutOff(tuple[Any, ...]):
    """A row at which the database's driver finds the connection gone."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        driver: Any = connections[settings.FEEDS_DATABASE]
        raise driver.Database.OperationalError("the connection is gone")


def test_a_connection_that_goes_in_the_middle_of_the_rows_is_an_error_to_try_again_after() -> None:
    feed = new_feed()
    batch = Batch(records=[CutOff([0] * len(tables.RECORD_FIELDS))])
    with pytest.raises(OperationalError, match="the connection is gone"):
        tables.write(feed.pk, batch, datetime.now(UTC), Partitions())


def test_a_book_that_comes_while_the_database_is_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed, records = new_feed(), Flow(5).take(1_000)
    create, refusals = FeedInstrument.objects.get_or_create, []

    def refuse_once(**values: Any) -> Any:
        if values["publisher_id"] not in refusals:
            refusals.append(values["publisher_id"])
            raise OperationalError("the database is away")
        return create(**values)

    def attempt(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OperationalError:
            return action()

    monkeypatch.setattr(FeedInstrument.objects, "get_or_create", refuse_once)
    recorder = Recorder(feed, {}, PlainBooks, PLAN, attempt)
    store(recorder, records)
    assert sorted(refusals) == [1, 2]
    assert joined(reading.records(feed, 0, 2**62)).tobytes() == records.tobytes()


def test_a_day_that_was_dropped_meanwhile_is_made_again() -> None:
    feed, records = new_feed(), Flow(6).take(600)
    recorder = recorder_of(feed)
    store(recorder, records[:300])
    recorder.take(1, 300, records[300:])
    if partitions.drops_whole_days():
        assert partitions.drop(partitions.day_of(int(records["ts_recv"][0]))) == 5
        with pytest.raises(IntegrityError, match="partition"):
            recorder.commit()
    assert recorder.commit() == 600
    assert RecordSegment.objects.filter(position__gte=300).exists()
