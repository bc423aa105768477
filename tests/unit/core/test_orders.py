"""How accepted orders trade, rest and end."""

import pytest

from orderbook.core import matching
from orderbook.core.commands import Deposit, PlaceOrder, Withdraw
from orderbook.core.events import (
    BalanceChanged,
    Event,
    OrderAccepted,
    OrderCanceled,
    Trade,
)
from orderbook.core.units import CancelReason, OrderType, Side, TimeInForce
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FOK,
    FUNDS_MINOR,
    GTC,
    IOC,
    LIMIT,
    LOT_MINOR,
    MARKET,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
    market,
)


def fills(events: list[Event]) -> list[tuple[int, int, int]]:
    """(maker order id, price, lots) of each trade."""
    return [(e.maker_order_id, e.price_ticks, e.quantity_lots) for e in events if type(e) is Trade]


def test_a_limit_order_that_does_not_cross_rests_and_holds_its_cost() -> None:
    venue = Venue()
    events = venue.limit(ALICE, BUY, 100, 7, client_order_id="a")
    held_minor = 100 * 7 * TICK_LOT_MINOR
    assert events == [
        OrderAccepted(1, ALICE, SYMBOL, BUY, LIMIT, GTC, 100, 7, "a"),
        BalanceChanged(ALICE, "USDT", FUNDS_MINOR - held_minor, held_minor),
    ]
    assert venue.engine.depth(SYMBOL) == [(BUY, 100, 7, 1)]


def test_a_sell_holds_base() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 7)
    assert venue.balance(ALICE, "BTC") == (FUNDS_MINOR - 7 * LOT_MINOR, 7 * LOT_MINOR)
    assert venue.balance(ALICE, "USDT") == (FUNDS_MINOR, 0)


def test_a_trade_prints_at_the_makers_price_and_the_taker_keeps_the_improvement() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 5)
    events = venue.limit(BOB, BUY, 120, 5)
    quote_minor = 100 * 5 * TICK_LOT_MINOR
    assert events == [
        OrderAccepted(2, BOB, SYMBOL, BUY, LIMIT, GTC, 120, 5, ""),
        Trade(
            trade_id=1,
            symbol=SYMBOL,
            base="BTC",
            quote="USDT",
            price_ticks=100,
            quantity_lots=5,
            base_minor=5 * LOT_MINOR,
            quote_minor=quote_minor,
            maker_order_id=1,
            maker_account_id=ALICE,
            maker_fee_minor=0,
            taker_order_id=2,
            taker_account_id=BOB,
            taker_fee_minor=0,
            taker_side=BUY,
        ),
        BalanceChanged(ALICE, "BTC", FUNDS_MINOR - 5 * LOT_MINOR, 0),
        BalanceChanged(ALICE, "USDT", FUNDS_MINOR + quote_minor, 0),
        BalanceChanged(BOB, "BTC", FUNDS_MINOR + 5 * LOT_MINOR, 0),
        BalanceChanged(BOB, "USDT", FUNDS_MINOR - quote_minor, 0),
    ]
    assert venue.engine.depth(SYMBOL) == []


def test_a_taker_may_spend_all_it_has_at_a_better_price_and_rest_the_remainder() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 90, 4)
    venue.limit(BOB, BUY, 100, 10)
    paid_minor, held_minor = 90 * 4 * TICK_LOT_MINOR, 100 * 6 * TICK_LOT_MINOR
    assert venue.balance(BOB, "USDT") == (FUNDS_MINOR - paid_minor - held_minor, held_minor)
    assert venue.engine.depth(SYMBOL) == [(BUY, 100, 6, 1)]


@pytest.mark.parametrize(
    ("side", "prices", "best_first"),
    [(SELL, [103, 101, 102], [2, 3, 1]), (BUY, [97, 99, 98], [2, 3, 1])],
)
def test_better_prices_trade_first(side: Side, prices: list[int], best_first: list[int]) -> None:
    venue = Venue()
    for price_ticks in prices:
        venue.limit(ALICE, side, price_ticks, 1)
    taker_side, far = (BUY, 200) if side is SELL else (SELL, 1)
    assert [fill[0] for fill in fills(venue.limit(BOB, taker_side, far, 3))] == best_first


