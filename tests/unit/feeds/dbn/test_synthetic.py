from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from market.feeds.dbn.records import FLAG_LAST, FLAG_SNAPSHOT, MBO_DTYPE, Records
from market.feeds.dbn.synthetic import SyntheticPlan, generate
from tests.unit.feeds.dbn.naive_book import NaiveBook

PLANS = {
    "narrow": SyntheticPlan(12_000, seed=1, clear_every=400, resting_orders=200),
    "wide": SyntheticPlan(12_000, seed=2, ladder="wide", clear_every=800, resting_orders=400),
    "narrow itch": SyntheticPlan(12_000, seed=3, style="itch", clear_every=400, resting_orders=200),
    "wide itch": SyntheticPlan(12_000, seed=4, ladder="wide", style="itch", resting_orders=300),
    "several books": SyntheticPlan(20_000, seed=5, instruments=4, publishers=3, resting_orders=100),
    "tiny books": SyntheticPlan(8_000, seed=6, resting_orders=8, clear_every=50),
    "trades mostly": SyntheticPlan(
        9_000, seed=7, modify_share=0.0, cancel_share=0.0, trade_share=0.6, partial_share=1.0
    ),
    "adds mostly": SyntheticPlan(
        9_000, seed=8, modify_share=0.0, cancel_share=0.1, trade_share=0.0, resting_orders=500
    ),
}


def whole(plan: SyntheticPlan, batch_size: int = 65_536) -> Records:
    return np.concatenate([np.empty(0, MBO_DTYPE), *generate(plan, batch_size)])


def audited(records: Records) -> dict[tuple[int, int], NaiveBook]:
    books: dict[tuple[int, int], NaiveBook] = defaultdict(NaiveBook)
    for record in records:
        books[int(record["publisher_id"]), int(record["instrument_id"])].apply(record)
    return books


def count(records: Records, action: str) -> int:
    return int((records["action"] == ord(action)).sum())


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
class TestEveryPlan:
    def test_makes_records_that_a_book_can_follow(self, plan):
        books = audited(whole(plan))
        assert len(books) == plan.instruments * plan.publishers
        assert all(book.is_open and not book.fills for book in books.values())
        assert all(book.most_orders <= plan.resting for book in books.values())

    def test_is_the_same_whatever_the_batches(self, plan):
        records = whole(plan)
        for size in (1_000, 4_097, 1_000_000):
            batches = list(generate(plan, size))
            assert all(len(batch) == size for batch in batches[:-1])
            assert np.array_equal(np.concatenate(batches), records)

    def test_ends_every_event_of_one_book_with_the_last_flag(self, plan):
        records = whole(plan)
        ends = np.flatnonzero(records["flags"] & FLAG_LAST)
        assert ends[-1] == len(records) - 1
        for event in np.split(records, ends + 1)[:-1]:
            for name in ("publisher_id", "instrument_id", "ts_event", "ts_recv", "sequence"):
                assert len(np.unique(event[name])) == 1

    def test_never_goes_back_in_time(self, plan):
        records = whole(plan)
        assert records["ts_event"][0] == plan.start_ns
        assert (records["ts_recv"] > records["ts_event"]).all()
        for name in ("ts_recv", "ts_event"):
            assert (np.diff(records[name].astype(np.int64)) >= 0).all()
        for publisher in np.unique(records["publisher_id"]):
            own = records["sequence"][records["publisher_id"] == publisher].astype(np.int64)
            assert set(np.diff(own)) <= {0, 1}

    def test_makes_as_many_records_as_asked_for(self, plan):
        for record_count in (0, 1, 2, 3, 5, 50, 333):
            records = whole(replace(plan, record_count=record_count))
            assert len(records) == record_count
            assert all(not book.fills for book in audited(records).values())


