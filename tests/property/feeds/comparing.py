"""Two implementations of the books side by side."""

from collections.abc import Iterator

import numpy as np

from market.feeds.books.contract import BookImage, Books, state_hash, top_dtype
from market.feeds.books.fast import FastBooks
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import FLAG_LAST, Records


def assert_same_orders(fast: Books, plain: Books) -> None:
    """Everything that can be read of the books, to the last order."""
    keys = plain.keys()
    assert fast.keys() == keys
    assert fast.counters() == plain.counters()
    assert fast.record_count == plain.record_count
    ours, theirs = [fast.image(key) for key in keys], [plain.image(key) for key in keys]
    for one, other in zip(ours, theirs, strict=True):
        assert one[:3] == other[:3]
        assert one.bids.tolist() == other.bids.tolist()
        assert one.asks.tolist() == other.asks.tolist()
    assert state_hash(ours) == state_hash(theirs)
    for key in keys:
        assert fast.levels(key, 1_000_000) == plain.levels(key, 1_000_000)


def assert_same_top(fast: Books, plain: Books, depth: int = 10) -> None:
    """What can be read at once, of the books that changed since the last look."""
    changed = plain.changed()
    assert fast.changed() == changed
    assert fast.counters() == plain.counters()
    for key in changed:
        assert fast.head(key) == plain.head(key)
        assert fast.levels(key, depth) == plain.levels(key, depth)
        assert fast.is_crossed(key) == plain.is_crossed(key)


def events(records: Records) -> Iterator[Records]:
    """Cut behind each record with FLAG_LAST."""
    start = 0
    for last in np.flatnonzero(records["flags"] & FLAG_LAST).tolist():
        yield records[start : last + 1]
        start = last + 1
    if start < len(records):
        yield records[start:]


def batches(records: Records, size: int) -> Iterator[Records]:
    for start in range(0, len(records), size):
        yield records[start : start + size]


def final_state(records: Records, size: int) -> tuple[object, ...]:
    books = FastBooks(order_capacity=2)
    for batch in batches(records, size):
        books.apply(batch)
    images = images_of(books)
    heads = [(image.key, image.head, image.in_snapshot) for image in images]
    return state_hash(images), heads, books.counters(), books.changed(), books.record_count


def assert_same_rows(records: Records, depth: int, size: int) -> int:
    """Rows of the top of the book; how many there were."""
    fast, plain = FastBooks(order_capacity=2), PlainBooks()
    total = 0
    for batch in batches(records, size):
        ours, theirs = (np.zeros(len(batch), top_dtype(depth)) for _ in range(2))
        count = fast.apply_with_top(batch, depth, ours)
        assert count == plain.apply_with_top(batch, depth, theirs)
        assert ours[:count].tobytes() == theirs[:count].tobytes()
        total += count
    assert_same_orders(fast, plain)
    return total


def assert_resumes(records: Records, cut: int) -> None:
    """Images of the books after ``cut`` records, and the rest: the same as the whole."""
    whole, first = FastBooks(order_capacity=2), FastBooks(order_capacity=2)
    whole.apply(records)
    first.apply(records[:cut])
    for resumed in (FastBooks(order_capacity=2), PlainBooks()):
        for image in images_of(first):
            resumed.load(image)
        resumed.apply(records[cut:])
        assert resumed.record_count == len(records) - cut
        assert list(map(_content, images_of(resumed))) == list(map(_content, images_of(whole)))


def images_of(books: Books) -> list[BookImage]:
    keys = books.keys()
    return [books.image(key) for key in keys]


def _content(image: BookImage) -> tuple[object, ...]:
    return (*image[:3], image.bids.tolist(), image.asks.tolist())
