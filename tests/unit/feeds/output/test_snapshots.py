import pytest

from market.feeds.output.snapshots import Cut, Cutter, Interval, parse_interval
from tests.unit.feeds.books.flow import START_NS, flow

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1", Interval(1, 0)),
        ("5000", Interval(5000, 0)),
        ("250ms", Interval(0, SECOND // 4)),
        ("1s", Interval(0, SECOND)),
        ("5m", Interval(0, 300 * SECOND)),
        ("1h", Interval(0, 3600 * SECOND)),
    ],
)
def test_intervals_are_records_or_times(text, interval) -> None:
    assert parse_interval(text) == interval


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "1.5s", "s", "1d", "1 s"])
def test_other_intervals_are_refused(text) -> None:
    with pytest.raises(ValueError, match="neither"):
        parse_interval(text)


def cuts(interval: Interval, lines: list[str], batch: int) -> list[Cut]:
    """With positions counted from the beginning of all records."""
    cutter, records = Cutter(interval), flow(*lines)
    return [
        Cut(start + cut.end, cut.at)
        for start in range(0, len(records), batch)
        for cut in cutter.cuts(records[start : start + batch])
    ]


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_by_records_a_snapshot_waits_for_the_end_of_its_event(batch: int) -> None:
    lines = ["N N 0 - 0", "N N 0 - 0 .", "N N 0 - 0 .", "N N 0 - 0", "N N 0 - 0", "N N 0 - 0 ."]
    assert [cut.end for cut in cuts(Interval(2, 0), lines, batch)] == [4]
    assert [cut.end for cut in cuts(Interval(3, 0), lines, batch)] == [4]
    assert [cut.end for cut in cuts(Interval(1, 0), lines, batch)] == [1, 4, 5]
    assert [cut.at for cut in cuts(Interval(1, 0), lines, batch)] == [1, 4, 5]


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_by_time_a_snapshot_holds_what_was_before_its_moment(batch: int) -> None:
    lines = [f"N N 0 - 0 t={time}" for time in (0, 0.5, 1, 1.2, 7.5, 7.9, 8)]
    found = cuts(Interval(0, SECOND), lines, batch)
    assert found == [
        Cut(2, START_NS + 1 * SECOND),
        Cut(4, START_NS + 2 * SECOND),
        Cut(6, START_NS + 8 * SECOND),
    ]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_by_time_an_event_over_the_moment_is_waited_for(batch: int) -> None:
    lines = ["N N 0 - 0 t=0", "N N 0 - 0 . t=0.9", "N N 0 - 0 . t=1.1", "N N 0 - 0 t=1.2"]
    assert cuts(Interval(0, SECOND), lines, batch) == [Cut(4, START_NS + SECOND)]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_venues_snapshot_without_a_last_record_ends_where_other_records_begin(batch) -> None:
    lines = ["A B 1 1 1 . +snapshot t=0", "A B 2 1 1 . +snapshot t=0", "N N 0 - 0 t=3600"]
    assert cuts(Interval(0, SECOND), lines, batch) == [Cut(2, START_NS + SECOND)]


def test_times_that_run_back_give_no_snapshot() -> None:
    lines = [f"N N 0 - 0 t={time}" for time in (5, 3, 4, 5.5, 6)]
    assert cuts(Interval(0, SECOND), lines, 100) == [Cut(4, START_NS + 6 * SECOND)]
