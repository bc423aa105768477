"""Best prices, bars and trades are what the records say, counted one by one."""

from collections import defaultdict

import numpy as np
import pytest

from market.feeds.books.contract import BookKey, top_dtype
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import NO_PRICE, TRADE, Records
from market.feeds.errors import NotStored, UnknownFeed
from market.feeds.models import FeedInstrument, StorageGap
from market.feeds.storage import reading
from market.feeds.storage.codec import UNDEFINED_TIME, clock_of
from tests.unit.feeds.books.flow import flow
from tests.unit.feeds.storage.flow import (
    KEYS,
    SECOND_NS,
    START_NS,
    Flow,
    new_feed,
    recorder_of,
    store,
)

pytestmark = pytest.mark.django_db(databases=["feeds"])
FOREVER = 2**70


def tops_of(records: Records, key: BookKey) -> np.ndarray:
    out = np.empty(len(records), top_dtype(1))
    rows = out[: PlainBooks().apply_with_top(records, 1, out)]
    return rows[(rows["publisher_id"] == key[0]) & (rows["instrument_id"] == key[1])]


@pytest.mark.parametrize("chunk", [17, 1_000])
def test_changes_of_the_best_prices(chunk: int) -> None:
    feed = new_feed()
    records = Flow(11).take(2_000)
    store(recorder_of(feed), records, chunk=chunk)
    for key in KEYS:
        expected = tops_of(records, key)
        found = reading.bbo(feed, key, 0, FOREVER)
        for name in ("bid_px", "bid_sz", "bid_ct", "ask_px", "ask_sz", "ask_ct"):
            assert found[name].tolist() == expected[name][:, 0].tolist()
        assert found["ts_recv"].tolist() == expected["ts_recv"].tolist()
        assert reading.bbo(feed, key, 0, FOREVER, 7).tobytes() == found[:7].tobytes()
        newest = reading.bbo(feed, key, 0, FOREVER, 7, newest=True)
        assert newest.tobytes() == found[-7:].tobytes()


def test_trades_are_the_records_with_that_action() -> None:
    feed = new_feed()
    records = Flow(12).take(2_000)
    store(recorder_of(feed), records)
    for key in KEYS:
        own = records[(records["publisher_id"] == key[0]) & (records["instrument_id"] == key[1])]
        expected = own[own["action"] == TRADE]
        found = reading.trades(feed, key, 0, FOREVER)
        assert [
            (row.ts_recv, row.ts_event, row.price, row.size, ord(row.side), row.sequence)
            for row in found
        ] == expected[["ts_recv", "ts_event", "price", "size", "side", "sequence"]].tolist()
        newest = reading.trades(feed, key, 0, FOREVER, 5, newest=True)
        assert [row.pk for row in newest] == [row.pk for row in found[-5:]]


def test_bars_are_their_seconds() -> None:
    feed = new_feed()
    records = Flow(13).take(3_000)
    store(recorder_of(feed), records, chunk=61)
    for key in KEYS:
        _compare_bars(feed, key, records)


