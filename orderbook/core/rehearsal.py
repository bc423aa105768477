"""Whether orders would be accepted if others were gone or placed already, without touching those.

A rehearsal lends an account what the steps before would leave it with, so that every rule reads its
balances, its open orders and its client order ids as they would be, and an instrument's trailing
stops are counted without those that would be gone. ``undo`` takes all of it back;
no event is written and no balance counts as touched.
"""

from orderbook.core.accounts import Account
from orderbook.core.balances import Balance
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.order import Order
from orderbook.core.units import Side
from orderbook.core.waiting import WaitingOrders


class Rehearsal:
    __slots__ = (
        "_account",
        "_client_order_ids",
        "_ended",
        "_freed_orders",
        "_freed_trailing",
        "_lent",
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lent: list[tuple[Balance, int]] = []
        self._ended: list[Order] = []
        self._freed_orders = 0
        self._freed_trailing: list[WaitingOrders] = []
        self._client_order_ids: list[str] = []

    def end(self, order: Order) -> bool:
        """As if an open order of the account were gone. False where it is gone already."""
        if order in self._ended:
            return False
        self._ended.append(order)
        self.lend(order.funds, order.held_minor())
        self._free(1)
        waiting = order.book.waiting
        if waiting is not None and order.order_id in waiting.trailing:
            waiting.lent_places += 1
            self._freed_trailing.append(waiting)
        return True

    def place(self, command: PlaceOrder, book: Book) -> None:
        """As if a limit order that the rules let pass rested."""
        account, instrument = self._account, book.instrument
        if command.side is Side.BUY:
            asset, lot_price_minor = (
                instrument.quote,
                command.price_ticks * instrument.tick_lot_minor,
            )
        else:
            asset, lot_price_minor = instrument.base, instrument.lot_minor
        self.lend(account.balances[asset], -command.quantity_lots * lot_price_minor)
        self._free(-1)
        if command.client_order_id:
            account.client_order_ids[command.client_order_id] = 0
            self._client_order_ids.append(command.client_order_id)

    def lend(self, balance: Balance, amount_minor: int) -> None:
        """As if so much more (or, negative, less) were available."""
        balance.available_minor += amount_minor
        self._lent.append((balance, amount_minor))

    def undo(self) -> None:
        for balance, amount_minor in self._lent:
            balance.available_minor -= amount_minor
        self._free(-self._freed_orders)
        for waiting in self._freed_trailing:
            waiting.lent_places -= 1
        for client_order_id in self._client_order_ids:
            del self._account.client_order_ids[client_order_id]

    def _free(self, orders: int) -> None:
        self._freed_orders += orders
        self._account.max_open_orders += orders
