"""Each invariant has a state that breaks it, and ``check`` or the engine itself finds it."""

from collections.abc import Callable

import pytest

from orderbook.core import invariants
from orderbook.core.accounts import Account
from orderbook.core.balances import Balance
from orderbook.core.commands import CancelOrder
from orderbook.core.engine import Engine
from orderbook.core.errors import EngineStopped, InvariantBroken
from orderbook.core.invariants import check
from orderbook.core.units import MAX_SUPPLY_MINOR
from tests.unit.core.venue import ALICE, BOB, BUY, CAROL, SELL, SYMBOL, Venue, limit

Damage = Callable[[Engine], None]


def busy_engine() -> Engine:
    """Two orders at the best bid, one below, two asks; ids 1 to 5."""
    venue = Venue()
    venue.limit(ALICE, BUY, 99, 5, client_order_id="a")
    venue.limit(BOB, BUY, 99, 6)
    venue.limit(ALICE, BUY, 98, 7)
    venue.limit(BOB, SELL, 101, 8)
    venue.limit(CAROL, SELL, 102, 9, client_order_id="c")
    return venue.engine


def best_bid(engine: Engine):  # type: ignore[no-untyped-def]
    return engine.books[SYMBOL].bids.levels[99]


def make_money(engine: Engine) -> None:
    engine.accounts[ALICE].balances["BTC"].available_minor += 1


def lose_money(engine: Engine) -> None:
    del engine.accounts[CAROL].balances["USDT"]


def lose_fee_account(engine: Engine) -> None:
    del engine.venue.registry.by_id[0]


def unknown_asset(engine: Engine) -> None:
    engine.accounts[ALICE].balances["XXX"] = Balance(ALICE, "XXX")


def exceed_supply(engine: Engine) -> None:
    engine.venue.ledger.supply["BTC"] += MAX_SUPPLY_MINOR
    engine.accounts[ALICE].balances["BTC"].available_minor += MAX_SUPPLY_MINOR


def negative_available(engine: Engine) -> None:
    balance = engine.accounts[ALICE].balances["BTC"]
    engine.accounts[BOB].balances["BTC"].available_minor += balance.available_minor + 1
    balance.available_minor = -1


def hold_too_much(engine: Engine) -> None:
    balance = engine.accounts[ALICE].balances["USDT"]
    balance.available_minor -= 1
    balance.held_minor += 1


def hold_in_a_strangers_balance(engine: Engine) -> None:
    engine.accounts[ALICE].orders[1].funds = engine.accounts[BOB].balances["USDT"]


def empty_order(engine: Engine) -> None:
    order = engine.accounts[ALICE].orders[1]
    order.level.quantity_lots -= order.remaining_lots  # type: ignore[union-attr]
    order.remaining_lots = 0


def cross(engine: Engine) -> None:
    order = engine.accounts[ALICE].orders[1]
    order.book.remove(order)
    order.price_ticks = 101
    order.book.rest(order)


def wrong_quantity(engine: Engine) -> None:
    best_bid(engine).quantity_lots += 1


def wrong_count(engine: Engine) -> None:
    best_bid(engine).order_count += 1


def empty_level(engine: Engine) -> None:
    engine.books[SYMBOL].bids.add_level(50)


def unsorted_prices(engine: Engine) -> None:
    engine.books[SYMBOL].bids.keys.remove(-98)


def wrong_best(engine: Engine) -> None:
    engine.books[SYMBOL].bids.best = engine.books[SYMBOL].bids.levels[98]


def jump_the_queue(engine: Engine) -> None:
    """The younger order stands first."""
    first = engine.accounts[ALICE].orders[1]
    priority = first.priority
    first.book.remove(first)
    first.book.rest(first)
    first.priority = priority


def wrong_back_link(engine: Engine) -> None:
    engine.accounts[BOB].orders[2].preceding = None


def wrong_end(engine: Engine) -> None:
    best_bid(engine).last = best_bid(engine).first


def wrong_price(engine: Engine) -> None:
    engine.accounts[ALICE].orders[1].price_ticks = 98


def forget_order(engine: Engine) -> None:
    del engine.accounts[ALICE].orders[1]


def reuse_order_id(engine: Engine) -> None:
    engine.venue.next_order_id = 5


def orders_out_of_age(engine: Engine) -> None:
    orders = engine.accounts[ALICE].orders
    orders[1] = orders.pop(1)


def anothers_order(engine: Engine) -> None:
    order = engine.accounts[ALICE].orders[1]
    order.account = Account(ALICE)


def wrong_cost(engine: Engine) -> None:
    best_bid(engine).lot_notional_minor += 1


