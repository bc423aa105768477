"""When records are due follows from the records and the pace alone."""

from fractions import Fraction

import numpy as np
import pytest

from market.feeds.transport.pacing import EventPace, MaxPace, PaceState, SteadyPace
from tests.unit.feeds.transport.streams import START_NS, make_records


def plan(pace, records, sizes, state=PaceState()):  # noqa: B008 - a value
    """(first record, due) of every frame, with the records in pieces of these sizes."""
    pacer, at, frames = pace.pacer(state), 0, []
    while at < len(records):
        size = next(sizes)
        cuts = pacer.cut(records[at : at + size])
        frames += [(at + begin, due) for begin, due in zip(*cuts, strict=True)]
        at += size
    return frames, pacer.end_ns()


def pieces(size):
    return iter(lambda: size, None)


@pytest.mark.parametrize("rate", [1, 3, 999, 1_000, 1_499, 1_500, 7_777, 500_000, 2_000_001])
def test_a_rate_is_a_grid_that_does_not_drift(rate):
    count = min(20_000, rate * 3 + 1)
    frames, end = plan(SteadyPace(rate), make_records(count), pieces(513))
    assert frames[0] == (0, 0)
    assert all(due == record * 10**9 // rate for record, due in frames)
    assert end == count * 10**9 // rate
    sizes = np.diff([record for record, _ in frames])
    assert set(sizes) <= {max(1, (rate + 500) // 1000)}


def test_no_frame_is_larger_than_allowed_at_any_rate():
    for pace in (SteadyPace(10**9), MaxPace(), EventPace(Fraction(1))):
        records = make_records(20_000, step_ns=0)
        begins = [record for record, _ in plan(pace, records, pieces(1_000))[0]]
        assert begins == [0, 4_096, 8_192, 12_288, 16_384]


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(10), Fraction(1, 2), Fraction(5, 2)])
def test_event_time_divided_by_the_speed(speed):
    records = make_records(2_000, step_ns=700_000)
    frames, end = plan(EventPace(speed), records, pieces(2_000))
    assert all(due == int(record * 700_000 / speed) for record, due in frames)
    slots = [int(record * 700_000 / speed) // 10**6 for record in range(2_000)]
    assert len(frames) == len(set(slots))
    assert end == int(1_999 * 700_000 / speed)


@pytest.mark.parametrize("pace", [SteadyPace(3_300), MaxPace(), EventPace(Fraction(3))])
def test_any_batch_size_gives_the_same_frames(pace):
    rng = np.random.default_rng(1)
    records = make_records(12_000)
    records["ts_recv"] += np.cumsum(rng.integers(0, 3, 12_000) ** 12 * 10**6).astype(np.uint64)
    whole = plan(pace, records, pieces(12_000))
    for size in (1, 7, 1_000, 4_096, 11_999):
        assert plan(pace, records, pieces(size)) == whole


def test_any_frame_is_a_place_to_go_on_from():
    records = make_records(3_000, step_ns=90_000)
    records["ts_recv"][100] = 0
    records["ts_recv"][200:300] -= np.uint64(40_000_000)
    for pace in (SteadyPace(3_300), EventPace(Fraction(2))):
        frames, end = plan(pace, records, pieces(3_000))
        pacer = pace.pacer(PaceState())
        pacer.cut(records)
        for index in range(0, len(frames), 7):
            state = pacer.state_at(index)
            assert state.record == frames[index][0]
            rest, rest_end = plan(pace, records[state.record :], pieces(500), state)
            assert [(state.record + at, due) for at, due in rest] == frames[index:]
            assert rest_end == end


def test_times_that_go_back_or_are_missing_count_as_the_ones_before():
    records = make_records(6, step_ns=10**9)
    records["ts_recv"][0] = 2**64 - 1
    records["ts_recv"][3] = 0
    records["ts_recv"][4] = START_NS
    frames, _ = plan(EventPace(Fraction(1)), records, pieces(2))
    assert frames == [(0, 0), (2, 10**9), (5, 4 * 10**9)]


def test_what_is_older_than_the_start_is_due_at_once():
    records = make_records(10, step_ns=10**9)
    frames, _ = plan(EventPace(Fraction(1), START_NS + 7 * 10**9), records, pieces(3))
    assert frames == [(0, 0), (8, 10**9), (9, 2 * 10**9)]


def test_a_damaged_time_overflows_nothing():
    records = make_records(3)
    records["ts_recv"][1] = 2**63 - 1
    frames, _ = plan(EventPace(Fraction(1, 100)), records, pieces(3))
    assert frames[0] == (0, 0)
    assert 0 < frames[1][1] < 2**63


@pytest.mark.parametrize("rate", [0, -5, 10**9 + 1])
def test_rates_out_of_bounds_are_refused(rate):
    with pytest.raises(ValueError, match="a rate is 1 to"):
        SteadyPace(rate)


@pytest.mark.parametrize("speed", [Fraction(0), Fraction(-1), Fraction(1, 1000)])
def test_speeds_out_of_bounds_are_refused(speed):
    with pytest.raises(ValueError, match=r"a speed is 0\.01 to"):
        EventPace(speed)
