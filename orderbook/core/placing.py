"""New orders: checked against the rules, then sent on as plain ones or as ones with options."""

from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.entry import OrderEntry
from orderbook.core.events import Event
from orderbook.core.refusals import order_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.risk import refuse_order
from orderbook.core.special import SpecialEntry
from orderbook.core.units import TimeInForce
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_DAY: Final = TimeInForce.DAY


class Placing:
    __slots__ = ("_entry", "_special", "_venue")

    def __init__(self, venue: Venue, entry: OrderEntry, special: SpecialEntry) -> None:
        self._venue = venue
        self._entry = entry
        self._special = special

    def place(self, command: PlaceOrder, events: list[Event]) -> None:
        venue = self._venue
        book = venue.books.get(command.symbol)
        account = venue.accounts.get(command.account_id)
        refused: RejectReason | None = None
        if account is not None and account.limits is not None:
            refused = account.limits.take(1, 1, venue.time_ns)
        refused = refused or refuse_order(command, book, account, venue)
        if refused is not None or book is None or account is None:
            assert refused is not None
            events.append(order_rejected(command, refused))
        else:
            self.enter(command, book, account, events)

    def enter(self, command: PlaceOrder, book: Book, account: Account, events: list[Event]) -> None:
        """Executes an order that the rules let pass."""
        if command.options is None and command.time_in_force is not _DAY:
            self._entry.place(command, book, account, events)
        else:
            self._special.place(command, book, account, events)
