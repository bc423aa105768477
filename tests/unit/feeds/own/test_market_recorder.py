"""A market's records: what each command becomes, and that they build the engine's book."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import FLAG_LAST, FLAG_SNAPSHOT, Records
from market.feeds.dbn.writing import DbnWriter
from market.feeds.own.expression import DATASET, Expression, NotExpressible, instrument_id
from market.feeds.own.market_recorder import MarketRecorder
from orderbook.core.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    PlaceOrder,
    SetPhase,
)
from orderbook.core.engine import Engine
from orderbook.core.events import InstrumentDefined
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    InstrumentStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.property.flow import venues
from tests.property.flow.pair import SMALL, bounds_of_engine
from tests.unit.core.venue import ALICE, BOB, CAROL, SETUP, SYMBOL, instrument
from tests.unit.feeds.own.books_of import engine_queues, image_queues, key_of
from tests.unit.feeds.own.recorded_pair import RecordedPair

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def any_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow's instruments have odd units, whose prices no record could hold: here they can."""

    def of(definition: InstrumentDefined) -> Expression:
        return Expression(definition.symbol, instrument_id(definition.symbol), 1_000_000)

    monkeypatch.setattr(Expression, "of", of)


@pytest.mark.usefixtures("any_units")
@pytest.mark.parametrize("seed", range(200, 212))
def test_records_build_the_engines_book_after_every_command(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of order and command, with bounds so small that work is left over all the time."""
    monkeypatch.setattr(venues, "Pair", RecordedPair)
    kinds: Counter[str] = Counter()
    with bounds_of_engine(SMALL):
        venues.run_venue(seed, 400, Counter(), kinds)
    assert kinds["Trade"]


@pytest.mark.usefixtures("any_units")
@pytest.mark.parametrize("name", ["flow.dbn", "flow.dbn.zst"])
def test_a_file_of_a_recording_builds_the_engines_books(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venues, "Pair", RecordedPair)
    with bounds_of_engine(SMALL):
        pair = venues.run_venue(301, 500, Counter(), Counter())
    assert isinstance(pair, RecordedPair)
    symbols = {instrument_id(symbol): symbol for symbol in pair.engine.books}
    with DbnWriter(tmp_path / name, dataset=DATASET, symbols=symbols) as writer:
        for records in pair.recorded:
            writer.write(records)
    books = PlainBooks()
    with open_dbn(tmp_path / name) as file:
        assert file.symbols == symbols
        for records in file.batches(size=97):
            books.apply(records)
    for book in pair.engine.books.values():
        assert image_queues(books.image(key_of(book))) == engine_queues(book)


class Market:
    """One engine with one instrument, recorded."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.now = 0
        for command in (*SETUP, instrument()):
            self.do(command)
        self.recorder = MarketRecorder(self.engine, SYMBOL)
        self.books = PlainBooks()
        self.books.apply(self.recorder.snapshot(self.now))

    def do(self, command: Command) -> list[object]:
        self.now += 1
        return list(self.engine.apply(command, self.now))

    def records(self, command: Command) -> Records:
        events = self.engine.apply(command, self.now + 1)
        self.now += 1
        self.recorder.take(self.now, self.now, events)
        records = self.recorder.packed()
        self.books.apply(records)
        book = self.engine.books[SYMBOL]
        assert image_queues(self.books.image(key_of(book))) == engine_queues(book)
        return records

    def story(self, command: Command) -> list[str]:
        """The records in short: action, side, order id, ticks, size."""
        records = self.records(command)
        flags = records["flags"].tolist()
        assert flags == [0] * (len(flags) - 1) + [FLAG_LAST] * bool(flags)
        return shown(records)


def shown(records: Records) -> list[str]:
    tick = Expression.of(Market().engine.books[SYMBOL].instrument).tick
    rows: Iterable[tuple[int, int, int, int, int]] = zip(
        *(records[name].tolist() for name in ("action", "side", "order_id", "price", "size")),
        strict=True,
    )
    return [
        f"{chr(action)}{chr(side)} {order_id} {price // tick} {size}"
        for action, side, order_id, price, size in rows
    ]


def limit(
    account: int,
    side: Side,
    ticks: int,
    lots: int,
    tif: TimeInForce = TimeInForce.GTC,
    options: OrderOptions | None = None,
) -> PlaceOrder:
    return PlaceOrder(account, SYMBOL, side, OrderType.LIMIT, tif, ticks, lots, "", options)


def test_an_order_that_rests_is_an_add() -> None:
    assert Market().story(limit(ALICE, BUY, 100, 7)) == ["AB 1 100 7"]


def test_a_sweep_is_one_trade_a_price_with_a_fill_for_each_maker_and_what_rests_is_added() -> None:
    market = Market()
    for ticks, lots in ((100, 3), (100, 4), (101, 9)):
        market.records(limit(ALICE, SELL, ticks, lots))
    assert market.story(limit(BOB, BUY, 100, 8)) == [
        "TB 4 100 7", "FA 1 100 3", "FA 2 100 4", "CA 1 100 3", "CA 2 100 4", "AB 4 100 1",
    ]  # fmt: skip
    assert market.story(limit(BOB, BUY, 101, 5)) == ["TB 5 101 5", "FA 3 101 5", "MA 3 101 4"]


def test_a_cancel_takes_what_is_left() -> None:
    market = Market()
    market.records(limit(ALICE, BUY, 100, 7))
    market.records(limit(BOB, SELL, 100, 2, TimeInForce.IOC))
    assert market.story(CancelOrder(ALICE, 1)) == ["CB 1 100 5"]


def test_an_amend_keeps_its_place_only_where_it_gets_smaller() -> None:
    market = Market()
    for account in (ALICE, BOB):
        market.records(limit(account, BUY, 100, 7))
    assert market.story(AmendOrder(ALICE, 1, quantity_lots=5)) == ["MB 1 100 5"]
    assert market.story(AmendOrder(ALICE, 1, quantity_lots=6)) == ["MB 1 100 6"]
    assert market.story(AmendOrder(BOB, 2, price_ticks=99)) == ["MB 2 99 7"]


def test_an_amend_that_trades_leaves_its_place_first() -> None:
    market = Market()
    market.records(limit(ALICE, BUY, 100, 7))
    market.records(limit(BOB, SELL, 103, 2))
    assert market.story(AmendOrder(ALICE, 1, price_ticks=103)) == [
        "CB 1 100 7", "TB 1 103 2", "FA 2 103 2", "CA 2 103 2", "AB 1 103 5",
    ]  # fmt: skip


def test_of_an_iceberg_only_what_it_shows_is_recorded_and_a_refresh_goes_to_the_back() -> None:
    market = Market()
    iceberg = limit(ALICE, SELL, 100, 10, options=OrderOptions(display_lots=4))
    assert market.story(iceberg) == ["AA 1 100 4"]
    market.records(limit(BOB, SELL, 100, 3))
    assert market.story(limit(CAROL, BUY, 100, 8, TimeInForce.IOC)) == [
        "TB 3 100 4", "FA 1 100 4", "CA 1 100 4", "AA 1 100 4",
        "TB 3 100 4", "FA 2 100 3", "FA 1 100 1", "CA 2 100 3", "MA 1 100 3",
    ]  # fmt: skip
    # Smaller by what does not show: no record.
    assert market.story(AmendOrder(ALICE, 1, quantity_lots=9)) == []


def test_an_iceberg_that_gets_larger_goes_to_the_back_though_it_shows_no_more() -> None:
    market = Market()
    market.records(limit(ALICE, SELL, 100, 10, options=OrderOptions(display_lots=4)))
    market.records(limit(BOB, SELL, 100, 3))
    assert market.story(AmendOrder(ALICE, 1, quantity_lots=20)) == ["CA 1 100 4", "AA 1 100 4"]


def test_prevented_self_trades_are_cancels_and_reductions() -> None:
    market = Market()
    market.records(limit(ALICE, SELL, 100, 5))
    prevented = OrderOptions(self_trade=SelfTradePrevention.DECREMENT)
    assert market.story(limit(ALICE, BUY, 100, 2, options=prevented)) == ["MA 1 100 3"]
    prevented = OrderOptions(self_trade=SelfTradePrevention.CANCEL_OLDEST)
    assert market.story(limit(ALICE, BUY, 100, 2, options=prevented)) == [
        "CA 1 100 3",
        "AB 3 100 2",
    ]


def test_an_uncross_prints_trades_of_no_side_and_a_phase_is_a_note() -> None:
    market = Market()
    assert market.records(SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION))["size"].tolist() == [
        2
    ]
    iceberg = OrderOptions(display_lots=2)
    market.records(limit(ALICE, SELL, 98, 6, options=iceberg))
    market.records(limit(BOB, BUY, 102, 5))
    records = market.records(SetPhase(SYMBOL, InstrumentStatus.TRADING))
    price = shown(records)[0].split()[2]
    assert shown(records)[:4] == [
        f"TN 0 {price} 5", f"FA 1 {price} 5", f"FB 2 {price} 5", "MA 1 98 1",
    ]  # fmt: skip
    assert shown(records)[4] == "CB 2 102 5"
    assert records["action"].tolist()[-1] == ord("N")
    assert records["size"].tolist()[-1] == 3


