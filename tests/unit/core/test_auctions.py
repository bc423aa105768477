"""Call auctions: the price, what is published while they collect, and the uncross."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from orderbook.core import uncross
from orderbook.core.auction import Indication, best_price
from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    PlaceOrder,
    PlaceOrderList,
    SetFeeSchedule,
    SetReferencePrice,
)
from orderbook.core.events import (
    AuctionIndicated,
    AuctionUncrossed,
    OrderCanceled,
    PhaseChanged,
    ReferencePriceSet,
    Trade,
)
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.terms import FeeTier, OrderOptions
from orderbook.core.units import (
    DAY_NS,
    INDICATION_INTERVAL_NS,
    CancelReason,
    OrderListKind,
    OrderType,
    SelfTradePrevention,
    Side,
)
from tests.unit.core.markets import S, catch_up, changed, phase, reopened, status, trades
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FUNDS_MINOR,
    GTC,
    LIMIT,
    LOT_MINOR,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
)

# The price


def naive_price(
    bids: dict[int, int], asks: dict[int, int], reference_ticks: int
) -> tuple[int, int, int]:
    """Tries every price there is and sorts by the rule."""
    candidates = []
    for price_ticks in range(1, 60):
        demand = sum(lots for ticks, lots in bids.items() if ticks >= price_ticks)
        supply = sum(lots for ticks, lots in asks.items() if ticks <= price_ticks)
        distance = abs(price_ticks - reference_ticks) if reference_ticks else 0
        candidates.append(
            (-min(demand, supply), abs(demand - supply), distance, price_ticks, demand - supply)
        )
    volume, _, _, price_ticks, imbalance = min(candidates)
    return (price_ticks, -volume, imbalance) if volume else (0, 0, 0)


side_of_a_book = st.dictionaries(st.integers(1, 50), st.integers(1, 9), max_size=7)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(side_of_a_book, side_of_a_book, st.integers(0, 58))
def test_the_price_is_the_one_that_a_search_of_all_prices_finds(bids, asks, reference_ticks):
    assert best_price(bids, asks, reference_ticks) == naive_price(bids, asks, reference_ticks)


@pytest.mark.parametrize(
    ("bids", "asks", "reference_ticks", "expected"),
    [
        ({}, {100: 5}, 0, (0, 0, 0)),
        ({99: 5}, {100: 5}, 0, (0, 0, 0)),
        ({105: 5}, {100: 5}, 0, (100, 5, 0)),
        ({105: 5}, {100: 5}, 103, (103, 5, 0)),
        ({105: 5}, {100: 5}, 500, (105, 5, 0)),
        ({105: 5}, {100: 5}, 7, (100, 5, 0)),
        ({105: 5, 100: 3}, {100: 5}, 0, (101, 5, 0)),
        ({105: 5, 100: 3}, {105: 9}, 0, (105, 5, -4)),
        ({105: 8}, {100: 5, 103: 1}, 0, (103, 6, 2)),
    ],
)
def test_the_rule_in_examples(bids, asks, reference_ticks, expected):
    """Most volume, then least imbalance, then nearest to the reference, then the lowest."""
    assert best_price(bids, asks, reference_ticks) == Indication(*expected)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(90, 110), st.integers(1, 9)), max_size=14
    ),
    st.integers(0, 120),
)
def test_an_uncross_trades_what_was_indicated_and_leaves_no_crossed_book(orders, reference_ticks):
    venue = Venue()
    if reference_ticks:
        venue.do(SetReferencePrice(SYMBOL, reference_ticks))
    phase(venue, S.PRE_OPEN)
    for side, price_ticks, lots in orders:
        venue.limit(ALICE if side is BUY else BOB, side, price_ticks, lots)
    indicated = [one for one in phase(venue, S.OPENING_AUCTION) if type(one) is AuctionIndicated]
    events = phase(venue, S.TRADING)
    uncrossed = events[0]
    assert isinstance(uncrossed, AuctionUncrossed)
    shown = indicated[0] if indicated else AuctionIndicated(SYMBOL, 0, 0, 0)
    assert structs.astuple(shown) == structs.astuple(uncrossed)
    made = [event for event in events if isinstance(event, Trade)]
    assert sum(trade.quantity_lots for trade in made) == uncrossed.volume_lots
    assert {trade.price_ticks for trade in made} <= {uncrossed.price_ticks}
    assert not venue.engine.books[SYMBOL].is_crossed()


def iceberg(side: Side, price_ticks: int, quantity_lots: int) -> PlaceOrder:
    """Alice's, which shows five lots."""
    options = OrderOptions(display_lots=5)
    return PlaceOrder(ALICE, SYMBOL, side, LIMIT, GTC, price_ticks, quantity_lots, "", options)


# Collecting


