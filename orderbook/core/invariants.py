"""Whether an engine's whole state is sound. Slow and complete; the engine itself checks cheaply.

Checks I1 (money is conserved), I2 (nothing negative, held = what the open orders need), I6 (no
crossed or locked book in a continuous phase), I7 (priority: it grows along each queue, and orders
stand where they say), "levels" (sums, counts, no empty level, sorted prices), "ids" (every id is
known exactly once), "accounts" (what is remembered of their restrictions), "changes" (those of
levels are noted until they are told, those of balances told with their command), and what only
special orders have: "stages", "stops", "timers" and "lists".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orderbook.core.book import MAX_EMPTY_LEVELS, Book, BookSide, Level
from orderbook.core.errors import InvariantBroken, require
from orderbook.core.invariants_special import check_special
from orderbook.core.order import Stage
from orderbook.core.phases import CONTINUOUS
from orderbook.core.units import CLIENT_ORDER_ID_MEMORY, FEE_ACCOUNT_ID, MAX_SUPPLY_MINOR

if TYPE_CHECKING:
    from orderbook.core.engine import Engine

__all__ = ["InvariantBroken", "check"]


def check(engine: Engine) -> None:
    """Raises InvariantBroken for the first thing found wrong."""
    for book in engine.books.values():
        _check_book(book)
    _check_orders(engine)
    _check_changes(engine)
    check_special(engine.venue)
    _check_client_order_ids(engine)
    _check_accounts(engine)
    _check_held(engine)
    _check_supply(engine)


def _check_book(book: Book) -> None:
    symbol = book.instrument.symbol
    for side in (book.bids, book.asks):
        _check_side(side, f"{symbol} {side.side.value}")
    require(
        book.instrument.status not in CONTINUOUS or not book.is_crossed(),
        "I6",
        f"{symbol} is crossed or locked",
    )


def _check_side(side: BookSide, name: str) -> None:
    keys = list(side.keys)
    require(
        keys == sorted(set(keys)) and set(keys) == {key * side.sign for key in side.levels},
        "levels",
        f"{name}: the sorted prices are not those of the levels",
    )
    levels = [side.levels[key * side.sign] for key in keys]
    require(
        all(
            level.better is better and level.worse is worse
            for better, level, worse in zip(
                [None, *levels], levels, [*levels[1:], None], strict=False
            )
        ),
        "levels",
        f"{name}: the levels' links are wrong",
    )
    best = next((level for level in levels if level.first is not None), None)
    require(side.best is best, "levels", f"{name}: the best level is wrong")
    vacant = {level for level in levels if level.is_vacant}
    require(
        len(side.vacant) == len(vacant) <= MAX_EMPTY_LEVELS and set(side.vacant) == vacant,
        "levels",
        f"{name}: the emptied levels are not those listed",
    )
    for price_ticks, level in side.levels.items():
        require(
            (level.price_ticks, level.key, level.lot_notional_minor)
            == (price_ticks, price_ticks * side.sign, price_ticks * side.tick_lot_minor),
            "levels",
            f"{name}: the level at {price_ticks} has another price",
        )
        _check_level(side, level, f"{name} at {price_ticks}")


def _check_level(side: BookSide, level: Level, name: str) -> None:
    orders = list(level)
    require(bool(orders) or level.is_vacant, "levels", f"{name}: empty level")
    quantity_lots = sum(order.remaining_lots for order in orders)
    require(
        (quantity_lots, len(orders)) == (level.quantity_lots, level.order_count),
        "levels",
        f"{name}: {level.order_count} orders of {level.quantity_lots} lots recorded, "
        f"{len(orders)} of {quantity_lots} found",
    )
    before = None
    for order in orders:
        require(order.remaining_lots > 0, "I2", f"{name}: order {order.order_id} has no quantity")
        require(
            (0 if before is None else before.priority) < order.priority <= order.book.update_id,
            "I7",
            f"{name}: order {order.order_id} stands behind a younger one",
        )
        require(
            order.level is level
            and order.preceding is before
            and order.side is side.side
            and order.price_ticks == level.price_ticks,
            "I7",
            f"{name}: order {order.order_id} is not where it says",
        )
        before = order
    require(level.last is before, "I7", f"{name}: the queue's end is wrong")


def _check_orders(engine: Engine) -> None:
    """The orders in the books are those of the accounts that rest, and no id is used twice."""
    in_books = Counter(
        order.order_id
        for book in engine.books.values()
        for side in (book.bids, book.asks)
        for level in side
        for order in level
    )
    of_accounts = Counter(
        order_id for account in engine.accounts.values() for order_id in account.orders
    )
    resting = Counter(
        order.order_id
        for account in engine.accounts.values()
        for order in account.orders.values()
        if order.special is None or order.special.stage is Stage.RESTING
    )
    require(
        in_books == resting and set(of_accounts.values()) <= {1},
        "ids",
        "the orders in the books are not those of the accounts",
    )
    require(
        max(of_accounts, default=0) < engine.venue.next_order_id,
        "ids",
        "an order id is yet to be given",
    )
    for account in engine.accounts.values():
        ids = list(account.orders)
        require(ids == sorted(ids), "ids", f"account {account.account_id}: orders not by age")
        require(
            all(
                order.order_id == order_id and order.account is account
                for order_id, order in account.orders.items()
            ),
            "ids",
            f"account {account.account_id} has another's order",
        )


def _check_changes(engine: Engine) -> None:
    """A level that wrongly counts as noted would never be told again; a balance that is left over
    would be told as another command's."""
    for book in engine.books.values():
        for side in (book.bids, book.asks):
            for level in side.levels.values():
                require(
                    level.is_changed is (side.changed.get(level.key) is level),
                    "changes",
                    f"{book.symbol} {side.side.value}: the change at {level.price_ticks} is lost",
                )
    ledger = engine.venue.ledger
    require(
        not ledger.touched and not ledger.traders,
        "changes",
        "a balance that changed was not told",
    )