def test_older_orders_trade_first_and_a_partial_fill_keeps_its_place() -> None:
    venue = Venue()
    for account_id in (ALICE, BOB, ALICE):
        venue.limit(account_id, SELL, 100, 5)
    assert fills(venue.limit(CAROL, BUY, 100, 3)) == [(1, 100, 3)]
    assert fills(venue.limit(CAROL, BUY, 100, 8)) == [(1, 100, 2), (2, 100, 5), (3, 100, 1)]
    assert venue.engine.depth(SYMBOL) == [(SELL, 100, 4, 1)]


@pytest.mark.parametrize(
    ("side", "resting_ticks", "limit_ticks"), [(BUY, 101, 100), (SELL, 99, 100)]
)
def test_an_order_never_trades_through_its_limit(
    side: Side, resting_ticks: int, limit_ticks: int
) -> None:
    venue = Venue()
    other = SELL if side is BUY else BUY
    venue.limit(ALICE, other, resting_ticks, 1)
    assert fills(venue.limit(BOB, side, limit_ticks, 1)) == []
    assert len(venue.engine.depth(SYMBOL)) == 2


def test_a_sweep_ends_at_the_limit_and_rests_there() -> None:
    venue = Venue()
    for price_ticks in (100, 101, 103):
        venue.limit(ALICE, SELL, price_ticks, 1)
    assert fills(venue.limit(BOB, BUY, 102, 5)) == [(1, 100, 1), (2, 101, 1)]
    assert venue.engine.depth(SYMBOL) == [(BUY, 102, 3, 1), (SELL, 103, 1, 1)]


def test_an_ioc_remainder_is_canceled_and_never_held() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 2)
    events = venue.story(limit(BOB, BUY, 100, 5, IOC, "x"))
    assert events[-1] == OrderCanceled(2, BOB, SYMBOL, "x", 3, CancelReason.IOC_REMAINDER)
    assert venue.balance(BOB, "USDT") == (FUNDS_MINOR - 100 * 2 * TICK_LOT_MINOR, 0)


def test_an_ioc_order_that_meets_nothing_changes_no_balance() -> None:
    venue = Venue()
    events = venue.limit(BOB, SELL, 100, 5, IOC)
    assert [type(event) for event in events] == [OrderAccepted, OrderCanceled]


def test_an_ioc_order_does_not_join_those_that_rest_at_its_price() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 2)
    events = venue.limit(BOB, SELL, 100, 5, IOC)
    assert [type(event) for event in events] == [OrderAccepted, OrderCanceled]
    assert venue.engine.depth(SYMBOL) == [(SELL, 100, 2, 1)]


def test_a_fok_order_fills_whole_across_levels() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 100, 2)
    venue.limit(ALICE, BUY, 99, 3)
    assert fills(venue.limit(BOB, SELL, 99, 5, FOK)) == [(1, 100, 2), (2, 99, 3)]


@pytest.mark.parametrize("command", [limit(BOB, BUY, 100, 5, FOK), limit(BOB, BUY, 101, 6, FOK)])
def test_a_fok_order_that_cannot_fill_whole_trades_nothing(command: PlaceOrder) -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 2)
    venue.limit(ALICE, SELL, 101, 3)
    before = venue.engine.depth(SYMBOL)
    events = venue.do(command)
    assert [type(event) for event in events] == [OrderAccepted, OrderCanceled]
    assert events[1].reason is CancelReason.FOK_UNFILLABLE  # type: ignore[union-attr]
    assert venue.engine.depth(SYMBOL) == before


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("command", [(LIMIT, GTC), (LIMIT, IOC), (MARKET, IOC)])
def test_an_order_makes_so_many_trades_and_no_more(
    side: Side, command: tuple[OrderType, TimeInForce], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_FILLS", 2)
    monkeypatch.setattr("orderbook.core.liquidity.MAX_FILLS", 2)
    venue = Venue()
    other = SELL if side is BUY else BUY
    for _ in range(4):
        venue.limit(ALICE, other, 100, 3)
    price_ticks = 100 if command[0] is LIMIT else 0
    order = PlaceOrder(BOB, SYMBOL, side, *command, price_ticks, 10, "x")
    events = venue.story(order)
    assert fills(events) == [(1, 100, 3), (2, 100, 3)]
    assert events[-1] == OrderCanceled(5, BOB, SYMBOL, "x", 4, CancelReason.FILL_LIMIT)
    assert venue.engine.depth(SYMBOL) == [(other, 100, 6, 2)]


def test_the_last_allowed_trade_leaves_a_remainder_that_may_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "MAX_FILLS", 2)
    monkeypatch.setattr("orderbook.core.liquidity.MAX_FILLS", 2)
    venue = Venue()
    for price_ticks in (100, 100, 101):
        venue.limit(ALICE, SELL, price_ticks, 3)
    venue.limit(BOB, BUY, 100, 10)
    assert venue.engine.depth(SYMBOL) == [(BUY, 100, 4, 1), (SELL, 101, 3, 1)]


