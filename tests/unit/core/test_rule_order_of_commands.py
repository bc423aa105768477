"""The order of the rules for commands that are no single new order; see test_rule_order.py."""

import re
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from orderbook.core import commands as c
from orderbook.core.events import (
    Trade,
)
from orderbook.core.terms import FeeTier
from orderbook.core.units import (
    MAX_SUPPLY_MINOR,
    AccountStatus,
    InstrumentStatus,
)
from tests.unit.core.ladders import (
    CODES,
    HIGH,
    RULES,
    Ladder,
    Mend,
    climb,
    high_venue,
    in_order,
    table,
    to,
)
from tests.unit.core.special_orders import (
    oco,
    stop,
)
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    LOT_MINOR,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    instrument,
    limit,
)


class Case(NamedTuple):
    table: tuple[str, str]
    """Its heading, and where it has several commands, this one."""
    command: Any
    ladder: Ladder
    before: tuple[c.Command, ...] = ()


S = InstrumentStatus
TRADE = Trade(
    1, SYMBOL, "BTC", "USDT", HIGH, 1, LOT_MINOR, HIGH * TICK_LOT_MINOR, 1, ALICE, 0, 2, BOB, 0, BUY
)
"""That of ``high_venue``."""
SLOW, SLOW_ORDERS = (
    c.SetAccountLimits(BOB, messages_per_second=1),
    c.SetAccountLimits(BOB, orders_per_second=1),
)
FREE = c.SetAccountLimits(BOB)
FILLED_IN_PART = (limit(BOB, BUY, 500, 9), limit(ALICE, SELL, 500, 4))
"""Bob's order 4, with 5 of 9 lots left."""
LEGS = (limit(BOB, SELL, HIGH + 1, 1), stop(BOB, SELL, HIGH - 1, 1))
NAMED = (replace(LEGS[0], client_order_id="a"), replace(LEGS[1], client_order_id="a"))
NEW = limit(BOB, BUY, 5, 1)
NO_PRICE, AN_AMEND = replace(NEW, price_ticks=0), c.AmendOrder(BOB, 4, "", 6)
REFERENCED = c.Deposit(BOB, "BTC", 1, "used")


def batch_of(*commands: c.PlaceOrder | c.AmendOrder | c.CancelOrder) -> Mend:
    return to(commands=commands)


