"""Price bands: what they refuse, where they stop an order, and the auction that they set off."""

import pytest

from orderbook.core.bands import ANY_PRICE, around
from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    PlaceOrder,
    SetPhase,
    SetReferencePrice,
)
from orderbook.core.events import (
    CommandRejected,
    OrderCanceled,
    OrderRejected,
    PhaseChanged,
    ReferencePriceSet,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.units import MAX_PRICE_TICKS, CancelReason, PhaseReason
from tests.unit.core.markets import S, catch_up, changed, phase, reopened, status, trades
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FOK,
    GTC,
    IOC,
    SELL,
    SYMBOL,
    Venue,
    instrument,
    limit,
    market,
)

PERCENT = 10_000
PAUSE_NS = 60 * 10**9


@pytest.mark.parametrize(
    ("centre_ticks", "band_ppm", "expected"),
    [
        (100, 10 * PERCENT, (90, 110)),
        (105, 10 * PERCENT, (95, 115)),
        (101, 1, (101, 101)),
        (7, 100 * PERCENT, (0, 14)),
        (100, 0, ANY_PRICE),
        (0, 10 * PERCENT, ANY_PRICE),
    ],
)
def test_a_band_is_rounded_inward(centre_ticks, band_ppm, expected):
    assert around(centre_ticks, band_ppm) == expected


def banded(reference_ticks: int = 100, **bands: int) -> Venue:
    venue = Venue()
    venue.do(instrument(**bands))
    if reference_ticks:
        venue.do(SetReferencePrice(SYMBOL, reference_ticks))
    return venue


def trade_at(venue: Venue, price_ticks: int) -> None:
    venue.limit(CAROL, SELL, price_ticks, 1)
    venue.limit(CAROL, BUY, price_ticks, 1)


def outcome(venue: Venue, command: PlaceOrder) -> CancelReason | RejectReason | None:
    """Why the order was refused or canceled; None where it was filled or rests."""
    for event in venue.do(command):
        if isinstance(event, OrderRejected | OrderCanceled):
            return event.reason
    return None


def test_a_limit_price_outside_the_static_band_is_refused() -> None:
    venue = banded(static_band_ppm=10 * PERCENT)
    for price_ticks in (89, 111):
        for side in (BUY, SELL):
            command = limit(ALICE, side, price_ticks, 1)
            assert outcome(venue, command) is RejectReason.PRICE_OUTSIDE_BAND
    for price_ticks in (90, 110):
        assert outcome(venue, limit(ALICE, BUY, price_ticks, 1, IOC)) is CancelReason.IOC_REMAINDER
    venue.limit(ALICE, BUY, 100, 1)
    event = venue.do(AmendOrder(ALICE, 3, price_ticks=89))[0]
    assert event.reason is RejectReason.PRICE_OUTSIDE_BAND  # type: ignore[union-attr]


def test_without_a_reference_price_and_a_trade_any_price_goes() -> None:
    venue = banded(0, static_band_ppm=PERCENT, dynamic_band_ppm=PERCENT)
    venue.limit(ALICE, SELL, 900, 1)
    assert trades(venue.limit(BOB, BUY, 1_000, 1)) == [(900, 1, 1, 2)]


def test_a_reference_price_is_a_price_of_a_known_instrument() -> None:
    venue = Venue()
    assert venue.story(SetReferencePrice(SYMBOL, 5)) == [ReferencePriceSet(SYMBOL, 5)]
    for symbol, price_ticks, reason in (
        ("NO-SUCH", 5, RejectReason.UNKNOWN_SYMBOL),
        (SYMBOL, 0, RejectReason.INVALID_PRICE),
        (SYMBOL, MAX_PRICE_TICKS + 1, RejectReason.INVALID_PRICE),
    ):
        (event,) = venue.do(SetReferencePrice(symbol, price_ticks))
        assert event == CommandRejected(0, "SetReferencePrice", symbol, reason)


def ladder(venue: Venue) -> None:
    """Alice offers one lot at 101, 104, 106 and 109."""
    for price_ticks in (101, 104, 106, 109):
        venue.limit(ALICE, SELL, price_ticks, 1)


def test_a_market_order_stops_at_the_dynamic_band() -> None:
    venue = banded(dynamic_band_ppm=5 * PERCENT)
    trade_at(venue, 100)
    ladder(venue)
    events = venue.story(market(BOB, BUY, 4))
    assert [price for price, *_ in trades(events)] == [101, 104]
    assert isinstance(events[-1], OrderCanceled)
    assert (events[-1].reason, events[-1].remaining_lots) == (CancelReason.PRICE_BAND, 2)
    assert status(venue) is S.TRADING
    assert trades(venue.limit(BOB, BUY, 109, 4))[0][0] == 106, "the last trade has moved the band"


