"""Each check is shown an input damaged in its way, and finds it at the right record."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from market.feeds.books.contract import Anomaly, BookImage, BookKey, Books, Level
from market.feeds.books.plain import PlainBooks
from market.feeds.checking.checker import Checker, Limits
from market.feeds.checking.report import COUNTED_ONLY, Kind, Report
from market.feeds.dbn.records import PRICE_UNITS, Records
from tests.unit.feeds.books.flow import START_NS, flow

SOUND = (
    "A B 1 100 5 .",
    "A B 2 100 7 .",
    "A B 3 99 1 .",
    "A A 4 101 2 .",
    "A A 5 102 3",
    "T B 0 101 1 .",
    "F A 4 101 1 .",
    "M A 4 101 1",
    "T A 0 100 8 .",
    "F B 1 100 5 .",
    "F B 2 100 3 .",
    "C B 1 100 5 .",
    "M B 2 100 4",
)


def check(
    records: Records,
    books: Books | None = None,
    make_books: Callable[[], Books] = PlainBooks,
    *,
    batch: int = 1_000,
    limits: Limits | None = None,
) -> dict[str, Any]:
    books = make_books() if books is None else books
    checker = Checker(books, make_books, limits=limits)
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        books.apply(part)
        checker.take(part, np.arange(start, start + len(part)))
    return checker.finish()


def found(report: dict[str, Any]) -> dict[str, int]:
    return {kind: check["count"] for kind, check in report["checks"].items() if check["count"]}


def first(report: dict[str, Any], kind: Kind | Anomaly) -> int:
    return report["checks"][kind]["first"]["record"]


def test_nothing_is_found_in_sound_records() -> None:
    for batch in (1, 3, 1_000):
        report = check(flow(*SOUND), batch=batch)
        assert found(report) == {}
        assert report["ok"]
        assert (report["records"], report["events"]) == (len(SOUND), 3)
        assert report["trades"]["judged"] == report["trades"]["in_order"] == 2


@pytest.mark.parametrize(
    ("line", "anomaly"),
    [
        ("C B 9 100 1", Anomaly.UNKNOWN_CANCEL),
        ("M B 9 100 1", Anomaly.UNKNOWN_MODIFY),
        ("A B 2 100 1", Anomaly.DUPLICATE_ADD),
        ("C B 2 100 8", Anomaly.OVER_CANCEL),
        ("M A 2 102 1", Anomaly.SIDE_CHANGE),
        ("A B 9 - 1", Anomaly.NO_PRICE),
        ("A B 9 90 0", Anomaly.ZERO_SIZE),
        ("A N 9 90 1", Anomaly.NO_SIDE),
        ("X N 9 90 1", Anomaly.UNKNOWN_ACTION),
    ],
)
@pytest.mark.parametrize("batch", [1, 1_000])
def test_an_anomaly_is_found_at_its_record(line: str, anomaly: Anomaly, batch: int) -> None:
    records = flow(*SOUND, line, "N N 0 - 0")
    report = check(records, batch=batch)
    assert found(report) == {anomaly: 1}
    assert report["ok"] is (anomaly in COUNTED_ONLY)
    beginning = report["checks"][anomaly]["first"]
    assert beginning["record"] == len(SOUND)
    assert beginning["fields"]["action"] == line[0]
    assert beginning["fields"]["sequence"] == len(SOUND)
    assert beginning["book"] == {"publisher_id": 1, "instrument_id": 7}


def test_the_first_of_several_books_is_the_one_that_came_first() -> None:
    records = flow("A B 1 9 1 i=8", "C B 9 9 1 i=9", "C B 9 9 1 i=8")
    report = check(records)
    assert found(report) == {Anomaly.UNKNOWN_CANCEL: 2}
    assert report["checks"][Anomaly.UNKNOWN_CANCEL]["first"]["record"] == 1


@pytest.mark.parametrize(
    ("fills", "kinds"),
    [
        (("F B 2 100 7",), {Kind.TRADE_NOT_PREFIX}),
        (("F B 1 100 5", "F B 3 99 1"), set()),
        (("F B 2 100 7", "F B 1 100 5"), {Kind.FILLS_OUT_OF_ORDER}),
        (("F B 1 100 4", "F B 2 100 1"), {Kind.FILLS_OUT_OF_ORDER}),
        (("F B 1 100 6",), {Kind.FILL_ABOVE_SIZE, Kind.FILLS_OUT_OF_ORDER}),
        (("F B 8 100 6",), {Kind.FILL_OF_UNKNOWN_ORDER}),
        (("F A 4 100 6", "F B 1 100 5"), set()),
        (("F B 1 100 2", "F B 1 100 3", "F B 2 100 1"), set()),
    ],
)
def test_the_makers_of_a_trade_are_held_against_their_queue(fills, kinds) -> None:
    records = flow(*SOUND[:5], "T A 0 100 9 .", *(f"{fill} ." for fill in fills), "N N 0 - 0")
    for batch in (1, 1_000):
        assert check(records, batch=batch)["checks"] == check(records, batch=4)["checks"]
    report = check(records)
    assert set(found(report)) == kinds
    assert report["ok"]
    for kind in kinds - {Kind.FILL_OF_UNKNOWN_ORDER}:
        assert first(report, kind) == 5


def test_what_fills_of_the_event_took_is_not_in_the_queue_any_more() -> None:
    event = ("T A 0 100 5 .", "F B 1 100 5 .", "T A 0 100 2 .", "F B 2 100 2 .")
    assert found(check(flow(*SOUND[:5], *event, "C B 1 100 5 .", "M B 2 100 5"))) == {}
    again = ("T A 0 100 1 .", "F B 2 100 1 .", "N N 0 - 0")
    assert set(found(check(flow(*SOUND[:5], *event[:2], "N N 0 - 0", *again)))) == {
        Kind.TRADE_NOT_PREFIX
    }


def test_an_auctions_trades_are_not_judged() -> None:
    report = check(flow(*SOUND[:5], "T N 0 100 9 .", "F N 2 100 7 .", "F N 99 100 1"))
    assert found(report) == {}
    assert report["trades"]["auction_trades"] == 1


def test_too_few_prefixes_are_a_violation_once_there_are_enough_trades() -> None:
    trade = ("T A 0 100 1 .", "F B 2 100 1 .", "M B 2 100 6 .", "M B 2 100 7")
    for count, expected in ((99, False), (100, True)):
        report = check(flow(*SOUND[:5], *(trade * count)), limits=Limits(min_prefix_percent=1))
        assert (Kind.PREFIX_SHARE in found(report)) is expected
        assert report["ok"] is not expected


def test_crossed_times_are_listed_and_trades_in_them_tell_matching_from_waiting() -> None:
    waiting = ("A B 9 103 1 t=5", "A B 10 104 1 t=6")
    opening = ("T N 0 101 1 t=7 .", "F N 9 101 1 t=7 .", "C B 9 103 1 t=7 .", "C B 10 104 1 t=8")
    report = check(flow(*SOUND[:5], *waiting, *opening))
    (interval,) = report["crossed"]["intervals"]
    assert report["crossed"]["count"] == 1
    assert [interval[edge]["record"] for edge in ("from", "last", "until")] == [5, 6, 10]
    assert [interval[edge]["ts_recv"] for edge in ("from", "last", "until")] == [
        START_NS + seconds * 10**9 for seconds in (5, 6, 8)
    ]
    assert interval["trades"] == 1
    assert report["ok"]


def test_an_aggressors_trade_that_uncrosses_the_book_is_an_opening() -> None:
    report = check(flow(*SOUND[:5], "A B 9 103 1", "T B 0 101 1 .", "F A 4 101 1 .", "C B 9 103 1"))
    assert report["ok"]
    assert report["crossed"]["intervals"][0]["trades_while_matching"] == 0


def test_trading_while_the_book_stays_crossed_is_a_violation() -> None:
    records = flow(
        *SOUND[:5], "A B 9 101 1", "T B 0 101 1 .", "F A 4 101 1 .", "M A 4 101 1", "N N 0 - 0"
    )
    report = check(records)
    assert found(report) == {Kind.CROSSED_WHILE_TRADING: 1}
    assert first(report, Kind.CROSSED_WHILE_TRADING) == 6
    assert not report["ok"]
    (interval,) = report["crossed"]["intervals"]
    assert interval["until"] is None
    assert interval["trades_while_matching"] == 1


def test_a_book_is_read_at_the_end_of_an_event_only() -> None:
    report = check(flow(*SOUND[:5], "A B 9 103 1 .", "C B 9 103 1"))
    assert report["crossed"]["count"] == 0


class Damaged(PlainBooks):
    """Shows its levels through ``damage``."""

    damage: Callable[[list[Level]], list[Level]]

    def levels(self, key: BookKey, depth: int) -> tuple[list[Level], list[Level]]:
        bids, asks = super().levels(key, depth)
        return type(self).damage(bids), asks


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        (lambda bids: [bids[0]._replace(size=11), *bids[1:]], {Kind.LEVEL_SIZE}),
        (lambda bids: [bids[0]._replace(order_count=3), *bids[1:]], {Kind.LEVEL_COUNT}),
        (lambda bids: bids[::-1], {Kind.LEVEL_ORDER}),
        (lambda bids: [*bids, Level(5 * PRICE_UNITS, 0, 0)], {Kind.EMPTY_LEVEL, Kind.LEVEL_SET}),
        (lambda bids: bids[:1], {Kind.LEVEL_SET}),
        (lambda bids: [*bids, bids[-1]], {Kind.LEVEL_ORDER}),
    ],
)
def test_levels_are_held_against_their_orders(damage, kinds) -> None:
    class Books(Damaged):
        pass

    Books.damage = staticmethod(damage)
    report = check(flow(*SOUND), Books())
    assert set(found(report)) == kinds
    assert not report["ok"]
    for kind in kinds:
        assert first(report, kind) == len(SOUND) - 1


def test_an_order_of_size_zero_is_found() -> None:
    class Zero(PlainBooks):
        def image(self, key: BookKey) -> BookImage:
            image = super().image(key)
            image.bids["size"][:1] = 0
            return image

    assert {Kind.ORDER_SIZE, Kind.LEVEL_SIZE} <= set(found(check(flow(*SOUND), Zero())))


def test_orders_of_levels_in_the_wrong_order_are_found() -> None:
    class Reversed(PlainBooks):
        def image(self, key: BookKey) -> BookImage:
            image = super().image(key)
            return image._replace(bids=image.bids[::-1].copy())

    assert Kind.LEVEL_ORDER in found(check(flow(*SOUND), Reversed()))


class Forgetful(PlainBooks):
    """Another engine; loses the last record of batches of at least ``limit``."""

    limit = 10**9

    def apply(self, records: Records) -> None:
        super().apply(records[:-1] if len(records) >= self.limit else records)


def test_a_book_that_depends_on_the_cut_into_batches_is_found() -> None:
    class Books(Forgetful):
        limit = 20

    lines = [f"A B {number} {number} 1" for number in range(1, 200)]
    report = check(flow(*lines), make_books=Books)
    assert Kind.BATCH_SIZES_DIFFER in found(report)


def test_a_book_that_cannot_go_on_from_its_image_is_found() -> None:
    class Books(PlainBooks):
        def load(self, image: BookImage) -> None:
            super().load(image._replace(bids=image.bids[:-1]))

    lines = [f"A B {number} {number} 1" for number in range(1, 3_000)]
    report = check(flow(*lines), make_books=Books, limits=Limits(compare_records=1_000))
    assert set(found(report)) == {Kind.SNAPSHOT_AND_REST_DIFFER}
    assert report["resumes"] >= 2


class Other:
    """An engine that is not the plain one: it is held against it. ``damage`` may change what it is
    given."""

    def __init__(self, damage: Callable[[Records], Records]) -> None:
        self._inner = PlainBooks()
        self._damage = damage

    def apply(self, records: Records) -> None:
        self._inner.apply(self._damage(records))

    def apply_with_top(self, records: Records, depth: int, out: Any) -> int:
        return self._inner.apply_with_top(self._damage(records), depth, out)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _wrong_size(records: Records) -> Records:
    damaged = records.copy()
    damaged["size"][(damaged["order_id"] == 150) & (damaged["size"] == 4)] = 5
    return damaged


def test_an_engine_that_is_equal_to_the_plain_one_passes() -> None:
    lines = [f"A B {number} {number} 4" for number in range(1, 300)]
    assert found(check(flow(*lines), make_books=lambda: Other(lambda records: records))) == {}


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_an_engine_that_differs_from_the_plain_one_is_found_at_the_event(batch: int) -> None:
    lines = [f"A B {number} {number} 4" for number in range(1, 300)]
    report = check(flow(*lines), make_books=lambda: Other(_wrong_size), batch=batch)
    assert set(found(report)) == {Kind.ENGINES_DIFFER, Kind.EVENT_TOPS_DIFFER}
    assert first(report, Kind.EVENT_TOPS_DIFFER) == 149


def test_the_engines_are_compared_order_by_order_where_their_levels_are_the_same() -> None:
    def swapped(records: Records) -> Records:
        damaged = records.copy()
        damaged["order_id"] ^= 1
        return damaged

    lines = [f"A B {number} 50 4" for number in range(2, 300)]
    report = check(flow(*lines), make_books=lambda: Other(swapped))
    assert set(found(report)) == {Kind.ENGINES_DIFFER}


def test_a_feed_that_begins_again_is_checked_afresh() -> None:
    books = PlainBooks()
    checker = Checker(books, PlainBooks)
    for _ in range(2):
        records = flow(*SOUND[:-2], "N N 0 - 0")
        books.apply(records)
        checker.take(records, np.arange(len(records)))
        books.clear()
        checker.clear()
    assert found(checker.finish()) == {}


def test_the_offset_of_a_record_is_given_where_it_is_known() -> None:
    report = Report(lambda number: 200 + 56 * number)
    report.add(Kind.LEVEL_SIZE, 7)
    report.add(Kind.LEVEL_SIZE, 3)
    assert report.checks()[Kind.LEVEL_SIZE]["count"] == 2
    assert report.checks()[Kind.LEVEL_SIZE]["first"]["record"] == 3
    assert report.checks()[Kind.LEVEL_SIZE]["first"]["offset"] == 368
