"""Batches: several commands of one account in one.

Best effort executes each as if it had come alone, with what follows from it.

All or nothing takes cancels, and after them limit orders that may rest, because what becomes of
these can be known before any of them is executed:

- Each cancel names an open order of the account, and no two the same one. Nothing comes before
  them, so all of these orders are still open when their turn comes.
- An order is refused for what it asks for, which does not change; for the state of the account or
  of its instrument's market, which the batch can only change in ways that such orders stand (a
  volatility auction takes limit orders that may rest); or for one of four things that the commands
  before it in the batch do change. These are rehearsed in turn:
  - Money. A cancel adds what its order holds. An order takes at most its price times its quantity,
    or its quantity of base; where it trades it pays no more and receives besides. One that is to be
    repriced needs as much: by the time of its turn it may be moved less far, or not at all.
  - Open orders. A cancel frees a place; an order takes one, or none where it is filled.
  - Client order ids. The ids of the batch count as used from their order on.
  - The other side of the book, for orders that must not trade on arrival. It is looked at as it is
    before the batch, where the cancels have not thinned it out. The orders before only take from
    it what they trade with; they add to it only where one order of the batch would trade with
    another, and such a batch is refused.

What follows from the commands (stops that they set off, lists) comes after the whole batch.
"""

from collections.abc import Callable
from typing import Any, Final

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.cancels import Cancels
from orderbook.core.commands import AmendOrder, Batch, CancelOrder, PlaceOrder
from orderbook.core.events import BatchExecuted, BatchRejected, Event
from orderbook.core.placing import Placing
from orderbook.core.rehearsal import Rehearsal
from orderbook.core.rejects import RejectReason
from orderbook.core.risk import refuse_order
from orderbook.core.special import passive_price_ticks, reprices
from orderbook.core.units import (
    MAX_BATCH_COMMANDS,
    MAX_COMMAND_TRADES,
    MAX_ID,
    OrderType,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue

_MAY_REST: Final = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)

Handler = Callable[[Any, list[Event]], None]