CASES = [
    Case(
        ("### Lists", ""),
        oco(LEGS[0]),
        [
            ("invalid_list", to(SLOW, orders=NAMED)),
            ("too_many_messages_a_second", to(SLOW_ORDERS)),
            ("too_many_orders_a_second", to(c.SetAccountLimits(BOB, max_open_orders=1))),
            ("duplicate_client_order_id", to(orders=LEGS)),
            ("too_many_open_orders", to(FREE)),
        ],
    ),
    Case(
        ("## Canceling", "CancelOrder"),
        c.CancelOrder(99, 99),
        [
            ("unknown_account", to(SLOW, NEW, account_id=BOB)),
            ("too_many_messages_a_second", to(FREE)),
            ("unknown_order", to(order_id=4)),
        ],
        (NEW,),
    ),
    Case(
        ("## Canceling", "CancelAllOrders"),
        c.CancelAllOrders(99, "NO-SUCH"),
        [("unknown_symbol", to(symbol=SYMBOL)), ("unknown_account", to(account_id=BOB))],
        (NEW,),
    ),
    Case(
        ("## Amending", ""),
        c.AmendOrder(99, 99),
        [
            ("unknown_account", to(SLOW, NEW, account_id=BOB)),
            ("too_many_messages_a_second", to(FREE)),
            ("unknown_order", to(order_id=4)),
            ("invalid_order", to(stop_ticks=1, quantity_lots=4, price_ticks=-1)),
            ("amend_not_allowed", to(stop_ticks=0)),
            ("quantity_below_filled", to(quantity_lots=5)),
            ("invalid_price", to(price_ticks=499)),
        ],
        FILLED_IN_PART,
    ),
    Case(
        ("## Replacing", ""),
        c.ReplaceOrder(99, replace(NEW, account_id=99, side=SELL)),
        [
            ("unknown_account", to(SLOW, NEW, order=replace(NEW, side=SELL, price_ticks=0))),
            ("too_many_messages_a_second", to(SLOW_ORDERS, NEW)),
            ("too_many_orders_a_second", to(FREE)),
            ("unknown_order", to(order_id=4)),
            ("invalid_order", to(order=replace(NEW, price_ticks=0))),
            ("invalid_price", to(order=NEW)),
        ],
        (NEW,),
    ),
    Case(
        ("## Batches", ""),
        c.Batch(99, (replace(NEW, account_id=99),), all_or_nothing=True),
        [
            ("unknown_account", to(SLOW, NEW, account_id=BOB, commands=(NO_PRICE, AN_AMEND))),
            ("too_many_messages_a_second", to(SLOW_ORDERS, NEW)),
            ("too_many_orders_a_second", to(FREE, commands=(AN_AMEND,))),
            ("invalid_batch", batch_of(c.CancelOrder(BOB, 99))),
            ("unknown_order", batch_of(limit(BOB, SELL, 9, 1), limit(BOB, BUY, 9, 0))),
            ("invalid_quantity", batch_of(limit(BOB, SELL, 9, 1), limit(BOB, BUY, 9, 1))),
            ("batch_crosses_itself", batch_of(limit(BOB, SELL, 9, 1), limit(BOB, BUY, 8, 1))),
        ],
    ),
    Case(
        ("## Phases", "SetSchedule"),
        c.SetSchedule("NO-SUCH", ((-1, S.HALTED),)),
        [("unknown_symbol", to(symbol=SYMBOL)), ("invalid_schedule", to(entries=()))],
    ),
    Case(
        ("## Phases", "SetReferencePrice"),
        c.SetReferencePrice("NO-SUCH", 0),
        [("unknown_symbol", to(symbol=SYMBOL)), ("invalid_price", to(price_ticks=1))],
    ),
    Case(
        ("## Phases", "SetFeeSchedule"),
        c.SetFeeSchedule("NO-SUCH", (FeeTier(1, 0, 0),)),
        [("unknown_symbol", to(symbol=SYMBOL)), ("invalid_fee_schedule", to(tiers=()))],
    ),
    Case(
        ("## Phases", "SetPhase"),
        c.SetPhase("NO-SUCH", S.HALTED),
        [("unknown_symbol", to(symbol=SYMBOL))],
    ),
    Case(
        ("## Busts", ""),
        c.BustTrade(replace(TRADE, base_minor=LOT_MINOR + 1)),
        [("unknown_trade", to(trade=TRADE))],
    ),
    Case(
        ("## Limits and switches", "SetAccountLimits"),
        c.SetAccountLimits(0, max_open_orders=-1),
        [("unknown_account", to(account_id=BOB)), ("invalid_limits", to(max_open_orders=1))],
    ),
    Case(
        ("## Limits and switches", "SetKillSwitch"),
        c.SetKillSwitch(99, engaged=True),
        [("unknown_account", to(account_id=BOB))],
    ),
    Case(
        ("## Limits and switches", "CancelAllAfter"),
        c.CancelAllAfter(0, 1),
        [
            ("unknown_account", to(account_id=BOB)),
            ("account_closed", to(c.SetAccountStatus(BOB, AccountStatus.ACTIVE))),
            ("invalid_timeout", to(timeout_ns=0)),
        ],
        (c.SetAccountStatus(BOB, AccountStatus.CLOSED),),
    ),
    Case(
        ("## Accounts and money", "Deposit"),
        c.Deposit(0, "X", 0, "\n"),
        [
            ("unknown_account", to(account_id=BOB)),
            ("unknown_asset", to(asset="BTC")),
            ("invalid_amount", to(amount_minor=MAX_SUPPLY_MINOR)),
            ("invalid_reference", to(reference="used")),
            ("duplicate_reference", to(reference="")),
            ("supply_limit", to(amount_minor=1)),
        ],
        (REFERENCED,),
    ),
    Case(
        ("## Accounts and money", "Withdraw"),
        c.Withdraw(99, "X", 0, "\n"),
        [
            ("unknown_account", to(account_id=BOB)),
            ("unknown_asset", to(asset="BTC")),
            ("invalid_amount", to(amount_minor=MAX_SUPPLY_MINOR)),
            ("invalid_reference", to(reference="used")),
            ("duplicate_reference", to(reference="")),
            ("insufficient_balance", to(amount_minor=1)),
        ],
        (REFERENCED,),
    ),
    Case(
        ("## Accounts and money", "SetAccountStatus"),
        c.SetAccountStatus(0, AccountStatus.ACTIVE),
        [("unknown_account", to(account_id=BOB))],
    ),
    Case(
        ("## The venue", "DefineAsset"),
        c.DefineAsset("BTC", 13),
        [("invalid_definition", to(decimals=7)), ("units_fixed", to(decimals=8))],
    ),
    Case(
        ("## The venue", "DefineInstrument"),
        instrument(base="XXX", lot_minor=1, pause_ns=-1),
        [
            ("invalid_definition", to(pause_ns=0)),
            ("unknown_asset", to(base="BTC")),
            ("units_fixed", to(lot_minor=LOT_MINOR)),
        ],
    ),
    Case(
        ("## The venue", "OpenEpoch"),
        c.OpenEpoch(2**63),
        [("invalid_definition", to(epoch=1)), ("stale_epoch", to(epoch=2))],
    ),
]
ELSEWHERE = {
    "### Lists": {"too_many_trailing_stops"},  # for which a ladder of orders has no room
    "## Busts": {"already_busted", "insufficient_balance"},  # which nothing mends
}
"""Codes that no ladder of their table meets. They come last there."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case.table))
def test_the_codes_come_in_the_order_of_their_table(case: Case) -> None:
    venue = high_venue()
    for command in case.before:
        venue.do(command)
    met = climb(venue, case.command, case.ladder)
    codes = table(*case.table)
    any_of_theirs = {"invalid_price", "invalid_quantity"} - set(codes)
    assert in_order([code for code in met if code not in any_of_theirs], codes)
    unmet = [code for code in codes if code not in met]
    assert set(unmet) == ELSEWHERE.get(case.table[0], set())
    assert unmet == codes[len(codes) - len(unmet) :]


def test_every_table_of_codes_has_its_ladders() -> None:
    tables = re.findall(r"((?:^\|.*\|\n)+)", RULES, re.MULTILINE)
    named = {code for rows in tables for code in re.findall(r"`(\w+)`", rows) if code in CODES}
    met = {code for case in CASES for code in table(*case.table)}
    of_orders = {*table("## Placing an order"), *table("## Orders with options")}
    assert named <= met | of_orders
    first_cells = re.findall(r"^\| ((?:`[A-Z]\w+` ?)+)\|", RULES, re.MULTILINE)
    commands = {name for cell in first_cells for name in re.findall(r"\w+", cell)}
    assert commands == {name for case in CASES if (name := case.table[1])}
