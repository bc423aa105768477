"""Journal events -> rows. Every case also holds when the same records come in other portions."""

import random

import pytest

from market.models import Candle, Instrument, PublicTrade
from market.projections import MarketProjection
from market.values import CANDLE_INTERVALS_S
from orderbook.core.events import PhaseChanged
from orderbook.core.units import InstrumentStatus, PhaseReason
from tests.unit.market.builders import MINUTE_NS, SYMBOL, T0, instrument, recorded, trade

pytestmark = pytest.mark.django_db
HOUR_NS = 60 * MINUTE_NS


def candle(interval: str, open_time_ns: int) -> tuple[int, ...]:
    row = Candle.objects.get(
        symbol=SYMBOL, interval_s=CANDLE_INTERVALS_S[interval], open_time_ns=open_time_ns
    )
    return (row.open_ticks, row.high_ticks, row.low_ticks, row.close_ticks, row.volume_lots)


def rows() -> list[tuple[object, ...]]:
    order = ("symbol", "interval_s", "open_time_ns")
    fields = [field.name for field in Candle._meta.fields if field.name != "id"]
    return [
        *Candle.objects.order_by(*order).values_list(*fields),
        *PublicTrade.objects.order_by("trade_id").values_list(),
        *Instrument.objects.values_list(),
    ]


def test_an_instrument_is_written_and_changed():
    projection = MarketProjection()
    projection.apply(recorded(3, T0, instrument()))
    projection.apply(recorded(9, T0, instrument(status=InstrumentStatus.HALTED, taker_fee_ppm=5)))
    row = Instrument.objects.get()
    assert (row.symbol, row.base, row.quote, row.tick_lot_minor) == (SYMBOL, "BTC", "USDT", 10)
    assert (row.status, row.taker_fee_ppm, row.sequence) == ("halted", 5, 9)


@pytest.mark.parametrize("together", [False, True])
def test_a_change_of_phase_changes_the_status_and_nothing_else(together):
    phase = PhaseChanged(SYMBOL, InstrumentStatus.CLOSED, PhaseReason.SCHEDULE)
    records = [
        *recorded(3, T0, instrument(taker_fee_ppm=5)),
        *recorded(4, T0, PhaseChanged(SYMBOL, InstrumentStatus.HALTED, PhaseReason.OPERATOR)),
        *recorded(5, T0, instrument(taker_fee_ppm=6)),
        *recorded(6, T0, phase),
    ]
    for portion in [records] if together else [[record] for record in records]:
        MarketProjection().apply(portion)
    row = Instrument.objects.get()
    assert (row.status, row.taker_fee_ppm, row.sequence) == ("closed", 6, 6)


def test_a_trade_is_written_without_its_parties():
    MarketProjection().apply(recorded(5, T0, trade(8, 100, 3)))
    assert PublicTrade.objects.values_list().get() == (
        8, SYMBOL, 100, 3, 3_000, "buy", T0, 5,
    )  # fmt: skip


def test_volumes_stop_at_what_a_column_holds() -> None:
    """However much is traded in a day; any split into portions gives the same rows."""
    huge = 2**61 // 1_000
    records = [
        record
        for number in range(1, 10)
        for record in recorded(number, T0, trade(number, 100, huge))
    ]
    projection = MarketProjection()
    for record in records:
        projection.apply([record])
    bit_by_bit = rows()
    projection.reset()
    projection.apply(records)
    assert rows() == bit_by_bit
    day = Candle.objects.get(interval_s=CANDLE_INTERVALS_S["1d"])
    assert (day.quote_volume_minor, day.trade_count) == (2**63 - 1, 9)
    assert day.volume_lots == 9 * huge


def test_trades_on_both_sides_of_an_edge_make_two_candles():
    edge = T0 + MINUTE_NS
    MarketProjection().apply(
        [
            *recorded(1, edge - 2, trade(1, 100, 1)),
            *recorded(2, edge - 1, trade(2, 90, 2)),
            *recorded(3, edge, trade(3, 95, 4)),
        ]
    )
    assert candle("1m", T0) == (100, 100, 90, 90, 3)
    assert candle("1m", edge) == (95, 95, 95, 95, 4)
    assert candle("1h", T0 - T0 % HOUR_NS) == (100, 100, 90, 95, 7)
    assert Candle.objects.filter(interval_s=60).count() == 2


def test_a_later_call_merges_into_the_candle_that_exists():
    projection = MarketProjection()
    projection.apply(recorded(1, T0, trade(1, 100, 1), trade(2, 120, 1)))
    projection.apply(recorded(2, T0 + 1, trade(3, 80, 5)))
    assert candle("1m", T0) == (100, 120, 80, 80, 7)
    row = Candle.objects.get(interval_s=60)
    assert (row.trade_count, row.sequence) == (3, 2)
    assert row.quote_volume_minor == (100 + 120 + 400) * 10


def test_symbols_and_intervals_without_trades_have_no_candles():
    MarketProjection().apply(recorded(1, T0, instrument()))
    assert not Candle.objects.exists()


def test_any_portions_give_the_same_rows():
    generator = random.Random(7)
    records, time_ns = recorded(1, T0, instrument(), instrument("ETH-USDT")), T0
    for number in range(2, 400):
        time_ns += generator.randrange(90) * 10**9
        symbol = generator.choice((SYMBOL, "ETH-USDT"))
        price, quantity = generator.randrange(50, 150), generator.randrange(1, 9)
        records += recorded(number, time_ns, trade(number, price, quantity, symbol=symbol))
    projection = MarketProjection()
    projection.apply(records)
    whole = rows()
    projection.reset()
    assert rows() == []
    while records:
        count = generator.randrange(1, 60)
        projection.apply(records[:count])
        records = records[count:]
    assert rows() == whole


def test_a_large_call_takes_a_handful_of_statements(django_assert_max_num_queries):
    records = []
    for number in range(20_000):
        records += recorded(number + 1, T0 + number * 10**7, trade(number + 1, 100 + number % 7))
    with django_assert_max_num_queries(25):
        MarketProjection().apply(records)
    assert PublicTrade.objects.count() == 20_000
