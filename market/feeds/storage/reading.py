"""What is stored of a feed, as web processes read it: nothing here needs numba.

Moments are nanoseconds since the epoch by the feed's clock (see ``market.feeds.models``), and both
ends of an interval belong to it. Where several runs tell of one moment, the latest counts.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from market.feeds.books.contract import BookImage, BookKey
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import Records
from market.feeds.errors import BookUnknown, NotStored, StorageDamaged, UnknownFeed
from market.feeds.models import (
    BboBar,
    BboSegment,
    BookSnapshot,
    Feed,
    FeedInstrument,
    FeedTrade,
    RecordSegment,
    StorageGap,
    StorageRun,
    StoredDay,
)
from market.feeds.storage.codec import BBO_DTYPE, Rows, checked, clock_of, unpack
from market.feeds.storage.partitions import day_of
from market.feeds.storage.rebuilding import rebuild, records_of
from market.feeds.storage.timeline import Piece, pieces, run_at, storable

MAX_ROWS: Final = 100_000
"""Most rows that one call gives."""


def feed_of(feed: Feed | str) -> Feed:
    if isinstance(feed, Feed):
        return feed
    found = Feed.objects.filter(pk=feed).first()
    if found is None:
        raise UnknownFeed
    return found


def instrument_of(feed: Feed | str, key: BookKey) -> FeedInstrument:
    """Raises NotStored for a book of which there is nothing."""
    found = FeedInstrument.objects.filter(
        feed=feed_of(feed), publisher_id=key.publisher_id, instrument_id=key.instrument_id
    ).first()
    if found is None:
        raise NotStored("Nothing is stored of this instrument.")
    return found


def records(feed: Feed | str, start_ns: int, end_ns: int) -> Iterator[Records]:
    """Every record of the interval exactly as it came, some segment's worth at a time."""
    for piece in pieces(feed_of(feed), start_ns, end_ns):
        rows = RecordSegment.objects.filter(
            feed_id=piece.run.feed_id,
            run=piece.run.number,
            start_ns__lte=piece.end_ns,
            end_ns__gte=piece.start_ns,
        )
        for row in rows.order_by("position").iterator(chunk_size=4):
            found = records_of(row)
            clock = clock_of(found, row.start_ns)
            first = int(np.searchsorted(clock, np.uint64(piece.start_ns), "left"))
            last = int(np.searchsorted(clock, np.uint64(piece.end_ns), "right"))
            if first < last:
                yield found[first:last]


def bbo(
    feed: Feed | str,
    key: BookKey,
    start_ns: int,
    end_ns: int,
    limit: int = MAX_ROWS,
    *,
    newest: bool = False,
) -> Rows:
    """Changes of the best bid and ask, of ``BBO_DTYPE``, in order: the first ``limit`` of the
    interval, or the last. ``record`` is not of use here and 0."""
    found: list[Rows] = []
    count = 0
    for rows in _bbo_segments(feed_of(feed), key, start_ns, end_ns, newest):
        found.append(rows)
        count += len(rows)
        if count >= limit:
            break
    whole = np.concatenate(found[::-1] if newest else found) if found else np.empty(0, BBO_DTYPE)
    whole["record"] = 0
    if newest:
        return whole[max(0, len(whole) - limit) :]
    return whole[:limit]


def bars(
    feed: Feed | str,
    key: BookKey,
    start_ns: int,
    end_ns: int,
    limit: int = MAX_ROWS,
    *,
    newest: bool = False,
) -> list[BboBar]:
    """Bars of seconds that begin in the interval, in order."""
    rows = BboBar.objects.filter(
        instrument=instrument_of(feed, key), start_ns__gte=start_ns, start_ns__lte=end_ns
    ).order_by("-start_ns" if newest else "start_ns")[:limit]
    return list(rows)[::-1] if newest else list(rows)


def trades(
    feed: Feed | str,
    key: BookKey,
    start_ns: int,
    end_ns: int,
    limit: int = MAX_ROWS,
    *,
    newest: bool = False,
) -> list[FeedTrade]:
    """In order: the first ``limit`` of the interval, or the last."""
    instrument = instrument_of(feed, key)
    order = ("-ts_recv", "-id") if newest else ("ts_recv", "id")
    found: list[FeedTrade] = []
    for piece in _ordered(pieces(feed_of(feed), start_ns, end_ns), newest):
        rows = FeedTrade.objects.filter(
            instrument=instrument,
            run=piece.run.number,
            ts_recv__gte=piece.start_ns,
            ts_recv__lte=piece.end_ns,
        )
        found += rows.order_by(*order)[: limit - len(found)]
        if len(found) >= limit:
            break
    return found[::-1] if newest else found


def snapshots(
    feed: Feed | str, key: BookKey, start_ns: int, end_ns: int, limit: int = MAX_ROWS
) -> list[BookSnapshot]:
    """Where full books are stored, without them, in order."""
    rows = BookSnapshot.objects.filter(
        instrument=instrument_of(feed, key), ts_ns__gte=start_ns, ts_ns__lte=end_ns
    )
    return list(rows.defer("payload").order_by("ts_ns", "position")[:limit])


