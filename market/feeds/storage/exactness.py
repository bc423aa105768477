"""Which books are known exactly, when records were lost."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookKey
from market.feeds.dbn.records import ADD, CLEAR, FILL, FLAG_SNAPSHOT, NONE, TRADE, Records

_PASSING: Final = np.array([TRADE, FILL, NONE], np.uint8)


class Exactness:
    """After a loss no book is exact, until it begins anew: with an R, or with a snapshot that
    follows another record of the book (one that goes on at once may have lost its beginning)."""

    def __init__(self) -> None:
        self.lost_any = False
        self._exact: set[int] = set()
        self._moved: set[int] = set()
        """Books with a record after the loss that ends a snapshot, had there been one."""

    def lose(self, but: Iterable[BookKey] = ()) -> None:
        self.lost_any = True
        self._exact = {packed(key) for key in but}
        self._moved = set()

    def trust(self, key: BookKey) -> None:
        """The book was replaced by one that is known."""
        self._exact.add(packed(key))

    def restore(self) -> None:
        """Everything begins again from empty books."""
        self.lost_any = False

    def is_exact(self, key: BookKey) -> bool:
        return not self.lost_any or packed(key) in self._exact

    def see(self, records: Records) -> None:
        """Records in order."""
        self.exact_rows(records, np.empty(0, np.uint64), np.empty(0, np.uint32))

    def exact_rows(
        self, records: Records, books: NDArray[np.uint64], at: NDArray[np.uint32]
    ) -> NDArray[np.bool_] | None:
        """Takes records, and says of each pair of a book and a record's index whether the book was
        exact after that record. None: all were."""
        if not self.lost_any:
            return None
        before = np.array(sorted(self._exact), np.uint64)
        began = self._began(records)
        exact = np.isin(books, before)
        for book, index in began.items():
            exact |= (books == np.uint64(book)) & (at >= index)
        self._exact.update(began)
        return exact

    def _began(self, records: Records) -> dict[int, int]:
        """Books that began anew, with the index of the record."""
        books = packed_keys(records)
        action = records["action"]
        clears = action == CLEAR
        snapshots = (action == ADD) & ((records["flags"] & FLAG_SNAPSHOT) != 0)
        moves = ~(clears | snapshots | np.isin(action, _PASSING))
        began: dict[int, int] = {}
        candidates = np.flatnonzero(clears | snapshots)
        for book in map(int, np.unique(books[candidates])):
            if book not in self._exact:
                own = books == np.uint64(book)
                index = self._beginning(book, own & clears, own & snapshots, own & moves)
                if index is not None:
                    began[book] = index
        self._moved.update(map(int, np.unique(books[moves])))
        return began

    def _beginning(
        self,
        book: int,
        clears: NDArray[np.bool_],
        snapshots: NDArray[np.bool_],
        moves: NDArray[np.bool_],
    ) -> int | None:
        indices = np.flatnonzero(clears)[:1]
        if book in self._moved:
            moved_at = -1
        else:
            moved = np.flatnonzero(moves)
            moved_at = int(moved[0]) if len(moved) else len(moves)
        begun = np.flatnonzero(snapshots)
        begun = begun[begun > moved_at][:1]
        found = np.concatenate([indices, begun])
        return int(found.min()) if len(found) else None


def packed(key: BookKey) -> int:
    return key.publisher_id << 32 | key.instrument_id


def packed_keys(rows: NDArray[np.void]) -> NDArray[np.uint64]:
    """Of every row with a publisher and an instrument: one number for both."""
    publishers = rows["publisher_id"].astype(np.uint64)
    packed_: NDArray[np.uint64] = (publishers << np.uint64(32)) | rows["instrument_id"]
    return packed_


def unpacked(book: int) -> BookKey:
    return BookKey(book >> 32, book & 0xFFFF_FFFF)
