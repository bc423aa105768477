"""docs/matching-rules.md names the codes in the order in which the engine checks.

Each ladder begins with a command that breaks as many rules as one can at once, and mends them one
by one: the codes that it climbs through must come in that order in the document's tables, and all
ladders of a table together must meet every code that it names.
"""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from orderbook.core import commands as c
from orderbook.core.units import (
    MAX_PRICE_TICKS,
    MAX_SUPPLY_MINOR,
    AccountStatus,
    InstrumentStatus,
    OrderType,
    PostOnly,
)
from tests.unit.core.ladders import HIGH, Ladder, climb, high_venue, in_order, table, to
from tests.unit.core.special_orders import (
    GTD,
    STOP_LIMIT,
    order,
    stop,
    trailing,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    CAROL,
    FOK,
    FUNDS_MINOR,
    GTC,
    IOC,
    MAX_LOTS,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
    market,
)

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
BANDED = {"static_band_ppm": 100_000}
AMOUNTS: Ladder = [
    ("notional_too_small", to(instrument(max_notional_minor=1))),
    ("notional_too_large", to(instrument())),
    ("insufficient_balance", to(c.Deposit(BOB, "BTC", FUNDS_MINOR, ""))),
    ("too_many_open_orders", to(c.SetAccountLimits(BOB))),
]
"""Of a sell order of Bob's, whose base is gone, with a minimum that nothing reaches."""
TINY = instrument(min_notional_minor=MAX_SUPPLY_MINOR, **BANDED)
BID: tuple[c.Command, ...] = (instrument(), limit(ALICE, BUY, HIGH - 1, 9), TINY)
AN_OPEN_ORDER = stop(BOB, BUY, 2 * HIGH, 1)
"""Stands nowhere in the book, and holds nothing."""
OPEN: tuple[c.Command, ...] = (instrument(), AN_OPEN_ORDER, TINY)


def poor_bob() -> Venue:
    """Bob has no base, one open order and no room for another; no order is large enough."""
    venue = high_venue()
    venue.do(replace(AN_OPEN_ORDER, client_order_id="used"))
    venue.do(c.SetAccountLimits(BOB, max_open_orders=1))
    venue.do(c.Withdraw(BOB, "BTC", venue.balance(BOB, "BTC")[0], ""))
    venue.do(TINY)
    return venue


ACCOUNT_AND_PHASE: Ladder = [
    ("unknown_symbol", to(symbol=SYMBOL)),
    (
        "instrument_not_trading",
        to(c.SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION)),
    ),
    (
        "not_in_this_phase",
        to(c.SetPhase(SYMBOL, InstrumentStatus.POST_ONLY), time_in_force=GTC),
    ),
    ("post_only_would_trade", to(c.SetPhase(SYMBOL, InstrumentStatus.TRADING))),
    ("unknown_account", to(account_id=BOB)),
    ("account_closed", to(c.SetAccountStatus(BOB, AccountStatus.ACTIVE))),
    ("kill_switch", to(c.SetKillSwitch(BOB, engaged=False))),
    ("invalid_client_order_id", to(client_order_id="used")),
    ("duplicate_client_order_id", to(client_order_id="")),
]
"""Of a sell order that crosses."""


class TestPlacingAnOrder:
    codes = table("## Placing an order")

    def ladders(self) -> Iterator[list[str]]:
        yield self.rate_limited()
        yield self.limit()
        yield self.market()
        yield self.another_type()
        yield self.without_its_end()

    def rate_limited(self) -> list[str]:
        venue, new = high_venue(), limit(BOB, BUY, 5, 1)
        venue.do(c.SetAccountLimits(BOB, messages_per_second=1))
        venue.do(new)
        return climb(
            venue,
            replace(new, symbol="NO-SUCH"),
            [
                (
                    "too_many_messages_a_second",
                    to(c.SetAccountLimits(BOB, orders_per_second=1), new),
                ),
                ("too_many_orders_a_second", to(c.SetAccountLimits(BOB))),
                ("unknown_symbol", to(symbol=SYMBOL)),
            ],
        )

    def limit(self) -> list[str]:
        venue = poor_bob()
        for command in BID:
            venue.do(command)
        venue.do(c.SetKillSwitch(BOB, engaged=True))
        venue.do(c.SetAccountStatus(BOB, AccountStatus.CLOSED))
        venue.do(c.SetPhase(SYMBOL, InstrumentStatus.HALTED))
        worst = limit(99, SELL, 0, 0, IOC, "é", symbol="NO-SUCH")
        return climb(
            venue,
            worst,
            [
                *ACCOUNT_AND_PHASE,
                ("invalid_quantity", to(*OPEN, quantity_lots=MAX_LOTS + 1)),
                ("quantity_too_large", to(quantity_lots=1)),
                ("invalid_price", to(price_ticks=1)),
                ("price_outside_band", to(price_ticks=HIGH)),
                *AMOUNTS,
            ],
        )

    def market(self) -> list[str]:
        venue = poor_bob()
        return climb(
            venue,
            market(BOB, SELL, 0, GTC, -1),
            [
                ("invalid_quantity", to(quantity_lots=MAX_LOTS + 1)),
                ("quantity_too_large", to(quantity_lots=5)),
                ("invalid_price", to(price_ticks=0)),
                ("invalid_time_in_force", to(time_in_force=IOC)),
                ("no_liquidity", to(*BID)),
                *AMOUNTS[:-1],
            ],
        )

    def another_type(self) -> list[str]:
        bare = replace(limit(BOB, SELL, 0, MAX_LOTS + 1), type=STOP_LIMIT)
        return climb(
            high_venue(),
            bare,
            [
                ("quantity_too_large", to(quantity_lots=1)),
                ("invalid_order", to(options={"stop_ticks": HIGH - 1}, price_ticks=HIGH - 2)),
            ],
        )

    def without_its_end(self) -> list[str]:
        venue = high_venue()
        venue.do(instrument(**BANDED))
        return climb(
            venue,
            limit(BOB, BUY, 0, 1, GTD),
            [
                ("invalid_price", to(price_ticks=1)),
                ("invalid_expire_time", to(time_in_force=GTC)),
                ("price_outside_band", to(price_ticks=HIGH - 1)),
            ],
        )

    def test_the_codes_come_in_the_order_of_the_table(self) -> None:
        met = list(self.ladders())
        assert [ladder for ladder in met if not in_order(ladder, self.codes)] == []
        assert {code for ladder in met for code in ladder} == set(self.codes)


