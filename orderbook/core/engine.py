"""The engine: one command in, its events out.

Promises: a pure function of its state and the command; a refused command changes nothing but
the time; after any exception it takes no further command, because its state may be half changed.
It knows no clock, journal or network: ``time_ns`` comes with each command and never goes back.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orderbook.core.accounts import Account, Accounts
from orderbook.core.balances import Ledger
from orderbook.core.book import Book, LevelView, Order
from orderbook.core.commands import (
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    SetAccountStatus,
    Withdraw,
)
from orderbook.core.definitions import instrument_defined, refuse_asset, refuse_instrument
from orderbook.core.errors import EngineStopped, InvariantBroken
from orderbook.core.events import (
    AccountStatusSet,
    AssetDefined,
    CancelRejected,
    CommandRejected,
    Deposited,
    EpochOpened,
    Event,
    InstrumentDefined,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    Withdrawn,
)
from orderbook.core.matching import Matcher, market_limit_ticks, takes_too_many, walk
from orderbook.core.rejects import RejectReason
from orderbook.core.risk import refuse_order
from orderbook.core.text import (
    asset_or_blank,
    client_order_id_or_blank,
    symbol_or_blank,
)
from orderbook.core.transfers import refuse_deposit, refuse_withdrawal
from orderbook.core.units import (
    FEE_ACCOUNT_ID,
    MAX_ID,
    AccountStatus,
    CancelReason,
    OrderType,
    Side,
    TimeInForce,
)

# Reading an enumeration's member costs ten times as much as a constant.
_BUY = Side.BUY
_LIMIT = OrderType.LIMIT
_GTC = TimeInForce.GTC
_FOK = TimeInForce.FOK


class Engine:
    """The venue's whole state. Others read its attributes; only ``apply`` changes them."""

    def __init__(self) -> None:
        self.epoch = 0
        self.time_ns = 0
        """Time of the last command."""
        self.next_order_id = 1
        self.assets: dict[str, int] = {}
        """Decimals of each asset."""
        self.books: dict[str, Book] = {}
        self.registry = Accounts()
        self.ledger = Ledger()
        self.matcher = Matcher(self.registry, self.ledger)
        self._stopped = False
        self._handlers: dict[type[Any], Callable[[Any], list[Event]]] = {
            PlaceOrder: self._place,
            CancelOrder: self._cancel,
            CancelAllOrders: self._cancel_all,
            Deposit: self._deposit,
            Withdraw: self._withdraw,
            SetAccountStatus: self._set_account_status,
            DefineAsset: self._define_asset,
            DefineInstrument: self._define_instrument,
            OpenEpoch: self._open_epoch,
        }

    def apply(self, command: Command, time_ns: int) -> list[Event]:
        """Executes one command. ``InvariantBroken`` and any other exception stop the engine."""
        if self._stopped:
            raise EngineStopped("the engine stopped after an earlier failure")
        try:
            if time_ns < self.time_ns:
                raise InvariantBroken("time", f"{time_ns} comes after {self.time_ns}")
            self.time_ns = time_ns
            return self._handlers[type(command)](command)
        except BaseException:
            self._stopped = True
            raise

    # Reads

    @property
    def accounts(self) -> Mapping[int, Account]:
        return self.registry.by_id

    @property
    def supply(self) -> Mapping[str, int]:
        """Per asset: deposits less withdrawals, in minor units."""
        return self.ledger.supply

    @property
    def instruments(self) -> dict[str, InstrumentDefined]:
        return {symbol: book.instrument for symbol, book in self.books.items()}

    def depth(self, symbol: str) -> list[LevelView]:
        """Every level of a book: bids best first, then asks best first. KeyError if unknown."""
        return self.books[symbol].depth()

    def balances(self) -> Iterator[tuple[int, str, int, int]]:
        """(account_id, asset, available_minor, held_minor), by account id, then asset."""
        for account_id, account in sorted(self.accounts.items()):
            for asset, balance in sorted(account.balances.items()):
                yield account_id, asset, balance.available_minor, balance.held_minor

    def definitions(self) -> list[Event]:
        """Every asset, then every instrument, as it is now, by name."""
        events: list[Event] = [AssetDefined(*item) for item in sorted(self.assets.items())]
        events += [self.books[symbol].instrument for symbol in sorted(self.books)]
        return events

    # Orders

    def _place(self, command: PlaceOrder) -> list[Event]:
        book = self.books.get(command.symbol)
        account = self.registry.by_id.get(command.account_id)
        reason = refuse_order(command, book, account)
        if reason is not None:
            return [
                OrderRejected(
                    command.account_id,
                    symbol_or_blank(command.symbol),
                    client_order_id_or_blank(command.client_order_id),
                    reason,
                )
            ]
        assert book is not None
        assert account is not None
        order_id = self.next_order_id
        self.next_order_id = order_id + 1
        client_order_id = command.client_order_id
        if client_order_id:
            account.client_order_ids[client_order_id] = order_id
        events: list[Event] = [
            OrderAccepted(
                order_id,
                command.account_id,
                command.symbol,
                command.side,
                command.type,
                command.time_in_force,
                command.price_ticks,
                command.quantity_lots,
                client_order_id,
            )
        ]
        instrument = book.instrument
        order = Order(
            order_id,
            account,
            book,
            account.balances[instrument.quote if command.side is _BUY else instrument.base],
            command.side,
            command.price_ticks,
            command.quantity_lots,
            client_order_id,
        )
        self._execute(command, order, events)
        self.ledger.drain_changes(events)
        return events

    def _execute(self, command: PlaceOrder, order: Order, events: list[Event]) -> None:
        """Fills an accepted order, then rests it or cancels what is left of it."""
        book = order.book
        if command.type is _LIMIT:
            limit_ticks, remainder = order.price_ticks, CancelReason.IOC_REMAINDER
        else:
            limit_ticks, remainder = market_limit_ticks(order.side), CancelReason.MARKET_REMAINDER
        if command.time_in_force is _FOK:
            fillable_lots, _ = walk(book, order.side, limit_ticks, order.remaining_lots)
            if fillable_lots < order.remaining_lots or takes_too_many(
                book, order.side, order.remaining_lots
            ):
                self._finish(order, CancelReason.FOK_UNFILLABLE, events)
                return
        if self.matcher.match(order, limit_ticks, events):
            self._finish(order, CancelReason.FILL_LIMIT, events)
        elif not order.remaining_lots:
            if order.client_order_id:
                self.registry.finish_client_order_id(order.account, order.client_order_id)
        elif command.time_in_force is _GTC:
            self.ledger.hold(order.funds, order.held_minor())
            order.account.orders[order.order_id] = order
            book.rest(order)
            bid, ask = book.bids.best, book.asks.best
            if bid is not None and ask is not None and bid.price_ticks >= ask.price_ticks:
                raise InvariantBroken("I6", f"{command.symbol} is crossed or locked")
        else:
            self._finish(order, remainder, events)

    def _finish(self, order: Order, reason: CancelReason, events: list[Event]) -> None:
        """Records the end of an order that is not, or no longer, in a book."""
        if order.client_order_id:
            self.registry.finish_client_order_id(order.account, order.client_order_id)
        events.append(
            OrderCanceled(
                order.order_id,
                order.account.account_id,
                order.book.instrument.symbol,
                order.client_order_id,
                order.remaining_lots,
                reason,
            )
        )

    # Cancels

    def _cancel(self, command: CancelOrder) -> list[Event]:
        account = self.registry.by_id.get(command.account_id)
        if account is None:
            return _cancel_rejected(command, RejectReason.UNKNOWN_ACCOUNT)
        order_id = command.order_id or account.client_order_ids.get(command.client_order_id, 0)
        order = account.orders.get(order_id)
        if order is None:
            return _cancel_rejected(command, RejectReason.UNKNOWN_ORDER)
        events: list[Event] = []
        self._cancel_resting(
            order, CancelReason.OPERATOR if command.by_operator else CancelReason.USER, events
        )
        self.ledger.drain_changes(events)
        return events

    def _cancel_all(self, command: CancelAllOrders) -> list[Event]:
        symbol = command.symbol
        if symbol and symbol not in self.books:
            reason = RejectReason.UNKNOWN_SYMBOL
            return [CancelRejected(command.account_id, 0, "", reason)]
        account = self.registry.by_id.get(command.account_id)
        if account is None:
            reason = RejectReason.UNKNOWN_ACCOUNT
            return [CancelRejected(command.account_id, 0, "", reason)]
        events: list[Event] = []
        self._cancel_every(
            account,
            self.books[symbol] if symbol else None,
            CancelReason.OPERATOR if command.by_operator else CancelReason.USER,
            events,
        )
        self.ledger.drain_changes(events)
        return events

    def _cancel_every(
        self, account: Account, book: Book | None, reason: CancelReason, events: list[Event]
    ) -> None:
        """Cancels an account's orders, oldest first, in one book or in all."""
        for order in list(account.orders.values()):
            if book is None or order.book is book:
                self._cancel_resting(order, reason, events)

    def _cancel_resting(self, order: Order, reason: CancelReason, events: list[Event]) -> None:
        order.book.remove(order)
        del order.account.orders[order.order_id]
        self.ledger.release(order.funds, order.held_minor())
        self._finish(order, reason, events)

    # Accounts and money

    def _set_account_status(self, command: SetAccountStatus) -> list[Event]:
        account_id = command.account_id
        if not FEE_ACCOUNT_ID < account_id <= MAX_ID:
            return _rejected(account_id, command, str(account_id), RejectReason.UNKNOWN_ACCOUNT)
        account = self._open_account(account_id)
        events: list[Event] = []
        if command.status is AccountStatus.CLOSED:
            self._cancel_every(account, None, CancelReason.ACCOUNT_CLOSED, events)
        account.status = command.status
        events.append(AccountStatusSet(account_id, command.status))
        self.ledger.drain_changes(events)
        return events

    def _open_account(self, account_id: int) -> Account:
        account = self.registry.by_id.get(account_id)
        if account is None:
            account = self.registry.by_id[account_id] = Account(account_id)
        return account

    def _deposit(self, command: Deposit) -> list[Event]:
        account = self.registry.by_id.get(command.account_id)
        reason = refuse_deposit(command, account, self.ledger.supply)
        if reason is not None:
            return _rejected(command.account_id, command, asset_or_blank(command.asset), reason)
        account_id, asset, amount_minor = command.account_id, command.asset, command.amount_minor
        events: list[Event] = []
        if account is None:
            account = self._open_account(account_id)
            events.append(AccountStatusSet(account_id, account.status))
        if command.reference:
            account.references.add(command.reference)
        self.ledger.supply[asset] += amount_minor
        self.ledger.credit(account.balance(asset), amount_minor)
        events.append(Deposited(account_id, asset, amount_minor, command.reference))
        self.ledger.drain_changes(events)
        return events

    def _withdraw(self, command: Withdraw) -> list[Event]:
        account = self.registry.by_id.get(command.account_id)
        reason = refuse_withdrawal(command, account, self.ledger.supply)
        if reason is not None:
            return _rejected(command.account_id, command, asset_or_blank(command.asset), reason)
        asset, amount_minor = command.asset, command.amount_minor
        assert account is not None
        if command.reference:
            account.references.add(command.reference)
        self.ledger.debit(account.balances[asset], amount_minor)
        self.ledger.supply[asset] -= amount_minor
        events: list[Event] = [
            Withdrawn(command.account_id, asset, amount_minor, command.reference)
        ]
        self.ledger.drain_changes(events)
        return events

    # The venue

    def _define_asset(self, command: DefineAsset) -> list[Event]:
        asset = command.asset
        reason = refuse_asset(command, self.assets)
        if reason is not None:
            return _rejected(0, command, asset_or_blank(asset), reason)
        self.assets[asset] = command.decimals
        self.ledger.supply.setdefault(asset, 0)
        return [AssetDefined(asset, command.decimals)]

    def _define_instrument(self, command: DefineInstrument) -> list[Event]:
        book = self.books.get(command.symbol)
        reason = refuse_instrument(command, self.assets, book.instrument if book else None)
        if reason is not None:
            return _rejected(0, command, symbol_or_blank(command.symbol), reason)
        instrument = instrument_defined(command, self.assets)
        if book is None:
            self.books[command.symbol] = Book(instrument)
        else:
            book.instrument = instrument
        return [instrument]

    def _open_epoch(self, command: OpenEpoch) -> list[Event]:
        if command.epoch > MAX_ID:
            return _rejected(0, command, "", RejectReason.INVALID_DEFINITION)
        if command.epoch <= self.epoch:
            return _rejected(0, command, "", RejectReason.STALE_EPOCH)
        self.epoch = command.epoch
        return [EpochOpened(command.epoch)]


def _rejected(account_id: int, command: Command, subject: str, reason: RejectReason) -> list[Event]:
    return [CommandRejected(account_id, type(command).__name__, subject, reason)]


def _cancel_rejected(command: CancelOrder, reason: RejectReason) -> list[Event]:
    client_order_id = client_order_id_or_blank(command.client_order_id)
    return [CancelRejected(command.account_id, command.order_id, client_order_id, reason)]