@pytest.mark.parametrize(("lots", "trades"), [(6, 2), (4, 2), (7, 0), (9, 0)])
def test_a_fok_order_that_needs_too_many_trades_trades_nothing(
    lots: int, trades: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_FILLS", 2)
    monkeypatch.setattr("orderbook.core.liquidity.MAX_FILLS", 2)
    venue = Venue()
    for price_ticks in (100, 101, 101):
        venue.limit(ALICE, SELL, price_ticks, 3)
    assert len(fills(venue.limit(BOB, BUY, 101, lots, FOK))) == trades


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_market_order_takes_every_price_and_its_remainder_is_canceled(side: Side) -> None:
    venue = Venue()
    other = SELL if side is BUY else BUY
    venue.limit(ALICE, other, 100, 1)
    venue.limit(ALICE, other, 10_000, 1)
    events = venue.story(market(BOB, side, 3))
    assert len(fills(events)) == 2
    assert events[-1] == OrderCanceled(3, BOB, SYMBOL, "", 1, CancelReason.MARKET_REMAINDER)


def test_a_market_fok_order_that_cannot_fill_whole_trades_nothing() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 1)
    events = venue.do(market(BOB, BUY, 2, FOK))
    assert [type(event) for event in events] == [OrderAccepted, OrderCanceled]
    assert events[1].reason is CancelReason.FOK_UNFILLABLE  # type: ignore[union-attr]


def test_a_market_buy_needs_only_what_the_book_asks() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 1000, 50)
    cost_minor = 1000 * 50 * TICK_LOT_MINOR
    venue.do(Withdraw(BOB, "USDT", FUNDS_MINOR - cost_minor, ""))
    assert len(fills(venue.do(market(BOB, BUY, 50)))) == 1
    assert venue.balance(BOB, "USDT") == (0, 0)


def test_fees_are_taken_from_what_each_side_receives_and_rounded_up() -> None:
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=100, taker_fee_ppm=333))
    venue.limit(ALICE, SELL, 7, 3)
    events = venue.limit(BOB, BUY, 7, 3)
    trade = events[1]
    assert isinstance(trade, Trade)
    # 3,000 base minor x 333 ppm = 0.999, 210 quote minor x 100 ppm = 0.021: one each.
    assert (trade.base_minor, trade.quote_minor) == (3000, 210)
    assert (trade.taker_fee_minor, trade.maker_fee_minor) == (1, 1)
    assert venue.balance(BOB, "BTC") == (FUNDS_MINOR + 2999, 0)
    assert venue.balance(ALICE, "USDT") == (FUNDS_MINOR + 209, 0)
    assert venue.balance(0, "BTC") == (1, 0)
    assert venue.balance(0, "USDT") == (1, 0)
    assert [(e.account_id, e.asset) for e in events if isinstance(e, BalanceChanged)] == [
        (0, "BTC"),
        (0, "USDT"),
        (1, "BTC"),
        (1, "USDT"),
        (2, "BTC"),
        (2, "USDT"),
    ]


def test_a_taker_that_sells_pays_its_fee_in_quote() -> None:
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=1000, taker_fee_ppm=2000))
    venue.limit(ALICE, BUY, 100, 10)
    trade = venue.limit(BOB, SELL, 100, 10)[1]
    assert isinstance(trade, Trade)
    assert (trade.maker_fee_minor, trade.taker_fee_minor) == (10, 20)
    assert (venue.balance(0, "BTC")[0], venue.balance(0, "USDT")[0]) == (10, 20)


