"""The engine's whole state as canonical bytes, and back.

Promises: two engines in the same state give the same bytes, whatever the order in which their
dictionaries grew and whatever PYTHONHASHSEED; a restored engine answers every later command as the
original would; bytes that were damaged or made by another format raise ``SnapshotCorrupt``.
"""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from orderbook.core.accounts import Account
from orderbook.core.balances import Balance
from orderbook.core.book import Book
from orderbook.core.engine import Engine
from orderbook.core.errors import InvariantBroken, SnapshotCorrupt
from orderbook.core.events import InstrumentDefined
from orderbook.core.invariants import check
from orderbook.core.order import Order, Stage
from orderbook.core.phases import expires_ns
from orderbook.core.rates import RateLimits
from orderbook.core.snapshot_markets import (
    PackedMarket,
    PackedVolumes,
    pack_market,
    pack_volumes,
    restore_market,
    restore_volumes,
)
from orderbook.core.snapshot_orders import (
    PackedList,
    PackedOrder,
    pack_lists,
    pack_order,
    restore_lists,
    unpack_order,
)
from orderbook.core.timers import TimerKind, Timers
from orderbook.core.units import (
    AccountStatus,
    SelfTradePrevention,
)

FORMAT: Final = "rialto-snapshot-2"
"""Changes whenever the bytes of the same state would."""


class _File(Struct, frozen=True, array_like=True):
    format: str
    sha256: bytes
    state: bytes


class _Book(Struct, frozen=True, array_like=True):
    instrument: InstrumentDefined
    update_id: int
    orders: list[PackedOrder]
    """Bids best first, then asks best first; oldest first at one price."""
    others: list[PackedOrder]
    """Open orders that stand in no level, by id."""
    last_ticks: int
    reference_ticks: int
    market: PackedMarket


class _Account(Struct, frozen=True, array_like=True):
    account_id: int
    status: AccountStatus
    balances: list[tuple[str, int, int]]
    """(asset, available_minor, held_minor)"""
    references: list[str]
    self_trade: SelfTradePrevention
    kill_switch: bool
    max_open_orders: int
    limits: tuple[int, int, int, int, int] | None
    """(orders_per_second, messages_per_second, second of the counts, orders, messages)"""
    dead_man_ns: int
    """When its dead man's switch fires; 0 where it is not armed."""
    volumes: PackedVolumes


class _State(Struct, frozen=True, array_like=True):
    epoch: int
    time_ns: int
    next_order_id: int
    next_trade_id: int
    assets: list[tuple[str, int, int]]
    """(asset, decimals, supply_minor)"""
    accounts: list[_Account]
    books: list[_Book]
    finished_client_order_ids: list[tuple[int, str]]
    """(account_id, client_order_id), the first to be forgotten first"""
    kill_switch: bool
    busted_trade_ids: list[int]
    lists: list[PackedList]
    """By id."""
    agenda: list[int]
    """Ids of orders; of a list, negated."""


_Placed = dict[int, Order]
"""Every open order by id."""

_encode = msgspec.msgpack.Encoder().encode
_decode_file = msgspec.msgpack.Decoder(_File).decode
_decode_state = msgspec.msgpack.Decoder(_State).decode


def snapshot(engine: Engine) -> bytes:
    state = _state_bytes(engine)
    return _encode(_File(FORMAT, hashlib.sha256(state).digest(), state))


def state_hash(engine: Engine) -> str:
    """SHA-256 of the state's canonical bytes, in hexadecimal."""
    return hashlib.sha256(_state_bytes(engine)).hexdigest()


def stored_hash(data: bytes) -> str:
    """The ``state_hash`` of the engine that ``snapshot`` was given, without restoring it."""
    return _decode_file(data).sha256.hex()


def restore(data: bytes) -> Engine:
    """The engine that ``snapshot`` was given, checked against every invariant."""
    try:
        file = _decode_file(data)
        if file.format != FORMAT:
            raise SnapshotCorrupt(f"the snapshot's format is not {FORMAT}")
        if hashlib.sha256(file.state).digest() != file.sha256:
            raise SnapshotCorrupt("the snapshot's checksum does not match its contents")
        engine = _engine(_decode_state(file.state))
        check(engine)
    except msgspec.MsgspecError as error:
        raise SnapshotCorrupt(f"the snapshot cannot be decoded: {error}") from error
    except KeyError as error:
        raise SnapshotCorrupt(f"the snapshot refers to an unknown {error}") from error
    except InvariantBroken as error:
        raise SnapshotCorrupt(f"the snapshot's state is unsound: {error}") from error
    return engine


def _state_bytes(engine: Engine) -> bytes:
    others = _elsewhere(engine)
    return _encode(
        _State(
            epoch=engine.epoch,
            time_ns=engine.time_ns,
            next_order_id=engine.venue.next_order_id,
            next_trade_id=engine.venue.next_trade_id,
            assets=[
                (asset, decimals, engine.supply[asset])
                for asset, decimals in sorted(engine.assets.items())
            ],
            accounts=[
                _pack_account(account, engine.venue.timers)
                for _, account in sorted(engine.accounts.items())
            ],
            books=[
                _pack_book(book, others[book], engine.venue.timers)
                for _, book in sorted(engine.books.items())
            ],
            finished_client_order_ids=[
                (account.account_id, text)
                for account, text in engine.venue.registry.finished_client_order_ids
            ],
            kill_switch=engine.venue.kill_switch,
            busted_trade_ids=sorted(engine.venue.busted_trade_ids),
            lists=pack_lists(
                order for account in engine.accounts.values() for order in account.orders.values()
            ),
            agenda=[
                item.order_id if isinstance(item, Order) else -item.list_id
                for item in engine.venue.agenda
            ],
        )
    )


