"""Busts: a trade is undone once, whole, and only if everybody can give back what they received."""

import pytest
from msgspec.structs import replace

from orderbook.core.commands import BustTrade, SetFeeSchedule, Withdraw
from orderbook.core.events import CommandRejected, Trade, TradeBusted
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot
from orderbook.core.terms import FeeTier
from orderbook.core.units import Side
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FUNDS_MINOR,
    LOT_MINOR,
    SELL,
    SYMBOL,
    Venue,
    instrument,
)

ASSETS = ("BTC", "USDT")


def traded(side: Side = BUY, account_id: int = BOB) -> tuple[Venue, Trade]:
    """Bob takes ten lots of Alice's at 100, with fees and a rebate."""
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=1_000, taker_fee_ppm=2_000))
    venue.limit(ALICE, SELL if side is BUY else BUY, 100, 10)
    events = venue.limit(account_id, side, 100, 10)
    return venue, next(event for event in events if isinstance(event, Trade))


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("maker_ppm", [1_000, -700])
def test_a_bust_gives_everybody_back_what_they_had(side: Side, maker_ppm: int) -> None:
    venue = Venue()
    venue.do(SetFeeSchedule(SYMBOL, (FeeTier(0, maker_ppm, 2_000),)))
    venue.limit(ALICE, SELL if side is BUY else BUY, 100, 10)
    events = venue.limit(BOB, side, 100, 10)
    trade = next(event for event in events if isinstance(event, Trade))
    assert venue.story(BustTrade(trade)) == [TradeBusted(trade)]
    for asset in ASSETS:
        assert venue.balance(ALICE, asset) == (FUNDS_MINOR, 0)
        assert venue.balance(BOB, asset) == (FUNDS_MINOR, 0)
        assert venue.balance(0, asset) == (0, 0)


def test_a_trade_of_an_account_with_itself_gives_back_the_fees() -> None:
    venue, trade = traded(account_id=ALICE)
    assert venue.story(BustTrade(trade)) == [TradeBusted(trade)]
    for asset in ASSETS:
        assert venue.balance(ALICE, asset) == (FUNDS_MINOR, 0)


def refused(venue: Venue, trade: Trade) -> RejectReason:
    before = snapshot(venue.engine)
    (event,) = venue.engine.apply(BustTrade(trade), venue.engine.time_ns)
    assert isinstance(event, CommandRejected)
    assert event.command == "BustTrade"
    assert snapshot(venue.engine) == before
    return event.reason


def test_a_trade_is_busted_once_even_after_a_restart() -> None:
    venue, trade = traded()
    venue.do(BustTrade(trade))
    assert refused(venue, trade) is RejectReason.ALREADY_BUSTED
    engine = restore(snapshot(venue.engine))
    (event,) = engine.apply(BustTrade(trade), venue.engine.time_ns)
    assert event.reason is RejectReason.ALREADY_BUSTED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes",
    [
        {"trade_id": 0},
        {"trade_id": 2},
        {"symbol": "NO-SUCH"},
        {"base": "USDT"},
        {"quote": "BTC"},
        {"price_ticks": 99},
        {"price_ticks": 0, "quote_minor": 0},
        {"quantity_lots": 0, "base_minor": 0, "quote_minor": 0},
        {"quantity_lots": 9},
        {"base_minor": 1},
        {"quote_minor": 1},
        {"maker_order_id": 0},
        {"taker_order_id": 3},
        {"maker_account_id": 0},
        {"taker_account_id": 99},
        {"maker_fee_minor": -1},
        {"maker_fee_minor": 10_001},
        {"taker_fee_minor": -1},
        {"taker_fee_minor": 10 * LOT_MINOR + 1},
        {"maker_rebate_minor": 21},
        {"maker_rebate_minor": -1},
    ],
)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_trade_that_the_venue_did_not_make_is_unknown(changes, side: Side) -> None:
    venue, trade = traded(side)
    assert refused(venue, replace(trade, **changes)) is RejectReason.UNKNOWN_TRADE


@pytest.mark.parametrize(
    ("account_id", "asset"), [(BOB, "BTC"), (ALICE, "USDT"), (0, "BTC"), (0, "USDT")]
)
def test_who_cannot_give_back_keeps_the_trade(account_id: int, asset: str) -> None:
    venue, trade = traded()
    available_minor, _ = venue.balance(account_id, asset)
    venue.do(Withdraw(account_id, asset, available_minor, ""))
    assert refused(venue, trade) is RejectReason.INSUFFICIENT_BALANCE


def test_an_account_without_such_a_balance_cannot_give_back() -> None:
    """The command's word counts for what the engine does not remember."""
    venue, trade = traded()
    forged = replace(trade, taker_account_id=1, maker_account_id=3)
    assert refused(venue, replace(forged, taker_fee_minor=10 * LOT_MINOR)) is (
        RejectReason.INSUFFICIENT_BALANCE
    )
