"""The engine against a naive venue: the same events and the same state after every command."""

import random
from collections import Counter
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderbook.core.commands import (
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    PlaceOrder,
    SetAccountStatus,
    Withdraw,
)
from orderbook.core.engine import Engine
from orderbook.core.events import InstrumentDefined, OrderAccepted, Trade
from orderbook.core.invariants import check
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.units import (
    MAX_SUPPLY_MINOR,
    AccountStatus,
    InstrumentStatus,
    OrderType,
    Side,
    TimeInForce,
)
from tests.property.reference_venue import ReferenceVenue

CLIENT_ID_MEMORY = 3
MAX_OPEN = 6
MAX_FILLS = 3
ASSETS = ["BTC", "ETH", "USDT"]
SYMBOLS = ["BTC-USDT", "ETH-BTC", "HALTED"]
DEFINITIONS: list[Command] = [
    *(DefineAsset(asset, 6) for asset in ASSETS),
    DefineInstrument("BTC-USDT", "BTC", "USDT", 7, 3, 1_500, 99_999, 0, 60),
    DefineInstrument("ETH-BTC", "ETH", "BTC", 1, 1, 0, 1, 40, 10**15),
    DefineInstrument("HALTED", "ETH", "USDT", 1, 1, 0, 0, 0, 9, InstrumentStatus.HALTED),
]
FUNDING: list[Command] = [
    Deposit(account, asset, 3_000, "start-" + asset) for account in (1, 2, 3) for asset in ASSETS
]

any_integer = st.integers(-(2**63), 2**64 - 1)
client_ids = st.sampled_from(["", "", "", "", "", "", "a", "b", "c", "d", "e", "f"])
sides = st.sampled_from(Side)
flags = st.booleans()


@st.composite
def rarely(draw: st.DrawFn, usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> Any:
    """``usual``, but once in 24 times ``odd``; one_of would take either equally often."""
    return draw(odd if draw(st.integers(0, 23)) == 11 else usual)


accounts = rarely(st.sampled_from([1, 2, 3]), st.sampled_from([0, 4, -1]))
symbols = rarely(
    st.sampled_from(["BTC-USDT", "BTC-USDT", "ETH-BTC"]), st.sampled_from(["HALTED", "NO-SUCH"])
)
limits = st.builds(
    PlaceOrder,
    accounts,
    symbols,
    sides,
    st.just(OrderType.LIMIT),
    st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]),
    rarely(st.integers(8, 14), any_integer),
    rarely(st.integers(1, 20), any_integer),
    client_ids,
)
markets = st.builds(
    PlaceOrder,
    accounts,
    symbols,
    sides,
    st.just(OrderType.MARKET),
    rarely(st.sampled_from([TimeInForce.IOC, TimeInForce.FOK]), st.just(TimeInForce.GTC)),
    rarely(st.just(0), any_integer),
    rarely(st.integers(1, 30), any_integer),
    client_ids,
)
cancels = st.builds(
    CancelOrder, accounts, rarely(st.integers(0, 40), any_integer), client_ids, flags
)
cancels_by_client_id = st.builds(CancelOrder, accounts, st.just(0), client_ids, flags)
amounts = rarely(st.integers(0, 2_000), any_integer)
references = rarely(st.sampled_from(["", "", "r1", "r2", "r3"]), st.just("r" * 65))
assets = rarely(st.sampled_from(ASSETS), st.just("XXX"))
statuses = rarely(st.just(AccountStatus.ACTIVE), st.just(AccountStatus.CLOSED))
others = st.one_of(
    st.builds(CancelAllOrders, accounts, st.sampled_from(["", *SYMBOLS, "NO-SUCH"]), flags),
    st.builds(Deposit, accounts, assets, amounts, references),
    st.builds(Withdraw, accounts, assets, amounts, references),
    st.builds(
        SetAccountStatus,
        accounts,
        rarely(st.just(AccountStatus.ACTIVE), st.just(AccountStatus.CLOSED)),
    ),
    st.builds(SetAccountStatus, accounts, st.sampled_from(AccountStatus)),
)
KINDS = [limits] * 12 + [markets] * 3 + [cancels, cancels_by_client_id] + [others] * 2
commands = st.lists(
    st.sampled_from(range(len(KINDS))).flatmap(KINDS.__getitem__), min_size=20, max_size=60
)


