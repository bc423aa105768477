"""The best levels of changed books as JSON, from any books."""

from typing import Protocol, runtime_checkable

import msgspec

from market.feeds.books.contract import BookKey, Books, Top

_encode = msgspec.json.Encoder().encode


@runtime_checkable
class TopWriter(Protocol):
    """Books that write their tops themselves, as the compiled ones do."""

    def take_tops(self, depth: int) -> list[Top]: ...


def take_tops(books: Books, depth: int) -> list[Top]:
    """Of the books that ``changed`` would give, which are unchanged then; in no order."""
    if isinstance(books, TopWriter):
        return books.take_tops(depth)
    return [top_of(books, key, depth) for key in books.changed()]


def top_of(books: Books, key: BookKey, depth: int) -> Top:
    bids, asks = books.levels(key, depth)
    head = books.head(key)
    is_crossed = bool(bids and asks and bids[0].price >= asks[0].price)
    top = {
        "publisher_id": key.publisher_id,
        "instrument_id": key.instrument_id,
        "ts_recv": head.ts_recv,
        "sequence": head.sequence,
        "bids": bids,
        "asks": asks,
    }
    return Top(key, _encode(top), is_crossed)