class TestWhatIsMade:
    def test_depends_on_the_seed(self):
        plan = PLANS["wide"]
        assert not np.array_equal(whole(plan), whole(replace(plan, seed=99)))

    def test_goes_on_beyond_one_chunk(self):
        plan = SyntheticPlan(150_000, seed=9, instruments=2, resting_orders=300, clear_every=9_000)
        records = whole(plan, 40_000)
        assert len(audited(records)) == 2
        short = whole(replace(plan, record_count=100_000))
        assert np.array_equal(short[:90_000], records[:90_000])

    def test_has_every_action_and_every_way_to_begin_anew(self):
        records = whole(SyntheticPlan(40_000, seed=3, clear_every=300, resting_orders=100))
        assert all(count(records, action) > 20 for action in "ACMRTF")
        snapshot = (records["flags"] & FLAG_SNAPSHOT) > 0
        starts = np.flatnonzero(snapshot[1:] & ~snapshot[:-1]) + 1
        assert {chr(action) for action in records["action"][starts]} == {"A", "R"}
        alone = (records["action"] == ord("R")) & (records["flags"] == FLAG_LAST)
        assert alone.any()

    def test_has_sweeps_of_several_levels(self):
        records = whole(SyntheticPlan(40_000, seed=3, ladder="wide", resting_orders=100))
        ends = np.flatnonzero(records["flags"] & FLAG_LAST)
        levels = [
            len(np.unique(event["price"][event["action"] == ord("T")]))
            for event in np.split(records, ends + 1)
        ]
        assert max(levels) > 2

    def test_of_style_cme_says_what_is_left_by_a_modify_and_never_cancels_in_part(self):
        plan = replace(PLANS["narrow"], modify_share=0.0)
        modifies = whole(plan)[whole(plan)["action"] == ord("M")]
        assert len(modifies) > 100
        assert (whole(plan)["order_id"][whole(plan)["action"] == ord("T")] > 0).all()

    def test_of_style_itch_has_modifies_only_where_asked_for(self):
        records = whole(replace(PLANS["narrow itch"], modify_share=0.0))
        assert count(records, "M") == 0
        assert count(records, "T") == count(records, "F") > 100

    def test_of_a_wide_ladder_has_many_prices_below_and_above_zero_and_large_sizes(self):
        records = whole(SyntheticPlan(60_000, seed=5, ladder="wide"))
        adds = records[records["action"] == ord("A")]
        assert len(np.unique(adds["price"])) > 2_000
        assert (adds["price"] < 0).mean() > 0.2
        assert (adds["price"] > 0).mean() > 0.2
        assert (adds["size"] > 2**31).any()
        assert np.gcd.reduce(adds["price"] - adds["price"][0]) == 1

    def test_of_a_narrow_ladder_keeps_to_fifty_prices(self):
        records = whole(replace(PLANS["narrow"], record_count=40_000))
        prices = np.unique(records["price"][records["action"] != ord("R")])
        assert 20 < len(prices) <= 50
        assert not (prices % 250_000_000).any()

    def test_comes_at_the_rate_that_was_asked_for(self):
        plan = SyntheticPlan(100_000, seed=5, records_per_second=1_000, resting_orders=100)
        times = whole(plan)["ts_event"]
        assert 90 < (int(times[-1]) - int(times[0])) / 1e9 < 110


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_count": -1}, "record_count"),
        ({"seed": -1}, "seed"),
        ({"instruments": 0}, "at least 1"),
        ({"publishers": 256}, "255 publishers"),
        ({"instruments": 10_001}, "at most 10000 books"),
        ({"ladder": "broad"}, "narrow or wide"),
        ({"style": "nyse"}, "cme or itch"),
        ({"trade_share": 0.6}, "together at most 0.95"),
        ({"cancel_share": -0.1}, "at least 0"),
        ({"partial_share": 1.1}, "between 0 and 1"),
        ({"clear_every": -5}, "clear_every"),
        ({"resting_orders": 7}, "between 8 and"),
        ({"instruments": 1_000, "resting_orders": 1_000_000}, "all books together"),
        ({"start_ns": -1}, "start_ns"),
        ({"records_per_second": 0.0}, "records_per_second"),
        ({"records_per_second": float("nan")}, "records_per_second"),
        ({"modify_share": float("nan")}, "shares"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SyntheticPlan(**{"record_count": 10, **change})