class Batches:
    __slots__ = ("_cancels", "_follow_up", "_handlers", "_placing", "_venue")

    def __init__(
        self,
        venue: Venue,
        placing: Placing,
        cancels: Cancels,
        amend: Handler,
        follow_up: Callable[[list[Event]], None],
    ) -> None:
        """``follow_up``: executes what follows from a command."""
        self._venue = venue
        self._placing = placing
        self._cancels = cancels
        self._handlers: dict[type[Any], Handler] = {
            PlaceOrder: placing.place,
            CancelOrder: cancels.cancel,
            AmendOrder: amend,
        }
        self._follow_up = follow_up

    def execute(self, batch: Batch, events: list[Event]) -> None:
        """``BatchExecuted`` comes first, then the events of each command."""
        if not 1 <= len(batch.commands) <= MAX_BATCH_COMMANDS:
            events.append(BatchRejected(batch.account_id, 0, RejectReason.INVALID_BATCH))
            return
        for index, command in enumerate(batch.commands):
            if command.account_id != batch.account_id:
                events.append(BatchRejected(batch.account_id, index, RejectReason.INVALID_BATCH))
                return
        venue = self._venue
        venue.end_trade_id = venue.next_trade_id + MAX_COMMAND_TRADES
        if batch.all_or_nothing:
            self._execute_all(batch, events)
        else:
            self._execute_each(batch, events)
        venue.end_trade_id = MAX_ID

    def _execute_each(self, batch: Batch, events: list[Event]) -> None:
        done: list[Event] = []
        counts: list[int] = []
        for command in batch.commands:
            own: list[Event] = []
            self._handlers[type(command)](command, own)
            self._follow_up(own)
            counts.append(len(own))
            done += own
        events.append(BatchExecuted(batch.account_id, tuple(counts)))
        events += done

    def _execute_all(self, batch: Batch, events: list[Event]) -> None:
        account = self._venue.registry.by_id.get(batch.account_id)
        if account is None:
            events.append(BatchRejected(batch.account_id, 0, RejectReason.UNKNOWN_ACCOUNT))
            return
        refused = self._rehearse(batch, account)
        if refused is not None:
            events.append(BatchRejected(batch.account_id, *refused))
            return
        done: list[Event] = []
        counts: list[int] = []
        for command in batch.commands:
            before = len(done)
            if isinstance(command, PlaceOrder):
                self._placing.enter(command, self._venue.books[command.symbol], account, done)
            else:
                assert isinstance(command, CancelOrder)
                self._cancels.cancel(command, done, counted=True)
            counts.append(len(done) - before)
        events.append(BatchExecuted(batch.account_id, tuple(counts)))
        events += done

    def _rehearse(self, batch: Batch, account: Account) -> tuple[int, RejectReason] | None:
        """(index of the command that would be refused, why), or None."""
        orders = sum(isinstance(command, PlaceOrder) for command in batch.commands)
        if account.limits is not None:
            refused = account.limits.take(len(batch.commands), orders, self._venue.time_ns)
            if refused is not None:
                return 0, refused
        rehearsal = Rehearsal(account)
        result = None
        for index in range(len(batch.commands)):
            refused = self._rehearse_one(batch, index, account, rehearsal)
            if refused is not None:
                result = index, refused
                break
        rehearsal.undo()
        return result

    def _rehearse_one(
        self, batch: Batch, index: int, account: Account, rehearsal: Rehearsal
    ) -> RejectReason | None:
        command = batch.commands[index]
        if isinstance(command, AmendOrder):
            return RejectReason.INVALID_BATCH
        earlier = batch.commands[:index]
        if isinstance(command, CancelOrder):
            if any(isinstance(other, PlaceOrder) for other in earlier):
                return RejectReason.INVALID_BATCH
            order = account.find_order(command.order_id, command.client_order_id)
            if order is None or not rehearsal.end(order):
                return RejectReason.UNKNOWN_ORDER
            return None
        if command.type is not OrderType.LIMIT or command.time_in_force not in _MAY_REST:
            return RejectReason.INVALID_BATCH
        book = self._venue.books.get(command.symbol)
        refused = self._refuse_order(command, book, account, rehearsal)
        if refused is not None:
            return refused
        if any(isinstance(other, PlaceOrder) and _cross(command, other) for other in earlier):
            return RejectReason.BATCH_CROSSES_ITSELF
        assert book is not None
        rehearsal.place(command, book)
        return None

    def _refuse_order(
        self, command: PlaceOrder, book: Book | None, account: Account, rehearsal: Rehearsal
    ) -> RejectReason | None:
        """As alone; but a buy that is to be repriced has to pay for its own limit."""
        funds = account.balances.get(book.quote) if book is not None else None
        if book is None or funds is None or not reprices(command, book):
            return refuse_order(command, book, account, self._venue)
        saved_minor = _saved_by_repricing_minor(command, book)
        rehearsal.lend(funds, -saved_minor)
        refused = refuse_order(command, book, account, self._venue)
        rehearsal.lend(funds, saved_minor)
        return refused


def _saved_by_repricing_minor(command: PlaceOrder, book: Book) -> int:
    """What a buy needs less of where it is moved, as the book is now."""
    if command.side is not Side.BUY:
        return 0
    moved_ticks = command.price_ticks - passive_price_ticks(book, Side.BUY, command.price_ticks)
    return moved_ticks * command.quantity_lots * book.tick_lot_minor


def _cross(one: PlaceOrder, other: PlaceOrder) -> bool:
    """Whether two limit orders would trade with each other."""
    if one.symbol != other.symbol or one.side is other.side:
        return False
    bid, ask = (one, other) if one.side is Side.BUY else (other, one)
    return bid.price_ticks >= ask.price_ticks