@pytest.mark.parametrize("maker_side", [BUY, SELL])
def test_who_receives_an_asset_for_the_first_time_has_a_balance_of_it_from_then_on(
    maker_side: Side,
) -> None:
    """Maker, taker and the venue have none of what they get; all are told, by account and asset."""
    buyer, seller = 4, 5
    maker, taker = (buyer, seller) if maker_side is BUY else (seller, buyer)
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=1000, taker_fee_ppm=1000))
    venue.do(Deposit(buyer, "USDT", 100_000, ""))
    venue.do(Deposit(seller, "BTC", 100_000, ""))
    venue.limit(maker, maker_side, 100, 10)
    events = venue.limit(taker, SELL if maker_side is BUY else BUY, 100, 10)
    assert [event for event in events if isinstance(event, BalanceChanged)] == [
        BalanceChanged(0, "BTC", 10, 0),
        BalanceChanged(0, "USDT", 10, 0),
        BalanceChanged(buyer, "BTC", 9_990, 0),
        BalanceChanged(buyer, "USDT", 90_000, 0),
        BalanceChanged(seller, "BTC", 90_000, 0),
        BalanceChanged(seller, "USDT", 9_990, 0),
    ]


@pytest.mark.parametrize(
    ("maker_fee_ppm", "taker_fee_ppm", "told"),
    [
        (1000, 0, [("USDT", 20)]),
        (0, 1000, [("BTC", 20)]),
        (1000, 2000, [("BTC", 30), ("USDT", 20)]),
        (0, 0, []),
    ],
)
def test_of_the_venues_balances_those_are_told_in_which_it_gets_a_fee(
    maker_fee_ppm: int, taker_fee_ppm: int, told: list[tuple[str, int]]
) -> None:
    """Although it has both assets already."""
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=1000, taker_fee_ppm=1000))
    venue.limit(ALICE, SELL, 100, 10)
    venue.limit(BOB, BUY, 100, 10)
    venue.do(instrument(maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm))
    venue.limit(ALICE, SELL, 100, 10)
    events = venue.limit(BOB, BUY, 100, 10)
    assert [
        (event.asset, event.available_minor)
        for event in events
        if isinstance(event, BalanceChanged) and event.account_id == 0
    ] == told


def test_an_account_that_trades_with_itself_keeps_its_money_less_fees() -> None:
    venue = Venue()
    venue.do(instrument(maker_fee_ppm=1000, taker_fee_ppm=1000))
    venue.limit(ALICE, SELL, 100, 10)
    assert len(fills(venue.limit(ALICE, BUY, 100, 10))) == 1
    assert venue.balance(ALICE, "BTC") == (FUNDS_MINOR - 10, 0)
    assert venue.balance(ALICE, "USDT") == (FUNDS_MINOR - 10, 0)


def test_every_fill_appears_once_with_contiguous_trade_ids() -> None:
    venue = Venue()
    for _ in range(3):
        venue.limit(ALICE, SELL, 100, 1)
    events = venue.limit(BOB, BUY, 100, 2) + venue.limit(CAROL, BUY, 100, 1)
    assert [event.trade_id for event in events if isinstance(event, Trade)] == [1, 2, 3]


def test_changed_rules_apply_to_orders_that_rest_already() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 10)
    venue.do(instrument(maker_fee_ppm=1000, min_notional_minor=10**9))
    venue.do(instrument(maker_fee_ppm=1000))
    trade = venue.limit(BOB, BUY, 100, 10)[1]
    assert isinstance(trade, Trade)
    assert trade.maker_fee_minor == 10


@pytest.mark.parametrize("time_in_force", [GTC, IOC, FOK])
def test_a_filled_limit_order_ends_the_same_way_whatever_its_time_in_force(
    time_in_force: TimeInForce,
) -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 5)
    events = venue.story(limit(BOB, BUY, 100, 5, time_in_force, "x"))
    assert [type(event) for event in events] == [OrderAccepted, Trade]
    assert venue.engine.accounts[BOB].orders == {}


@pytest.mark.parametrize("command", [limit(BOB, BUY, 100, 10), market(BOB, BUY, 10)])
def test_a_notional_of_exactly_the_minimum_is_enough(command: PlaceOrder) -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 10)
    venue.do(instrument(min_notional_minor=100 * 10 * TICK_LOT_MINOR))
    assert len(fills(venue.do(command))) == 1
