"""Every reject code that the core can give, and that a refusal changes nothing.

``CASES`` must name every code but those of the worker, so a new code needs a case here.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from orderbook.core.commands import (
    AmendOrder,
    Batch,
    BustTrade,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetAccountLimits,
    SetAccountStatus,
    SetFeeSchedule,
    SetKillSwitch,
    SetPhase,
    SetReferencePrice,
    SetSchedule,
    Withdraw,
)
from orderbook.core.events import (
    AmendRejected,
    BatchRejected,
    CancelRejected,
    CommandRejected,
    OrderRejected,
    Trade,
)
from orderbook.core.rejects import MESSAGES, RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.terms import FeeTier
from orderbook.core.units import (
    CLIENT_ORDER_ID_MEMORY,
    MAX_FILLS,
    MAX_ID,
    MAX_OPEN_ORDERS,
    MAX_PRICE_TICKS,
    MAX_SUPPLY_MINOR,
    MAX_TRAILING_STOPS,
    MAX_TRIGGERS,
    AccountStatus,
    CancelReason,
    InstrumentStatus,
    OrderType,
    PostOnly,
)
from tests.unit.core.special_orders import GTD, STOP_MARKET, oco, order, stop, trailing
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FOK,
    FUNDS_MINOR,
    GTC,
    IOC,
    LOT_MINOR,
    MAX_LOTS,
    SELL,
    SYMBOL,
    TICK_LOT_MINOR,
    Venue,
    instrument,
    limit,
    market,
)

OF_THE_WORKER = {RejectReason.DEADLINE_PASSED, RejectReason.DEADLINE_TOO_FAR}


class Case(NamedTuple):
    reason: RejectReason
    command: Command
    before: tuple[Command, ...] = ()


R = RejectReason
CLOSED = AccountStatus.CLOSED
ASK = limit(ALICE, SELL, 100, 10)
BID = limit(BOB, BUY, 100, 1)
TRADE = Trade(
    1, SYMBOL, "BTC", "USDT", 100, 1, LOT_MINOR, 100 * TICK_LOT_MINOR, 1, ALICE, 0, 2, BOB, 0, BUY
)
"""Of ``BID`` with ``ASK``."""
ALL_QUOTE_LOTS = FUNDS_MINOR // (TICK_LOT_MINOR * 10**6)

CASES = [
    Case(R.UNKNOWN_SYMBOL, limit(ALICE, BUY, 1, 1, symbol="NO-SUCH")),
    Case(R.UNKNOWN_SYMBOL, limit(99, BUY, 0, 0, symbol="")),
    Case(R.UNKNOWN_SYMBOL, CancelAllOrders(99, "NO-SUCH")),
    Case(
        R.INSTRUMENT_NOT_TRADING,
        limit(99, BUY, 1, 1),
        (SetPhase(SYMBOL, InstrumentStatus.HALTED),),
    ),
    Case(
        R.INSTRUMENT_NOT_TRADING,
        limit(ALICE, BUY, 1, 1),
        (SetPhase(SYMBOL, InstrumentStatus.CANCEL_ONLY),),
    ),
    Case(
        R.INSTRUMENT_NOT_TRADING,
        market(99, BUY, 1),
        (SetPhase(SYMBOL, InstrumentStatus.CLOSED),),
    ),
    Case(
        R.NOT_IN_THIS_PHASE,
        limit(99, BUY, 1, 1, IOC),
        (SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION),),
    ),
    Case(
        R.POST_ONLY_WOULD_TRADE,
        limit(99, BUY, 100, 1),
        (ASK, SetPhase(SYMBOL, InstrumentStatus.POST_ONLY)),
    ),
    Case(
        R.PRICE_OUTSIDE_BAND,
        limit(BOB, BUY, 111, 1),
        (instrument(static_band_ppm=100_000), SetReferencePrice(SYMBOL, 100)),
    ),
    Case(R.UNKNOWN_SYMBOL, SetPhase("NO-SUCH", InstrumentStatus.HALTED)),
    Case(R.UNKNOWN_SYMBOL, SetReferencePrice("NO-SUCH", 1)),
    Case(R.UNKNOWN_SYMBOL, SetSchedule("NO-SUCH", ((-1, InstrumentStatus.HALTED),))),
    Case(R.UNKNOWN_SYMBOL, SetFeeSchedule("NO-SUCH", (FeeTier(1, 0, 0),))),
    Case(R.INVALID_PRICE, SetReferencePrice(SYMBOL, 0)),
    Case(R.INVALID_SCHEDULE, SetSchedule(SYMBOL, ((-1, InstrumentStatus.HALTED),))),
    Case(R.INVALID_FEE_SCHEDULE, SetFeeSchedule(SYMBOL, (FeeTier(1, 0, 0),))),
    Case(R.UNKNOWN_TRADE, BustTrade(replace(TRADE, trade_id=2)), (ASK, BID)),
    Case(R.ALREADY_BUSTED, BustTrade(TRADE), (ASK, BID, BustTrade(TRADE))),
    Case(
        R.INSUFFICIENT_BALANCE,
        BustTrade(TRADE),
        (ASK, BID, Withdraw(ALICE, "USDT", FUNDS_MINOR + 1_000, "")),
    ),
    Case(R.UNKNOWN_ACCOUNT, limit(99, BUY, 1, 1)),
    Case(R.UNKNOWN_ACCOUNT, limit(0, BUY, 1, 1)),
    Case(R.UNKNOWN_ACCOUNT, limit(-1, BUY, 1, 1)),
    Case(R.UNKNOWN_ACCOUNT, CancelOrder(99, 1)),
    Case(R.UNKNOWN_ACCOUNT, CancelAllOrders(99)),
    Case(R.UNKNOWN_ACCOUNT, Deposit(0, "BTC", 1, "")),
    Case(R.UNKNOWN_ACCOUNT, Deposit(-5, "BTC", 1, "")),
    Case(R.UNKNOWN_ACCOUNT, Deposit(MAX_ID + 1, "BTC", 1, "")),
    Case(R.UNKNOWN_ACCOUNT, Withdraw(99, "BTC", 1, "")),
    Case(R.UNKNOWN_ACCOUNT, SetAccountStatus(0, CLOSED)),
    Case(R.UNKNOWN_ACCOUNT, SetAccountStatus(-1, AccountStatus.ACTIVE)),
    Case(R.UNKNOWN_ACCOUNT, SetAccountStatus(MAX_ID + 1, AccountStatus.ACTIVE)),
    Case(R.ACCOUNT_CLOSED, limit(BOB, BUY, 1, 1), (SetAccountStatus(BOB, CLOSED),)),
    Case(R.INVALID_CLIENT_ORDER_ID, limit(BOB, BUY, 1, 1, client_order_id="x" * 37)),
    Case(R.INVALID_CLIENT_ORDER_ID, limit(BOB, BUY, 1, 1, client_order_id="a b")),
    Case(R.INVALID_CLIENT_ORDER_ID, limit(BOB, BUY, 1, 1, client_order_id="<b>")),
    Case(R.INVALID_CLIENT_ORDER_ID, limit(BOB, BUY, 1, 1, client_order_id="é")),
    Case(R.INVALID_CLIENT_ORDER_ID, limit(BOB, BUY, 1, 1, client_order_id="a\n")),
    Case(
        R.DUPLICATE_CLIENT_ORDER_ID,
        limit(BOB, BUY, 2, 2, client_order_id="a"),
        (limit(BOB, BUY, 1, 1, client_order_id="a"),),
    ),
    Case(
        R.DUPLICATE_CLIENT_ORDER_ID,
        limit(BOB, BUY, 2, 2, client_order_id="a"),
        (limit(BOB, BUY, 1, 1, IOC, client_order_id="a"),),
    ),
    Case(R.INVALID_QUANTITY, limit(BOB, BUY, 1, 0)),
    Case(R.INVALID_QUANTITY, limit(BOB, BUY, 0, -1)),
    Case(R.QUANTITY_TOO_LARGE, limit(BOB, BUY, 1, MAX_LOTS + 1)),
    Case(R.INVALID_PRICE, limit(BOB, BUY, 0, 1)),
    Case(R.INVALID_PRICE, limit(BOB, SELL, -1, 1)),
    Case(R.INVALID_PRICE, limit(BOB, BUY, MAX_PRICE_TICKS + 1, 1)),
    Case(R.INVALID_PRICE, limit(BOB, SELL, MAX_PRICE_TICKS + 1, 1)),  # which it could pay for
    Case(R.INVALID_PRICE, market(BOB, BUY, 1, GTC, price_ticks=-5), (ASK,)),
    Case(R.INVALID_PRICE, market(BOB, BUY, 1, price_ticks=MAX_PRICE_TICKS + 1), (ASK,)),
    Case(R.INVALID_ORDER, order(BOB, BUY, STOP_MARKET, 0, 1)),
    Case(R.INVALID_STOP_PRICE, trailing(BOB, SELL, 5, 1)),
    Case(R.INVALID_DISPLAY_QUANTITY, order(BOB, BUY, OrderType.LIMIT, 5, 1, display_lots=2)),
    Case(R.INVALID_EXPIRE_TIME, limit(BOB, BUY, 5, 1, GTD)),
    Case(R.STOP_WOULD_TRIGGER, stop(BOB, SELL, 100, 1), (ASK, BID)),
    Case(
        R.POST_ONLY_WOULD_TRADE,
        order(BOB, BUY, OrderType.LIMIT, 100, 1, post_only=PostOnly.REJECT),
        (ASK,),
    ),
    Case(
        R.TOO_MANY_TRAILING_STOPS, trailing(BOB, SELL, 5, 1), (ASK, BID, trailing(BOB, SELL, 5, 1))
    ),
    Case(R.INVALID_LIST, oco(limit(BOB, BUY, 5, 1))),
    Case(
        R.INSUFFICIENT_BALANCE,
        oco(limit(BOB, SELL, 200, MAX_LOTS), stop(BOB, SELL, 50, MAX_LOTS)),
        (ASK, BID, Withdraw(BOB, "BTC", FUNDS_MINOR - 1, "")),
    ),
    Case(R.INVALID_TIME_IN_FORCE, market(BOB, BUY, 1, GTC)),
    Case(R.NO_LIQUIDITY, market(BOB, BUY, 1)),
    Case(R.NO_LIQUIDITY, market(BOB, SELL, 1), (ASK,)),
    Case(
        R.NOTIONAL_TOO_SMALL,
        limit(BOB, BUY, 100, 9),
        (instrument(min_notional_minor=100 * 10 * TICK_LOT_MINOR),),
    ),
    Case(
        R.NOTIONAL_TOO_SMALL,
        market(BOB, BUY, 11),
        (ASK, instrument(min_notional_minor=100 * 10 * TICK_LOT_MINOR + 1)),
    ),
    Case(R.INSUFFICIENT_BALANCE, limit(BOB, BUY, 10**6, ALL_QUOTE_LOTS + 1)),
    Case(R.INSUFFICIENT_BALANCE, limit(BOB, BUY, MAX_PRICE_TICKS, MAX_LOTS // 10)),
    Case(R.NOTIONAL_TOO_LARGE, limit(BOB, BUY, MAX_PRICE_TICKS, MAX_LOTS)),
    Case(R.NOTIONAL_TOO_LARGE, limit(BOB, SELL, MAX_PRICE_TICKS, MAX_LOTS)),
    Case(R.NOTIONAL_TOO_LARGE, limit(BOB, SELL, MAX_PRICE_TICKS, MAX_LOTS, IOC), (ASK,)),
    Case(
        R.INSUFFICIENT_BALANCE,
        limit(BOB, SELL, 1, 2),
        (Withdraw(BOB, "BTC", FUNDS_MINOR - 2 * LOT_MINOR + 1, ""),),
    ),
    Case(
        R.INSUFFICIENT_BALANCE,
        market(BOB, BUY, 10),
        (ASK, Withdraw(BOB, "USDT", FUNDS_MINOR - 100 * 10 * TICK_LOT_MINOR + 1, "")),
    ),
    Case(
        R.INSUFFICIENT_BALANCE,
        market(BOB, SELL, 10, FOK),
        (limit(ALICE, BUY, 1, 10), Withdraw(BOB, "BTC", FUNDS_MINOR - 1, "")),
    ),
    Case(
        R.INSUFFICIENT_BALANCE,
        limit(9, SELL, 1, 1),
        (SetAccountStatus(9, AccountStatus.ACTIVE),),
    ),
    Case(R.INSUFFICIENT_BALANCE, Withdraw(BOB, "USDT", FUNDS_MINOR, ""), (limit(BOB, BUY, 1, 1),)),
    Case(
        R.INSUFFICIENT_BALANCE,
        Withdraw(9, "BTC", 1, ""),
        (SetAccountStatus(9, AccountStatus.ACTIVE),),
    ),
    Case(
        R.TOO_MANY_OPEN_ORDERS,
        limit(BOB, BUY, 1, 1),
        (limit(BOB, BUY, 1, 1), limit(BOB, BUY, 1, 1), limit(BOB, BUY, 1, 1)),
    ),
    Case(R.KILL_SWITCH, limit(BOB, BUY, 1, 1), (SetKillSwitch(BOB, True),)),
    Case(R.KILL_SWITCH, limit(BOB, BUY, 1, 1), (SetKillSwitch(0, True),)),
    Case(
        R.TOO_MANY_ORDERS_A_SECOND,
        limit(BOB, BUY, 1, 1),
        (SetAccountLimits(BOB, orders_per_second=1), limit(BOB, BUY, 1, 1)),
    ),
    *(
        Case(
            R.TOO_MANY_MESSAGES_A_SECOND,
            command,
            (SetAccountLimits(BOB, messages_per_second=1), limit(BOB, BUY, 1, 1)),
        )
        for command in (
            limit(BOB, BUY, 1, 1),
            CancelOrder(BOB, 1),
            AmendOrder(BOB, 1, price_ticks=2),
            ReplaceOrder(1, limit(BOB, BUY, 2, 1)),
            Batch(BOB, (CancelOrder(BOB, 1),), all_or_nothing=True),
        )
    ),
    Case(R.AMEND_NOT_ALLOWED, AmendOrder(ALICE, 1, stop_ticks=5), (ASK,)),
    Case(R.INVALID_ORDER, AmendOrder(ALICE, 1), (ASK,)),
    Case(R.INVALID_ORDER, ReplaceOrder(1, limit(ALICE, BUY, 1, 1)), (ASK,)),
    Case(
        R.QUANTITY_BELOW_FILLED,
        AmendOrder(ALICE, 1, quantity_lots=2),
        (ASK, limit(BOB, BUY, 100, 2)),
    ),
    Case(R.INVALID_BATCH, Batch(BOB, ())),
    Case(
        R.BATCH_CROSSES_ITSELF,
        Batch(BOB, (limit(BOB, BUY, 9, 1), limit(BOB, SELL, 9, 1)), all_or_nothing=True),
    ),
    Case(R.INVALID_TIMEOUT, CancelAllAfter(BOB, 1)),
    Case(R.INVALID_LIMITS, SetAccountLimits(BOB, max_open_orders=-1)),
    Case(R.UNKNOWN_ORDER, CancelOrder(BOB, 7)),
    Case(R.UNKNOWN_ORDER, CancelOrder(BOB, 0, "")),
    Case(R.UNKNOWN_ORDER, CancelOrder(BOB, -1, "")),
    Case(R.UNKNOWN_ORDER, CancelOrder(BOB, 1), (ASK,)),
    Case(R.UNKNOWN_ORDER, CancelOrder(BOB, 0, "a"), (limit(BOB, BUY, 1, 1, IOC, "a"),)),
    Case(R.UNKNOWN_ORDER, CancelOrder(0, 1), (ASK,)),
    Case(R.UNKNOWN_ASSET, Deposit(BOB, "XXX", 1, "")),
    Case(R.UNKNOWN_ASSET, Withdraw(BOB, "", 1, "")),
    Case(R.UNKNOWN_ASSET, instrument(base="XXX")),
    Case(R.UNKNOWN_ASSET, instrument(quote="XXX")),
    Case(R.INVALID_AMOUNT, Deposit(BOB, "BTC", 0, "")),
    Case(R.INVALID_AMOUNT, Deposit(BOB, "BTC", -1, "")),
    Case(R.INVALID_AMOUNT, Withdraw(BOB, "BTC", 0, "")),
    Case(R.INVALID_AMOUNT, Withdraw(BOB, "BTC", -(2**63), "")),
    Case(R.SUPPLY_LIMIT, Deposit(BOB, "BTC", MAX_SUPPLY_MINOR - 3 * FUNDS_MINOR + 1, "")),
    Case(R.SUPPLY_LIMIT, Deposit(BOB, "BTC", 2**64 - 1, "")),
    Case(R.INVALID_REFERENCE, Deposit(BOB, "BTC", 1, "r" * 65)),
    Case(R.INVALID_REFERENCE, Withdraw(BOB, "BTC", 1, "a\x00b")),
    Case(R.INVALID_REFERENCE, Deposit(BOB, "BTC", 1, "\ud800")),
    Case(R.DUPLICATE_REFERENCE, Deposit(BOB, "BTC", 1, "a"), (Withdraw(BOB, "BTC", 1, "a"),)),
    Case(R.DUPLICATE_REFERENCE, Withdraw(BOB, "BTC", 1, "a"), (Deposit(BOB, "USDT", 1, "a"),)),
    Case(R.INVALID_DEFINITION, DefineAsset("btc", 8)),
    Case(R.INVALID_DEFINITION, DefineAsset("", 8)),
    Case(R.INVALID_DEFINITION, DefineAsset("A" * 11, 8)),
    Case(R.INVALID_DEFINITION, DefineAsset("ETH", 13)),
    Case(R.INVALID_DEFINITION, DefineAsset("ETH", -1)),
    Case(R.INVALID_DEFINITION, OpenEpoch(MAX_ID + 1)),
    *(
        Case(R.INVALID_DEFINITION, instrument(**changes))
        for changes in (
            {"symbol": "btc"},
            {"symbol": ""},
            {"symbol": "B" * 25},
            {"symbol": "<BTC>"},
            {"quote": "BTC"},
            {"lot_minor": 0},
            {"lot_minor": 10**18 + 1},
            {"tick_lot_minor": -1},
            {"tick_lot_minor": 2**64 - 1},
            {"maker_fee_ppm": -1},
            {"maker_fee_ppm": 100_001},
            {"taker_fee_ppm": -1},
            {"taker_fee_ppm": 100_001},
            {"min_notional_minor": -1},
            {"min_notional_minor": 2**62 + 1},
            {"max_quantity_lots": 0},
            {"max_quantity_lots": 10**15 + 1},
        )
    ),
    Case(R.UNITS_FIXED, DefineAsset("BTC", 7)),
    Case(R.UNITS_FIXED, instrument(lot_minor=LOT_MINOR + 1)),
    Case(R.UNITS_FIXED, instrument(tick_lot_minor=TICK_LOT_MINOR + 1)),
    Case(R.UNITS_FIXED, instrument(base="USDT", quote="BTC")),
    Case(R.STALE_EPOCH, OpenEpoch(1)),
    Case(R.STALE_EPOCH, OpenEpoch(-(2**63))),
]


def _name(case: Case) -> str:
    return f"{case.reason.value}-{type(case.command).__name__}"


@pytest.fixture
def low_limit_of_open_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbook.core.accounts.MAX_OPEN_ORDERS", 3)


@pytest.fixture
def low_limit_of_trailing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbook.core.risk_special.MAX_TRAILING_STOPS", 1)


@pytest.mark.usefixtures("low_limit_of_open_orders", "low_limit_of_trailing_stops")
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_refusal_has_its_reason_and_changes_nothing(case: Case) -> None:
    venue = Venue()
    for command in case.before:
        venue.do(command)
    now = venue.engine.time_ns
    before = state_hash(venue.engine)
    events = venue.engine.apply(case.command, now)
    assert len(events) == 1
    event = events[0]
    expected = {
        PlaceOrder: OrderRejected,
        CancelOrder: CancelRejected,
        CancelAllOrders: CancelRejected,
        AmendOrder: AmendRejected,
        ReplaceOrder: OrderRejected,
        Batch: BatchRejected,
        PlaceOrderList: OrderRejected,
    }
    assert type(event) is expected.get(type(case.command), CommandRejected)
    assert event.reason is case.reason
    assert state_hash(venue.engine) == before


def test_every_code_of_the_core_has_a_case_and_every_code_a_message() -> None:
    assert {case.reason for case in CASES} == set(RejectReason) - OF_THE_WORKER
    assert set(MESSAGES) == set(RejectReason)


def test_the_rules_document_every_code_and_limit() -> None:
    rules = (Path(__file__).resolve().parents[3] / "docs" / "matching-rules.md").read_text()
    assert [reason.value for reason in RejectReason if f"`{reason.value}`" not in rules] == []
    assert f"{MAX_OPEN_ORDERS:,}" in rules
    assert f"{CLIENT_ORDER_ID_MEMORY:,}" in rules
    assert f"{MAX_FILLS:,}" in rules
    assert f"{MAX_TRIGGERS:,}" in rules
    assert f"{MAX_TRAILING_STOPS:,}" in rules
    assert [reason.value for reason in CancelReason if reason.value not in rules] == []


BREAKS_EVERY_RULE_FROM: list[tuple[RejectReason, PlaceOrder]] = [
    (R.UNKNOWN_SYMBOL, PlaceOrder(99, "X", BUY, market(1, BUY, 1).type, GTC, 5, 0, "é")),
    (R.UNKNOWN_ACCOUNT, PlaceOrder(99, "BTC-USDT", BUY, market(1, BUY, 1).type, GTC, 5, 0, "é")),
    (R.INVALID_CLIENT_ORDER_ID, limit(BOB, BUY, 0, 0, client_order_id="é")),
    (R.DUPLICATE_CLIENT_ORDER_ID, limit(BOB, BUY, 0, 0, client_order_id="used")),
    (R.INVALID_QUANTITY, market(BOB, BUY, 0, GTC, 5)),
    (R.QUANTITY_TOO_LARGE, market(BOB, BUY, MAX_LOTS + 1, GTC, 5)),
    (R.INVALID_PRICE, market(BOB, BUY, MAX_LOTS, GTC, -5)),
    (R.INVALID_TIME_IN_FORCE, market(BOB, BUY, MAX_LOTS, GTC)),
    (R.NO_LIQUIDITY, market(BOB, BUY, MAX_LOTS)),
]


@pytest.mark.parametrize(("reason", "command"), BREAKS_EVERY_RULE_FROM)
def test_the_first_rule_that_an_order_breaks_is_its_reason(
    reason: RejectReason, command: PlaceOrder
) -> None:
    venue = Venue()
    venue.limit(BOB, BUY, 1, 1, client_order_id="used")
    venue.do(instrument(min_notional_minor=10**15))
    (event,) = venue.do(command)
    assert isinstance(event, OrderRejected)
    assert event.reason is reason


@pytest.mark.usefixtures("low_limit_of_open_orders")
def test_notional_comes_before_balance_and_balance_before_open_orders() -> None:
    venue = Venue()
    for _ in range(3):
        venue.limit(BOB, BUY, 1, 1)
    poor = limit(BOB, SELL, 1, MAX_LOTS)
    venue.do(Withdraw(BOB, "BTC", FUNDS_MINOR, ""))
    venue.do(instrument(min_notional_minor=10**15))
    assert venue.do(poor)[0].reason is R.NOTIONAL_TOO_SMALL  # type: ignore[union-attr]
    venue.do(instrument())
    assert venue.do(poor)[0].reason is R.INSUFFICIENT_BALANCE  # type: ignore[union-attr]
    assert venue.limit(BOB, BUY, 1, 1)[0].reason is R.TOO_MANY_OPEN_ORDERS  # type: ignore[union-attr]


@pytest.mark.usefixtures("low_limit_of_open_orders")
def test_an_order_that_cannot_rest_is_not_limited_by_open_orders() -> None:
    venue = Venue()
    for _ in range(3):
        venue.limit(BOB, BUY, 1, 1)
    assert len(venue.limit(BOB, BUY, 1, 1, IOC)) == 2


def test_a_refusal_repeats_no_malformed_text() -> None:
    venue = Venue()
    (refused,) = venue.do(limit(BOB, BUY, 1, 1, symbol="<script>" * 9, client_order_id="\x00"))
    (cancel,) = venue.do(CancelOrder(BOB, 0, "\x00" * 999))
    (deposit,) = venue.do(Deposit(BOB, "a" * 999, 1, ""))
    (defined,) = venue.do(instrument(symbol="\x00"))
    assert refused == OrderRejected(BOB, "", "", R.UNKNOWN_SYMBOL)
    assert cancel == CancelRejected(BOB, 0, "", R.UNKNOWN_ORDER)
    assert deposit == CommandRejected(BOB, "Deposit", "", R.UNKNOWN_ASSET)
    assert defined == CommandRejected(0, "DefineInstrument", "", R.INVALID_DEFINITION)


def test_a_refusal_repeats_what_is_well_formed() -> None:
    venue = Venue()
    (refused,) = venue.do(limit(BOB, BUY, 1, 1, symbol="NO-SUCH", client_order_id="a.b:c/d_e-f"))
    assert refused == OrderRejected(BOB, "NO-SUCH", "a.b:c/d_e-f", R.UNKNOWN_SYMBOL)