def new_pair(
    client_id_memory: int = CLIENT_ID_MEMORY,
    max_open: int = MAX_OPEN,
    max_fills: int = MAX_FILLS,
) -> tuple[Engine, ReferenceVenue]:
    engine = Engine()
    for definition in DEFINITIONS:
        engine.apply(definition, 0)
    instruments = [event for event in engine.definitions() if isinstance(event, InstrumentDefined)]
    reference = ReferenceVenue(
        ASSETS, instruments, client_id_memory, max_open, MAX_SUPPLY_MINOR, max_fills
    )
    return engine, reference


def assert_same_state(engine: Engine, reference: ReferenceVenue) -> None:
    for symbol in SYMBOLS:
        assert engine.depth(symbol) == reference.depth(symbol)
    assert list(engine.balances()) == reference.balances()
    assert {
        account_id: account.status for account_id, account in engine.accounts.items() if account_id
    } == reference.status
    check(engine)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flow=commands, restart_at=st.integers(0, 70))
def test_the_engine_does_what_the_naive_venue_does(flow: list[Command], restart_at: int) -> None:
    with (
        patch("orderbook.core.accounts.CLIENT_ORDER_ID_MEMORY", CLIENT_ID_MEMORY),
        patch("orderbook.core.accounts.MAX_OPEN_ORDERS", MAX_OPEN),
        patch("orderbook.core.matching.MAX_FILLS", MAX_FILLS),
        patch("orderbook.core.liquidity.MAX_FILLS", MAX_FILLS),
    ):
        engine, reference = new_pair()
        for number, command in enumerate([*FUNDING, *flow], start=1):
            if number == restart_at:
                engine = restore(snapshot(engine))
            assert engine.apply(command, number) == reference.apply(command), command
            assert_same_state(engine, reference)


def seeded_flow(seed: int, count: int) -> list[Command]:
    """A long flow without surprises, so that books fill up and most orders are accepted."""
    rng = random.Random(seed)
    flow: list[Command] = []
    for number in range(count):
        account_id = rng.randint(1, 3)
        symbol = rng.choice(SYMBOLS[:2])
        side = rng.choice(list(Side))
        lots = rng.randint(1, 20)
        client_id = f"id-{number}"
        time_in_force = rng.choice([TimeInForce.IOC, TimeInForce.FOK])
        draw = rng.random()
        if draw < 0.7:
            if draw < 0.55:
                time_in_force = TimeInForce.GTC
            kind, price_ticks = OrderType.LIMIT, rng.randint(8, 14)
        elif draw < 0.8:
            kind, price_ticks = OrderType.MARKET, 0
        else:
            flow.append(CancelOrder(account_id, 0, f"id-{number - rng.randint(1, 25)}"))
            continue
        flow.append(
            PlaceOrder(account_id, symbol, side, kind, time_in_force, price_ticks, lots, client_id)
        )
    return flow


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_flow_does_what_the_naive_venue_does(seed: int) -> None:
    engine, reference = new_pair(client_id_memory=100_000, max_open=200_000, max_fills=50_000)
    kinds: Counter[str] = Counter()
    for number, command in enumerate([*FUNDING, *seeded_flow(seed, 1_500)], start=1):
        events = engine.apply(command, number)
        assert events == reference.apply(command), command
        kinds.update(type(event).__name__ for event in events)
    assert_same_state(engine, reference)
    assert kinds["Trade"] > 500
    assert kinds["OrderCanceled"] > 100


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flow=commands)
def test_a_replay_gives_the_same_state_and_trades_respect_limits(flow: list[Command]) -> None:
    engine, _ = new_pair()
    twin, _ = new_pair()
    limit_of: dict[int, tuple[Side, int]] = {}
    for number, command in enumerate([*FUNDING, *flow], start=1):
        events = engine.apply(command, number)
        assert twin.apply(command, number) == events
        for event in events:
            if isinstance(event, OrderAccepted) and event.type is OrderType.LIMIT:
                limit_of[event.order_id] = event.side, event.price_ticks
            if isinstance(event, Trade):
                assert event.price_ticks == limit_of[event.maker_order_id][1]
                side, limit = limit_of.get(event.taker_order_id, (event.taker_side, 0))
                sign = 1 if side is Side.BUY else -1
                assert limit == 0 or event.price_ticks * sign <= limit * sign
    assert state_hash(twin) == state_hash(engine)
