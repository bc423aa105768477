"""Books that two threads may use: the one that applies records, and the one that publishes."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import Anomaly, BookHead, BookImage, BookKey, Books, Level
from market.feeds.dbn.records import Records


class GuardedBooks:
    """The same books behind a lock, held for one call at a time."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._lock = threading.Lock()

    def apply(self, records: Records) -> None:
        with self._lock:
            self._books.apply(records)

    def apply_with_top(self, records: Records, depth: int, out: NDArray[np.void]) -> int:
        with self._lock:
            return self._books.apply_with_top(records, depth, out)

    def clear(self) -> None:
        with self._lock:
            self._books.clear()

    def keys(self) -> list[BookKey]:
        with self._lock:
            return self._books.keys()

    def changed(self) -> list[BookKey]:
        with self._lock:
            return self._books.changed()

    def head(self, key: BookKey) -> BookHead:
        with self._lock:
            return self._books.head(key)

    def levels(self, key: BookKey, depth: int) -> tuple[list[Level], list[Level]]:
        with self._lock:
            return self._books.levels(key, depth)

    def is_crossed(self, key: BookKey) -> bool:
        with self._lock:
            return self._books.is_crossed(key)

    def image(self, key: BookKey) -> BookImage:
        with self._lock:
            return self._books.image(key)

    def load(self, image: BookImage) -> None:
        with self._lock:
            self._books.load(image)

    def counters(self) -> dict[Anomaly, int]:
        with self._lock:
            return self._books.counters()

    @property
    def record_count(self) -> int:
        with self._lock:
            return self._books.record_count

    def read(self, take: Callable[[Books], Any]) -> Any:
        """Several reads of one moment."""
        with self._lock:
            return take(self._books)
