"""Deposits, withdrawals, definitions, epochs and client order ids."""

import pytest

from orderbook.core import accounts
from orderbook.core.commands import (
    DefineAsset,
    Deposit,
    OpenEpoch,
    SetAccountStatus,
    Withdraw,
)
from orderbook.core.errors import EngineStopped, InvariantBroken
from orderbook.core.events import (
    AccountStatusSet,
    AssetDefined,
    BalanceChanged,
    Deposited,
    EpochOpened,
    InstrumentDefined,
    OrderAccepted,
    OrderRejected,
    Withdrawn,
)
from orderbook.core.fees import fee_minor
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import restore, snapshot
from orderbook.core.units import MAX_SUPPLY_MINOR, AccountStatus, InstrumentStatus
from tests.unit.core.venue import (
    ALICE,
    BOB,
    BUY,
    FUNDS_MINOR,
    IOC,
    SELL,
    SYMBOL,
    Venue,
    instrument,
    limit,
)

ACTIVE, CLOSED = AccountStatus.ACTIVE, AccountStatus.CLOSED


def test_the_first_deposit_opens_the_account() -> None:
    assert Venue().do(Deposit(9, "BTC", 5, "r")) == [
        AccountStatusSet(9, ACTIVE),
        Deposited(9, "BTC", 5, "r"),
        BalanceChanged(9, "BTC", 5, 0),
    ]


def test_a_deposit_without_reference_is_never_a_duplicate() -> None:
    venue = Venue()
    venue.do(Deposit(ALICE, "BTC", 5, ""))
    venue.do(Deposit(ALICE, "BTC", 5, ""))
    assert venue.balance(ALICE, "BTC") == (FUNDS_MINOR + 10, 0)


def test_two_accounts_may_use_the_same_reference() -> None:
    venue = Venue()
    venue.do(Deposit(ALICE, "BTC", 5, "r"))
    assert isinstance(venue.do(Deposit(BOB, "BTC", 5, "r"))[0], Deposited)


def test_a_refused_deposit_does_not_use_up_its_reference() -> None:
    venue = Venue()
    venue.do(Deposit(ALICE, "BTC", 0, "r"))
    assert isinstance(venue.do(Deposit(ALICE, "BTC", 5, "r"))[0], Deposited)


def test_the_whole_supply_may_be_deposited() -> None:
    venue = Venue()
    events = venue.do(Deposit(ALICE, "BTC", MAX_SUPPLY_MINOR - 3 * FUNDS_MINOR, ""))
    assert isinstance(events[0], Deposited)
    assert venue.engine.supply["BTC"] == MAX_SUPPLY_MINOR


def test_a_withdrawal_takes_from_available_only() -> None:
    venue = Venue()
    venue.limit(ALICE, SELL, 100, 1)
    assert venue.do(Withdraw(ALICE, "BTC", FUNDS_MINOR - 1000, "w")) == [
        Withdrawn(ALICE, "BTC", FUNDS_MINOR - 1000, "w"),
        BalanceChanged(ALICE, "BTC", 0, 1000),
    ]
    assert venue.engine.supply["BTC"] == 2 * FUNDS_MINOR + 1000


def test_collected_fees_can_be_withdrawn() -> None:
    venue = Venue()
    venue.do(instrument(taker_fee_ppm=1000))
    venue.limit(ALICE, SELL, 100, 10)
    venue.limit(BOB, BUY, 100, 10)
    assert isinstance(venue.do(Withdraw(0, "BTC", 10, "fees"))[0], Withdrawn)


def test_a_closed_account_takes_money_in_and_out() -> None:
    venue = Venue()
    venue.close(ALICE)
    assert isinstance(venue.do(Deposit(ALICE, "BTC", 5, ""))[0], Deposited)
    assert isinstance(venue.do(Withdraw(ALICE, "BTC", 5, ""))[0], Withdrawn)


def test_setting_a_status_creates_an_account_without_money() -> None:
    venue = Venue()
    assert venue.do(SetAccountStatus(9, CLOSED)) == [AccountStatusSet(9, CLOSED)]
    assert venue.engine.accounts[9].balances == {}


def test_defining_the_same_again_is_allowed_and_rules_may_change() -> None:
    venue = Venue()
    assert venue.do(DefineAsset("BTC", 8)) == [AssetDefined("BTC", 8)]
    halted = venue.do(instrument(status=InstrumentStatus.HALTED, max_quantity_lots=5))
    assert halted == [venue.engine.instruments[SYMBOL]]
    assert venue.engine.instruments[SYMBOL].max_quantity_lots == 5


