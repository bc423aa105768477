"""Fee schedules: tiers by volume, and rebates that come out of the taker's fee."""

import pytest

from orderbook.core import fees
from orderbook.core.commands import SetFeeSchedule
from orderbook.core.events import CommandRejected, FeeScheduleSet, Trade
from orderbook.core.fees import Volume
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.terms import FeeTier
from orderbook.core.units import DAY_NS, MAX_FEE_TIERS, MAX_SUPPLY_MINOR, Side
from tests.unit.core.markets import reopened
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FUNDS_MINOR,
    LOT_MINOR,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
)

QUOTE_MINOR = 100 * 10 * TICK_LOT_MINOR
"""Of ten lots at a price of 100."""
TIERS = (FeeTier(0, 1_000, 2_000), FeeTier(QUOTE_MINOR, 500, 1_500), FeeTier(10**9, -200, 900))


def scheduled(tiers: tuple[FeeTier, ...] = TIERS) -> Venue:
    venue = Venue()
    assert venue.story(SetFeeSchedule(SYMBOL, tiers)) == [FeeScheduleSet(SYMBOL, tiers)]
    return venue


def trade(venue: Venue, time_ns: int = 0, side: Side = BUY) -> Trade:
    """Ten lots at 100, Alice the maker and Bob the taker."""
    venue.do(limit(ALICE, SELL if side is BUY else BUY, 100, 10), time_ns)
    events = venue.limit(BOB, side, 100, 10)
    return next(event for event in events if isinstance(event, Trade))


def fees_of(trade: Trade) -> tuple[int, int, int]:
    return trade.maker_fee_minor, trade.taker_fee_minor, trade.maker_rebate_minor


BASE_MINOR = 10 * LOT_MINOR


def test_a_schedule_takes_the_place_of_the_flat_fees_and_can_be_taken_away() -> None:
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=10_000, taker_fee_ppm=20_000))
    venue.do(SetFeeSchedule(SYMBOL, TIERS))
    assert fees_of(trade(venue)) == (10, 20, 0)
    venue.do(SetFeeSchedule(SYMBOL, ()))
    assert fees_of(trade(venue)) == (100, 200, 0)
    assert venue.balance(0, "USDT") == (110, 0)


def test_a_tier_is_earned_from_the_day_after_and_lost_after_thirty_days() -> None:
    venue = scheduled()
    assert fees_of(trade(venue)) == (10, 20, 0)
    assert fees_of(trade(venue)) == (10, 20, 0), "today's volume does not count yet"
    assert fees_of(trade(venue, DAY_NS)) == (5, 15, 0)
    assert fees_of(trade(venue, 30 * DAY_NS)) == (5, 15, 0)
    engine = reopened(venue)
    assert fees_of(trade(venue, 31 * DAY_NS)) == (5, 15, 0), "of the days 1 and 30"
    assert state_hash(engine) != state_hash(venue.engine)
    assert fees_of(trade(venue, 62 * DAY_NS)) == (10, 20, 0)
    assert list(venue.engine.accounts[BOB].volumes["USDT"].days) == [62]


def test_volumes_survive_a_restart() -> None:
    venue = scheduled()
    trade(venue)
    trade(venue, DAY_NS)
    engine = reopened(venue)
    later = [limit(ALICE, SELL, 100, 10), limit(BOB, BUY, 100, 10)]
    now = venue.time_ns
    for n, command in enumerate(later, 1):
        assert engine.apply(command, now + n) == venue.do(command)
    assert state_hash(engine) == state_hash(venue.engine)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_rebate_comes_out_of_the_takers_fee(side: Side) -> None:
    venue = scheduled((FeeTier(0, -900, 900),))
    made = trade(venue, side=side)
    received_minor = BASE_MINOR if side is BUY else QUOTE_MINOR
    fee_minor = -(-received_minor * 900 // 10**6)
    rebate_minor = received_minor * 900 // 10**6
    assert fees_of(made) == (0, fee_minor, rebate_minor)
    asset = "BTC" if side is BUY else "USDT"
    assert venue.balance(0, asset) == (fee_minor - rebate_minor, 0)
    assert venue.balance(BOB, asset) == (FUNDS_MINOR + received_minor - fee_minor, 0)
    assert venue.balance(ALICE, asset) == (FUNDS_MINOR - received_minor + rebate_minor, 0)


def test_what_an_account_trades_with_itself_counts_for_nothing() -> None:
    venue = scheduled()
    venue.limit(ALICE, SELL, 100, 10)
    venue.limit(ALICE, BUY, 100, 10)
    assert venue.engine.accounts[ALICE].volumes == {}


def test_volume_counts_per_quote_asset_in_instruments_with_a_schedule() -> None:
    venue = scheduled()
    venue.do(instrument(symbol="BTC-2"))
    venue.limit(ALICE, SELL, 100, 10, symbol="BTC-2")
    venue.limit(BOB, BUY, 100, 10, symbol="BTC-2")
    assert venue.engine.accounts[BOB].volumes == {}
    venue.do(SetFeeSchedule("BTC-2", TIERS))
    venue.limit(ALICE, SELL, 100, 10, symbol="BTC-2")
    venue.limit(BOB, BUY, 100, 10, symbol="BTC-2")
    assert fees_of(trade(venue, DAY_NS)) == (5, 15, 0)


def test_a_count_of_volume_saturates() -> None:
    volume = Volume()
    volume.add(1, MAX_SUPPLY_MINOR)
    volume.add(1, 5)
    assert volume.before(2) == MAX_SUPPLY_MINOR
    assert volume.before(1) == 0


@pytest.mark.parametrize(
    "tiers",
    [
        (FeeTier(1, 0, 0),),
        (FeeTier(0, 0, 0), FeeTier(0, 0, 0)),
        (FeeTier(0, 0, 0), FeeTier(9, 0, 0), FeeTier(8, 0, 0)),
        (FeeTier(0, 0, -1),),
        (FeeTier(0, 0, 100_001),),
        (FeeTier(0, 100_001, 0),),
        (FeeTier(0, -500, 600), FeeTier(9, 0, 499)),
        (FeeTier(0, 0, 0), FeeTier(MAX_SUPPLY_MINOR + 1, 0, 0)),
        tuple(FeeTier(n, 0, 0) for n in range(11)),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(tiers: tuple[FeeTier, ...]) -> None:
    venue = Venue()
    (event,) = venue.do(SetFeeSchedule(SYMBOL, tiers))
    assert event == CommandRejected(0, "SetFeeSchedule", SYMBOL, RejectReason.INVALID_FEE_SCHEDULE)
    assert venue.engine.books[SYMBOL].fees is None


def test_an_unknown_instrument_has_no_fees() -> None:
    (event,) = Venue().do(SetFeeSchedule("NO-SUCH", TIERS))
    assert event == CommandRejected(0, "SetFeeSchedule", "NO-SUCH", RejectReason.UNKNOWN_SYMBOL)


def test_the_widest_schedule_is_taken() -> None:
    tiers = tuple(FeeTier(n, -500, 500) for n in range(MAX_FEE_TIERS))
    assert fees.is_valid(tiers)