def _compare_bars(feed: object, key: BookKey, records: Records) -> None:
    quotes, volumes = defaultdict(list), defaultdict(list)
    for row in tops_of(records, key):
        quotes[int(row["ts_recv"]) // SECOND_NS].append(row)
    own = records[(records["publisher_id"] == key[0]) & (records["instrument_id"] == key[1])]
    for row in own[own["action"] == TRADE]:
        volumes[int(row["ts_recv"]) // SECOND_NS].append((chr(row["side"]), int(row["size"])))
    bars = {bar.start_ns // SECOND_NS: bar for bar in reading.bars(feed, key, 0, FOREVER)}
    assert bars.keys() == quotes.keys() | volumes.keys()
    last = None
    for second in sorted(bars):
        bar, rows = bars[second], quotes[second]
        assert (bar.quote_count, bar.trade_count) == (len(rows), len(volumes[second]))
        assert bar.volume == sum(size for _, size in volumes[second])
        assert bar.buy_volume == sum(size for side, size in volumes[second] if side == "B")
        assert bar.sell_volume == sum(size for side, size in volumes[second] if side == "A")
        counted = rows or ([last] if last is not None else [])
        for side in ("bid", "ask"):
            prices = [_price(row, side) for row in counted] or [None]
            known = [price for price in prices if price is not None]
            highest, lowest = max(known, default=None), min(known, default=None)
            expected = (prices[0], highest, lowest, prices[-1])
            names = ("open", "high", "low", "close")
            assert tuple(getattr(bar, f"{side}_{name}") for name in names) == expected
        pairs = [(_price(row, "bid"), _price(row, "ask")) for row in counted]
        spreads = [ask - bid for bid, ask in pairs if bid is not None and ask is not None]
        extremes = min(spreads, default=None), max(spreads, default=None)
        assert (bar.spread_min, bar.spread_max) == extremes
        last = counted[-1] if counted else None


def _price(row: np.void, side: str) -> int | None:
    price = int(row[f"{side}_px"][0])
    return None if price == NO_PRICE else price


def test_after_a_loss_no_best_price_is_told_of_books_that_are_not_known() -> None:
    feed = new_feed()
    flow = Flow(14, KEYS[:1])
    first, lost, after = (flow.take(200, clears=False) for _ in range(3))
    recorder = recorder_of(feed)
    store(recorder, first)
    recorder.lose(1, 200, len(lost), StorageGap.Reason.OVERFLOW)
    store(recorder, after, position=400)
    found = reading.bbo(feed, KEYS[0], 0, FOREVER)
    assert len(found) == len(tops_of(first, KEYS[0]))
    assert len(reading.trades(feed, KEYS[0], int(after["ts_recv"][0]) + 1, FOREVER)) > 0


def _one_order(start_ns: int) -> Records:
    records = flow("A B 1 100 5", "A A 2 101 3")
    records["ts_recv"] += np.uint64(start_ns - int(records["ts_recv"][0]))
    return records


def test_each_run_tells_its_first_best_prices_though_they_are_the_last_ones_again() -> None:
    feed = new_feed()
    recorder = recorder_of(feed)
    for number in range(3):
        records = _one_order(START_NS + 60 * number * SECOND_NS)
        records["instrument_id"] = 7
        store(
            recorder, records[1:] if number == 2 else records, run=number + 1, position=2 * number
        )
    found = reading.bbo(feed, BookKey(1, 7), 0, FOREVER)
    assert found["ask_px"].tolist() == [NO_PRICE, 101 * 10**9, NO_PRICE, 101 * 10**9, 101 * 10**9]
    assert found["bid_px"].tolist() == [100 * 10**9] * 4 + [NO_PRICE]
    again = recorder_of(feed)
    for number in range(3, 5):
        records = _one_order(START_NS + 60 * number * SECOND_NS)[:1]
        store(again, records, run=number + 1, position=2 * number)
    found = reading.bbo(feed, BookKey(1, 7), 0, FOREVER)
    assert found["bid_px"][5:].tolist() == [100 * 10**9] * 2


def test_a_stream_that_skipped_records_has_a_gap_up_to_its_next_record() -> None:
    feed = new_feed()
    flow_ = Flow(19, KEYS[:1])
    parts = [flow_.take(100, clears=False) for _ in range(6)]
    recorder = recorder_of(feed)
    store(recorder, parts[0])
    # Once what follows is stored together with the loss, once after it, by another process.
    recorder.lose(1, 100, 100, StorageGap.Reason.STREAM)
    store(recorder, parts[2], position=200)
    recorder.lose(1, 300, 100, StorageGap.Reason.STREAM)
    recorder.commit()
    successor = recorder_of(feed)
    successor.resume(1)
    store(successor, parts[4], position=400)
    found = reading.gaps(feed, 0, 2**62)
    for gap, before, after in zip(found, (0, 2), (2, 4), strict=True):
        assert gap.start_ns == int(parts[before]["ts_recv"][-1])
        assert gap.end_ns == int(parts[after]["ts_recv"][0])


def test_instruments_are_named() -> None:
    feed = new_feed()
    store(recorder_of(feed), Flow(15).take(200))
    names = FeedInstrument.objects.values_list("publisher_id", "instrument_id", "symbol")
    assert set(names) == {(1, 7, "ESZ4"), (1, 900_000, "900000"), (2, 7, "ESZ4")}


def test_records_of_any_interval_come_back_exactly() -> None:
    feed = new_feed()
    records = Flow(16).take(1_500)
    store(recorder_of(feed), records)
    for first, last in ((0, 0), (127, 128), (128, 129), (10, 1_400), (1_499, 1_499)):
        start, end = int(records["ts_recv"][first]), int(records["ts_recv"][last])
        wanted = records[(records["ts_recv"] >= start) & (records["ts_recv"] <= end)]
        found = b"".join(part.tobytes() for part in reading.records("es", start, end))
        assert found == wanted.tobytes()


def test_any_moment_may_be_asked_for() -> None:
    feed = new_feed()
    store(recorder_of(feed), Flow(17).take(100))
    for moment in (-(2**70), -1, 2**70):
        assert reading.bars(feed, KEYS[0], moment, moment) == []
        assert len(reading.trades(feed, KEYS[0], moment, moment)) == 0
        assert not list(reading.records(feed, moment, moment))
        assert not reading.gaps(feed, moment, moment)
    with pytest.raises(NotStored):
        reading.book_at(feed, KEYS[0], -1)
    assert reading.book_at(feed, KEYS[0], 2**70).key == KEYS[0]
    with pytest.raises(NotStored):
        reading.book_at(feed, BookKey(9, 9), 2**70)
    with pytest.raises(UnknownFeed):
        reading.book_at("nothing", KEYS[0], 0)


def test_the_clock_never_runs_back_and_passes_over_times_that_are_not_known() -> None:
    records = Flow(18).take(5)
    records["ts_recv"] = [10, 8, UNDEFINED_TIME, 12, 11]
    assert clock_of(records, 9).tolist() == [10, 10, 10, 12, 12]
    assert clock_of(records, 11).tolist() == [11, 11, 11, 12, 12]