def forget_a_change(engine: Engine) -> None:
    best_bid(engine).book_side.changed.clear()


def note_a_change_for_good(engine: Engine) -> None:
    engine.books[SYMBOL].drain_changes()
    best_bid(engine).is_changed = True


def keep_a_balance_back(engine: Engine) -> None:
    balance = engine.accounts[ALICE].balances["USDT"]
    engine.venue.ledger.touched[balance.place] = balance


def keep_a_trader_back(engine: Engine) -> None:
    engine.venue.ledger.traders[ALICE] = engine.accounts[ALICE].balances


def forget_client_order_id(engine: Engine) -> None:
    del engine.accounts[ALICE].client_order_ids["a"]


def misdirect_client_order_id(engine: Engine) -> None:
    engine.accounts[ALICE].client_order_ids["a"] = 3


def remember_unused_client_order_id(engine: Engine) -> None:
    engine.accounts[ALICE].client_order_ids["never"] = 0


BROKEN: list[tuple[str, Damage]] = [
    ("I1", make_money),
    ("I1", lose_money),
    ("I1", lose_fee_account),
    ("I1", unknown_asset),
    ("I1", exceed_supply),
    ("I2", negative_available),
    ("I2", hold_too_much),
    ("I2", hold_in_a_strangers_balance),
    ("I2", empty_order),
    ("I6", cross),
    ("I7", jump_the_queue),
    ("I7", wrong_back_link),
    ("I7", wrong_end),
    ("I7", wrong_price),
    ("levels", wrong_quantity),
    ("levels", wrong_count),
    ("levels", wrong_cost),
    ("levels", empty_level),
    ("levels", unsorted_prices),
    ("levels", wrong_best),
    ("changes", forget_a_change),
    ("changes", note_a_change_for_good),
    ("changes", keep_a_balance_back),
    ("changes", keep_a_trader_back),
    ("ids", forget_order),
    ("ids", reuse_order_id),
    ("ids", orders_out_of_age),
    ("ids", anothers_order),
    ("ids", forget_client_order_id),
    ("ids", misdirect_client_order_id),
    ("ids", remember_unused_client_order_id),
]


def test_a_sound_engine_passes() -> None:
    check(busy_engine())


@pytest.mark.parametrize(("invariant", "damage"), BROKEN, ids=lambda value: str(value))
def test_a_broken_state_is_found(invariant: str, damage: Damage) -> None:
    engine = busy_engine()
    damage(engine)
    with pytest.raises(InvariantBroken) as caught:
        check(engine)
    assert caught.value.invariant == invariant
    assert caught.value.detail


def test_too_many_remembered_ids_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = busy_engine()
    engine.apply(limit(ALICE, BUY, 1, 1, client_order_id="x"), engine.time_ns)
    monkeypatch.setattr(invariants, "CLIENT_ORDER_ID_MEMORY", -1)
    with pytest.raises(InvariantBroken, match="ids"):
        check(engine)


def test_an_account_that_forgot_that_it_is_restricted_is_found() -> None:
    engine = busy_engine()
    engine.accounts[ALICE].kill_switch = True
    with pytest.raises(InvariantBroken, match="accounts"):
        check(engine)


def drain_available(engine: Engine) -> None:
    """Lies about what the order of account 1 holds, so that its fill would overdraw."""
    engine.accounts[ALICE].balances["USDT"].held_minor = 0


def overpriced_maker(engine: Engine) -> None:
    """What the maker of order 4 sells costs more than the taker was asked to have."""
    level = engine.accounts[BOB].orders[4].level
    assert level is not None
    level.lot_notional_minor = 10**12


def misplace_best_bid(engine: Engine) -> None:
    """The best bid looks too cheap to match, so the next sell would rest at its price."""
    best_bid(engine).key = -1


@pytest.mark.parametrize(
    ("invariant", "damage", "command"),
    [
        ("I2", drain_available, limit(BOB, SELL, 99, 5)),
        ("I2", drain_available, CancelOrder(ALICE, 1)),
        ("I2", overpriced_maker, limit(ALICE, BUY, 101, 5)),
        ("I6", misplace_best_bid, limit(BOB, SELL, 99, 20)),
    ],
)
def test_the_engine_stops_at_once_and_for_good(
    invariant: str, damage: Damage, command: object
) -> None:
    engine = busy_engine()
    damage(engine)
    with pytest.raises(InvariantBroken) as caught:
        engine.apply(command, engine.time_ns)  # type: ignore[arg-type]
    assert caught.value.invariant == invariant
    with pytest.raises(EngineStopped):
        engine.apply(limit(CAROL, BUY, 1, 1), engine.time_ns)
