"""Self-trade prevention: its four rules, the account's default, and I8: no order of an account
trades with another one of it while a rule holds."""

import random

import pytest

from orderbook.core.commands import PlaceOrder, PlaceOrderList, SetAccountLimits
from orderbook.core.events import (
    Event,
    OrderAccepted,
    OrderCanceled,
    SelfTradePrevented,
    Trade,
)
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    CancelReason,
    OrderListKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FOK,
    GTC,
    IOC,
    LIMIT,
    LOT_MINOR,
    MARKET,
    SELL,
    SYMBOL,
    Venue,
    limit,
)

NONE = SelfTradePrevention.NONE
NEWEST = SelfTradePrevention.CANCEL_NEWEST
OLDEST = SelfTradePrevention.CANCEL_OLDEST
BOTH = SelfTradePrevention.CANCEL_BOTH
DECREMENT = SelfTradePrevention.DECREMENT


def order(
    account_id: int,
    side: Side,
    price_ticks: int,
    lots: int,
    rule: SelfTradePrevention | None = None,
    time_in_force: TimeInForce = GTC,
    type: OrderType = LIMIT,
    display_lots: int = 0,
) -> PlaceOrder:
    options = OrderOptions(self_trade=rule, display_lots=display_lots)
    return PlaceOrder(account_id, SYMBOL, side, type, time_in_force, price_ticks, lots, "", options)


def told(events: list[Event]) -> list[tuple[object, ...]]:
    """What happened, without the acceptance."""
    story: list[tuple[object, ...]] = []
    for event in events:
        if isinstance(event, Trade):
            story.append(("trade", event.maker_order_id, event.quantity_lots))
        elif isinstance(event, SelfTradePrevented):
            story.append(("prevented", event.maker_order_id, event.rule, event.decremented_lots))
        elif isinstance(event, OrderCanceled):
            story.append(("canceled", event.order_id, event.remaining_lots, event.reason))
        else:
            assert isinstance(event, OrderAccepted)
    return story


SELF = CancelReason.SELF_TRADE


@pytest.fixture
def venue() -> Venue:
    """Asks at 100, in this order: Alice's 1 of 3 lots, Bob's 2 of 5, Alice's 3 of 4."""
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 3)
    venue.limit(BOB, SELL, 100, 5)
    venue.limit(ALICE, SELL, 100, 4)
    return venue


def test_without_a_rule_an_account_trades_with_itself(venue: Venue) -> None:
    assert told(venue.story(order(BOB, BUY, 100, 10, NONE))) == [
        ("trade", 1, 3),
        ("trade", 2, 5),
        ("trade", 3, 2),
    ]


def test_cancel_newest_cancels_what_is_left_of_the_taker(venue: Venue) -> None:
    assert told(venue.story(order(BOB, BUY, 100, 10, NEWEST))) == [
        ("trade", 1, 3),
        ("prevented", 2, NEWEST, 0),
        ("canceled", 4, 7, SELF),
    ]
    assert list(venue.engine.accounts[BOB].orders) == [2]


def test_cancel_oldest_cancels_the_resting_order_and_goes_on(venue: Venue) -> None:
    assert told(venue.story(order(BOB, BUY, 100, 10, OLDEST))) == [
        ("trade", 1, 3),
        ("prevented", 2, OLDEST, 0),
        ("canceled", 2, 5, SELF),
        ("trade", 3, 4),
    ]
    assert venue.engine.accounts[BOB].orders[4].remaining_lots == 3
    assert venue.balance(BOB, "BTC")[1] == 0


def test_cancel_both_cancels_both(venue: Venue) -> None:
    assert told(venue.story(order(BOB, BUY, 100, 10, BOTH))) == [
        ("trade", 1, 3),
        ("prevented", 2, BOTH, 0),
        ("canceled", 2, 5, SELF),
        ("canceled", 4, 7, SELF),
    ]
    assert venue.engine.accounts[BOB].orders == {}


