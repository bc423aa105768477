"""What every implementation of the books does, and the values it gives.

One book per (publisher, instrument). These rules hold for both implementations, to the letter:

- A appends to its level's queue. With ``FLAG_TOB`` it first empties its side; such an order is
  anonymous (no C or M ever finds it), and one without a price or with size 0 leaves the side empty.
- C subtracts its size and removes the order at zero. The id alone decides which order is meant.
- M sets price and size: in place where the price stays and the size does not grow, else at the
  back of the queue.
- R empties the book, whatever its side. The first A with ``FLAG_SNAPSHOT`` after something else
  than an R or another such A empties it, too.
- T, F and N change nothing, and do not end a snapshot.

In doubt:

- An action and its flags alone decide whether a snapshot begins, goes on or ends, also of a record
  that is then skipped. No snapshot has begun in a new book. R begins one whatever its flags; C, M,
  an A without ``FLAG_SNAPSHOT`` and an unknown action end it.
- An A with ``FLAG_TOB`` keeps its id for show, which is not looked up (no duplicate). Without a
  price it empties its side whatever its size; with a price and without a size it is skipped.
- ``FLAG_TOB`` and ``FLAG_SNAPSHOT`` mean nothing on an M, also one of an unknown id: it appends.
- A C looks at its size (0), then at its id; never at its side or price.
- An M of a known id with size 0 removes the order and is counted as ``ZERO_SIZE``, whatever else
  it would have changed.
- An A whose id rests already, on either side, joins the back of the queue like a new one.
- A record's length and rtype are not looked at. Ids are looked up within their book.

What should not happen is counted, by the names in ``Anomaly``, and handled as they say. Nothing is
repaired: a crossed book is shown crossed.
"""

from collections.abc import Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from market.feeds.dbn.records import Records


class Anomaly(StrEnum):
    """What is counted, and what is done about it. Their order is that of the counters."""

    UNKNOWN_CANCEL = "unknown_cancel"
    """C of an id that is not in the book: skipped."""
    UNKNOWN_MODIFY = "unknown_modify"
    """M of an id that is not in the book: an A."""
    DUPLICATE_ADD = "duplicate_add"
    """A of an id that is in the book: the old order is removed first."""
    OVER_CANCEL = "over_cancel"
    """C of more than is left, or without a size: the order is removed."""
    SIDE_CHANGE = "side_change"
    """M to the other side: removed there, appended here."""
    NO_PRICE = "no_price"
    """A or M without a price (A with FLAG_TOB excepted): skipped."""
    ZERO_SIZE = "zero_size"
    """A (FLAG_TOB excepted) or C with size 0, A or M without a size: skipped. M with size 0: the
    order is removed, if it is known."""
    NO_SIDE = "no_side"
    """A or M whose side is neither B nor A: skipped."""
    UNKNOWN_ACTION = "unknown_action"
    """An action that is none of A, C, M, R, T, F and N: skipped. It ends a snapshot."""


ANOMALIES = tuple(Anomaly)
"""An A or M is looked at in this order: side, price, size, id. The first that fails is counted,
and it alone."""


class BookKey(NamedTuple):
    publisher_id: int
    instrument_id: int


class Level(NamedTuple):
    price: int
    """In units of 1e-9."""
    size: int
    order_count: int


class Top(NamedTuple):
    """A book's best levels as they are shown, in JSON: each [price, size, orders]."""

    key: BookKey
    text: bytes
    is_crossed: bool


class BookHead(NamedTuple):
    """Of the last record that was seen of the book, whatever its action."""

    ts_recv: int
    ts_event: int
    sequence: int
    flags: int


QUEUE_DTYPE = np.dtype(
    [("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("anonymous", "u1")]
)
"""One resting order. A side is an array of these: best price first, then in queue order."""


def top_dtype(depth: int) -> np.dtype[np.void]:
    """A book's best ``depth`` levels of each side after a record.

    ``record`` is the record's index in the array that was applied; the next six fields are its
    own. A level that is not there has the price ``NO_PRICE``, size 0 and count 0.
    """
    side = [("px", "<i8"), ("sz", "<u8"), ("ct", "<u4")]
    return np.dtype(
        [
            ("record", "<u4"),
            ("publisher_id", "<u2"),
            ("instrument_id", "<u4"),
            ("ts_recv", "<u8"),
            ("ts_event", "<u8"),
            ("sequence", "<u4"),
            ("flags", "u1"),
            *((f"bid_{name}", kind, (depth,)) for name, kind in side),
            *((f"ask_{name}", kind, (depth,)) for name, kind in side),
        ]
    )


class BookImage(NamedTuple):
    """A whole book: enough to go on from."""

    key: BookKey
    head: BookHead
    in_snapshot: bool
    """Whether the next A with FLAG_SNAPSHOT belongs to a snapshot that has begun."""
    bids: NDArray[np.void]
    """Of ``QUEUE_DTYPE``."""
    asks: NDArray[np.void]


class Books(Protocol):
    """Every book of a feed. Not safe for use by several threads at a time."""

    def apply(self, records: Records) -> None:
        """Takes records in order. Any number at a time gives the same state."""

    def apply_with_top(self, records: Records, depth: int, out: NDArray[np.void]) -> int:
        """Like ``apply``; fills rows of ``out`` (of ``top_dtype(depth)``) and returns how many.

        A row for each record with ``FLAG_LAST`` after which its book's top ``depth`` levels differ
        from the last row for that book and depth (the first time: from an empty book). Raises
        ValueError where ``out`` is shorter than ``records`` or ``depth`` is below 1.
        """

    def clear(self) -> None:
        """Forgets every order, as if each book had had an R; keeps keys, heads and counters."""

    def keys(self) -> list[BookKey]:
        """Books that have been seen, sorted."""

    def changed(self) -> list[BookKey]:
        """Books with records, a clear or a load since the last call, sorted."""

    def head(self, key: BookKey) -> BookHead:
        """Raises KeyError for a book that was never seen; so do the others."""

    def levels(self, key: BookKey, depth: int) -> tuple[list[Level], list[Level]]:
        """Best bids and asks, at most ``depth`` each, best first."""

    def is_crossed(self, key: BookKey) -> bool:
        """Best bid at or above best ask."""

    def image(self, key: BookKey) -> BookImage: ...

    def load(self, image: BookImage) -> None:
        """Replaces one book by an image of it; counts no records and no anomalies.

        Raises ValueError, and changes nothing, for an image that no book can have: a size of 0 or
        ``NO_SIZE``, ``NO_PRICE``, levels out of order, an id twice, a side's second anonymous
        order or one that is not first in its level.
        """

    def counters(self) -> dict[Anomaly, int]:
        """Since the beginning, all books together."""

    @property
    def record_count(self) -> int: ...


def state_hash(images: Iterable[BookImage]) -> str:
    """32 hex digits over every order of every book, by key; empty books leave no trace."""
    digest = blake2b(digest_size=16)
    for image in sorted(images, key=lambda image: image.key):
        if not len(image.bids) and not len(image.asks):
            continue
        digest.update(np.array([*image.key, len(image.bids), len(image.asks)], "<u8").tobytes())
        digest.update(np.ascontiguousarray(image.bids).tobytes())
        digest.update(np.ascontiguousarray(image.asks).tobytes())
    return digest.hexdigest()