def test_redefining_an_asset_keeps_its_supply() -> None:
    venue = Venue()
    venue.do(DefineAsset("BTC", 8))
    assert venue.engine.supply["BTC"] == 3 * FUNDS_MINOR


def test_definitions_come_by_name_assets_first() -> None:
    venue = Venue()
    venue.do(DefineAsset("AAA", 0))
    venue.do(instrument(symbol="AAA-BTC", base="AAA", quote="BTC"))
    names = [
        event.symbol if isinstance(event, InstrumentDefined) else event.asset  # type: ignore[union-attr]
        for event in venue.engine.definitions()
    ]
    assert names == ["AAA", "BTC", "USDT", "AAA-BTC", SYMBOL]
    assert restore(snapshot(venue.engine)).definitions() == venue.engine.definitions()


def test_an_instrument_repeats_the_decimals_of_its_assets() -> None:
    defined = Venue().engine.instruments[SYMBOL]
    assert (defined.base_decimals, defined.quote_decimals) == (8, 6)


def test_a_newer_epoch_opens() -> None:
    venue = Venue()
    assert venue.do(OpenEpoch(5)) == [EpochOpened(5)]
    assert venue.engine.epoch == 5


def test_a_refused_order_does_not_use_up_its_client_order_id() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 0, 1, client_order_id="a")
    assert isinstance(venue.limit(ALICE, BUY, 1, 1, client_order_id="a")[0], OrderAccepted)


def test_two_accounts_may_use_the_same_client_order_id() -> None:
    venue = Venue()
    venue.limit(ALICE, BUY, 1, 1, client_order_id="a")
    assert isinstance(venue.limit(BOB, BUY, 1, 1, client_order_id="a")[0], OrderAccepted)


@pytest.mark.parametrize("restored", [False, True])
def test_finished_ids_are_forgotten_first_in_first_out_and_open_ones_never(
    monkeypatch: pytest.MonkeyPatch, restored: bool
) -> None:
    monkeypatch.setattr(accounts, "CLIENT_ORDER_ID_MEMORY", 2)
    venue = Venue()
    venue.limit(ALICE, BUY, 1, 1, client_order_id="open")
    venue.limit(ALICE, SELL, 100, 2, client_order_id="canceled")
    venue.cancel(ALICE, client_order_id="canceled")
    venue.limit(BOB, SELL, 100, 1, IOC, client_order_id="ioc")
    if restored:
        venue.engine = restore(snapshot(venue.engine))
    venue.limit(ALICE, SELL, 90, 1, client_order_id="maker")
    venue.limit(BOB, BUY, 90, 1, client_order_id="taker")
    taken = [
        text
        for account_id, text in (
            (ALICE, "open"),
            (ALICE, "canceled"),
            (BOB, "ioc"),
            (ALICE, "maker"),
            (BOB, "taker"),
        )
        if text in venue.engine.accounts[account_id].client_order_ids
    ]
    assert taken == ["open", "maker", "taker"]
    (event,) = venue.limit(BOB, BUY, 1, 1, client_order_id="taker")
    assert event == OrderRejected(BOB, SYMBOL, "taker", RejectReason.DUPLICATE_CLIENT_ORDER_ID)
    assert isinstance(venue.limit(BOB, BUY, 1, 1, client_order_id="ioc")[0], OrderAccepted)


@pytest.mark.parametrize(
    ("amount_minor", "fee_ppm", "expected"),
    [(0, 100, 0), (1, 0, 0), (1, 1, 1), (10**6, 1, 1), (10**6 + 1, 1, 2), (999, 10**5, 100)],
)
def test_fees_round_up(amount_minor: int, fee_ppm: int, expected: int) -> None:
    assert fee_minor(amount_minor, fee_ppm) == expected


def test_time_that_goes_back_stops_the_engine() -> None:
    venue = Venue()
    now = venue.engine.time_ns
    venue.engine.apply(limit(ALICE, BUY, 1, 1), now)
    with pytest.raises(InvariantBroken, match="time"):
        venue.engine.apply(limit(ALICE, BUY, 1, 1), now - 1)
    with pytest.raises(EngineStopped):
        venue.engine.apply(limit(ALICE, BUY, 1, 1), now)


def test_every_command_moves_the_engines_time() -> None:
    venue = Venue()
    venue.engine.apply(limit(ALICE, BUY, 0, 0), 10**9)
    assert venue.engine.time_ns == 10**9