def _pack_account(account: Account, timers: Timers) -> _Account:
    balances = [
        (asset, balance.available_minor, balance.held_minor)
        for asset, balance in sorted(account.balances.items())
    ]
    return _Account(
        account.account_id,
        account.status,
        balances,
        sorted(account.references),
        account.self_trade,
        account.kill_switch,
        account.max_open_orders,
        _pack_limits(account.limits),
        timers.time_of(TimerKind.DEAD_MAN, account.account_id),
        pack_volumes(account),
    )


def _pack_limits(limits: RateLimits | None) -> tuple[int, int, int, int, int] | None:
    if limits is None:
        return None
    return (
        limits.orders_per_second,
        limits.messages_per_second,
        limits.second,
        limits.orders,
        limits.messages,
    )


def _unpack_limits(packed: tuple[int, int, int, int, int]) -> RateLimits:
    limits = RateLimits(packed[0], packed[1])
    limits.second, limits.orders, limits.messages = packed[2:]
    return limits


def _elsewhere(engine: Engine) -> dict[Book, list[Order]]:
    """The open orders that stand in no level, by book, the oldest first."""
    orders = sorted(
        (
            order
            for account in engine.accounts.values()
            for order in account.orders.values()
            if order.level is None
        ),
        key=lambda order: order.order_id,
    )
    by_book: dict[Book, list[Order]] = {book: [] for book in engine.books.values()}
    for order in orders:
        by_book[order.book].append(order)
    return by_book


def _pack_book(book: Book, others: list[Order], timers: Timers) -> _Book:
    orders = [
        pack_order(order) for side in (book.bids, book.asks) for level in side for order in level
    ]
    return _Book(
        book.instrument,
        book.update_id,
        orders,
        [pack_order(order) for order in others],
        book.last_ticks,
        book.reference_ticks,
        pack_market(book, timers),
    )


def _engine(state: _State) -> Engine:
    engine = Engine()
    engine.venue.epoch = state.epoch
    engine.venue.time_ns = state.time_ns
    engine.venue.next_order_id = state.next_order_id
    engine.venue.next_trade_id = state.next_trade_id
    for asset, decimals, supply_minor in state.assets:
        engine.venue.assets[asset] = decimals
        engine.venue.ledger.supply[asset] = supply_minor
    accounts = engine.venue.registry.by_id
    for packed in state.accounts:
        account = engine.venue.registry.open(packed.account_id)
        account.status = packed.status
        for asset, available_minor, held_minor in packed.balances:
            account.balances[asset] = Balance(
                account.account_id, asset, available_minor, held_minor
            )
        account.references.update(packed.references)
        account.self_trade = packed.self_trade
        account.kill_switch = packed.kill_switch
        account.max_open_orders = packed.max_open_orders
        restore_volumes(packed.volumes, account)
        if packed.limits is not None:
            account.limits = _unpack_limits(packed.limits)
        account.review()
        if packed.dead_man_ns:
            engine.venue.timers.set(TimerKind.DEAD_MAN, account.account_id, packed.dead_man_ns)
    for account_id, text in state.finished_client_order_ids:
        accounts[account_id].client_order_ids[text] = 0
        engine.venue.registry.finished_client_order_ids.append((accounts[account_id], text))
    engine.venue.kill_switch = state.kill_switch
    engine.venue.busted_trade_ids.update(state.busted_trade_ids)
    placed = _restore_books(engine, state.books)
    lists = restore_lists(state.lists, placed)
    for item_id in state.agenda:
        engine.venue.agenda.append(placed[item_id] if item_id > 0 else lists[-item_id])
    return engine


def _restore_books(engine: Engine, books: list[_Book]) -> _Placed:
    orders: list[Order] = []
    for packed in books:
        book = engine.venue.books[packed.instrument.symbol] = Book(packed.instrument)
        book.last_ticks = packed.last_ticks
        book.reference_ticks = packed.reference_ticks
        restore_market(packed.market, book, engine.venue.timers)
        for item in packed.orders:
            order = unpack_order(item, engine.accounts[item.account_id], book)
            book.rest(order)
            order.priority = item.priority
            orders.append(order)
        for item in packed.others:
            order = unpack_order(item, engine.accounts[item.account_id], book)
            _restore_elsewhere(order)
            orders.append(order)
        book.restart_updates(packed.update_id)
    orders.sort(key=lambda order: order.order_id)
    for order in orders:
        order.account.orders[order.order_id] = order
        if order.client_order_id:
            order.account.client_order_ids[order.client_order_id] = order.order_id
        if order.special is not None and order.special.options.expire_time_ns:
            engine.venue.timers.set(TimerKind.EXPIRY, order.order_id, expires_ns(order))
            engine.venue.expiring[order.order_id] = order
    return {order.order_id: order for order in orders}


def _restore_elsewhere(order: Order) -> None:
    """An order that waits for its stop price, or for its bracket's entry."""
    assert order.special is not None
    if order.special.stage is Stage.WAITING:
        order.book.waiting_orders().add(order)
    elif order.special.stage is Stage.PENDING:
        order.book.waiting_orders().register(order)