class TestOrdersWithOptions:
    codes = table("## Orders with options")

    def ladders(self) -> Iterator[list[str]]:
        yield self.stop_limit()
        yield self.trailing()
        yield self.post_only()
        yield self.by_quote_amount()

    def stop_limit(self) -> list[str]:
        wrong = {"stop_ticks": MAX_PRICE_TICKS + 1, "trail_ticks": 1, "display_lots": 2}
        worst = order(BOB, SELL, STOP_LIMIT, 0, 0, IOC, **wrong, expire_time_ns=1)
        return climb(
            poor_bob(),
            worst,
            [
                ("invalid_quantity", to(quantity_lots=MAX_LOTS + 1)),
                ("quantity_too_large", to(quantity_lots=1)),
                ("invalid_order", to(options={"trail_ticks": 0})),
                ("invalid_price", to(price_ticks=1)),
                ("invalid_time_in_force", to(time_in_force=GTC)),
                ("invalid_stop_price", to(options={"stop_ticks": HIGH})),
                ("invalid_display_quantity", to(options={"display_lots": 0})),
                ("invalid_expire_time", to(options={"expire_time_ns": 0})),
                ("price_outside_band", to(price_ticks=HIGH - 2)),
                ("stop_would_trigger", to(options={"stop_ticks": HIGH - 1})),
                *AMOUNTS,
            ],
        )

    def trailing(self) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("orderbook.core.risk_special.MAX_TRAILING_STOPS", 1)
            venue = Venue()
            venue.do(limit(BOB, BUY, 1, 1))
            venue.do(c.SetAccountLimits(BOB, max_open_orders=1))
            venue.do(c.Withdraw(BOB, "BTC", FUNDS_MINOR, ""))
            venue.do(TINY)
            worst = replace(
                trailing(BOB, SELL, MAX_PRICE_TICKS + 1, 1), price_ticks=-1, time_in_force=FOK
            )
            there_is_one = [c.SetReferencePrice(SYMBOL, HIGH), instrument(**BANDED)]
            ahead = trailing(CAROL, SELL, 9, 1)
            return climb(
                venue,
                replace(worst, options=replace(worst.options, expire_time_ns=1)),  # type: ignore[type-var]
                [
                    ("invalid_price", to(price_ticks=0)),
                    ("invalid_time_in_force", to(time_in_force=GTC)),
                    ("invalid_stop_price", to(options={"trail_ticks": HIGH})),
                    ("invalid_expire_time", to(options={"expire_time_ns": 0})),
                    (
                        "invalid_stop_price",
                        to(*there_is_one, ahead, TINY, options={"trail_ticks": 1}),
                    ),
                    ("too_many_trailing_stops", to(c.CancelAllOrders(CAROL))),
                    *AMOUNTS,
                ],
            )

    def post_only(self) -> list[str]:
        venue = poor_bob()
        for command in BID:
            venue.do(command)
        post_only = order(
            BOB, SELL, LIMIT, 1, 1, FOK, post_only=PostOnly.REJECT, display_lots=9, expire_time_ns=1
        )
        return climb(
            venue,
            post_only,
            [
                ("invalid_time_in_force", to(time_in_force=GTC)),
                ("invalid_display_quantity", to(options={"display_lots": 0})),
                ("invalid_expire_time", to(options={"expire_time_ns": 0})),
                ("price_outside_band", to(price_ticks=HIGH - 1)),
                ("post_only_would_trade", to(options={"post_only": PostOnly.REPRICE})),
                *AMOUNTS,
            ],
        )

    def by_quote_amount(self) -> list[str]:
        wrong = {"quote_minor": MAX_SUPPLY_MINOR + 1, "display_lots": 2, "expire_time_ns": 1}
        worst = order(BOB, SELL, MARKET, -1, MAX_LOTS + 1, FOK, **wrong)
        return climb(
            poor_bob(),
            worst,
            [
                ("invalid_quantity", to(quantity_lots=0)),
                ("invalid_amount", to(options={"quote_minor": 1})),
                ("invalid_order", to(options={"display_lots": 0})),
                ("invalid_price", to(price_ticks=0)),
                ("invalid_time_in_force", to(time_in_force=IOC)),
                ("invalid_expire_time", to(options={"expire_time_ns": 0})),
                ("no_liquidity", to(*BID)),
                (
                    "notional_too_small",
                    to(
                        instrument(max_notional_minor=1),
                        options={"quote_minor": HIGH * TICK_LOT_MINOR},
                    ),
                ),
                ("notional_too_large", to(instrument())),
                ("insufficient_balance", to(c.Deposit(BOB, "BTC", FUNDS_MINOR, ""))),
            ],
        )

    def test_the_codes_come_in_the_order_of_the_table(self) -> None:
        met = list(self.ladders())
        assert [ladder for ladder in met if not in_order(ladder, self.codes)] == []
        assert {code for ladder in met for code in ladder} == set(self.codes)