def crossed_venue() -> Venue:
    """An opening auction with 5 bid at 105 and 5 offered at 100."""
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.limit(ALICE, BUY, 105, 5)
    venue.limit(BOB, SELL, 100, 5)
    return venue


def test_changes_are_published_together_after_a_moment_and_only_if_they_matter() -> None:
    venue = crossed_venue()
    due_ns = venue.engine.next_due_ns
    assert venue.time_ns < due_ns <= venue.time_ns + INDICATION_INTERVAL_NS
    engine = reopened(venue)
    assert engine.next_due_ns == due_ns
    expected = [AuctionIndicated(SYMBOL, 100, 5, 0)]
    assert venue.story(AdvanceTime(), due_ns) == expected
    assert engine.apply(AdvanceTime(), due_ns) == expected
    assert state_hash(engine) == state_hash(venue.engine)
    venue.limit(CAROL, BUY, 90, 5)
    assert catch_up(venue, venue.engine.next_due_ns) == []
    venue.cancel(ALICE, 1)
    assert catch_up(venue, venue.engine.next_due_ns) == [AuctionIndicated(SYMBOL, 0, 0, 0)]


def test_a_deep_book_publishes_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbook.core.auction.INDICATION_LEVEL_NS", INDICATION_INTERVAL_NS)
    venue = crossed_venue()
    levels = len(venue.engine.depth(SYMBOL))
    assert levels > 1
    catch_up(venue, venue.engine.next_due_ns)
    venue.limit(ALICE, BUY, 1, 1)
    assert venue.engine.next_due_ns == venue.time_ns + levels * INDICATION_INTERVAL_NS


def test_a_smaller_quantity_is_published_too() -> None:
    venue = crossed_venue()
    catch_up(venue, venue.engine.next_due_ns)
    venue.do(AmendOrder(BOB, 2, quantity_lots=2))
    events = catch_up(venue, venue.engine.next_due_ns)
    assert events == [AuctionIndicated(SYMBOL, 100, 2, 3)]


def test_an_auction_publishes_at_once_what_was_collected_before() -> None:
    venue = Venue()
    phase(venue, S.PRE_OPEN)
    venue.limit(ALICE, BUY, 105, 5)
    venue.limit(BOB, SELL, 100, 2)
    assert venue.engine.next_due_ns > venue.time_ns + INDICATION_INTERVAL_NS, "nothing to publish"
    assert phase(venue, S.OPENING_AUCTION) == [
        changed(S.OPENING_AUCTION),
        AuctionIndicated(SYMBOL, 100, 2, 3),
    ]


def test_an_indication_that_is_due_ends_with_the_auction() -> None:
    venue = crossed_venue()
    phase(venue, S.TRADING)
    assert venue.engine.next_due_ns > venue.time_ns + INDICATION_INTERVAL_NS


def test_icebergs_count_with_all_that_they_have() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.do(iceberg(BUY, 100, 50))
    venue.limit(BOB, SELL, 100, 30)
    due_ns = venue.engine.next_due_ns
    assert catch_up(venue, due_ns) == [AuctionIndicated(SYMBOL, 100, 30, 20)]


# The uncross


def test_all_trade_at_one_price_by_price_then_time() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.limit(ALICE, BUY, 101, 4)  # 1
    venue.limit(BOB, SELL, 100, 5)  # 2
    venue.limit(ALICE, BUY, 103, 2)  # 3
    venue.limit(CAROL, BUY, 101, 4)  # 4
    venue.limit(BOB, SELL, 99, 3)  # 5
    events = phase(venue, S.TRADING)
    price = 100
    assert events[0] == AuctionUncrossed(SYMBOL, price, 8, 2)
    assert trades(events) == [
        (price, 2, 3, 5),
        (price, 1, 1, 5),
        (price, 3, 1, 2),
        (price, 2, 2, 4),
    ]
    assert events[-2:] == [ReferencePriceSet(SYMBOL, price), changed(S.TRADING)]
    made = [event for event in events if isinstance(event, Trade)]
    assert all(trade.in_auction for trade in made)
    assert [trade.taker_side for trade in made] == [SELL, SELL, SELL, BUY]
    book = venue.engine.books[SYMBOL]
    assert (book.last_ticks, book.reference_ticks, book.auction) == (price, price, None)


def test_a_buyer_keeps_the_difference_to_its_limit() -> None:
    venue = crossed_venue()
    venue.limit(ALICE, BUY, 101, 1)
    phase(venue, S.TRADING)
    spent = 5 * 102 * TICK_LOT_MINOR
    held = 101 * TICK_LOT_MINOR
    assert venue.balance(ALICE, "USDT") == (FUNDS_MINOR - spent - held, held)
    assert venue.balance(BOB, "USDT") == (FUNDS_MINOR + spent, 0)
    assert venue.balance(ALICE, "BTC") == (FUNDS_MINOR + 5 * LOT_MINOR, 0)


