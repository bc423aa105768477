"""The engine's whole state as canonical bytes, and back.

Promises: two engines in the same state give the same bytes, whatever the order in which their
dictionaries grew and whatever PYTHONHASHSEED; a restored engine answers every later command as the
original would; bytes that were damaged or made by another format raise ``SnapshotCorrupt``.
"""

import hashlib

import msgspec
from msgspec import Struct

from orderbook.core.accounts import Account
from orderbook.core.balances import Balance
from orderbook.core.book import Book
from orderbook.core.engine import Engine
from orderbook.core.errors import InvariantBroken, SnapshotCorrupt
from orderbook.core.events import InstrumentDefined
from orderbook.core.invariants import check
from orderbook.core.order import Order
from orderbook.core.units import AccountStatus, Side

FORMAT = "rialto-snapshot-1"
"""Changes whenever the bytes of the same state would."""


class _File(Struct, frozen=True, array_like=True):
    format: str
    sha256: bytes
    state: bytes


class _Order(Struct, frozen=True, array_like=True):
    order_id: int
    account_id: int
    side: Side
    price_ticks: int
    remaining_lots: int
    client_order_id: str


class _Book(Struct, frozen=True, array_like=True):
    instrument: InstrumentDefined
    update_id: int
    orders: list[_Order]
    """Bids best first, then asks best first; oldest first at one price."""


class _Account(Struct, frozen=True, array_like=True):
    account_id: int
    status: AccountStatus
    balances: list[tuple[str, int, int]]
    """(asset, available_minor, held_minor)"""
    references: list[str]


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
            accounts=[_pack_account(account) for _, account in sorted(engine.accounts.items())],
            books=[_pack_book(book) for _, book in sorted(engine.books.items())],
            finished_client_order_ids=[
                (account.account_id, text)
                for account, text in engine.venue.registry.finished_client_order_ids
            ],
        )
    )


def _pack_account(account: Account) -> _Account:
    balances = [
        (asset, balance.available_minor, balance.held_minor)
        for asset, balance in sorted(account.balances.items())
    ]
    return _Account(account.account_id, account.status, balances, sorted(account.references))


def _pack_book(book: Book) -> _Book:
    orders = [
        _Order(
            order.order_id,
            order.account.account_id,
            order.side,
            order.price_ticks,
            order.remaining_lots,
            order.client_order_id,
        )
        for side in (book.bids, book.asks)
        for level in side
        for order in level
    ]
    return _Book(book.instrument, book.update_id, orders)


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
        account = accounts[packed.account_id] = Account(packed.account_id, packed.status)
        for asset, available_minor, held_minor in packed.balances:
            account.balances[asset] = Balance(
                account.account_id, asset, available_minor, held_minor
            )
        account.references.update(packed.references)
    for account_id, text in state.finished_client_order_ids:
        accounts[account_id].client_order_ids[text] = 0
        engine.venue.registry.finished_client_order_ids.append((accounts[account_id], text))
    _restore_orders(engine, state.books)
    return engine


def _restore_orders(engine: Engine, books: list[_Book]) -> None:
    orders: list[Order] = []
    for packed in books:
        book = engine.venue.books[packed.instrument.symbol] = Book(packed.instrument)
        for item in packed.orders:
            order = _unpack_order(item, engine.accounts[item.account_id], book)
            book.rest(order)
            orders.append(order)
        book.restart_updates(packed.update_id)
    for order in sorted(orders, key=lambda order: order.order_id):
        order.account.orders[order.order_id] = order
        if order.client_order_id:
            order.account.client_order_ids[order.client_order_id] = order.order_id


def _unpack_order(packed: _Order, account: Account, book: Book) -> Order:
    instrument = book.instrument
    return Order(
        packed.order_id,
        account,
        book,
        account.balances[instrument.quote if packed.side is Side.BUY else instrument.base],
        packed.side,
        packed.price_ticks,
        packed.remaining_lots,
        packed.client_order_id,
    )