def test_a_stop_that_is_set_off_rests_without_an_event_and_is_added() -> None:
    market = Market()
    market.records(limit(ALICE, SELL, 100, 5))
    stop = PlaceOrder(
        BOB, SYMBOL, BUY, OrderType.STOP_LIMIT, TimeInForce.GTC, 99, 3, "",
        OrderOptions(stop_ticks=100),
    )  # fmt: skip
    assert market.story(stop) == []
    assert market.story(limit(CAROL, BUY, 100, 1, TimeInForce.IOC)) == [
        "TB 3 100 1",
        "FA 1 100 1",
        "MA 1 100 4",
        "AB 2 99 3",
    ]


def test_a_recording_that_begins_midway_starts_with_the_book_in_priority_order() -> None:
    market = Market()
    for account, side, ticks in (
        (ALICE, BUY, 99), (BOB, BUY, 100), (ALICE, BUY, 100), (CAROL, SELL, 103),
    ):  # fmt: skip
        market.records(limit(account, side, ticks, 5))
    records = MarketRecorder(market.engine, SYMBOL).snapshot(2**32 + 5)
    assert shown(records)[1:] == ["AB 2 100 5", "AB 3 100 5", "AB 1 99 5", "AA 4 103 5"]
    assert records["action"][0] == ord("R")
    assert set(records["sequence"].tolist()) == {5}
    assert records["flags"].tolist() == [FLAG_SNAPSHOT] * 4 + [FLAG_SNAPSHOT | FLAG_LAST]
    books = PlainBooks()
    books.apply(records)
    book = market.engine.books[SYMBOL]
    assert image_queues(books.image(key_of(book))) == engine_queues(book)