def test_both_sides_pay_as_makers() -> None:
    venue = crossed_venue()
    venue.do(instrument(maker_fee_ppm=1_000, taker_fee_ppm=90_000))
    (trade,) = [event for event in phase(venue, S.TRADING) if isinstance(event, Trade)]
    assert (trade.maker_fee_minor, trade.taker_fee_minor) == (5, 5)
    assert venue.balance(0, "BTC") == (5, 0)
    assert venue.balance(0, "USDT") == (5, 0)


def test_nobody_has_a_rebate_in_an_auction() -> None:
    venue = crossed_venue()
    venue.do(SetFeeSchedule(SYMBOL, (FeeTier(0, -100, 1_000),)))
    (trade,) = [event for event in phase(venue, S.TRADING) if isinstance(event, Trade)]
    fees = (trade.maker_fee_minor, trade.taker_fee_minor, trade.maker_rebate_minor)
    assert fees == (0, 0, 0)
    assert venue.engine.accounts[ALICE].volumes["USDT"].days == {0: 5_000}


def test_an_account_may_trade_with_itself_in_an_auction() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.engine.accounts[ALICE].self_trade = SelfTradePrevention.CANCEL_BOTH
    venue.limit(ALICE, BUY, 105, 5)
    venue.limit(ALICE, SELL, 100, 5)
    assert trades(phase(venue, S.CLOSED)) == [(100, 5, 1, 2)]
    assert status(venue) is S.CLOSED


def test_an_auction_without_a_match_says_so_and_keeps_the_reference() -> None:
    venue = Venue()
    venue.do(SetReferencePrice(SYMBOL, 77))
    phase(venue, S.CLOSING_AUCTION)
    venue.limit(ALICE, BUY, 90, 5)
    assert phase(venue, S.CLOSED) == [AuctionUncrossed(SYMBOL, 0, 0, 0), changed(S.CLOSED)]
    assert venue.engine.books[SYMBOL].reference_ticks == 77


def test_an_uncross_goes_on_where_one_command_may_not_make_more_trades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uncross, "MAX_FILLS", 2)
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    for _ in range(5):
        venue.limit(ALICE, BUY, 100, 1)
        venue.limit(BOB, SELL, 100, 1)
    first = phase(venue, S.TRADING)
    assert first[0] == AuctionUncrossed(SYMBOL, 100, 5, 0)
    assert len(trades(first)) == 2
    assert (status(venue), venue.engine.next_due_ns) == (S.OPENING_AUCTION, 0)
    engine = reopened(venue)
    assert snapshot(engine) == snapshot(venue.engine)
    now = venue.time_ns
    second, third = venue.do(AdvanceTime()), venue.do(AdvanceTime())
    assert engine.apply(AdvanceTime(), now + 1) == second
    assert snapshot(restore(snapshot(engine))) == snapshot(engine)
    assert engine.apply(AdvanceTime(), now + 2) == third
    assert (len(trades(second)), len(trades(third))) == (2, 1)
    assert status(venue) is S.TRADING
    assert venue.engine.next_due_ns > venue.time_ns
    assert any(isinstance(event, PhaseChanged) for event in third)
    assert state_hash(engine) == state_hash(venue.engine)


def test_an_iceberg_trades_more_than_it_shows_and_keeps_its_place() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.do(iceberg(BUY, 100, 50))
    venue.limit(CAROL, BUY, 100, 5)
    venue.limit(BOB, SELL, 100, 20)
    venue.limit(BOB, SELL, 100, 10)
    assert trades(phase(venue, S.TRADING)) == [(100, 20, 1, 3), (100, 10, 1, 4)]
    order = venue.engine.accounts[ALICE].orders[1]
    assert (order.remaining_lots, order.open_lots()) == (5, 20)
    level = venue.engine.books[SYMBOL].bids.best
    assert level is not None
    assert level.first is order
    assert (level.quantity_lots, level.reserve_lots) == (10, 15)


def test_an_iceberg_that_is_used_up_to_its_last_part_shows_the_rest() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.do(iceberg(SELL, 100, 50))
    venue.limit(BOB, BUY, 100, 48)
    assert trades(phase(venue, S.TRADING)) == [(100, 48, 1, 2)]
    assert [view[1:] for view in venue.engine.depth(SYMBOL)] == [(100, 2, 1)]


# What follows


def stop(type: OrderType, side: Side, stop_ticks: int, price_ticks: int = 0) -> PlaceOrder:
    options = OrderOptions(stop_ticks=stop_ticks)
    return PlaceOrder(CAROL, SYMBOL, side, type, GTC, price_ticks, 1, "", options)


