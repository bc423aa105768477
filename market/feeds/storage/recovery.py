"""What a storing process that takes over from a dead one needs to know."""

from collections.abc import Iterator, Mapping

from market.feeds.books.contract import BookKey, Books
from market.feeds.dbn.records import NO_PRICE
from market.feeds.models import BboBar, BookSnapshot, Feed, StorageGap, StorageRun
from market.feeds.storage.deriving import SECOND_NS, Bar
from market.feeds.storage.exactness import unpacked


def stored_run(feed: Feed, number: int) -> StorageRun | None:
    return StorageRun.objects.filter(feed=feed, number=number).first()


def last_run(feed: Feed) -> int | None:
    newest = StorageRun.objects.filter(feed=feed).order_by("-number").first()
    return newest.number if newest else None


def next_places(feed: Feed) -> tuple[int, int]:
    """The number of the next run, and the position of the next record."""
    newest = StorageRun.objects.filter(feed=feed).order_by("-number").first()
    return (newest.number + 1, newest.next_position) if newest else (1, 0)


def saved_at(run: StorageRun, position: int) -> set[BookKey]:
    """Books that have a snapshot at just this place of the run."""
    rows = BookSnapshot.objects.filter(feed_id=run.feed_id, run=run.number, position=position)
    names = rows.values_list("instrument__publisher_id", "instrument__instrument_id")
    return {BookKey(*name) for name in names}


def endless_gaps(run: StorageRun) -> list[StorageGap]:
    """The loss that the run ends with, if it is not known when that ended."""
    gaps = StorageGap.objects.filter(feed_id=run.feed_id, run=run.number)
    return [
        gap
        for gap in gaps.order_by("-position")[:1]
        if gap.position + gap.record_count == run.next_position and gap.end_ns == gap.start_ns
    ]


def open_bars(
    run: StorageRun, books: Books, known: Mapping[int, int]
) -> Iterator[tuple[int, int, Bar]]:
    """Bars of the run's last second, and for other books one that says where their quotes are."""
    second = run.end_ns // SECOND_NS
    rows = {
        row.instrument_id: row
        for row in BboBar.objects.filter(
            instrument__feed_id=run.feed_id, run=run.number, start_ns=second * SECOND_NS
        )
    }
    keys = set(books.keys())
    for book, instrument in known.items():
        if row := rows.get(instrument):
            yield instrument, second, _bar(row)
        elif unpacked(book) in keys:
            bids, asks = books.levels(unpacked(book), 1)
            bid, bid_size = (bids[0].price, bids[0].size) if bids else (NO_PRICE, 0)
            ask, ask_size = (asks[0].price, asks[0].size) if asks else (NO_PRICE, 0)
            yield (
                instrument,
                -1,
                Bar(bid, bid, bid, bid, bid_size, ask, ask, ask, ask, ask_size, NO_PRICE, NO_PRICE),
            )


def _bar(row: BboBar) -> Bar:
    values = (getattr(row, name) for name in Bar.__struct_fields__)
    return Bar(*(NO_PRICE if value is None else value for value in values))