def gaps(feed: Feed | str, start_ns: int, end_ns: int) -> list[StorageGap]:
    rows = StorageGap.objects.filter(feed=feed_of(feed), start_ns__lte=end_ns, end_ns__gte=start_ns)
    return list(rows.order_by("start_ns", "position"))


def book_at(feed: Feed | str, key: BookKey, at_ns: int) -> BookImage:
    """The book after every record up to and including this moment.

    Raises NotStored before the first record and between two runs, BookUnknown where records were
    lost and the book did not begin anew since, StorageDamaged where rows are not what was written.
    """
    feed = feed_of(feed)
    instrument = instrument_of(feed, key)
    if at_ns < 0:
        raise NotStored
    at_ns = storable(at_ns)
    run = run_at(feed, at_ns)
    if run is None:
        raise NotStored
    _require_known_end(feed, run, at_ns)
    position = _position_after(run, at_ns)
    _require_no_loss(run, position, at_ns)
    books = PlainBooks()
    try:
        exactness = rebuild(books, run, position, instrument)
    except StorageDamaged:
        _require_still_told(run, at_ns)
        raise
    if not exactness.is_exact(key):
        raise BookUnknown
    try:
        return books.image(key)
    except KeyError:
        raise NotStored("The book had no record yet at this time.") from None


def _ordered(found: list[Piece], newest: bool) -> list[Piece]:
    return found[::-1] if newest else found


def _bbo_segments(
    feed: Feed, key: BookKey, start_ns: int, end_ns: int, newest: bool
) -> Iterator[Rows]:
    """The book's rows of the interval, segment by segment; each in order."""
    for piece in _ordered(pieces(feed, start_ns, end_ns), newest):
        segments = BboSegment.objects.filter(
            feed=feed,
            run=piece.run.number,
            start_ns__lte=piece.end_ns,
            end_ns__gte=piece.start_ns,
        ).order_by("-position" if newest else "position")
        for row in segments.iterator(chunk_size=4):
            payload = checked(row.id, row.row_count, bytes(row.payload), bytes(row.checksum))
            rows = unpack(payload, BBO_DTYPE, row.row_count)
            wanted = (
                (rows["publisher_id"] == key.publisher_id)
                & (rows["instrument_id"] == key.instrument_id)
                & (rows["ts_recv"] >= np.uint64(max(piece.start_ns, 0)))
                & (rows["ts_recv"] <= np.uint64(max(piece.end_ns, 0)))
            )
            yield rows[wanted]


def _position_after(run: StorageRun, at_ns: int) -> int:
    """Of the first record after the moment."""
    row = (
        RecordSegment.objects.filter(feed_id=run.feed_id, run=run.number, start_ns__lte=at_ns)
        .order_by("-position")
        .first()
    )
    if row is None:
        raise NotStored
    clock = clock_of(records_of(row), row.start_ns)
    count = int(np.searchsorted(clock, np.uint64(at_ns), "right"))
    if count == row.record_count:
        _require_kept(run, row.position + count, at_ns)
    return row.position + count


def _require_kept(run: StorageRun, position: int, at_ns: int) -> None:
    """What follows a segment may tell of the moment, too, and be gone: with its day, or else."""
    if position >= run.next_position:
        return
    rows = {"feed_id": run.feed_id, "run": run.number}
    if StorageGap.objects.filter(**rows, position=position).exists():
        return
    after = RecordSegment.objects.filter(**rows, position__gte=position)
    following = after.order_by("position").only("position", "start_ns").first()
    if following is not None and following.position == position:
        return
    first, last = day_of(at_ns), day_of(following.start_ns if following else run.end_ns)
    days = StoredDay.objects.filter(feed_id=run.feed_id, day__gte=first, day__lte=max(first, last))
    kept = set(days.values_list("day", flat=True))
    if first not in kept:
        raise NotStored("The records of this time are no longer kept.")
    if len(kept) > (last - first).days:
        raise StorageDamaged(f"The records from {position} on are not there.")


def _require_known_end(feed: Feed, run: StorageRun, at_ns: int) -> None:
    """After a run's end its last state stands, unless another one begins later."""
    if at_ns <= run.end_ns:
        return
    if StorageRun.objects.filter(feed=feed, record_count__gt=0, start_ns__gt=at_ns).exists():
        raise NotStored("Nothing is stored of this time: it lies between two runs.")


def _require_still_told(run: StorageRun, at_ns: int) -> None:
    """Retention may have taken rows away while they were read."""
    if not StorageRun.objects.filter(pk=run.pk, record_count__gt=0, start_ns__lte=at_ns).exists():
        raise NotStored("The records of this time are no longer kept.")


def _require_no_loss(run: StorageRun, position: int, at_ns: int) -> None:
    """Records that are missing next to the moment may belong before it."""
    lost = StorageGap.objects.filter(
        feed_id=run.feed_id, run=run.number, position=position, start_ns__lte=at_ns
    ).first()
    if lost is not None:
        raise BookUnknown(f"{lost.record_count} records are missing next to this time.")
