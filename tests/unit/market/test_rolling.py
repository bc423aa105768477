from market.rolling import RollingTicker
from market.values import CandleBar
from tests.unit.market.builders import MINUTE_NS, T0, printed

DAY_NS = 24 * 60 * MINUTE_NS


def test_an_empty_window_has_no_prices():
    ticker = RollingTicker("BTC-USDT").at(T0)
    assert (ticker.open_ticks, ticker.high_ticks, ticker.last_ticks) == (None, None, None)
    assert (ticker.volume_lots, ticker.trade_count, ticker.change_ticks) == (0, 0, None)
    assert ticker.change_hundredths is None


def test_trades_are_summed_exactly():
    rolling = RollingTicker("BTC-USDT")
    for trade_id, price, quantity in ((1, 100, 2), (2, 130, 3), (3, 90, 4), (4, 110, 1)):
        rolling.add(printed(trade_id, price, quantity, T0 + trade_id * 40 * 10**9))
    ticker = rolling.at(T0 + 5 * MINUTE_NS)
    assert ticker[1:5] == (100, 130, 90, 110)
    assert ticker.volume_lots == 10
    assert ticker.quote_volume_minor == (200 + 390 + 360 + 110) * 10
    assert ticker.trade_count == 4
    assert (ticker.change_ticks, ticker.change_hundredths) == (10, 1_000)


def test_a_minute_leaves_the_window_a_day_after_it_began_and_takes_its_extremes_along():
    rolling = RollingTicker("BTC-USDT")
    rolling.add(printed(1, 500, 7, T0 + 59 * 10**9))
    rolling.add(printed(2, 100, 1, T0 + MINUTE_NS))
    assert rolling.at(T0 + DAY_NS - 1).high_ticks == 500
    later = rolling.at(T0 + DAY_NS)
    assert (later.open_ticks, later.high_ticks, later.low_ticks) == (100, 100, 100)
    assert (later.volume_lots, later.trade_count) == (1, 1)


def test_the_last_price_outlives_the_window():
    rolling = RollingTicker("BTC-USDT")
    rolling.add(printed(1, 500, 7, T0))
    ticker = rolling.at(T0 + 2 * DAY_NS)
    assert ticker.last_ticks == 500
    assert (ticker.open_ticks, ticker.high_ticks, ticker.volume_lots) == (None, None, 0)
    rolling.add(printed(2, 80, 1, T0 + 2 * DAY_NS))
    assert rolling.at(T0 + 2 * DAY_NS).high_ticks == 80


def test_it_goes_on_from_the_candles_that_it_was_given():
    minutes = [
        CandleBar(T0, 100, 120, 95, 110, 10, 1_000, 4, 4),
        CandleBar(T0 + MINUTE_NS, 110, 115, 105, 105, 5, 500, 2, 6),
    ]
    rolling = RollingTicker("BTC-USDT", minutes)
    rolling.add(printed(7, 125, 1, T0 + MINUTE_NS + 5))
    ticker = rolling.at(T0 + MINUTE_NS + 6)
    assert ticker[1:7] == (100, 125, 95, 125, 16, 1_500 + 1_250)
    assert rolling.newest_minute == CandleBar(T0 + MINUTE_NS, 110, 125, 105, 125, 6, 1_750, 3, 7)


def test_a_trade_from_before_the_newest_minute_counts_in_that_minute():
    rolling = RollingTicker("BTC-USDT")
    rolling.add(printed(1, 100, 1, T0 + MINUTE_NS))
    rolling.add(printed(2, 90, 1, T0))
    assert rolling.newest_minute.trade_count == 2
    assert rolling.at(T0 + MINUTE_NS).last_ticks == 90


def test_a_fall_is_rounded_half_away_from_zero():
    rolling = RollingTicker("BTC-USDT")
    rolling.add(printed(1, 80_000, 1, T0))
    rolling.add(printed(2, 79_996, 1, T0))
    assert rolling.at(T0).change_hundredths == -1