def test_another_market_and_refusals_leave_no_record() -> None:
    market = Market()
    market.do(instrument(symbol="BTC-2"))
    assert not len(market.records(PlaceOrder(
        ALICE, "BTC-2", BUY, OrderType.LIMIT, TimeInForce.GTC, 90, 5
    )))  # fmt: skip
    assert not len(market.records(limit(ALICE, BUY, 0, 5)))
    assert not len(market.records(CancelOrder(ALICE, 99)))


def test_prices_and_sizes_that_no_record_can_hold_are_refused_by_name() -> None:
    definition = Market().engine.books[SYMBOL].instrument
    expression = Expression(definition.symbol, 1, 10**9)
    assert expression.price(9) == 9 * 10**9
    with pytest.raises(NotExpressible, match="10000000000 ticks"):
        expression.price(10**10)
    assert expression.size(2**32 - 2, 8) == 2**32 - 2
    with pytest.raises(NotExpressible, match=r"Order 8 .* 4294967295 lots"):
        expression.size(2**32 - 1, 8)
    odd = InstrumentDefined(
        "A-B", "A", "B", 6, 6, 7, 3, 0, 0, 0, 10, InstrumentStatus.TRADING
    )  # fmt: skip
    with pytest.raises(NotExpressible, match="A tick of A-B"):
        Expression.of(odd)


def test_an_instruments_id_never_changes() -> None:
    assert instrument_id("BTC-USDT") == 61_289_663
    assert np.uint32(instrument_id("BTC-USDT")) == instrument_id("BTC-USDT")
