import pytest

from market.formatting import formatter
from market.presentation import (
    DEPTH_STEPS,
    MISSING,
    empty_view,
    hundredths_text,
    ladder,
    market_row,
    sparkline,
    spread_text,
    whole_text,
)
from market.session_text import auction_text, phase_text, rules_text
from market.values import BookLevel, CandleBar, MarketSession
from orderbook.core.units import InstrumentStatus
from orderbook.gateway.display import grouped, money_text
from tests.unit.market.builders import instrument
from trading.presentation import units_text

INSTRUMENT = instrument()
"""Tick 0.01, lot 0.00001."""
FORM = formatter(INSTRUMENT)


def view(bids: list[tuple[int, int]], asks: list[tuple[int, int]]):  # type: ignore[no-untyped-def]
    return empty_view("BTC-USDT")._replace(
        bids=tuple(BookLevel(*level, 1) for level in bids),
        asks=tuple(BookLevel(*level, 1) for level in asks),
        update_id=7,
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0"),
        ("999.10", "999.10"),
        ("64250.10", "64,250.10"),
        ("-1234567", "-1,234,567"),
        ("-0.5", "-0.5"),
    ],
)
def test_thousands_are_separated_and_decimals_left_alone(text: str, shown: str) -> None:
    assert grouped(text) == shown


@pytest.mark.parametrize(
    ("minor", "decimals", "shown"),
    [
        (10_000_000_000_000, 8, "100,000.00"),
        (199_988_000, 8, "1.99988"),
        (1, 8, "0.00000001"),
        (5, 0, "5"),
        (15, 1, "1.5"),
    ],
)
def test_money_is_exact_and_keeps_two_places(minor: int, decimals: int, shown: str) -> None:
    assert money_text(minor, decimals) == shown


def test_large_sums_are_cut_not_rounded() -> None:
    assert whole_text("1.99999999") == "1"


def test_percentages_carry_their_sign() -> None:
    assert [hundredths_text(n, signed=True) for n in (125, -7, 0)] == ["+1.25", "-0.07", "0.00"]


def test_asks_stand_highest_first_and_totals_grow_away_from_the_spread() -> None:
    shown = ladder(view([(100, 5), (99, 10)], [(102, 1), (103, 2)]), FORM)
    assert [row.ticks for row in shown.asks] == [103, 102]
    assert [row.total for row in shown.asks] == ["0.00003", "0.00001"]
    assert [row.ticks for row in shown.bids] == [100, 99]
    assert [row.depth for row in shown.bids] == [-(-5 * DEPTH_STEPS // 15), DEPTH_STEPS]
    assert shown.update_id == 7


def test_a_level_keeps_its_id_whatever_its_quantity() -> None:
    before = ladder(view([(100, 5)], []), FORM).bids[0]
    after = ladder(view([(100, 9), (98, 1)], [(101, 1)]), FORM).bids[0]
    assert before.key == after.key == "buy-100"


def test_the_spread_is_told_in_money_ticks_and_basis_points() -> None:
    spread = spread_text(view([(6_502_463, 1)], [(6_504_144, 1)]), FORM)
    assert spread == ("16.81", "1,681", "2.58")


def test_an_empty_side_has_no_spread() -> None:
    assert spread_text(view([(100, 1)], []), FORM) is None
    assert spread_text(view([(101, 1)], [(100, 1)]), FORM) is None, "an auction collects"
    assert ladder(view([], []), FORM).last == MISSING


def test_a_market_that_never_traded_shows_dashes() -> None:
    row = market_row(empty_view("BTC-USDT"), INSTRUMENT, None)
    assert (row.ticker.last, row.ticker.change, row.bid, row.spread) == (
        MISSING,
        MISSING,
        MISSING,
        None,
    )


def test_a_sparkline_stays_in_its_box() -> None:
    bars = [CandleBar(i, c, c, c, c, 1, 1, 1, 1) for i, c in enumerate((5, 10**12, 7, 1))]
    line = sparkline(bars)
    assert line is not None
    points = [tuple(map(int, point.split(","))) for point in line.points.split()]
    assert points[0][0] == 0
    assert points[-1][0] == 120
    assert all(0 <= y <= 28 for _, y in points)
    assert line.direction == "down"
    assert sparkline(bars[:1]) is None


def test_units_are_written_without_needless_zeros() -> None:
    assert units_text(INSTRUMENT) == ("0.01", "0.00001", 2, "Fees 0.08% maker, 0.1% taker")


AUCTION = instrument(status=InstrumentStatus.OPENING_AUCTION)


@pytest.mark.parametrize(
    ("imbalance", "text", "side"),
    [(2, "0.00002", "buy"), (-2, "0.00002", "sell"), (0, "0.00000", "")],
)
def test_an_auction_tells_price_volume_and_the_side_that_wants_more(
    imbalance: int, text: str, side: str
) -> None:
    crossed = view([(105, 4)], [(100, 6)])._replace(session=MarketSession(0, 100, 4, imbalance))
    shown = ladder(crossed, FORM, auction_text(crossed, AUCTION))
    assert shown.auction is not None
    assert (shown.auction.price, shown.auction.volume) == ("1.00", "0.00004")
    assert (shown.auction.imbalance, shown.auction.imbalance_side) == (text, side)
    assert shown.is_crossed
    assert shown.spread is None


def test_an_auction_without_a_match_has_no_price_and_trading_has_no_auction() -> None:
    apart = view([(99, 4)], [(100, 6)])
    shown = auction_text(apart, AUCTION)
    assert shown is not None
    assert (shown.price, shown.volume, shown.imbalance_side) == ("", "0.00000", "")
    assert auction_text(apart, INSTRUMENT) is None


@pytest.mark.parametrize("status", list(InstrumentStatus))
def test_every_phase_has_words_and_all_but_trading_an_explanation(status: InstrumentStatus) -> None:
    shown = phase_text(view([], []), instrument(status=status))
    assert shown.words
    assert bool(shown.hint) is (status is not InstrumentStatus.TRADING)
    assert shown.until == ""


def test_a_volatility_auction_says_when_it_ends() -> None:
    at_one = MarketSession(3_600 * 10**9)
    shown = phase_text(view([], [])._replace(session=at_one), AUCTION)
    assert (shown.words, shown.until) == ("Volatility auction", "01:00:00")


def test_the_rules_name_the_bands_that_there_are() -> None:
    names = [name for name, _ in rules_text(INSTRUMENT)]
    assert names == ["Price step", "Quantity step", "Smallest order", "Largest quantity"]
    banded = instrument(
        max_notional_minor=10**14,
        static_band_ppm=100_000,
        dynamic_band_ppm=25_000,
        pause_ns=1_500_000_000,
    )
    rules = dict(rules_text(banded))
    assert rules["Largest order"] == "1,000,000.00 USDT"
    assert rules["Static band"].startswith("10% ")
    assert rules["Dynamic band"].startswith("2.5% ")
    assert rules["Volatility auction"].startswith("1.5 s ")
