"""All checks of a feed together, while its books are built."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.contract import BookKey, Books
from market.feeds.checking.records import RecordChecks
from market.feeds.checking.reference import Reference
from market.feeds.checking.report import Kind, Report, key_fields
from market.feeds.checking.structure import check_structure
from market.feeds.checking.twins import Twins
from market.feeds.dbn.records import Records

COMPARE_RECORDS: Final = 65_536
"""Whole books are compared at least every so many records, and at the end."""
FIRST_COMPARISON: Final = 1_024
"""Records before the first; the next come when there are twice as many."""
MIN_JUDGED_TRADES: Final = 100
"""Fewer say nothing about the share that consumes the front of the queue."""


class Limits(NamedTuple):
    compare_records: int = COMPARE_RECORDS
    min_prefix_percent: float = 95.0
    """Venues with icebergs show 96 to 99 percent; without any, it is 100."""


class Checker:
    """Give it each batch after the books took it, then ``finish``."""

    def __init__(
        self,
        books: Books,
        make_books: Callable[[], Books],
        *,
        report: Report | None = None,
        reference: Reference | None = None,
        limits: Limits | None = None,
    ) -> None:
        """``make_books`` gives empty books of the same engine."""
        self._books = books
        self._limits = limits or Limits()
        self._reference = reference
        self.report = report or Report()
        self._records = RecordChecks(self.report, reference)
        self._twins = Twins(books, make_books, self.report)
        self._record_count = 0
        self._compare_at = FIRST_COMPARISON
        self._last_number = 0

    def take(self, records: Records, numbers: NDArray[np.int64]) -> None:
        """``numbers`` are the records' numbers in the feed."""
        if not len(records):
            return
        self._records.take(records, numbers)
        self._twins.take(records, numbers)
        self._record_count += len(records)
        self._last_number = int(numbers[-1])
        if self._record_count >= self._compare_at:
            self._compare()

    @property
    def records_to_comparison(self) -> int:
        """Batches that do not go beyond are compared at the right place. At least 1."""
        return self._compare_at - self._record_count

    def clear(self) -> None:
        """The books were cleared: the feed began again, or lost records."""
        self._records.clear()
        self._twins.clear()

    def finish(self) -> dict[str, Any]:
        """The report as a document."""
        self._compare()
        self._records.finish()
        self._judge_prefix_share()
        if self._reference is not None and not self._reference.compared_count:
            reason = "no row of the reference could be compared"
            self.report.add(Kind.REFERENCE_DIFFERS, self._last_number, reason=reason)
        interval_count, intervals = self._records.crossed()
        trades, twins = self._records.trades, self._twins
        reference = self._reference
        return {
            "ok": self.report.violation_count == 0,
            "violations": self.report.violation_count,
            "records": self._record_count,
            "events": self._records.event_count,
            "checks": self.report.checks(),
            "crossed": {"count": interval_count, "intervals": intervals},
            "trades": {**vars(trades), "prefix_share": trades.prefix_share},
            "comparisons": twins.comparison_count,
            "resumes": twins.resume_count,
            "reference": reference
            and {
                "rows": reference.row_count,
                "compared": reference.compared_count,
                "outside": reference.outside_count,
            },
        }

    def _compare(self) -> None:
        self._compare_at = self._record_count + min(
            self._record_count, self._limits.compare_records
        )
        self._twins.compare(self._last_number)
        keys = self._books.keys()
        for key in keys:
            check_structure(self._books, key, self._structure_found(key))

    def _structure_found(self, key: BookKey) -> Callable[..., None]:
        def found(kind: Kind, **details: Any) -> None:
            self.report.add(kind, self._last_number, book=key_fields(key), **details)

        return found

    def _judge_prefix_share(self) -> None:
        share, judged = self._records.trades.prefix_share, self._records.trades.judged
        if share is None or judged < MIN_JUDGED_TRADES:
            return
        if share * 100 < self._limits.min_prefix_percent:
            self.report.add(Kind.PREFIX_SHARE, self._last_number, share=share)