class TestDecrement:
    def test_a_smaller_resting_order_ends_and_the_taker_goes_on(self, venue: Venue) -> None:
        assert told(venue.story(order(BOB, BUY, 100, 10, DECREMENT))) == [
            ("trade", 1, 3),
            ("prevented", 2, DECREMENT, 5),
            ("canceled", 2, 0, SELF),
            ("trade", 3, 2),
        ]
        assert venue.engine.accounts[BOB].orders == {}

    def test_a_smaller_taker_ends_and_the_resting_order_keeps_its_place(self, venue: Venue) -> None:
        assert told(venue.story(order(BOB, BUY, 100, 5, DECREMENT))) == [
            ("trade", 1, 3),
            ("prevented", 2, DECREMENT, 2),
            ("canceled", 4, 0, SELF),
        ]
        assert venue.balance(BOB, "BTC")[1] == 3 * LOT_MINOR
        assert told(venue.story(order(CAROL, BUY, 100, 4)))[0] == ("trade", 2, 3)

    def test_equal_ones_both_end(self, venue: Venue) -> None:
        assert told(venue.story(order(BOB, BUY, 100, 8, DECREMENT))) == [
            ("trade", 1, 3),
            ("prevented", 2, DECREMENT, 5),
            ("canceled", 2, 0, SELF),
            ("canceled", 4, 0, SELF),
        ]

    def test_what_is_left_of_the_taker_rests(self, venue: Venue) -> None:
        venue.do(order(BOB, BUY, 100, 20, DECREMENT))
        resting = venue.engine.accounts[BOB].orders[4]
        assert (resting.remaining_lots, resting.quantity_lots) == (8, 15)

    def test_an_iceberg_loses_what_does_not_show_first(self) -> None:
        venue = Venue()
        venue.do(order(BOB, SELL, 100, 10, display_lots=4))
        assert told(venue.story(order(BOB, BUY, 100, 7, DECREMENT))) == [
            ("prevented", 1, DECREMENT, 7),
            ("canceled", 2, 0, SELF),
        ]
        iceberg = venue.engine.accounts[BOB].orders[1]
        assert (iceberg.remaining_lots, iceberg.open_lots()) == (3, 3)
        assert venue.balance(BOB, "BTC")[1] == 3 * LOT_MINOR

    def test_an_iceberg_that_loses_everything_ends(self) -> None:
        venue = Venue()
        venue.do(order(BOB, SELL, 100, 10, display_lots=4))
        assert told(venue.story(order(BOB, BUY, 100, 12, DECREMENT))) == [
            ("prevented", 1, DECREMENT, 10),
            ("canceled", 1, 0, SELF),
        ]
        assert venue.engine.accounts[BOB].orders[2].remaining_lots == 2

    def test_an_order_of_an_oco_that_gets_smaller_cancels_the_other_one(self, venue: Venue) -> None:
        stop = PlaceOrder(
            CAROL, SYMBOL, SELL, OrderType.STOP_MARKET, GTC, 0, 5, "", OrderOptions(stop_ticks=80)
        )
        legs = (limit(CAROL, SELL, 99, 5), stop)
        venue.do(PlaceOrderList(OrderListKind.OCO, legs))
        assert told(venue.story(order(CAROL, BUY, 99, 2, DECREMENT))) == [
            ("prevented", 4, DECREMENT, 2),
            ("canceled", 6, 0, SELF),
            ("canceled", 5, 5, CancelReason.OTHER_LEG),
        ]
        assert venue.balance(CAROL, "BTC")[1] == 3 * LOT_MINOR


def test_cancel_oldest_cancels_an_iceberg_with_what_does_not_show() -> None:
    venue = Venue()
    venue.do(order(BOB, SELL, 100, 10, display_lots=4))
    assert told(venue.story(order(BOB, BUY, 100, 2, OLDEST))) == [
        ("prevented", 1, OLDEST, 0),
        ("canceled", 1, 10, SELF),
    ]


def test_a_market_order_obeys_it(venue: Venue) -> None:
    assert told(venue.story(order(BOB, BUY, 0, 4, NEWEST, IOC, MARKET))) == [
        ("trade", 1, 3),
        ("prevented", 2, NEWEST, 0),
        ("canceled", 4, 1, SELF),
    ]


def test_the_takers_rule_holds_not_the_resting_orders(venue: Venue) -> None:
    venue.do(order(CAROL, SELL, 99, 1, BOTH))
    assert told(venue.story(order(CAROL, BUY, 99, 1, NONE))) == [("trade", 4, 1)]


def test_the_accounts_default_holds_for_plain_orders_and_gives_way_to_the_orders_own(
    venue: Venue,
) -> None:
    venue.do(SetAccountLimits(BOB, OLDEST))
    assert told(venue.story(order(BOB, BUY, 100, 4, NEWEST)))[-1] == ("canceled", 4, 1, SELF)
    assert told(venue.story(limit(BOB, BUY, 100, 1)))[:2] == [
        ("prevented", 2, OLDEST, 0),
        ("canceled", 2, 5, SELF),
    ]


@pytest.mark.parametrize(
    ("rule", "lots", "fills"),
    [
        (NONE, 12, True),
        (OLDEST, 7, True),
        (OLDEST, 8, False),
        (NEWEST, 3, True),
        (NEWEST, 4, False),
        (BOTH, 4, False),
        (DECREMENT, 3, True),
        (DECREMENT, 4, False),
    ],
)
def test_fill_or_kill_counts_only_what_it_may_trade_with(
    venue: Venue, rule: SelfTradePrevention, lots: int, fills: bool
) -> None:
    story = told(venue.story(order(BOB, BUY, 100, lots, rule, FOK)))
    if fills:
        assert sum(fill[2] for fill in story if fill[0] == "trade") == lots  # type: ignore[misc]
    else:
        assert story == [("canceled", 4, lots, CancelReason.FOK_UNFILLABLE)]


@pytest.mark.parametrize("rule", [NEWEST, OLDEST, BOTH, DECREMENT])
def test_no_account_trades_with_itself_while_a_rule_holds(rule: SelfTradePrevention) -> None:
    rng = random.Random(rule.value)
    venue = Venue()
    for account_id in (ALICE, BOB, CAROL):
        venue.do(SetAccountLimits(account_id, rule))
    prevented = trades = 0
    for _ in range(600):
        display_lots = rng.choice((0, 0, 2))
        command = order(
            rng.choice((ALICE, BOB, CAROL)),
            rng.choice((BUY, SELL)),
            rng.randint(95, 105),
            rng.randint(3, 9),
            time_in_force=GTC if display_lots else rng.choice((GTC, IOC, FOK)),
            display_lots=display_lots,
        )
        for event in venue.do(command):
            prevented += isinstance(event, SelfTradePrevented)
            if isinstance(event, Trade):
                trades += 1
                assert event.maker_account_id != event.taker_account_id
    assert prevented
    assert trades


@pytest.mark.parametrize("rule", [NEWEST, OLDEST])
def test_a_price_at_which_orders_only_met_is_not_the_last_price(
    rule: SelfTradePrevention,
) -> None:
    venue = Venue()
    venue.limit(BOB, SELL, 101, 1)
    venue.limit(ALICE, SELL, 102, 1)
    venue.do(order(ALICE, BUY, 103, 5, rule))
    assert venue.engine.books[SYMBOL].last_ticks == 101
