"""One run: a source, books, and what is to be written of them. All of it is written, or nothing."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from market.feeds.books.contract import Books, state_hash
from market.feeds.checking.checker import Checker, Limits
from market.feeds.checking.reference import Reference
from market.feeds.checking.report import Report
from market.feeds.errors import FeedError
from market.feeds.output.building import BookBuilder, SnapshotOutput, Wanted
from market.feeds.output.documents import Describer, Trading, encode
from market.feeds.output.files import WholeFile
from market.feeds.output.mbp10 import Mbp10Writer
from market.feeds.output.snapshots import Cutter, Interval
from market.feeds.session import Batch, FeedSession
from market.feeds.transport.client import FrameClient
from market.feeds.transport.sources import FileSource

MAX_NAMES: Final = 20
"""So many symbols are listed in a message."""


class UnknownInstrument(FeedError):
    code = "unknown_instrument"
    message = "The feed has no such instrument."


class NoRecords(FeedError):
    code = "no_records"
    message = "There was no market-by-order record."


class Interrupted(FeedError):
    code = "interrupted"
    message = "Interrupted before the end."


class Targets(NamedTuple):
    """Paths, or "-" for standard output; None where it is not wanted."""

    book: str | None = None
    snapshots: str | None = None
    mbp10: str | None = None
    report: str | None = None


class Plan(NamedTuple):
    make_books: Callable[[], Books]
    engine: str
    targets: Targets
    depth: int | None = None
    """Levels shown of a side; None: all."""
    with_queues: bool = False
    every: Interval | None = None
    symbols: frozenset[str] = frozenset()
    instrument_ids: frozenset[int] = frozenset()
    until_ns: int | None = None
    verify: bool = False
    limits: Limits = Limits()
    reference: Path | None = None
    batch_records: int = 65_536
    keep_partial: bool = False


class Result(NamedTuple):
    document: dict[str, Any]
    report: dict[str, Any] | None
    snapshot_count: int
    mbp10_count: int


class Run:
    """Everything of one run, put together."""

    def __init__(self, source: FrameClient | FileSource, plan: Plan) -> None:
        """Raises FeedError where an output cannot be written or an instrument is not known."""
        self._source = source
        self._plan = plan
        wanted = Wanted(instrument_ids(source, plan), plan.until_ns)
        self._books = plan.make_books()
        self._trading = Trading()
        self._checker = self._make_checker()
        with ExitStack() as stack:
            self._files = {
                name: _opened(stack, target)
                for name, target in plan.targets._asdict().items()
                if target is not None
            }
            self._opened = stack.pop_all()
        self._mbp10 = None
        if "mbp10" in self._files:
            self._mbp10 = Mbp10Writer(self._books, self._files["mbp10"])
        self._describer = Describer(
            self._books,
            self._trading,
            lambda key: self._session.symbol(key),
            lambda key: self._builder.status(key),
            depth=plan.depth,
            with_queues=plan.with_queues,
        )
        self._builder = BookBuilder(
            self._books,
            self._trading,
            wanted=wanted,
            snapshots=self._snapshot_output(),
            mbp10=self._mbp10,
            checker=self._checker,
            gap_count=lambda: self._session.gap_count,
        )
        self._session = FeedSession(source, self._builder, batch_records=plan.batch_records)

    def run(self, progress: Callable[[int], None] = lambda count: None) -> Result:
        """``progress`` takes how many records came. Raises FeedError, whole outputs or none
        behind it (but with ``keep_partial``: what there is, marked as incomplete)."""
        with self._opened:
            try:
                self._follow(progress)
            except FeedError as error:
                if self._plan.keep_partial:
                    self._finish(str(error.message))
                raise
            return self._finish(None)

    def _follow(self, progress: Callable[[int], None]) -> None:
        def on_batch(batch: Batch) -> None:
            progress(len(batch.records))
            if self._builder.is_ended:
                self._session.stop()

        try:
            self._session.run(on_batch)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Interrupted before the end, after {self._builder.seen_count} records."
            ) from error
        if not self._builder.seen_count:
            raise NoRecords("There is no market-by-order record" + self._before_until())
        self._require_wanted()

    def _before_until(self) -> str:
        return "." if self._plan.until_ns is None else " before the time given with --until."

    def _require_wanted(self) -> None:
        seen = {key.instrument_id for key in self._books.keys()}  # noqa: SIM118
        missing = sorted(self._plan.instrument_ids - seen)
        if missing:
            raise UnknownInstrument(f"There is no record of instrument {missing[0]}.")
        if not seen:
            raise UnknownInstrument("There is no record of the symbols that were asked for.")

    def _finish(self, error: str | None) -> Result:
        report = None if self._checker is None else self._checker.finish()
        document = self._document(error, report)
        for name in ("snapshots", "mbp10"):
            if error is not None and name in self._files:
                self._files[name].write(encode({"complete": False, "error": error}) + b"\n")
        if "book" in self._files:
            self._files["book"].write(encode(document) + b"\n")
        if "report" in self._files:
            whole = {"complete": error is None, "error": error, **(report or {})}
            self._files["report"].write(encode(whole) + b"\n")
        for file in self._files.values():
            file.finish()
        mbp10_count = 0 if self._mbp10 is None else self._mbp10.row_count
        return Result(document, report, self._builder.snapshot_count, mbp10_count)

    def _document(self, error: str | None, report: dict[str, Any] | None) -> dict[str, Any]:
        keys, session = self._books.keys(), self._session
        document = {
            "complete": error is None,
            "error": error,
            "engine": self._plan.engine,
            "record_count": self._books.record_count,
            "seen_count": self._builder.seen_count,
            "gap_count": session.gap_count,
            "restart_count": session.restart_count,
            "anomalies": {str(kind): count for kind, count in self._books.counters().items()},
            "state_hash": state_hash(map(self._books.image, keys)),
            "books": self._describer.books(keys),
        }
        if report is not None and self._plan.targets.report is None:
            document["verification"] = report
        return document

    def _snapshot_output(self) -> SnapshotOutput | None:
        if self._plan.every is None:
            return None
        cutter = Cutter(self._plan.every)
        return SnapshotOutput(cutter, self._describer, self._files["snapshots"])

    def _make_checker(self) -> Checker | None:
        plan = self._plan
        if not plan.verify:
            return None
        return Checker(
            self._books,
            plan.make_books,
            report=Report(offsets(self._source)),
            reference=None if plan.reference is None else Reference(plan.reference),
            limits=plan.limits,
        )


def instrument_ids(source: FrameClient | FileSource, plan: Plan) -> frozenset[int] | None:
    """Those that were asked for by symbol or by number; None: all. Raises FeedError."""
    if not plan.symbols:
        return plan.instrument_ids or None
    named: dict[str, set[int]] = {}
    for instrument_id, symbol in _named(source):
        named.setdefault(symbol, set()).add(instrument_id)
    for symbol in sorted(plan.symbols - named.keys()):
        known = ", ".join(sorted(named)[:MAX_NAMES]) or "none; use --instrument"
        raise UnknownInstrument(f"The feed has no instrument {symbol}; it names: {known}.")
    return plan.instrument_ids.union(*(named[symbol] for symbol in plan.symbols))


def _named(source: FrameClient | FileSource) -> list[tuple[int, str]]:
    if isinstance(source, FileSource):
        return list(source.symbols.items())
    return [(instrument_id, name) for _, instrument_id, name in source.connect().symbols]


def offsets(source: FrameClient | FileSource) -> Callable[[int], int | None]:
    """The byte offset of a record by its number: known of one plain file of records only."""
    if not isinstance(source, FileSource) or len(source.files) != 1:
        return lambda number: None
    file = source.files[0]
    if not file.record_count:
        return lambda number: None
    head = len(file.metadata_bytes)
    step = (file.size_bytes - head) // file.record_count
    return lambda number: None if file.skipped_count else head + number * step


def _opened(stack: ExitStack, target: str) -> WholeFile:
    file = WholeFile(target)
    stack.callback(file.abandon)
    return file