def _check_accounts(engine: Engine) -> None:
    for account in engine.accounts.values():
        require(
            account.is_unrestricted is not account.has_restrictions(),
            "accounts",
            f"account {account.account_id}: its restrictions are not what it remembers",
        )


def _check_client_order_ids(engine: Engine) -> None:
    """Each remembered id belongs to one open order or to the memory of finished ones."""
    finished = engine.venue.registry.finished_client_order_ids
    require(len(finished) <= CLIENT_ORDER_ID_MEMORY, "ids", "too many finished ids remembered")
    expected = Counter((account.account_id, text) for account, text in finished)
    expected.update(
        (account.account_id, order.client_order_id)
        for account in engine.accounts.values()
        for order in account.orders.values()
        if order.client_order_id
    )
    remembered = Counter(
        (account.account_id, text)
        for account in engine.accounts.values()
        for text in account.client_order_ids
    )
    require(
        expected == remembered, "ids", "client order ids and orders, open and done, do not agree"
    )
    for account in engine.accounts.values():
        for order_id, order in account.orders.items():
            require(
                account.client_order_ids.get(order.client_order_id, order_id) == order_id,
                "ids",
                f"client order id of order {order_id} leads elsewhere",
            )


def _check_held(engine: Engine) -> None:
    needed_minor: Counter[tuple[int, str]] = Counter()
    for account in engine.accounts.values():
        for order in account.orders.values():
            needed_minor[account.account_id, order.funds.asset] += order.held_minor()
            require(
                account.balances.get(order.funds.asset) is order.funds,
                "I2",
                f"order {order.order_id} holds what its account does not have",
            )
    for account_id, asset, available_minor, held_minor in engine.balances():
        name = f"account {account_id} {asset}"
        require(available_minor >= 0, "I2", f"{name}: available is {available_minor}")
        require(
            held_minor == needed_minor[account_id, asset],
            "I2",
            f"{name}: held is {held_minor}, the open orders need {needed_minor[account_id, asset]}",
        )


def _check_supply(engine: Engine) -> None:
    total_minor: Counter[str] = Counter()
    for _, asset, available_minor, held_minor in engine.balances():
        total_minor[asset] += available_minor + held_minor
    require(FEE_ACCOUNT_ID in engine.accounts, "I1", "there is no fee account")
    require(
        set(total_minor) <= set(engine.supply) == set(engine.assets),
        "I1",
        "a balance or a supply is of an unknown asset",
    )
    for asset, supply_minor in engine.supply.items():
        require(
            total_minor[asset] == supply_minor,
            "I1",
            f"{asset}: accounts have {total_minor[asset]}, deposits less withdrawals are "
            f"{supply_minor}",
        )
        require(0 <= supply_minor <= MAX_SUPPLY_MINOR, "I1", f"{asset}: supply is {supply_minor}")