def test_the_auctions_price_sets_off_stops_as_trading_begins() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.do(stop(OrderType.STOP_MARKET, BUY, 100))  # 1
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 100, 6)
    assert trades(phase(venue, S.TRADING)) == [(100, 5, 2, 3), (100, 1, 3, 1)]


def test_stops_wait_for_trading_where_another_phase_follows_the_auction() -> None:
    venue = Venue()
    phase(venue, S.CLOSING_AUCTION)
    venue.do(stop(OrderType.STOP_MARKET, BUY, 100))
    venue.limit(ALICE, BUY, 100, 5)
    venue.limit(BOB, SELL, 100, 6)
    assert trades(phase(venue, S.CLOSED)) == [(100, 5, 2, 3)]
    assert phase(venue, S.PRE_OPEN) == [changed(S.PRE_OPEN)]
    assert trades(phase(venue, S.TRADING)) == [(100, 1, 3, 1)]


def oco() -> tuple[PlaceOrder, PlaceOrder]:
    """Carol's: four lots offered at 100, or sold from 80 down."""
    stop_at_80 = OrderOptions(stop_ticks=80)
    return (
        PlaceOrder(CAROL, SYMBOL, SELL, LIMIT, GTC, 100, 4),
        PlaceOrder(CAROL, SYMBOL, SELL, OrderType.STOP_MARKET, GTC, 0, 4, "", stop_at_80),
    )


def test_a_fill_in_an_auction_ends_the_other_order_of_an_oco() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.do(PlaceOrderList(OrderListKind.OCO, oco()))
    venue.limit(ALICE, BUY, 100, 1)
    events = phase(venue, S.TRADING)
    assert trades(events) == [(100, 1, 1, 3)]
    (ended,) = [event for event in events if isinstance(event, OrderCanceled)]
    assert (ended.order_id, ended.reason) == (2, CancelReason.OTHER_LEG)
    assert venue.balance(CAROL, "BTC") == (FUNDS_MINOR - 4 * LOT_MINOR, 3 * LOT_MINOR)


def test_nothing_is_indicated_while_an_uncross_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other order of an OCO ends between two parts of the uncross."""
    monkeypatch.setattr(uncross, "MAX_FILLS", 1)
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    venue.do(PlaceOrderList(OrderListKind.OCO, oco()))
    for _ in range(2):
        venue.limit(ALICE, BUY, 100, 1)
    assert any(isinstance(event, OrderCanceled) for event in phase(venue, S.TRADING))
    assert status(venue) is S.OPENING_AUCTION
    assert trades(venue.do(AdvanceTime())) == [(100, 1, 1, 4)]
    assert status(venue) is S.TRADING
    assert catch_up(venue, 2 * INDICATION_INTERVAL_NS) == []


def test_what_was_set_off_before_a_pause_waits_again_unless_it_may_rest() -> None:
    """Two stops are set off by one trade; the first one starts an auction before the second."""
    venue = Venue()
    venue.do(instrument(dynamic_band_ppm=50_000, pause_ns=DAY_NS))
    venue.limit(ALICE, SELL, 100, 1)
    venue.limit(BOB, BUY, 100, 1)
    for type, price_ticks in (
        (OrderType.STOP_MARKET, 0),
        (OrderType.STOP_MARKET, 0),
        (OrderType.STOP_LIMIT, 103),
    ):
        venue.do(stop(type, BUY, 101, price_ticks))
    venue.limit(ALICE, SELL, 101, 1)
    venue.limit(ALICE, SELL, 120, 5)
    events = venue.limit(BOB, BUY, 101, 1)
    ended = [(e.order_id, e.reason) for e in events if isinstance(e, OrderCanceled)]
    assert ended == [(3, CancelReason.PRICE_BAND)]
    assert status(venue) is S.OPENING_AUCTION
    assert list(venue.engine.accounts[CAROL].orders) == [4, 5]
    assert venue.engine.books[SYMBOL].bids.best is not None


def test_exits_of_a_bracket_may_not_cross_in_the_post_only_phase() -> None:
    venue = Venue()
    phase(venue, S.OPENING_AUCTION)
    bracket = (
        PlaceOrder(CAROL, SYMBOL, BUY, LIMIT, GTC, 110, 2),
        PlaceOrder(CAROL, SYMBOL, SELL, LIMIT, GTC, 112, 2),
        PlaceOrder(
            CAROL, SYMBOL, SELL, OrderType.STOP_MARKET, GTC, 0, 2, "", OrderOptions(stop_ticks=80)
        ),
    )
    venue.do(PlaceOrderList(OrderListKind.BRACKET, bracket))
    venue.limit(BOB, SELL, 110, 2)
    venue.limit(ALICE, BUY, 109, 2)
    events = phase(venue, S.POST_ONLY)
    assert trades(events) == [(110, 2, 1, 4)]
    assert [order.price_ticks for order in venue.engine.accounts[CAROL].orders.values()] == [112, 0]
