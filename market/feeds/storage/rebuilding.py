"""Books as they were at a place of a run: the nearest snapshots, and the records since."""

from collections.abc import Iterator

from django.db.models import Max, QuerySet

from market.feeds.books.contract import BookKey, Books
from market.feeds.dbn.records import Records
from market.feeds.errors import NotStored, StorageDamaged
from market.feeds.models import (
    BookSnapshot,
    FeedInstrument,
    RecordSegment,
    StorageGap,
    StorageRun,
)
from market.feeds.storage.codec import checked, unpack_image, unpack_records
from market.feeds.storage.exactness import Exactness


def rebuild(
    books: Books, run: StorageRun, position: int, only: FeedInstrument | None = None
) -> Exactness:
    """Brings empty ``books`` to where they were before the record at ``position``; says which of
    them are exact. ``only`` leaves out all others.

    Raises StorageDamaged where a stored row is not what was written, or is not there; NotStored
    where what the run began with is no longer kept, and there was no snapshot since.
    """
    snapshots = _snapshots(run).filter(position__lte=position)
    start = snapshots.aggregate(newest=Max("position"))["newest"]
    start = run.first_position if start is None else start
    gaps = StorageGap.objects.filter(feed_id=run.feed_id, run=run.number)
    lost_at = gaps.filter(position__lt=start).aggregate(newest=Max("position"))["newest"]
    exactness = Exactness()
    loaded = _load(books, snapshots.filter(position__lte=start), lost_at, only)
    if lost_at is not None:
        exactness.lose(but=loaded)
    losses = list(gaps.filter(position__gte=start, position__lt=position).order_by("position"))
    reached = start
    for first, records in segments(run, start, position):
        reached = _pass_losses(exactness, losses, reached, first)
        _require_all(run, reached, first)
        own = records if only is None else of_book(records, only)
        exactness.see(own)
        books.apply(own)
        reached += len(records)
    _require_all(run, _pass_losses(exactness, losses, reached, position), position)
    return exactness


def _pass_losses(
    exactness: Exactness, losses: list[StorageGap], reached: int, position: int
) -> int:
    """How far the losses before a position go on from where the records before them end."""
    while losses and losses[0].position <= position:
        loss = losses.pop(0)
        exactness.lose()
        if loss.position <= reached:
            reached = max(reached, loss.position + loss.record_count)
    return reached


def _require_all(run: StorageRun, reached: int, position: int) -> None:
    if reached >= position:
        return
    if reached == run.first_position:
        raise NotStored("What this run began with is no longer kept.")
    raise StorageDamaged(f"The records from {reached} to {position} are not there.")


def segments(run: StorageRun, start: int, end: int) -> Iterator[tuple[int, Records]]:
    """The stored records of a run from position ``start`` until before ``end``, and the position
    of the first of each array. ``start`` is where a segment begins."""
    rows = RecordSegment.objects.filter(
        feed_id=run.feed_id, run=run.number, position__gte=start, position__lt=end
    )
    for row in rows.order_by("position").iterator(chunk_size=4):
        yield row.position, records_of(row)[: end - row.position]


def records_of(row: RecordSegment) -> Records:
    payload = checked(row.id, row.record_count, bytes(row.payload), bytes(row.checksum))
    return unpack_records(payload, row.record_count)


def of_book(records: Records, instrument: FeedInstrument) -> Records:
    own = (records["publisher_id"] == instrument.publisher_id) & (
        records["instrument_id"] == instrument.instrument_id
    )
    return records if own.all() else records[own]


def _snapshots(run: StorageRun) -> QuerySet[BookSnapshot]:
    return BookSnapshot.objects.filter(feed_id=run.feed_id, run=run.number)


def _load(
    books: Books,
    snapshots: QuerySet[BookSnapshot],
    lost_at: int | None,
    only: FeedInstrument | None,
) -> list[BookKey]:
    """Every book's newest snapshot, but none from before a loss."""
    if only is not None:
        snapshots = snapshots.filter(instrument=only)
    if lost_at is not None:
        snapshots = snapshots.filter(position__gt=lost_at)
    loaded = []
    newest = snapshots.order_by().values("instrument").annotate(newest=Max("position"))
    for found in newest:
        row = snapshots.get(instrument=found["instrument"], position=found["newest"])
        payload = checked(
            row.id.int % 2**64, row.order_count, bytes(row.payload), bytes(row.checksum)
        )
        image = unpack_image(payload)
        try:
            books.load(image)
        except ValueError as error:
            raise StorageDamaged(f"The stored book {row} is none: {error}") from error
        loaded.append(image.key)
    return loaded