def test_an_order_that_is_filled_within_the_band_is_as_any_other() -> None:
    venue = banded(static_band_ppm=20 * PERCENT, dynamic_band_ppm=5 * PERCENT, pause_ns=PAUSE_NS)
    trade_at(venue, 100)
    ladder(venue)
    assert outcome(venue, market(BOB, BUY, 2)) is None
    assert outcome(venue, limit(BOB, BUY, 105, 2)) is None, "it rests: nothing is offered at 105"
    assert outcome(venue, limit(BOB, BUY, 105, 2, IOC)) is CancelReason.IOC_REMAINDER


def test_a_limit_that_would_rest_beyond_the_band_is_canceled() -> None:
    venue = banded(dynamic_band_ppm=5 * PERCENT, pause_ns=PAUSE_NS)
    trade_at(venue, 100)
    assert outcome(venue, limit(BOB, BUY, 106, 2)) is CancelReason.PRICE_BAND
    assert outcome(venue, limit(BOB, SELL, 94, 2)) is CancelReason.PRICE_BAND
    assert outcome(venue, limit(BOB, SELL, 200, 2)) is None, "where it waits to be reached"
    assert status(venue) is S.TRADING


def test_the_static_band_stops_an_order_without_a_pause() -> None:
    venue = banded(static_band_ppm=5 * PERCENT, dynamic_band_ppm=50 * PERCENT, pause_ns=PAUSE_NS)
    venue.do(SetReferencePrice(SYMBOL, 104))
    ladder(venue)
    venue.do(SetReferencePrice(SYMBOL, 100))
    events = venue.story(market(BOB, BUY, 4))
    assert [price for price, *_ in trades(events)] == [101, 104]
    assert isinstance(events[-1], OrderCanceled)
    assert events[-1].reason is CancelReason.PRICE_BAND
    assert status(venue) is S.TRADING


def test_an_order_never_trades_below_the_band_either() -> None:
    venue = Venue()
    trade_at(venue, 100)
    venue.limit(ALICE, SELL, 80, 1)
    venue.do(instrument(dynamic_band_ppm=5 * PERCENT))
    assert outcome(venue, market(BOB, BUY, 1)) is CancelReason.PRICE_BAND
    assert outcome(venue, limit(BOB, BUY, 100, 1, FOK)) is CancelReason.FOK_UNFILLABLE


def test_fill_or_kill_counts_only_what_the_band_allows() -> None:
    venue = banded(dynamic_band_ppm=5 * PERCENT, pause_ns=PAUSE_NS)
    trade_at(venue, 100)
    ladder(venue)
    assert outcome(venue, limit(BOB, BUY, 109, 3, FOK)) is CancelReason.FOK_UNFILLABLE
    assert outcome(venue, limit(BOB, BUY, 109, 2, FOK)) is None
    assert status(venue) is S.TRADING


def test_a_sell_stops_at_the_lower_end() -> None:
    venue = banded(dynamic_band_ppm=5 * PERCENT)
    trade_at(venue, 100)
    for price_ticks in (99, 95, 94):
        venue.limit(ALICE, BUY, price_ticks, 1)
    events = venue.story(market(BOB, SELL, 3))
    assert [price for price, *_ in trades(events)] == [99, 95]


def volatile() -> Venue:
    venue = banded(dynamic_band_ppm=5 * PERCENT, pause_ns=PAUSE_NS)
    trade_at(venue, 100)
    ladder(venue)
    return venue


def test_a_trade_beyond_the_dynamic_band_sets_off_an_auction() -> None:
    venue = volatile()
    events = venue.story(limit(BOB, BUY, 109, 4, GTC))
    until_ns = venue.time_ns + PAUSE_NS
    assert isinstance(events[-2], OrderCanceled)
    assert events[-1] == PhaseChanged(SYMBOL, S.OPENING_AUCTION, PhaseReason.VOLATILITY, until_ns)
    assert venue.engine.next_due_ns == until_ns
    venue.limit(BOB, BUY, 109, 1)
    engine = reopened(venue)
    catch_up(venue, until_ns - 1)
    assert status(venue) is S.OPENING_AUCTION
    engine.apply(AdvanceTime(), until_ns - 1)
    now = venue.time_ns
    (*_, last) = venue.story(AdvanceTime(), until_ns)
    assert last == PhaseChanged(SYMBOL, S.TRADING, PhaseReason.VOLATILITY_END)
    assert now < until_ns
    engine.apply(AdvanceTime(), until_ns)
    assert state_hash(engine) == state_hash(venue.engine)
    assert venue.engine.books[SYMBOL].last_ticks == 106


def test_an_operator_ends_a_volatility_auction_early() -> None:
    venue = volatile()
    venue.limit(BOB, BUY, 109, 4)
    events = venue.story(SetPhase(SYMBOL, S.TRADING))
    assert events[-1] == changed(S.TRADING)
    assert venue.engine.next_due_ns > venue.time_ns + PAUSE_NS


def test_an_operators_auction_replaces_the_volatility_auction() -> None:
    venue = volatile()
    venue.limit(BOB, BUY, 109, 4)
    assert phase(venue, S.OPENING_AUCTION) == [changed(S.OPENING_AUCTION)]
    assert venue.engine.next_due_ns > venue.time_ns + PAUSE_NS
