"""Transactions that are stored although nobody heard of it."""

import pytest
from django.db import OperationalError

from market.feeds.models import FeedTrade, RecordSegment, StorageRun
from market.feeds.storage import tables
from tests.unit.feeds.storage.flow import Flow, new_feed, recorder_of

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
